"""How large the second derivative of a network's outputs is over all rows, in whitened coordinates.

For a unit vector z, `sum_i 2 w_i (z' S_i z)^2 <= z' (sum_i 2 w_i S_i^2) z` with `S_i = Li D2 Psi_i Li'`, so the root of
the largest eigenvalue of that P x P matrix bounds the norm of `D2 Psi[z, z]` over the rows; at ill-conditioned minima,
where one direction dominates, hardly anything is lost. `D2 Psi_i` has entries only within one neuron, `psi' xt` at
(v_j, B_j) and `v_j psi'' xt xt'` at (B_j, B_j), so with `A = Li' Li` the block of two neurons in `D2 Psi_i A D2 Psi_i`
needs a few numbers a row: forms of the blocks of `A` at xt_i.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from thalweg.numerics.rounding import UNIT_ROUNDOFF as U
from thalweg.numerics.whitening import TINY, Whitening, largest_eigenvalue, product_rounding, upward
from thalweg.shallow.net import ShallowNet

if TYPE_CHECKING:
    from thalweg.shallow.fast_bounds import Rows

ROWS = 128
"""Rows taken at a time."""

PAIR_ENTRIES = 200_000
"""Pairs of neurons times pairs of features up to which this is worth its time, about that of the Gram matrix."""


class SecondDerivative:
    """Collects the matrix over the rows, piece by piece.

    Parameters
    ----------
    net
        In scaled coordinates.
    whitening
        Its `Li`.
    norms : array (P,)
        Upper bounds of the norms of the columns of `Li`.
    g_sum, g_P : float
        Relative rounding errors of sums over all rows, and over the parameters.
    """

    def __init__(
        self, net: ShallowNet, whitening: Whitening, norms: Float[np.ndarray, " P"], g_sum: float, g_P: float
    ) -> None:
        m, D, K = net.width, net.features + 1, net.outputs
        self.net, self.whitening, self.norms = net, whitening, norms
        self.g = g_sum + 4 * g_P + (D * D + 60) * U
        self.first = first = K * (m + 1)
        self.J, self.L = np.triu_indices(m)
        A = whitening.Li.T @ whitening.Li
        vB = A[K:first, first:].reshape(m, K, m, D)
        self.outer = np.stack([A[K + k : first : K, K + k : first : K][self.J, self.L] for k in range(K)])
        self.left = np.stack([vB[self.J, k, self.L] for k in range(K)])
        self.right = np.stack([vB[self.L, k, self.J] for k in range(K)])
        self.c, self.e = np.triu_indices(D)
        blocks = A[first:, first:].reshape(m, D, m, D)[self.J, :, self.L]
        both = blocks[:, self.c, self.e] + blocks[:, self.e, self.c]
        self.inner = np.where(self.c == self.e, 0.5, 1.0) * both
        pairs = self.J.size
        self.vv, self.vB, self.Bv = np.zeros((K, pairs)), np.zeros((K, pairs, D)), np.zeros((K, pairs, D))
        self.BB = np.zeros((pairs, self.c.size))
        self.size = self.off = 0.0

    @staticmethod
    def is_affordable(net: ShallowNet) -> bool:
        """Tell whether the matrix takes no longer than the rest of a certificate."""
        return (net.width * (net.features + 1)) ** 2 // 2 <= PAIR_ENTRIES

    def add(self, rows: Rows, reach: Float[np.ndarray, "n m"]) -> None:
        """Add some rows; `reach` is `|xt_i|.l_Bj`."""
        root = np.sqrt(2 * rows.w)
        slopes, bends = (np.ascontiguousarray(rows.psi[k].T) * root for k in (1, 2))
        for start in range(0, len(rows.xt), ROWS):
            at = slice(start, start + ROWS)
            self._add_some(np.ascontiguousarray(rows.xt[at].T), slopes[:, at], bends[:, at])
        self._add_error(rows, reach)

    def _add_some(self, xt: Float[np.ndarray, "D n"], slopes: np.ndarray, bends: np.ndarray) -> None:
        """Add so few rows that pairs of neurons stay in the cache; derivatives carry the root of their weight."""
        squares = xt[self.c] * xt[self.e]
        form = self.inner @ squares
        s, t = slopes[self.J], slopes[self.L]
        weighted = s * t
        for k in range(self.net.outputs):
            bend = bends * self.net.output_weights[:, k, None]
            b, c = bend[self.J], bend[self.L]
            left, right = self.left[k] @ xt, self.right[k] @ xt
            from_left = t * right
            from_left += c * form
            self.vv[k] += np.vecdot(weighted, form)
            self.vB[k] += (s * from_left) @ xt.T
            from_left *= b
            from_left += weighted * self.outer[k][:, None]
            c *= s
            c *= left
            from_left += c
            self.BB += from_left @ squares.T
            left *= s
            b *= form
            left += b
            left *= t
            self.Bv[k] += left @ xt.T

    def bound(self) -> float:
        """Bound the norm of the second derivative over the rows."""
        net, P = self.net, self.net.parameter_count
        m, D, K, first = net.width, net.features + 1, net.outputs, self.first
        matrix = np.zeros((P, P))
        inner = matrix[first:, first:].reshape(m, D, m, D)
        block = np.empty((self.J.size, D, D))
        block[:, self.c, self.e] = block[:, self.e, self.c] = self.BB
        inner[self.J, :, self.L] = block
        inner[self.L, :, self.J] = block
        for k in range(K):
            outer = np.zeros((m, m))
            outer[self.J, self.L] = outer[self.L, self.J] = self.vv[k]
            mixed = np.zeros((m, m, D))
            mixed[self.J, self.L], mixed[self.L, self.J] = self.vB[k], self.Bv[k]
            matrix[K + k : first : K, K + k : first : K] = outer
            matrix[K + k : first : K, first:] = mixed.reshape(m, m * D)
            matrix[first:, K + k : first : K] = mixed.reshape(m, m * D).T
        Li = self.whitening.Li
        square = largest_eigenvalue((Li @ matrix) @ Li.T) + self.g * self.size + product_rounding(matrix, self.norms)
        return (float(np.sqrt(square)) + float(np.sqrt(self.off))) * upward(P + 64) + TINY

    def _add_error(self, rows: Rows, reach: np.ndarray) -> None:
        outer, v = (
            self.norms[self.net.outputs : self.first].reshape(self.net.width, self.net.outputs),
            np.abs(self.net.output_weights),
        )
        second = 2 * (rows.tops[1] * reach) @ outer + (rows.tops[2] * reach**2) @ v
        off = 2 * (rows.e[1] * reach) @ outer + (rows.e[2] * reach**2) @ v
        self.size += 2 * float(rows.w @ np.square(second).sum(axis=1))
        self.off += 2 * float(rows.w @ np.square(off).sum(axis=1))
