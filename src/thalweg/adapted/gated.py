"""The affine layer below the last one: its cotangents are those of the last layer, gated by the sample's own slopes.

With `x_j = C phi(W a_j + b)` the derivative is `dx_jq/dz = C_q phi'(z_j)` entry by entry, so nothing of size `N Q m` is
formed, and the mean over outputs of its Gram matrix needs the rank of one output only:

    (1/Q) sum_q G_qq = (A A^T + 1) o (F diag(c) F^T),   F = phi'(Z),   c_m = (1/Q) sum_q C_qm^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.adapted.factors import inner_products
from thalweg.adapted.products import Product, with_ones
from thalweg.adapted.slot import Array, Slot


@dataclass(frozen=True, eq=False)
class GatedDense:
    """`inputs (N, m_in)`, `slopes (N, m)` with the scale of the sample in them, `mixing (Q, m)`."""

    inputs: Array
    slopes: Array
    mixing: Array
    weight: Slot
    bias: Slot | None

    def gram_operations(self) -> float:
        """Return the operations of `A A^T` and of the product of gated rows."""
        (N, m_in), (Q, m) = self.inputs.shape, self.mixing.shape
        return 2.0 * N**2 * m_in + 2.0 * (N * Q) ** 2 * m

    def gram(self, dtype: Any) -> Array:
        """Return `(A A^T + 1)` times the products of gated rows."""
        N, (Q, m) = self.inputs.shape[0], self.mixing.shape
        rows = (self.slopes[:, None] * self.mixing[None]).astype(dtype).reshape(N * Q, m)
        A = self.inputs.astype(dtype)
        return (rows @ rows.T).reshape(N, Q, N, Q) * inner_products(A, self.bias is not None)[:, None, :, None]

    def mean_gram(self, dtype: Any) -> Product:
        """Return `(A A^T + 1) o (F diag(c) F^T)`."""
        lengths = (self.mixing**2).sum(axis=0) / self.mixing.shape[0]
        rows = (self.slopes * lengths**0.5).astype(dtype)
        return Product(with_ones(self.inputs.astype(dtype), self.bias is not None), rows)

    def pull(self, w: Array) -> list[tuple[Slot, Array]]:
        """Return the gradients of weight and bias for output weights `w (N, Q)`."""
        arriving = w @ self.mixing
        arriving *= self.slopes
        parts = [(self.weight, self.weight.flat(self.inputs.T @ arriving))]
        if self.bias is not None:
            parts.append((self.bias, arriving.sum(axis=0)))
        return parts

    def push(self, v: Array) -> Array:
        """Return the change of the outputs when weight and bias move along `v`."""
        moved = self.inputs @ self.weight.matrix(v)
        if self.bias is not None:
            moved += self.bias.matrix(v)
        moved *= self.slopes
        return moved @ self.mixing.T

    def jacobian(self) -> list[tuple[Slot, Array]]:
        """Return the outer products of inputs and gated cotangents, and the cotangents."""
        cotangents = np.asarray(self.slopes[:, None] * self.mixing[None])
        entries = self.inputs[:, None, :, None] * cotangents[:, :, None]
        parts = [(self.weight, self.weight.flat(entries))]
        if self.bias is not None:
            parts.append((self.bias, cotangents))
        return parts
