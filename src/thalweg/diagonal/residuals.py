"""The residuals of a recorded path, and the integral that carries its duals, from the data alone.

The dual of a path is `s(t) = X'R(t)/n` with `R(t) = int_0^t (y - X b) dt`. Recorded coefficients are rounded: where
large ones cancel, `y - X b` is not orthogonal to the support any more, and a long plateau turns that into a false
dual. So the residual of a saddle is the target freed of the span of its support, and how far that is from `y - X b`
is bounded beside it. What no column sees of the target drives no dual; left in, its rounding would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.active_set import ActiveSet
from thalweg.numerics.column_blocks import BLOCK_ENTRIES, ColumnBlocks, upper_norms
from thalweg.numerics.rounding import UNIT_ROUNDOFF, gamma

if TYPE_CHECKING:
    from scipy.sparse import csc_array

PROJECTIONS = 3
"""How often the span of the support is taken out of a residual: each time removes what rounding left."""

RANK_TOLERANCE = 1e-13
"""Relative size below which a direction is rounding. Any choice gives a valid proof, a poor one a wide gap."""

UNSEEN = 1e-12
"""A vector whose products with all columns are below this share of the norms is seen by none of them."""


@dataclass(frozen=True, eq=False)
class Residuals:
    """What the saddles of a path leave of the target.

    There are `k = m + 1` saddles, the zero saddle first.

    Attributes
    ----------
    driving : array (k, n)
        Residuals outside the span of the supports, without `unseen`.
    unseen : array (n,)
        A part of the target that no column sees, or zero.
    losses : array (k,)
        `|y - X b|^2 / (2 n)` of the recorded coefficients.
    defects : array (k,)
        Upper bounds of `|y - X b - driving - unseen|`, relative to `|y| + sum |x_j| |b_j|`: by how much the columns
        and the target must be changed for the recorded coefficients to leave this residual.
    coefficient_pulls : array (k,)
        Lower bounds of the largest product of `y - X b - driving - unseen` with a column of the support, relative to
        its norm and to the same sum: what recorded coefficients leave that are not those of least squares.
    """

    driving: Float[np.ndarray, "k n"]
    unseen: Float[np.ndarray, " n"]
    losses: Float[np.ndarray, " k"]
    defects: Float[np.ndarray, " k"]
    coefficient_pulls: Float[np.ndarray, " k"]

    def integrals(self, times: Float[np.ndarray, " m"]) -> tuple[np.ndarray, np.ndarray]:
        """Return the integral at each jump and bounds of the norm of its rounding error.

        Returns
        -------
        tuple
            Arrays `(m, n)` and `(m,)`.
        """
        lengths = np.diff(times, prepend=0.0)
        steps = lengths[:, None] * self.driving[:-1]
        travelled = np.cumsum(lengths * upper_norms(self.driving[:-1]))
        return np.cumsum(steps, axis=0), gamma(times.size + 4) * 1.01 * travelled


def path_residuals(
    columns: ColumnBlocks,
    y: Float[np.ndarray, " n"],
    supports: Sequence[np.ndarray],
    values: Sequence[np.ndarray],
) -> Residuals:
    """Compute the residuals of all saddles.

    Parameters
    ----------
    columns, y
        The data.
    supports, values
        Of each saddle: indices and coefficients of its support.

    Returns
    -------
    Residuals
        Whatever the claim, with bounds of how well it fits the data.
    """
    projection = _Projection(columns)
    outside = np.empty((len(supports), y.size))
    losses, sizes, defects, pulls = np.empty((4, len(supports)))
    target_norm = float(np.linalg.norm(y))
    for k, (support, b) in enumerate(zip(supports, values, strict=True)):
        X = columns.dense(support)
        outside[k] = projection.outside(y, support, X)
        residual = y - X @ b
        losses[k] = float(residual @ residual) / (2 * y.size)
        norms = columns.norms[support]
        sizes[k] = target_norm + float(norms @ np.abs(b))
        defect = residual - outside[k]
        norm = float(np.linalg.norm(defect))
        # X b, two differences, and the norm itself.
        rounding = gamma(b.size + 4) * (sizes[k] + float(np.linalg.norm(outside[k]))) * 1.01 + gamma(y.size + 4) * norm
        products = np.divide(np.abs(defect @ X), norms, out=np.zeros_like(norms), where=norms > 0)
        defects[k], pulls[k] = norm + rounding, products.max(initial=0.0) - rounding
    unseen = unseen_part(columns, outside[-1])
    driving = outside - unseen
    defects += 2 * UNIT_ROUNDOFF * np.linalg.norm(driving, axis=1)
    sizes[sizes == 0.0] = 1.0
    return Residuals(driving, unseen, losses, defects / sizes, pulls / sizes)


def sparse_saddles(supports: Sequence[np.ndarray], values: Sequence[np.ndarray], d: int) -> csc_array:
    """Return saddles as the rows of a sparse matrix `(len(supports), d)`."""
    from scipy.sparse import csc_array

    rows = np.repeat(np.arange(len(supports)), [support.size for support in supports])
    places = (rows, np.concatenate([np.empty(0, dtype=np.int64), *supports]))
    return csc_array((np.concatenate([np.empty(0), *values]), places), shape=(len(supports), d))


def unseen_part(columns: ColumnBlocks, residual: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return a part of a residual that no column sees, zero where none can be told."""
    size = float(np.linalg.norm(residual))
    seen = np.abs(columns.all_products(residual[None])[0])
    if (seen <= UNSEEN * size * columns.norms).all():  # the end of a path: a residual that pulls nothing
        return residual.copy()
    if columns.n <= columns.d or columns.n * columns.d > BLOCK_ENTRIES:
        return np.zeros_like(residual)
    basis = _column_space(columns.dense(np.flatnonzero(columns.norms)))
    for _ in range(2):  # the second pass removes what rounding left of the first
        residual = residual - basis @ (basis.T @ residual)
    return residual


def _column_space(A: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n r"]:
    """Return an orthonormal basis; copies of a column, which share a coefficient, add no direction."""
    Q, R = np.linalg.qr(A)
    diagonal = np.abs(np.diag(R))
    if diagonal.min() > RANK_TOLERANCE * diagonal.max():
        return Q
    U, singular, _ = np.linalg.svd(A, full_matrices=False)
    return U[:, singular > RANK_TOLERANCE * singular[0]]


class _Projection:
    """Takes the span of one support after another out of a vector, on a factor that is updated."""

    def __init__(self, columns: ColumnBlocks) -> None:
        self.columns = columns
        self.set = ActiveSet(columns.n, 8)

    def outside(
        self, vector: Float[np.ndarray, " n"], support: np.ndarray, X: Float[np.ndarray, "n p"]
    ) -> Float[np.ndarray, " n"]:
        """Return the vector without its part in the span of the columns `X` of the support."""
        try:
            self.set.remove(np.flatnonzero(~np.isin(self.set.indices, support)).tolist())
        except np.linalg.LinAlgError:  # nearly dependent columns: begin anew
            self.set = ActiveSet(self.columns.n, 8)
        for place in np.flatnonzero(~np.isin(support, self.set.indices)).tolist():
            if X[:, place].any():
                self.set.append(int(support[place]), X[:, place], 1.0)  # dependent columns stay out
        for _ in range(PROJECTIONS if self.set.size else 0):
            vector = vector - self.set.fit_of(self.set.step_to_minimiser(vector))
        return vector
