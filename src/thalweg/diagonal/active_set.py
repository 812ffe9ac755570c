"""The active columns of a saddle with their Cholesky factor, kept up to date as columns enter and leave.

The factor `R` (`R'R = X_P'X_P`, upper triangular) is kept twice: packed column by column, so that a new column is
appended without moving anything and BLAS solves with it in place, and dense, so that a column can be taken out.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import qr_delete  # pyright: ignore[reportAttributeAccessIssue]  (compiled, without stubs)
from scipy.linalg.blas import dtpsv  # pyright: ignore[reportAttributeAccessIssue]
from scipy.linalg.lapack import dpotrf  # pyright: ignore[reportAttributeAccessIssue]

from thalweg.diagonal.restricted import RANK_TOLERANCE

SHARP_DISTANCE = 1e-6
"""Squared relative distances below this are computed anew from the projected column: as the difference of two
nearly equal numbers they would be lost."""

SMALL_TAIL = 100
"""Up to this size the changed part of the factor is computed anew, which is faster than rotating it."""


class ActiveSet:
    """Active columns in their order of entry, with coefficients and signs.

    Parameters
    ----------
    n
        Number of rows.
    capacity
        Columns to make room for at first.
    """

    def __init__(self, n: int, capacity: int) -> None:
        self._columns = np.empty((n, capacity), order="F")
        self._packed = np.empty(capacity * (capacity + 1) // 2)
        self._dense = np.zeros((capacity, capacity), order="F")
        self._indices = np.zeros(capacity, dtype=np.int64)
        self._b, self._signs = np.zeros(capacity), np.zeros(capacity)
        self.size = 0

    @property
    def indices(self) -> np.ndarray:
        """Numbers of the active columns."""
        return self._indices[: self.size]

    @property
    def b(self) -> np.ndarray:
        """Coefficients, to be changed in place."""
        return self._b[: self.size]

    @property
    def signs(self) -> np.ndarray:
        """Signs of the walls at which the columns are."""
        return self._signs[: self.size]

    def append(self, index: int, column: Float[np.ndarray, " n"], sign: float) -> float:
        """Add a column with coefficient zero.

        Parameters
        ----------
        index
            Its number.
        column
            Its entries, not all zero.
        sign
            Of the wall it has reached.

        Returns
        -------
        float
            Its relative distance to the span of the others; 0 if it is dependent and was not added.
        """
        p = self.size
        if p == self._b.size:
            self._grow()
        square = distance = float(column @ column)
        if p:
            row = dtpsv(p, self._packed, column @ self._columns[:, :p], trans=1)
            distance = square - float(row @ row)
            if distance < SHARP_DISTANCE * square:
                rest = column - self.fit_of(dtpsv(p, self._packed, row))
                distance = float(rest @ rest)
            if distance <= RANK_TOLERANCE * square:
                return 0.0
            start = p * (p + 1) // 2
            self._packed[start : start + p] = row
            self._dense[:p, p] = row
        self._packed[p * (p + 3) // 2] = self._dense[p, p] = distance**0.5
        self._columns[:, p] = column
        self._indices[p], self._b[p], self._signs[p] = index, 0.0, sign
        self.size = p + 1
        return (distance / square) ** 0.5

    def remove(self, places: list[int]) -> None:
        """Remove the columns at these places."""
        for k in sorted(places, reverse=True):
            p = self.size
            if k < p - 1:
                self._remove_from_factor(k)
                n, flat = self._columns.shape[0], self._columns.ravel(order="A")  # a view: one column after another
                flat[k * n : (p - 1) * n] = flat[(k + 1) * n : p * n]
                for array in (self._indices, self._b, self._signs):
                    array[k : p - 1] = array[k + 1 : p]
            self.size = p - 1

    def rebuild(
        self,
        rows: Float[np.ndarray, "p n"],
        indices: Int[np.ndarray, " p"],
        b: Float[np.ndarray, " p"],
        signs: Float[np.ndarray, " p"],
    ) -> None:
        """Hold these columns instead, with a factor computed anew; dependent ones raise LinAlgError."""
        p = indices.size
        while self._b.size < p:
            self._grow()
        self._columns[:, :p] = rows.T
        self._dense[:p, :p] = np.linalg.cholesky(rows @ rows.T).T
        self._pack(0, p)
        self._indices[:p], self._b[:p], self._signs[:p] = indices, b, signs
        self.size = p

    def step_to_minimiser(self, residual: Float[np.ndarray, " n"]) -> np.ndarray:
        """Return the change of the coefficients that makes the residual orthogonal to the active columns."""
        p = self.size
        forward = dtpsv(p, self._packed, residual @ self._columns[:, :p], trans=1)
        return dtpsv(p, self._packed, forward)

    def step_of_newest(self, product: float) -> np.ndarray:
        """Return the same change where only the newest column has a product with the residual."""
        forward = np.zeros(self.size)
        forward[-1] = product / self._packed[(self.size - 1) * (self.size + 2) // 2]
        return dtpsv(self.size, self._packed, forward)

    def fit_of(self, step: np.ndarray) -> np.ndarray:
        """Return the change of the fit that a change of the coefficients makes."""
        return self._columns[:, : self.size] @ step

    def _remove_from_factor(self, k: int) -> None:
        """Remove column `k` from the factor; only the part behind it changes."""
        p, R = self.size, self._dense
        tail = R[k:p, k:p]
        if p - k <= SMALL_TAIL:
            shorter, failed = dpotrf(tail[:, 1:].T @ tail[:, 1:], overwrite_a=True)
            if failed:
                raise np.linalg.LinAlgError  # the walk gives up
        else:
            _, shorter = qr_delete(np.eye(p - k), tail, 0, which="col", check_finite=False)
            shorter = shorter[:-1] * np.where(np.diag(shorter) < 0, -1.0, 1.0)[:, None]
        R[:k, k : p - 1] = R[:k, k + 1 : p].copy()
        R[k : p - 1, k : p - 1] = shorter
        self._pack(k, p - 1)

    def _pack(self, first: int, last: int) -> None:
        """Copy these columns of the dense factor to the packed one."""
        start = first * (first + 1) // 2
        for j in range(first, last):
            self._packed[start : start + j + 1] = self._dense[: j + 1, j]
            start += j + 1

    def _grow(self) -> None:
        capacity, p = 2 * self._b.size, self.size
        columns = np.empty((self._columns.shape[0], capacity), order="F")
        columns[:, :p] = self._columns[:, :p]
        packed = np.empty(capacity * (capacity + 1) // 2)
        packed[: self._packed.size] = self._packed
        dense = np.zeros((capacity, capacity), order="F")
        dense[:p, :p] = self._dense[:p, :p]
        self._columns, self._packed, self._dense = columns, packed, dense
        self._indices = np.resize(self._indices, capacity)
        self._b, self._signs = np.resize(self._b, capacity), np.resize(self._signs, capacity)
