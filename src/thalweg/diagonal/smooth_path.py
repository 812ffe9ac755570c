"""`smooth_path`: the limiting saddle-to-saddle process of any smooth convex loss.

The mirror identity behind the saddle path, `ds/dt = g = -grad L(b)`, does not use the square (specification of the
family, section 6.2): the process of `naive.py` runs unchanged, and only the saddle after a jump is found by Newton's
method instead of least squares (`restricted_newton.py`). The fit `X b`, and with it every pull, jump time and loss,
is unique even where coefficients are not: the gradient of a convex function is the same at all of its minimisers.

A coefficient that is not penalised, such as an intercept, is a plain one, trained by ordinary gradient flow beside
the network. It moves at the rate of the pull while the clock of the path is slower by `ln(1/alpha)`, so in the limit
it is at its minimiser before the clock starts, and every saddle is a minimiser over it and the face together. For
the squared loss this is centring. (Within a jump a bias and the network move at comparable rates; that plays a role
only where coefficients are not unique: `tie_break="entropy"` gives the split of a bias that is faster than the jump.)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.columns import Columns
from thalweg.diagonal.losses import loss_on
from thalweg.diagonal.merging import Merged, merge_duplicates
from thalweg.diagonal.naive import PULL_TOLERANCE, ROUNDINGS, PlainWalk, pull_tolerance, refuse_bad_options
from thalweg.diagonal.path import Escape, SaddlePath, assemble
from thalweg.diagonal.restricted import RANK_TOLERANCE, relative_distance
from thalweg.diagonal.restricted_newton import Objective, RestrictedNewton
from thalweg.diagonal.separation import NoMinimiser
from thalweg.diagonal.ties import entropy_split
from thalweg.diagonal.walk import PrecisionLost
from thalweg.numerics.validation import real_array, regression_arrays, weights_of_rows
from thalweg.records import InputError, Outcome


def smooth_path(
    X: np.ndarray,
    y: np.ndarray,
    *,
    loss: str,
    positive: bool = False,
    init_exponents: np.ndarray | None = None,
    sample_weight: np.ndarray | None = None,
    unpenalised: np.ndarray | None = None,
    huber_delta: float | None = None,
    max_saddles: int | None = None,
    max_time: float | None = None,
    tol: float = PULL_TOLERANCE,
    tie_break: str = "support",
    reference_norm: float | None = None,
) -> SaddlePath:
    """Compute the saddle path of a smooth convex loss.

    Parameters
    ----------
    X, y : arrays (n, d), (n,)
        The data, used as they are: neither centred nor scaled.
    loss
        "squared", "logistic" (labels -1 and +1, or 0 and 1), "poisson" (counts) or "huber"; `losses.py` states them.
    positive
        The one-sided network `b = u^2`: only `s_i = +a_i` switches a feature on.
    init_exponents : array (d,), optional
        `a_i > 0` of the initialisation `alpha^a_i`; 1 for all unless given.
    sample_weight : array (n,), optional
        Weights of the rows, not negative; their scale plays no role. `L = sum w loss / sum w`.
    unpenalised : array (n, q), optional
        Independent columns with coefficients that are free and always at their minimiser, for example a column of
        ones for an intercept: ordinary coefficients trained beside the network, which are fast on its clock.
    huber_delta
        Where the Huber loss turns straight, in units of the target; required for it, as only who knows the noise can
        choose it. 1.345 times its standard deviation keeps 95 % of the efficiency of least squares on normal noise.
    max_saddles, max_time
        Stop after so many jumps, or before the first jump later than this.
    tol
        Relative size below which pulls and residuals are zero.
    tie_break
        Coefficients of dependent columns: "support" keeps the first that explain the fit, "entropy" takes
        the split that the flow approaches. Times, losses and fits are the same.
    reference_norm
        Norm of the numbers whose rounding the residuals carry; of the targets (weighted) unless given.

    Returns
    -------
    SaddlePath
        All saddles up to the end or the limits. `integrals` are those of the weighted residual. The Lasso identity
        belongs to the squared loss: `lasso_equivalent_until` is 0. Where the loss has no minimiser on the next face
        (separated labels), the path ends with `Outcome.NO_MINIMISER` and `escape` says when and along what.

    Raises
    ------
    InputError
        If an array is unusable, an option is out of its range, or the free columns alone have no minimiser.
    """
    X, y = regression_arrays(X, y)
    a = np.ones(X.shape[1]) if init_exponents is None else real_array(init_exponents, "init_exponents", 1)
    refuse_bad_options(X.shape, a, max_saddles, max_time, tol, tie_break)
    weights = np.ones(y.size) if sample_weight is None else weights_of_rows(sample_weight, y.size)
    weights = weights / weights.max()
    weights = weights / weights.mean()
    rows = np.flatnonzero(weights)
    free = _free_columns(unpenalised, y.size, rows)
    target = loss_on(loss, y[rows], huber_delta)
    seen = X if rows.size == y.size else X[rows]
    merged = merge_duplicates(Columns(seen), a, positive)
    kept = seen[:, merged.kept] if merged.groups else seen
    objective = Objective(kept, free, target, weights[rows] * (rows.size / y.size))
    walk = _SmoothWalk(objective, a[merged.kept], positive, tol, tie_break, reference_norm)
    escape: NoMinimiser | None = None
    try:
        outcome = walk.run(max_saddles, max_time) if walk.has_started else Outcome.PRECISION_LOST
    except PrecisionLost:
        outcome = Outcome.PRECISION_LOST
    except NoMinimiser as found:
        outcome, escape = Outcome.NO_MINIMISER, found
    path = assemble(
        [
            replace(saddle, indices=merged.kept[saddle.indices], integral=_on_all_rows(saddle.integral, rows, y.size))
            for saddle in walk.saddles
        ],
        outcome,
        merged,
        Columns(X),
        a,
        algorithm="newton",
        positive=positive,
        departure=0,
        rank_skipped=[(k, int(merged.kept[i])) for k, i in walk.skipped],
        smallest_pivot=walk.smallest_pivot,
        simultaneous=walk.simultaneous,
    )
    return replace(
        path,
        unpenalised=np.array(walk.free) if free.shape[1] else None,
        flat=tuple(walk.flat),
        escape=None if escape is None else _escape(escape, walk, merged, rows, y.size),
    )


class _SmoothWalk(PlainWalk):
    """The process with Newton's method for the saddles.

    What stands for the target of least squares is the weighted residual at the zero saddle: pulls and the rounding
    level come from it in the same way.
    """

    def __init__(
        self,
        objective: Objective,
        thresholds: Float[np.ndarray, " d"],
        positive: bool,
        tol: float,
        tie_break: str,
        reference_norm: float | None,
    ) -> None:
        level = float(np.linalg.norm(objective.weights * objective.loss.sizes))
        level = level if reference_norm is None else reference_norm
        self.objective, self.newton = objective, RestrictedNewton(objective, level)
        self.free: list[np.ndarray] = []
        self.flat: list[int] = []
        self.has_started = self._start(level)
        super().__init__(objective.X, self.newton.residual, thresholds, positive, tol, tie_break, level)
        both = np.column_stack([objective.X, objective.free])
        pull = both.T @ self.newton.residual / both.shape[0]
        limits = pull_tolerance(pull, np.linalg.norm(both, axis=0), both.shape[0], tol, level)
        self.newton.use_tolerance(limits[: thresholds.size], limits[thresholds.size :])
        self._note_flatness()

    def _start(self, level: float) -> bool:
        """Move the free coefficients to their minimiser; False if rounding stands in the way."""
        X, free = self.objective.X, self.objective.free
        rounding = ROUNDINGS * level / X.shape[0]
        self.newton.use_tolerance(np.zeros(X.shape[1]), rounding * np.linalg.norm(free, axis=0))
        try:
            self.newton.move_free_columns()
        except NoMinimiser:
            raise InputError("unpenalised_without_minimiser") from None
        except PrecisionLost:
            return False
        return True

    def _jump(self, hits: np.ndarray) -> bool:
        before = len(self.saddles)
        goes_on = super()._jump(hits)
        if len(self.saddles) > before:
            self._note_flatness()
        return goes_on

    def _minimise(self, signs: Float[np.ndarray, " d"]) -> list[int]:
        skipped = self.newton.move_to_face(signs)
        self.smallest_pivot = min(self.smallest_pivot, self.newton.smallest_pivot)
        self.b, self.residual = self.newton.coefficients, self.newton.residual
        return skipped

    def _has_fallen(self, before: float) -> bool:
        return self.newton.gain > 0  # exact to rounding, where the difference of two losses is lost in theirs

    def _loss(self) -> float:
        return self.objective.value(self.newton.eta)

    def _record(self, b: np.ndarray) -> None:
        super()._record(b)
        free, moved = self.newton.free, self.newton.coefficients - b
        if free.size and moved.any():  # another split of the same fit
            free = free + np.linalg.lstsq(self.objective.free, self.X @ moved, rcond=None)[0]
        self.free.append(free.copy())

    def _spanning(self, columns: list[int]) -> Float[np.ndarray, "n p"]:
        return np.column_stack([self.objective.free, self.X[:, columns]])

    def _split(self, signs: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
        # Residual integrals are orthogonal to the free columns, so the duals lie in the row space of the rest.
        face = np.flatnonzero((signs != 0) & (self.pull == 0))
        columns, free = self.X[:, face], self.objective.free
        rest = columns - free @ np.linalg.lstsq(free, columns, rcond=None)[0] if free.size else columns
        shown = np.zeros_like(self.b)
        shown[face] = entropy_split(rest, self.b[face], signs[face])
        return shown

    def _note_flatness(self) -> None:
        """Record the saddle if only rows without curvature would see some direction of its face."""
        curved, factor = self.newton.curvature > 0, self.newton.factor
        if curved.all():
            return
        at_wall = (self.dual if self.positive else np.abs(self.dual)) == self.thresholds
        resting = at_wall & (self.pull == 0)
        # A factor that needed no damping has seen the support curved in all directions.
        sharp = factor is not None and not factor.damped and not (resting & (self.b == 0)).any()
        face = self._spanning(np.flatnonzero(resting).tolist())
        if sharp or not face.size:
            return
        face = face / np.linalg.norm(face, axis=0)
        seen = np.linalg.matrix_rank(face[curved], RANK_TOLERANCE**0.5) if curved.any() else 0
        if seen < np.linalg.matrix_rank(face, RANK_TOLERANCE**0.5):
            self.flat.append(len(self.saddles) - 1)


def _free_columns(unpenalised: np.ndarray | None, n: int, rows: np.ndarray) -> Float[np.ndarray, "r q"]:
    """Return the free columns on the rows with weight, refusing dependent ones."""
    if unpenalised is None:
        return np.empty((rows.size, 0))
    free = real_array(unpenalised, "unpenalised", 2)
    if free.shape[0] != n:
        raise InputError("rows_missing", name="unpenalised", found=free.shape[0], wanted=n)
    free = free[rows]
    for j in range(free.shape[1]):
        if not free[:, j].any() or relative_distance(free[:, :j], free[:, j]) ** 2 <= RANK_TOLERANCE:
            raise InputError("unpenalised_dependent", column=j)
    return free


def _on_all_rows(integral: np.ndarray, rows: np.ndarray, n: int) -> Float[np.ndarray, " n"]:
    """Return an integral over the rows with weight as one over all rows, with the same dual `X'R/n`."""
    full = np.zeros(n)
    full[rows] = integral * (n / rows.size)
    return full


def _escape(found: NoMinimiser, walk: _SmoothWalk, merged: Merged, rows: np.ndarray, n: int) -> Escape:
    direction = np.zeros(merged.source.size)
    taking_part = np.flatnonzero(found.direction)
    places = merged.kept[taking_part]
    _, support, values = merged.spread(np.zeros_like(places), places, found.direction[taking_part])
    direction[support] = values
    return Escape(walk.time, _on_all_rows(walk.integral, rows, n), direction, found.free)
