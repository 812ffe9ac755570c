"""Products with the columns of a stored matrix, block by block, with bounds of their rounding errors.

The matrix may be of any real type, memory-mapped or sparse: never more than a block of its columns is held in
float64. Long columns are multiplied piece by piece, which keeps the a-priori bounds small: for pieces of `r` rows the
computed `x'v` differs from the exact one by at most `gamma_(r + n/r) |x| |v|` (Higham, section 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from thalweg.numerics.rounding import gamma
from thalweg.numerics.validation import list_some, require_finite
from thalweg.records import InputError

if TYPE_CHECKING:
    from scipy.sparse import csc_array

BLOCK_ENTRIES = 2**24
"""Entries of a block of columns, where it must be converted: 128 MB."""

PRODUCT_ENTRIES = 2**20
"""Entries of the products of a block: what is done with them stays in the cache."""

PIECE = 64
"""Rows that are summed in one go."""

UNDERFLOW = 2.0**-1073
"""More than one product can lose by underflow."""

TINY = 2.0**-500
"""Entries below this lose digits when they are squared."""


class ColumnBlocks:
    """The columns of a matrix, however it is stored.

    Parameters
    ----------
    X
        Array or SciPy sparse matrix `(n, d)`, real and finite.

    Raises
    ------
    InputError
        If it is not a real matrix, is empty, or holds NaN or infinities.
    """

    def __init__(self, X: object) -> None:
        self.stored = _accepted(X)
        self.n, self.d = self.stored.shape  # pyright: ignore[reportGeneralTypeIssues]  (SciPy: perhaps None)
        self.is_sparse = not isinstance(self.stored, np.ndarray)
        longest, pieces = min(self.n, PIECE), math.ceil(self.n / PIECE)
        if not isinstance(self.stored, np.ndarray):
            longest, pieces = int(np.diff(self.stored.indptr).max(initial=0)), 1
        self.growth = gamma(longest + pieces + 4)  # and two operations of the caller's
        self.norms = self._norms()
        if not np.isfinite(self.norms).all():
            _refuse_not_finite(self.stored)
        smallest = float(self.norms.min(where=self.norms > 0, initial=1.0))
        self._underflow = self.n * UNDERFLOW / smallest

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return the stored arrays by name: those to which a certificate is bound."""
        if isinstance(self.stored, np.ndarray):
            return {name: self.stored}
        return {f"{name}.{part}": getattr(self.stored, part) for part in ("data", "indices", "indptr")}

    def dense(self, indices: np.ndarray) -> Float[np.ndarray, "n p"]:
        """Return some columns in float64."""
        if isinstance(self.stored, np.ndarray):
            return self.stored[:, indices].astype(np.float64, order="F", copy=False)
        return np.asfortranarray(self.stored[:, indices].toarray(), dtype=np.float64)

    def varying(self) -> Bool[np.ndarray, " d"]:
        """Tell which columns are not constant."""
        found = np.empty(self.d, dtype=bool)
        width = max(1, BLOCK_ENTRIES // self.n)
        for start in range(0, self.d, width):
            block = np.arange(start, min(start + width, self.d))
            found[block] = np.ptp(self.dense(block), axis=0) > 0
        return found

    def products(self, vectors: Float[np.ndarray, "k n"]) -> Iterator[tuple[slice, Float[np.ndarray, "k c"]]]:
        """Yield the products of all vectors with one block of columns after another."""
        width = max(1, min(BLOCK_ENTRIES // self.n, PRODUCT_ENTRIES // max(1, len(vectors))))
        for start in range(0, self.d, width):
            block = slice(start, min(start + width, self.d))
            yield block, self._product(vectors, block)

    def all_products(self, vectors: Float[np.ndarray, "k n"]) -> Float[np.ndarray, "k d"]:
        """Return the products of few vectors with all columns."""
        return np.concatenate([found for _, found in self.products(vectors)], axis=1)

    def product_error(self, sizes: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
        """Bound the rounding error of the products with vectors of these norms, per unit of a column's norm."""
        return self.growth * (1 + 8 * np.finfo(float).eps) * sizes + self._underflow

    def _product(self, vectors: np.ndarray, block: slice) -> np.ndarray:
        if not isinstance(self.stored, np.ndarray):
            return np.ascontiguousarray((self.stored[:, block].astype(np.float64).T @ vectors.T).T)
        columns = self.stored[:, block].astype(np.float64, copy=False)
        total = vectors[:, :PIECE] @ columns[:PIECE]
        for start in range(PIECE, self.n, PIECE):
            total += vectors[:, start : start + PIECE] @ columns[start : start + PIECE]
        return total

    def _norms(self) -> Float[np.ndarray, " d"]:
        """Return upper bounds of the norms of all columns, close to them."""
        norms = np.empty(self.d)
        width = max(1, BLOCK_ENTRIES // self.n)
        with np.errstate(over="ignore"):
            for start in range(0, self.d, width):
                block = slice(start, start + width)
                if isinstance(self.stored, np.ndarray):
                    norms[block] = np.linalg.norm(self.stored[:, block].astype(np.float64, copy=False), axis=0)
                else:
                    squares = self.stored[:, block].astype(np.float64).power(2)
                    norms[block] = np.sqrt(np.asarray(squares.sum(axis=0)).ravel())
        for i in np.flatnonzero(norms < TINY * self.n):  # their squares may have vanished
            column = self.dense(np.array([i]))[:, 0]
            largest = float(np.abs(column).max())
            norms[i] = largest * (float(np.linalg.norm(column / largest)) + TINY) if largest else 0.0
        return norms * (1 + gamma(self.n + 8))


def upper_norms(vectors: Float[np.ndarray, "k n"]) -> Float[np.ndarray, " k"]:
    """Return upper bounds of the norms of the rows, close to them."""
    return np.linalg.norm(vectors, axis=1) * (1 + gamma(vectors.shape[1] + 4)) + TINY * vectors.shape[1]


def _accepted(X: object) -> np.ndarray | csc_array:
    """Return the matrix as it is stored, sparse ones by columns."""
    from scipy.sparse import csc_array, issparse

    stored = csc_array(X) if issparse(X) else np.asarray(X)  # pyright: ignore[reportArgumentType]
    if stored.dtype.kind == "c":
        raise InputError("array_complex", name="X")
    if stored.dtype.kind not in "biuf":
        raise InputError("array_not_numeric", name="X", dtype=str(stored.dtype))
    if stored.ndim != 2:
        raise InputError("array_dimension", name="X", found=stored.ndim, wanted=2)
    if 0 in stored.shape:  # pyright: ignore[reportOperatorIssue]
        raise InputError("array_empty", name="X", shape=str(stored.shape))
    return stored


def _refuse_not_finite(stored: np.ndarray | csc_array) -> None:
    if isinstance(stored, np.ndarray):
        require_finite(stored, "X")
        return
    entries = stored.tocoo()
    bad = ~np.isfinite(entries.data)
    if bad.any():
        rows, columns = (list_some(dict.fromkeys(np.sort(at[bad]).tolist())) for at in (entries.row, entries.col))
        raise InputError("array_not_finite", name="X", count=int(bad.sum()), rows=rows, columns=columns)
