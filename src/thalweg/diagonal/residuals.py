"""The residuals of a recorded path, and the integral that carries its duals, from the data alone.

The dual of a path is `s(t) = X'R(t)/n` with `R(t) = int_0^t (y - X b) dt`. Recorded coefficients are rounded: where
large ones cancel, `y - X b` is not orthogonal to the support any more, and a long plateau turns that into a false
dual. So the residual of a saddle is the target freed of the span of its support, and how far that is from `y - X b`
is bounded beside it. What no column sees of the target drives no dual; left in, its rounding would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.active_set import ActiveSet
from thalweg.numerics.column_blocks import ColumnBlocks, upper_norms
from thalweg.numerics.rounding import UNIT_ROUNDOFF, gamma

if TYPE_CHECKING:
    from scipy.sparse import csc_array

PROJECTIONS = 3
"""How often the span of the support is taken out of a residual: each time removes what rounding left."""

RANK_TOLERANCE = 1e-13
"""Relative size below which a direction is rounding. Any choice gives a valid proof, a poor one a wide gap."""

UNSEEN = 1e-14
"""A vector whose products with all columns are below this share of the norms is seen by none of them."""

LOSS_TOLERANCE = 1e-9
"""Largest relative difference between a recorded loss and the one computed anew."""

STRETCH_ENTRIES = 2**24
"""Entries of the residuals that are held at a time: 128 MB."""

BASIS_ENTRIES, BASIS_OPERATIONS = 2**24, 1e10
"""Up to this size the span of all columns is worth an orthonormal basis, to find what none of them sees."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """Consecutive jumps `first, first + 1, ...` with the saddles before, between and after them.

    Attributes
    ----------
    first : int
        Number of the first jump.
    integrals : array (p, n)
        `R` at each jump.
    integral_errors : array (p,)
        Bounds of the norms of their rounding errors.
    driving : array (k, n)
        Of `k = p + 1` saddles: the residual outside the span of the support, without the unseen part.
    losses : array (k,)
        `|y - X b|^2 / (2 n)` of the recorded coefficients.
    defects : array (k,)
        Upper bounds of `|y - X b - driving - unseen|`, relative to `|y| + sum |x_j| |b_j|`: by how much the columns
        and the target must be changed for the recorded coefficients to leave this residual.
    coefficient_pulls : array (k,)
        Lower bounds of the largest product of `y - X b - driving - unseen` with a column of the support, relative
        to its norm and to the same sum: what coefficients leave that are not those of least squares.
    """

    first: int
    integrals: Float[np.ndarray, "p n"]
    integral_errors: Float[np.ndarray, " p"]
    driving: Float[np.ndarray, "k n"]
    losses: Float[np.ndarray, " k"]
    defects: Float[np.ndarray, " k"]
    coefficient_pulls: Float[np.ndarray, " k"]


class PathResiduals:
    """The residuals of a recorded path, stretch by stretch.

    Parameters
    ----------
    columns, y
        The data.
    times
        Of the jumps.
    supports, values
        Of each saddle, the zero saddle first: indices and coefficients.
    """

    def __init__(
        self,
        columns: ColumnBlocks,
        y: Float[np.ndarray, " n"],
        times: Float[np.ndarray, " m"],
        supports: Sequence[np.ndarray],
        values: Sequence[np.ndarray],
    ) -> None:
        self.columns, self.y, self.times, self.supports, self.values = columns, y, times, supports, values
        self._projection = _Projection(columns)
        self._target_norm = float(np.linalg.norm(y))
        self.unseen = self._unseen_part()

    def stretches(self) -> Iterator[Stretch]:
        """Yield the path in stretches of bounded memory; a path without jumps is one of them."""
        length = max(1, STRETCH_ENTRIES // self.y.size)
        lengths = np.diff(self.times, prepend=0.0)
        saddle = self._residual(0)
        integral, carry, travelled = np.zeros(self.y.size), np.zeros(self.y.size), 0.0
        for first in range(1, max(self.times.size, 1) + 1, length):
            jumps = range(first, min(first + length, self.times.size + 1))
            saddles = [saddle, *(self._residual(k) for k in jumps)]
            driving = np.array([residual for residual, _ in saddles])
            integrals = np.empty((len(jumps), self.y.size))
            ways = np.empty(len(jumps))
            for row, delta in enumerate(lengths[first - 1 : first - 1 + len(jumps)]):
                integral, lost = _sum_and_error(integral, delta * driving[row])
                carry += lost
                travelled += delta * float(np.linalg.norm(driving[row]))
                integrals[row], ways[row] = integral + carry, travelled
            errors = self._integral_errors(integrals, ways)
            measured = np.array([numbers for _, numbers in saddles])
            yield Stretch(first, integrals, errors, driving, *measured.T.copy())
            saddle = saddles[-1]

    def _unseen_part(self) -> Float[np.ndarray, " n"]:
        """Return a part of the target that no column sees, zero where none can be told."""
        columns, y = self.columns, self.y
        n, d = columns.n, columns.d
        small = n * d <= BASIS_ENTRIES and n * d**2 <= BASIS_OPERATIONS
        if n > d and small and columns.norms.any():
            basis = _column_space(columns.dense(np.flatnonzero(columns.norms)))
            for _ in range(2):  # the second pass removes what rounding left of the first
                y = y - basis @ (basis.T @ y)
            return y
        # The residual at the end of a path pulls nothing, unless the network is one-sided or the path was stopped.
        last = self._projection.outside(y, self.supports[-1], columns.dense(self.supports[-1]))
        seen = np.abs(columns.all_products(last[None])[0])
        pulls_nothing = (seen <= UNSEEN * np.linalg.norm(last) * columns.norms).all()
        return last if pulls_nothing else np.zeros_like(y)

    def _integral_errors(self, integrals: np.ndarray, ways: np.ndarray) -> Float[np.ndarray, " p"]:
        """Bound the rounding of the integrals: of the time steps, the products, the carry and the last sum."""
        share = gamma(4) + gamma(self.times.size + 4) ** 2
        return (share * ways + gamma(2) * upper_norms(integrals)) * (1 + gamma(self.y.size + self.times.size + 8))

    def _residual(self, k: int) -> tuple[np.ndarray, tuple[float, float, float]]:
        """Return the driving residual of a saddle with its loss, defect and coefficient pull (see `Stretch`)."""
        support, b, n = self.supports[k], self.values[k], self.y.size
        X, norms = self.columns.dense(support), self.columns.norms[support]
        outside = self._projection.outside(self.y, support, X)
        driving = outside - self.unseen
        residual = self.y - X @ b
        defect = residual - outside
        size = self._target_norm + float(norms @ np.abs(b))
        norm = float(np.linalg.norm(defect))
        # Of X b and the two differences, of the norm itself, and of taking out the unseen part.
        rounding = gamma(b.size + 4) * 1.01 * (size + float(np.linalg.norm(outside)))
        rounding += gamma(n + 4) * norm + 2 * UNIT_ROUNDOFF * float(np.linalg.norm(driving))
        products = np.divide(np.abs(defect @ X), norms, out=np.zeros_like(norms), where=norms > 0)
        largest = float(products.max(initial=0.0)) - rounding
        size = size or 1.0
        return driving, (float(residual @ residual) / (2 * n), (norm + rounding) / size, largest / size)


def relative_loss_difference(found: Float[np.ndarray, " k"], recorded: Float[np.ndarray, " k"], first: float) -> float:
    """Return the largest difference of losses, relative to them; those near zero are rounding themselves."""
    scales = LOSS_TOLERANCE * abs(first) + found
    differences = np.divide(np.abs(found - recorded), scales, out=np.zeros_like(scales), where=scales > 0)
    return float(differences.max())


def sparse_saddles(supports: Sequence[np.ndarray], values: Sequence[np.ndarray], d: int) -> csc_array:
    """Return saddles as the rows of a sparse matrix `(len(supports), d)`."""
    from scipy.sparse import csc_array

    rows = np.repeat(np.arange(len(supports)), [support.size for support in supports])
    places = (rows, np.concatenate([np.empty(0, dtype=np.int64), *supports]))
    return csc_array((np.concatenate([np.empty(0), *values]), places), shape=(len(supports), d))


def _column_space(A: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n r"]:
    """Return an orthonormal basis; copies of a column, which share a coefficient, add no direction."""
    Q, R = np.linalg.qr(A)
    diagonal = np.abs(np.diag(R))
    if diagonal.min() > RANK_TOLERANCE * diagonal.max():
        return Q
    U, singular, _ = np.linalg.svd(A, full_matrices=False)
    return U[:, singular > RANK_TOLERANCE * singular[0]]


def _sum_and_error(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rounded sum and what rounding took from it, exactly (Knuth)."""
    total = a + b
    virtual = total - a
    return total, (a - (total - virtual)) + (b - virtual)


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
        left = [
            place
            for place in np.flatnonzero(~np.isin(support, self.set.indices)).tolist()
            if X[:, place].any() and not self.set.append(int(support[place]), X[:, place], 1.0)
        ]
        beyond: list[np.ndarray] = []
        for place in left:  # dependent for the factor; what is beyond rounding of them still counts
            rest = self._without_span(X[:, place] / np.linalg.norm(X[:, place]), beyond)
            if np.linalg.norm(rest) > RANK_TOLERANCE:
                beyond.append(rest / np.linalg.norm(rest))
        return self._without_span(vector, beyond)

    def _without_span(self, vector: np.ndarray, beyond: list[np.ndarray]) -> np.ndarray:
        """Take out the span of the active set and of further orthonormal directions, down to rounding."""
        for _ in range(PROJECTIONS):
            if self.set.size:
                vector = vector - self.set.fit_of(self.set.step_to_minimiser(vector))
            for direction in beyond:
                vector = vector - (direction @ vector) * direction
        return vector
