"""The Jacobian `D = dx/dtheta` of a network in factors, one a layer: it is never formed, and all products come from it.

A layer `z = W a + b` at `p` positions has, for sample `j` and output `q`, the derivative
`dx_jq/dW = sum_p b_jqp a_jp^T`, where `a` are its inputs and `b = dx_jq/dz` the cotangents of its outputs. Hence

- `(D w)`  and `D^T w` cost two products of the size of the layer;
- the Gram matrix of one layer is `sum_pp' (a_ip . a_jp' + 1)(b_iqp . b_jq'p')`, "+1" only with a bias; for one position
  this is `kron(A A^T + 1, ones(Q, Q))` times `B B^T` entry by entry (specification, section 5 with corrections A4, A5);
- the mean over outputs of its diagonal blocks, `(1/Q) sum_q G_qq`, preconditions the whole (A-REC).

Outputs are numbered sample by sample, `j * Q + q`. Arrays may be NumPy's or JAX's; only operators that both share
are used, so that the same lines run on a processor and on an accelerator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from thalweg.adapted.products import Product, sum_of_products, with_ones
from thalweg.adapted.slot import Array, Slot

TILE_BYTES = 2**26
"""Size of the largest intermediate of a layer with many positions: it stays in memory beside the Gram matrix."""


@runtime_checkable
class Layer(Protocol):
    """What one group of parameters adds to products with `D`."""

    def gram(self, dtype: Any) -> Array:
        """Return its part of `D D^T` as `(N, Q, N, Q)`."""
        ...

    def mean_gram(self, dtype: Any) -> Product | Array:
        """Return the mean over outputs of the diagonal blocks of its part, `(N, N)`, as a product where it is one."""
        ...

    def pull(self, w: Array) -> list[tuple[Slot, Array]]:
        """Return its part of `D^T w` leaf by leaf."""
        ...

    def push(self, v: Array) -> Array:
        """Return its part of `D v` as `(N, Q)`."""
        ...

    def jacobian(self) -> list[tuple[Slot, Array]]:
        """Return its part of `D` leaf by leaf, `(N, Q, size)` each."""
        ...

    def gram_operations(self) -> float:
        """Return about how many operations its part of `D D^T` takes."""
        ...


def inner_products(A: Array, bias: bool, others: Array = None) -> Array:
    """Return `A A^T` (or with the rows of `others`), plus one where there is a bias."""
    product = A @ A.T if others is None else A @ others.T
    return product + 1.0 if bias else product


@dataclass(frozen=True, eq=False)
class Dense:
    """An affine layer at one or more positions: dense, or a convolution as a dense layer on patches.

    `inputs (N, p, m_in)`, `cotangents (N, Q, p, m_out)`.
    """

    inputs: Array
    cotangents: Array
    weight: Slot
    bias: Slot | None

    @property
    def sizes(self) -> tuple[int, int, int, int, int]:
        """Return `N, Q, p, m_in, m_out`."""
        N, p, m_in = self.inputs.shape
        return N, self.cotangents.shape[1], p, m_in, self.cotangents.shape[3]

    @property
    def by_positions(self) -> bool:
        """Whether pairs of positions cost less than the layer's Jacobian (correction A4)."""
        _, Q, p, m_in, m_out = self.sizes
        return p == 1 or p * p * (m_in / Q**2 + m_out) <= (m_in + 1) * m_out

    def gram_operations(self) -> float:
        """Return the operations of the cheaper of both ways."""
        N, Q, p, m_in, m_out = self.sizes
        if self.by_positions:
            return 2.0 * N**2 * p**2 * m_in + 2.0 * (Q * N * p) ** 2 * m_out
        return 2.0 * (Q * N) ** 2 * (m_in + 1) * m_out + 2.0 * N * Q * p * m_in * m_out

    def gram(self, dtype: Any) -> Array:
        """Return `sum_pp' (a_ip . a_jp' + 1)(b_iqp . b_jq'p')`."""
        N, Q, p, _, m_out = self.sizes
        A, B = self.inputs.astype(dtype), self.cotangents.astype(dtype)
        if p == 1:
            rows = B.reshape(N * Q, m_out)
            inner = inner_products(A[:, 0], self.bias is not None)
            return (rows @ rows.T).reshape(N, Q, N, Q) * inner[:, None, :, None]
        if self.by_positions:
            return _stacked(A, [self._tile(A, B, part) for part in _parts(N, (Q * p) ** 2 * N)])
        return _sum([_outer(block, Q) for block in self._jacobian_blocks(A, B)])

    def mean_gram(self, dtype: Any) -> Product | Array:
        """Return `(1/Q) sum_q` of the diagonal blocks."""
        N, Q, p, _, m_out = self.sizes
        A, B = self.inputs.astype(dtype), self.cotangents.astype(dtype)
        if p == 1:
            return Product(with_ones(A[:, 0], self.bias is not None), B.reshape(N, Q * m_out) * Q**-0.5)
        blocks = (block.reshape(N, -1) for block in self._jacobian_blocks(A, B))
        return _sum([block @ block.T for block in blocks]) * (1.0 / Q)

    def pull(self, w: Array) -> list[tuple[Slot, Array]]:
        """Return the gradients of weight and bias for output weights `w (N, Q)`."""
        N, _, p, m_in, m_out = self.sizes
        arriving = (w[:, None, :] @ self.cotangents.reshape(N, w.shape[1], -1)).reshape(N * p, m_out)
        parts = [(self.weight, self.weight.flat(self.inputs.reshape(N * p, m_in).T @ arriving))]
        if self.bias is not None:
            parts.append((self.bias, arriving.sum(axis=0)))
        return parts

    def push(self, v: Array) -> Array:
        """Return the change of the outputs when weight and bias move along `v`."""
        N, Q, p, m_in, m_out = self.sizes
        moved = self.inputs.reshape(N * p, m_in) @ self.weight.matrix(v)
        if self.bias is not None:
            moved = moved + self.bias.matrix(v)
        return (self.cotangents.reshape(N, Q, p * m_out) @ moved.reshape(N, p * m_out, 1))[:, :, 0]

    def jacobian(self) -> list[tuple[Slot, Array]]:
        """Return `sum_p a_jp b_jqp^T` and the sums of cotangents."""
        parts = [(self.weight, self.weight.flat(self.inputs.transpose(0, 2, 1)[:, None] @ self.cotangents))]
        if self.bias is not None:
            parts.append((self.bias, self.cotangents.sum(axis=2)))
        return parts

    def _tile(self, A: Array, B: Array, part: slice) -> Array:
        """Return the rows of some samples: pairs of positions, summed."""
        N, Q, p, m_in, m_out = self.sizes
        n = A[part].shape[0]
        inner = inner_products(A[part].reshape(n * p, m_in), self.bias is not None, A.reshape(N * p, m_in))
        outer = B[part].reshape(n * Q * p, m_out) @ B.reshape(N * Q * p, m_out).T
        pairs = outer.reshape(n, Q, p, N, Q, p) * inner.reshape(n, 1, p, N, 1, p)
        return pairs.sum(axis=(2, 5))

    def _jacobian_blocks(self, A: Array, B: Array):
        """Yield the layer's Jacobian in blocks of columns, `(N, Q, columns)` each; the bias is the last row of W."""
        N, Q, p, m_in, m_out = self.sizes
        for part in _parts(m_in, N * Q * m_out):
            entries = A[:, :, part].transpose(0, 2, 1)[:, None] @ B
            yield entries.reshape(N, Q, -1)
        if self.bias is not None:
            yield B.sum(axis=2)


@dataclass(frozen=True, eq=False)
class LastDense:
    """The last affine layer, whose outputs are mixed the same way for all samples: `dx_jq/dz = scale_j mixing_q`.

    `inputs (N, m_in)`, `mixing (Q, m_out)`, `scale (N,)`: its Gram matrix is a Kronecker product, and cotangents are
    never built.
    """

    inputs: Array
    mixing: Array
    scale: Array
    weight: Slot
    bias: Slot | None

    def gram_operations(self) -> float:
        """Return the operations of `A A^T` and of the Kronecker product."""
        N, m_in = self.inputs.shape
        return 2.0 * N**2 * m_in + (N * self.mixing.shape[0]) ** 2

    def _inner(self, dtype: Any) -> Array:
        A, s = self.inputs.astype(dtype), self.scale.astype(dtype)
        return inner_products(A, self.bias is not None) * (s[:, None] * s[None, :])

    def gram(self, dtype: Any) -> Array:
        """Return `kron(A A^T + 1, C C^T)`."""
        mixed = (self.mixing @ self.mixing.T).astype(dtype)
        return self._inner(dtype)[:, None, :, None] * mixed[None, :, None, :]

    def mean_gram(self, dtype: Any) -> Product:
        """Return `A A^T + 1` times the mean squared length of the rows of the mixing."""
        size = float((self.mixing**2).sum() / self.mixing.shape[0]) ** 0.5
        rows = with_ones(self.inputs, self.bias is not None) * (self.scale * size)[:, None]
        return Product(rows.astype(dtype))

    def pull(self, w: Array) -> list[tuple[Slot, Array]]:
        """Return the gradients of weight and bias for output weights `w (N, Q)`."""
        arriving = (w * self.scale[:, None]) @ self.mixing
        parts = [(self.weight, self.weight.flat(self.inputs.T @ arriving))]
        if self.bias is not None:
            parts.append((self.bias, arriving.sum(axis=0)))
        return parts

    def push(self, v: Array) -> Array:
        """Return the change of the outputs when weight and bias move along `v`."""
        moved = self.inputs @ self.weight.matrix(v)
        if self.bias is not None:
            moved = moved + self.bias.matrix(v)
        return (moved @ self.mixing.T) * self.scale[:, None]

    def jacobian(self) -> list[tuple[Slot, Array]]:
        """Return `scale_j a_j mixing_q^T` and `scale_j mixing_q`."""
        cotangents = self.scale[:, None, None] * self.mixing[None]
        parts = [(self.weight, self.weight.flat(self.inputs[:, None, :, None] * cotangents[:, :, None]))]
        if self.bias is not None:
            parts.append((self.bias, cotangents))
        return parts


@dataclass(frozen=True, eq=False)
class Embedding:
    """A table of vectors looked up by tokens: `A A^T` is the equality of tokens.

    `tokens (N, p)`, `cotangents (N, Q, p, m)`; the slot's matrix is `(vocabulary, m)`.
    """

    tokens: Int[np.ndarray, "N p"]
    cotangents: Array
    table: Slot

    def gram_operations(self) -> float:
        """Return the operations of all pairs of positions."""
        N, Q, p, m = self.cotangents.shape
        return 2.0 * (N * Q * p) ** 2 * m

    def gram(self, dtype: Any) -> Array:
        """Return `sum_pp' [token_ip = token_jp'] (b_iqp . b_jq'p')`."""
        N, Q, p, m = self.cotangents.shape
        B = self.cotangents.astype(dtype)

        def tile(part: slice) -> Array:
            n = self.tokens[part].shape[0]
            equal = self.tokens[part][:, None, :, None, None, None] == self.tokens[None, None, None, :, None, :]
            outer = B[part].reshape(n * Q * p, m) @ B.reshape(N * Q * p, m).T
            return (outer.reshape(n, Q, p, N, Q, p) * equal).sum(axis=(2, 5))

        return _stacked(B, [tile(part) for part in _parts(N, (Q * p) ** 2 * N)])

    def mean_gram(self, dtype: Any) -> Array:
        """Return `(1/Q) sum_q` of the diagonal blocks."""
        N, Q, p, m = self.cotangents.shape
        B = self.cotangents.astype(dtype).transpose(0, 2, 1, 3).reshape(N * p, Q * m)
        equal = self.tokens.reshape(-1, 1) == self.tokens.reshape(1, -1)
        return ((B @ B.T) * equal).reshape(N, p, N, p).sum(axis=(1, 3)) * (1.0 / Q)

    def pull(self, w: Array) -> list[tuple[Slot, Array]]:
        """Return the gradient of the table for output weights `w (N, Q)`."""
        N, Q, p, m = self.cotangents.shape
        arriving = (w[:, None, :] @ self.cotangents.reshape(N, Q, p * m)).reshape(N * p, m)
        gradient = np.zeros((self.table.rows, m), dtype=arriving.dtype)
        np.add.at(gradient, np.asarray(self.tokens).ravel(), np.asarray(arriving))
        return [(self.table, self.table.flat(gradient))]

    def push(self, v: Array) -> Array:
        """Return the change of the outputs when the table moves along `v`."""
        N, Q, p, m = self.cotangents.shape
        moved = self.table.matrix(v)[self.tokens].reshape(N, p * m, 1)
        return (self.cotangents.reshape(N, Q, p * m) @ moved)[:, :, 0]

    def jacobian(self) -> list[tuple[Slot, Array]]:
        """Return the cotangents at the rows of their tokens."""
        N, Q, p, m = self.cotangents.shape
        entries = np.zeros((N, self.table.rows, Q, m))
        samples = np.repeat(np.arange(N), p)
        arriving = np.asarray(self.cotangents).transpose(0, 2, 1, 3).reshape(N * p, Q, m)
        np.add.at(entries, (samples, np.asarray(self.tokens).ravel()), arriving)
        return [(self.table, self.table.flat(entries.transpose(0, 2, 1, 3)))]


@dataclass(frozen=True, eq=False)
class LeafJacobian:
    """A leaf whose Jacobian is held as it is, `(N, Q, size)`: scales, gains, and whatever was not recognised."""

    entries: Array
    leaf: Slot

    def gram_operations(self) -> float:
        """Return the operations of `D_l D_l^T`."""
        N, Q, size = self.entries.shape
        return 2.0 * (N * Q) ** 2 * size

    def gram(self, dtype: Any) -> Array:
        """Return `D_l D_l^T`."""
        return _outer(self.entries.astype(dtype), self.entries.shape[1])

    def mean_gram(self, dtype: Any) -> Product:
        """Return `(1/Q) sum_q` of the diagonal blocks."""
        rows = self.entries.astype(dtype).reshape(self.entries.shape[0], -1)
        return Product(rows * self.entries.shape[1] ** -0.5)

    def pull(self, w: Array) -> list[tuple[Slot, Array]]:
        """Return the gradient of the leaf for output weights `w (N, Q)`."""
        N, Q, size = self.entries.shape
        return [(self.leaf, w.reshape(N * Q) @ self.entries.reshape(N * Q, size))]

    def push(self, v: Array) -> Array:
        """Return the change of the outputs when the leaf moves along `v`."""
        return self.entries @ self.leaf.matrix(v)[0]

    def jacobian(self) -> list[tuple[Slot, Array]]:
        """Return the entries."""
        return [(self.leaf, self.entries)]


@dataclass(frozen=True, eq=False)
class Linearisation:
    """A network at one point: outputs `x (N, Q)` and its Jacobian `(NQ, K)` in factors."""

    outputs: Float[Any, "N Q"]
    layers: tuple[Layer, ...]
    parameter_count: int

    @cached_property
    def operations(self) -> float:
        """About how many operations the Gram matrix takes."""
        return sum(layer.gram_operations() for layer in self.layers)

    def gram(self, dtype: Any = np.float64) -> Array:
        """Return `G = D D^T (NQ, NQ)`."""
        N, Q = self.outputs.shape
        return _sum([layer.gram(dtype) for layer in self.layers]).reshape(N * Q, N * Q)

    def mean_gram(self, dtype: Any = np.float64) -> Array:
        """Return `(1/Q) sum_q G_qq (N, N)`; for one output it is the Gram matrix."""
        parts = [layer.mean_gram(dtype) for layer in self.layers]
        products = [part for part in parts if isinstance(part, Product)]
        whole = [part for part in parts if not isinstance(part, Product)]
        return _sum([*([sum_of_products(products)] if products else []), *whole])

    def pull(self, w: Array) -> Array:
        """Return `D^T w (K,)` for `w (N, Q)`."""
        parts = [part for layer in self.layers for part in layer.pull(w)]
        return _assembled(parts, self.parameter_count, w)

    def push(self, v: Array) -> Array:
        """Return `D v (N, Q)` for `v (K,)`."""
        return _sum([layer.push(v) for layer in self.layers])

    def jacobian(self) -> Float[np.ndarray, "rows K"]:
        """Return `D (NQ, K)` itself, where it fits into memory."""
        N, Q = self.outputs.shape
        whole = np.zeros((N * Q, self.parameter_count))
        for slot, entries in (part for layer in self.layers for part in layer.jacobian()):
            whole[:, slot.offset : slot.offset + slot.size] = np.asarray(entries).reshape(N * Q, slot.size)
        return whole


def _assembled(parts: list[tuple[Slot, Array]], count: int, like: Array) -> Array:
    """Return leaves as one vector of parameters; what no layer names has the derivative zero."""
    xp = namespace(like)
    pieces, end = [], 0
    for slot, flat in sorted(parts, key=lambda part: part[0].offset):
        if slot.offset > end:
            pieces.append(xp.zeros(slot.offset - end))
        pieces.append(flat)
        end = slot.offset + slot.size
    if end < count:
        pieces.append(xp.zeros(count - end))
    return xp.concatenate(pieces)


def namespace(array: Array) -> Any:
    """Return the module whose functions take this array: NumPy's or JAX's."""
    if isinstance(array, (np.ndarray, np.generic)):
        return np
    import jax.numpy

    return jax.numpy


def _sum(terms: list[Array]) -> Array:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _outer(block: Array, Q: int) -> Array:
    rows = block.reshape(-1, block.shape[-1])
    N = rows.shape[0] // Q
    return (rows @ rows.T).reshape(N, Q, N, Q)


def _stacked(like: Array, tiles: list[Array]) -> Array:
    return tiles[0] if len(tiles) == 1 else namespace(like).concatenate(tiles)


def _parts(count: int, floats_each: int) -> list[slice]:
    """Return ranges of `count` items, each of at most `TILE_BYTES`."""
    size = max(1, TILE_BYTES // max(1, 8 * floats_each))
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
