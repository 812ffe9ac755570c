"""The limiting process as it is stated, one event after another: the oracle of the fast path.

At a saddle `b` the pull `g = -grad L(b) = X'(y - X b)/n` moves the dual, `s += Delta g`, until the first
coordinate reaches its wall `|s_i| = a_i`; the next saddle minimises the loss over the coordinates at their
walls with the signs of their duals (Pesme and Flammarion 2023, algorithm 1; our degenerate cases in README.md).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from thalweg.diagonal.columns import Columns
from thalweg.diagonal.merging import merge_duplicates
from thalweg.diagonal.path import Saddle, SaddlePath, assemble
from thalweg.diagonal.restricted import RANK_TOLERANCE, relative_distance, restricted_least_squares
from thalweg.diagonal.ties import entropy_split
from thalweg.numerics.validation import real_array, regression_arrays
from thalweg.records import InputError, Outcome

PULL_TOLERANCE = 1e-12
"""Pulls below this share of the largest initial pull (in units of the column norms) are zero.

The 1e-9 of the specification drops true jumps of ill-conditioned data: the near-infrared sample has 267, of
which it loses two.
"""

HIT_TOLERANCE = 1e-10
"""A dual within this share of its threshold when the first one arrives has arrived with it."""

ROUNDINGS = 64 * float(np.finfo(float).eps)
"""Relative size of accumulated rounding in a product with X, with a margin (correction B2)."""

VANISHED = ROUNDINGS
"""A coefficient whose column carries less than this share of the fit or of the largest column is zero."""

TIE_BREAKS = ("support", "entropy")


def naive_path(
    X: np.ndarray,
    y: np.ndarray,
    *,
    init_exponents: np.ndarray | None = None,
    positive: bool = False,
    max_saddles: int | None = None,
    max_time: float | None = None,
    tol: float = PULL_TOLERANCE,
    tie_break: str = "support",
    reference_norm: float | None = None,
) -> SaddlePath:
    """Compute the saddle path of the squared loss, naively: one pass over X an event.

    Parameters
    ----------
    X, y : arrays (n, d), (n,)
        The data, used as they are: neither centred nor scaled.
    init_exponents : array (d,), optional
        `a_i > 0` of the initialisation `alpha^a_i`; 1 for all unless given.
    positive
        The one-sided network `b = u^2`: only `s_i = +a_i` switches a feature on.
    max_saddles, max_time
        Stop after so many jumps, or before the first jump later than this.
    tol
        Relative size below which pulls and residuals are zero.
    tie_break
        Coefficients of dependent columns: "support" keeps the first that explain the fit, "entropy" takes
        the split that the flow approaches. Times, losses and fits are the same.
    reference_norm
        Norm of the target before centring, for the rounding level; of `y` unless given.

    Returns
    -------
    SaddlePath
        All saddles up to the end or the limits.

    Raises
    ------
    InputError
        If an array is unusable or an option is out of its range.
    """
    X, y = regression_arrays(X, y)
    a = np.ones(X.shape[1]) if init_exponents is None else real_array(init_exponents, "init_exponents", 1)
    refuse_bad_options(X.shape, a, max_saddles, max_time, tol, tie_break)
    columns = Columns(X)
    merged = merge_duplicates(columns, a, positive)
    walk = PlainWalk(X[:, merged.kept], y, a[merged.kept], positive, tol, tie_break, reference_norm)
    outcome = walk.run(max_saddles, max_time)
    return assemble(
        [replace(saddle, indices=merged.kept[saddle.indices]) for saddle in walk.saddles],
        outcome,
        merged,
        columns,
        a,
        algorithm="plain",
        positive=positive,
        departure=walk.departure,
        rank_skipped=[(k, int(merged.kept[i])) for k, i in walk.skipped],
        smallest_pivot=walk.smallest_pivot,
        simultaneous=walk.simultaneous,
    )


def refuse_bad_options(
    shape: tuple[int, int], a: np.ndarray, max_saddles: int | None, max_time: float | None, tol: float, tie_break: str
) -> None:
    """Refuse options out of their range in words."""
    if a.size != shape[1]:
        raise InputError("length_differs", name="init_exponents", found=a.size, wanted=shape[1])
    if not (a > 0).all():
        raise InputError("option_range", name="init_exponents", value=float(a.min()), wanted="> 0")
    if max_saddles is not None and max_saddles < 0:
        raise InputError("option_range", name="max_saddles", value=max_saddles, wanted=">= 0")
    if max_time is not None and not max_time >= 0:
        raise InputError("option_range", name="max_time", value=max_time, wanted=">= 0")
    if not 0 < tol < 1:
        raise InputError("option_range", name="tol", value=tol, wanted="0 < tol < 1")
    if tie_break not in TIE_BREAKS:
        raise InputError("option_range", name="tie_break", value=tie_break, wanted=" | ".join(TIE_BREAKS))


class PlainWalk:
    """The state of the process on data without duplicate columns."""

    def __init__(
        self,
        X: Float[np.ndarray, "n d"],
        y: Float[np.ndarray, " n"],
        thresholds: Float[np.ndarray, " d"],
        positive: bool,
        tol: float,
        tie_break: str,
        reference_norm: float | None,
    ) -> None:
        self.X, self.y, self.thresholds = X, y, thresholds
        self.positive, self.tie_break, self.tol = positive, tie_break, tol
        self.time, self.dual, self.b = 0.0, np.zeros(X.shape[1]), np.zeros(X.shape[1])
        self.residual = y
        self.norms = np.linalg.norm(X, axis=0)
        level = float(np.linalg.norm(y)) if reference_norm is None else reference_norm
        self.tolerance = pull_tolerance(X.T @ y / y.size, self.norms, y.size, tol, level)
        self.integral = np.zeros(y.size)
        self.saddles: list[Saddle] = []
        self._record(self.b)
        self.skipped: list[tuple[int, int]] = []
        self.simultaneous: list[int] = []
        self.smallest_pivot = 1.0
        self.departure: int | None = None
        self.pull = self._clean_pull()

    def run(self, max_saddles: int | None, max_time: float | None) -> Outcome:
        """Walk to a minimiser or to a limit and say how it ended."""
        while True:
            # The test comes before any division by the pull: noise-level pulls make absurd times.
            if len(self.saddles) > 1 and self._interpolates():
                return Outcome.INTERPOLATED
            active = self._moving()
            if not active.any():
                return Outcome.CONVERGED if len(self.saddles) > 1 else Outcome.NOTHING_TO_LEARN
            if max_saddles is not None and len(self.saddles) > max_saddles:
                return Outcome.STOPPED_ON_REQUEST
            hits, delta = self._next_hits(active)
            if max_time is not None and self.time + delta > max_time:
                return Outcome.STOPPED_ON_REQUEST
            self._advance(hits, delta)
            if not self._jump(hits):
                return Outcome.PRECISION_LOST

    def _clean_pull(self) -> Float[np.ndarray, " d"]:
        """Return the pull with rounding noise set to zero: on the support, and at degenerate walls (B1)."""
        pull = self.X.T @ self.residual / self.y.size
        pull[np.abs(pull) <= self.tolerance] = 0.0
        return pull

    def _record(self, b: np.ndarray) -> None:
        support = np.flatnonzero(b)
        self.saddles.append(Saddle(self.time, support, b[support], self.integral, self._loss()))

    def _loss(self) -> float:
        return float(self.residual @ self.residual) / (2 * self.y.size)

    def _interpolates(self) -> bool:
        return float(np.linalg.norm(self.residual)) <= self.tol * float(np.linalg.norm(self.y))

    def _moving(self) -> Bool[np.ndarray, " d"]:
        """Return which coordinates still travel towards a wall."""
        if self.positive:
            return (self.pull > 0) & (self.dual < self.thresholds)
        outward = (np.abs(self.dual) == self.thresholds) & (self.dual * self.pull > 0)
        return (self.pull != 0) & ~outward

    def _next_hits(self, active: Bool[np.ndarray, " d"]) -> tuple[Bool[np.ndarray, " d"], float]:
        """Return the coordinates that reach their wall first, and when."""
        speed = np.where(active, np.abs(self.pull), np.nan)
        distance = np.maximum(self.thresholds - np.sign(self.pull) * self.dual, 0.0)
        delta = float(np.nanmin(distance / speed))
        with np.errstate(invalid="ignore"):
            return distance - delta * speed <= HIT_TOLERANCE * self.thresholds, delta

    def _advance(self, hits: np.ndarray, delta: float) -> None:
        self.time += delta
        self.integral = self.integral + delta * self.residual
        self.dual = self.dual + delta * self.pull
        self.dual[hits] = (np.sign(self.pull) * self.thresholds)[hits]
        support = self.b != 0  # a second line of defence beside the cleaned pull
        self.dual[support] = (np.sign(self.b) * self.thresholds)[support]
        low = np.full_like(self.dual, -np.inf) if self.positive else -self.thresholds
        self.dual = np.clip(self.dual, low, self.thresholds)

    def _jump(self, hits: np.ndarray) -> bool:
        """Move to the next saddle; False if rounding has eaten the descent that theory promises."""
        at_wall = self.dual == self.thresholds if self.positive else np.abs(self.dual) == self.thresholds
        signs = np.where(at_wall, np.sign(self.dual), 0.0)
        number, before = len(self.saddles), self._loss()
        skipped = self._minimise(signs)
        if not self._has_fallen(before):
            # A column within rounding of the span of others has arrived: it rests at its wall, and nothing jumps.
            self.skipped += [(number - 1, i) for i in skipped]
            return bool(skipped)
        self.pull = self._clean_pull()
        dependent = self._dependent_on_face(signs)
        self.skipped += [(number, i) for i in dependent]
        shown = self._split(signs) if self.tie_break == "entropy" and dependent else self.b
        self._record(shown)
        if hits.sum() > 1:
            self.simultaneous.append(number)
        if self.departure is None and (signs * self.pull < 0).any():
            self.departure = number
        return True

    def _minimise(self, signs: Float[np.ndarray, " d"]) -> list[int]:
        """Move to the minimiser on the face of the walls; return the columns that were skipped as dependent."""
        solution = restricted_least_squares(self.X, self.y, self.b, signs, self.tolerance)
        self.smallest_pivot = min(self.smallest_pivot, solution.smallest_pivot)
        self.b = self._without_rounding(solution.coefficients)
        self.residual = solution.residual
        return solution.skipped

    def _has_fallen(self, before: float) -> bool:
        return self._loss() < before

    def _without_rounding(self, b: np.ndarray) -> np.ndarray:
        """Return `b` with zeros where a coordinate moves the fit by no more than rounding."""
        # Where theory has several coefficients vanish together, all but the first land within rounding of zero.
        shares = np.abs(b) * self.norms
        return np.where(shares <= VANISHED * max(float(np.linalg.norm(self.y)), float(shares.max())), 0.0, b)

    def _dependent_on_face(self, signs: np.ndarray) -> list[int]:
        """Return the idle wall coordinates without pull whose column the rest of the face determines."""
        # With such a coordinate the optimal face has more than one point: the fit is unique, the split is not.
        idle = np.flatnonzero((signs != 0) & (self.pull == 0) & (self.b == 0))
        basis = np.flatnonzero(self.b).tolist()
        dependent: list[int] = []
        for i in idle.tolist():
            if relative_distance(self._spanning(basis), self.X[:, i]) ** 2 <= RANK_TOLERANCE:
                dependent.append(i)
            else:
                basis.append(i)
        return dependent

    def _spanning(self, columns: list[int]) -> Float[np.ndarray, "n p"]:
        """Return what determines a fit beside the columns of a face: here nothing."""
        return self.X[:, columns]

    def _split(self, signs: np.ndarray) -> np.ndarray:
        face = np.flatnonzero((signs != 0) & (self.pull == 0))
        shown = np.zeros_like(self.b)
        shown[face] = entropy_split(self.X[:, face], self.b[face], signs[face])
        return shown


def pull_tolerance(
    pull: Float[np.ndarray, " d"], norms: Float[np.ndarray, " d"], n: int, tol: float, level: float
) -> Float[np.ndarray, " d"]:
    """Return, for every column, the size up to which a pull is zero (correction B2).

    Parameters
    ----------
    pull
        At the start: `X'y/n`.
    norms
        Of the columns.
    n
        Number of rows.
    tol
        Share of the largest initial pull per norm.
    level
        Norm of the target before centring.

    Returns
    -------
    array (d,)
        Zero for zero columns.
    """
    per_norm = np.divide(np.abs(pull), norms, out=np.zeros_like(norms), where=norms > 0).max(initial=0.0)
    return norms * max(tol * per_norm, ROUNDINGS * level / n)
