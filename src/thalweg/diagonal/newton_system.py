"""The linear algebra of one Newton step: the columns that may move, and the factor of their weighted Gram matrix."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_solve, solve_triangular

from thalweg.diagonal.active_set import SHARP_DISTANCE
from thalweg.diagonal.restricted import RANK_TOLERANCE, relative_distance

DAMPING = 1e-7
"""Relative size of the rows that make a singular system solvable: the square root of the rank tolerance is larger, so
a direction that the loss curves at all is hardly damped, and one that it does not curve becomes a descent direction."""

LIGHT = 1e-4
"""Rows with less than this share of the largest curvature keep their residual: divided by it, it would be noise."""


class Columns:
    """The free columns and after them the active ones, side by side, with their Gram matrix.

    Parameters
    ----------
    free
        Columns `(n, q)` that are always there; no active column may lie in their span.
    """

    def __init__(self, free: Float[np.ndarray, "n q"]) -> None:
        n, self.free = free.shape
        self._buffer = np.empty((n, self.free + 8), order="F")
        self._buffer[:, : self.free] = free
        self.gram = free.T @ free
        self.indices: list[int] = []

    @property
    def matrix(self) -> Float[np.ndarray, "n p"]:
        """All columns."""
        return self._buffer[:, : self.free + len(self.indices)]

    def append(self, index: int, column: Float[np.ndarray, " n"]) -> float:
        """Add a column that is not zero.

        Returns
        -------
        float
            Its relative distance to the span of the others; 0 if it is dependent and was not added.
        """
        products, square = column @ self.matrix, float(column @ column)
        distance = self._relative_distance(products, square)
        if distance**2 < SHARP_DISTANCE:  # as a difference of nearly equal numbers it would be lost
            distance = relative_distance(self.matrix, column)
        if distance**2 <= RANK_TOLERANCE:
            return 0.0
        p = self.matrix.shape[1]
        if p == self._buffer.shape[1]:
            wider = np.empty((self._buffer.shape[0], 2 * p), order="F")
            wider[:, :p] = self._buffer
            self._buffer = wider
        self._buffer[:, p] = column
        self.gram = np.block([[self.gram, products[:, None]], [products[None, :], np.array([[square]])]])
        self.indices.append(index)
        return distance

    def remove(self, places: list[int]) -> None:
        """Remove the active columns at these places of `matrix`."""
        kept = np.setdiff1d(np.arange(self.matrix.shape[1]), places)
        first = min(places)
        self._buffer[:, first : kept.size] = self._buffer[:, kept[first:]]
        self.gram = self.gram[np.ix_(kept, kept)]
        self.indices = [self.indices[k - self.free] for k in kept[self.free :].tolist()]

    def _relative_distance(self, products: Float[np.ndarray, " p"], square: float) -> float:
        """Return the distance from the Gram matrix, or 0 where that is too inexact to tell."""
        sizes = np.sqrt(np.diag(self.gram))
        try:
            factor = np.linalg.cholesky(self.gram / np.outer(sizes, sizes))
        except np.linalg.LinAlgError:
            return 0.0
        if np.diag(factor).min(initial=1.0) ** 2 < SHARP_DISTANCE:
            return 0.0
        inside = np.linalg.solve(factor, products / sizes)
        return max(1.0 - float(inside @ inside) / square, 0.0) ** 0.5


class Factor:
    """Newton steps for the weighted Gram matrix `A' diag(h) A`: by Cholesky where that is exact enough.

    Elsewhere by orthogonal rotations of `sqrt(h) A`, and from the residual instead of the gradient: along a direction
    that the columns hardly see, the rounding of a gradient is larger than what is left to gain.

    Parameters
    ----------
    A
        The columns `(n, p)`, independent.
    h
        Weights `(n,)` of the rows, not negative; their curvature.
    """

    def __init__(self, A: Float[np.ndarray, "n p"], h: Float[np.ndarray, " n"]) -> None:
        self.A, self.h, self.damped = A, h, False
        self.Q: np.ndarray | None = None
        rows = A * np.sqrt(h)[:, None]
        gram = rows.T @ rows
        sizes = np.sqrt(np.diag(gram))
        if sizes.all():
            try:
                lower = np.linalg.cholesky(gram / np.outer(sizes, sizes))
            except np.linalg.LinAlgError:
                lower = np.zeros((1, 1))
            if np.diag(lower).min() ** 2 > SHARP_DISTANCE:
                self.R = lower.T * sizes
                return
        self.Q, self.R = np.linalg.qr(rows)
        full = np.linalg.norm(A, axis=0) * float(np.sqrt(h.max() or 1.0))
        self.damped = bool((np.abs(np.diag(self.R)) <= RANK_TOLERANCE**0.5 * full).any())
        if self.damped:
            longer, self.R = np.linalg.qr(np.vstack([rows, DAMPING * np.diag(full)]))
            self.Q = longer[: h.size]

    def step(
        self, residual: Float[np.ndarray, " n"], gradient: Float[np.ndarray, " p"]
    ) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " n"]]:
        """Solve `A' diag(h) A x = A'residual`.

        Parameters
        ----------
        residual
            Weighted residual `(n,)`.
        gradient
            `A'residual`, `(p,)`.

        Returns
        -------
        tuple
            `x` and `A x`; the product is the more exact of the two where large coefficients cancel.
        """
        if self.Q is None:
            step = cho_solve((self.R, False), gradient, check_finite=False)
            return step, self.A @ step
        heavy, root = self.h > LIGHT * self.h.max(), np.sqrt(self.h)
        scaled = np.divide(residual, root, out=np.zeros_like(residual), where=heavy)
        light = solve_triangular(self.R.T, self.A[~heavy].T @ residual[~heavy], lower=True, check_finite=False)
        turned = self.Q.T @ scaled + light
        step = solve_triangular(self.R, turned, check_finite=False)
        return step, np.divide(self.Q @ turned, root, out=self.A @ step, where=heavy)
