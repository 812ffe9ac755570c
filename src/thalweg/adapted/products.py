"""Sums of Gram matrices that are products entry by entry, `sum_l (A_l A_l^T) o (B_l B_l^T)`, in one pass over memory.

The mean Gram matrix of a network is such a sum over its layers. In blocks of rows everything but the result stays in
the cache, and only pairs of samples in one order are computed: half the operations, and no fresh memory but the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thalweg.adapted.slot import Array

BLOCK = 128
"""Rows at a time: a block times a thousand columns stays in the cache."""


@dataclass(frozen=True, eq=False)
class Product:
    """The matrix `(A A^T) o (B B^T)`, or `A A^T` without `B`, by its rows `(N, a)` and `(N, b)`."""

    left: Array
    right: Array | None = None

    def rows(self, part: slice, until: int) -> Array:
        """Return some rows, up to a column."""
        made = self.left[part] @ self.left[:until].T
        if self.right is not None:
            made *= self.right[part] @ self.right[:until].T
        return made


def with_ones(rows: Array, bias: bool) -> Array:
    """Return rows with a one at their ends, so that products of them are one larger; as they are without a bias."""
    if not bias:
        return rows
    xp = rows.__array_namespace__()
    return xp.concat([rows, xp.ones((rows.shape[0], 1), dtype=rows.dtype)], axis=1)


def sum_of_products(products: Sequence[Product]) -> Array:
    """Return the sum of products as one symmetric matrix `(N, N)`.

    Parameters
    ----------
    products
        At least one, all of the same number of samples.

    Returns
    -------
    array (N, N)
        In the type of the rows.
    """
    N, first = products[0].left.shape[0], products[0].left
    if not isinstance(first, np.ndarray):
        return _added([product.rows(slice(None), N) for product in products])
    total = np.empty((N, N), dtype=first.dtype)
    for start in range(0, N, BLOCK):
        end = min(start + BLOCK, N)
        block = _added([product.rows(slice(start, end), end) for product in products])
        total[start:end, :end] = block
        total[:start, start:end] = block[:, :start].T
    return total


def _added(terms: list[Array]) -> Array:
    total = terms[0]
    for term in terms[1:]:
        total += term
    return total
