"""`descent_path`: the limit of gradient descent with a finite step as the initialisation vanishes.

A step multiplies the weights by `1 + eta g` and `1 - eta g`. So between jumps the dual of `w+` moves at the rate
`log1p(eta g)/eta` and that of `w-` at `log1p(-eta g)/eta`, where the flow has `g` and `-g`; both drift down together,
a coordinate reaches its walls at other times, and the order of the jumps may change. A jump is that of the flow: to
the least squares over the coordinates at their walls, `b_i >= 0` at the wall of `w+`, `b_i <= 0` at that of `w-`. The
sum of the two duals starts at zero and never grows, so no coordinate is at both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.columns import Columns
from thalweg.diagonal.merging import merge_duplicates
from thalweg.diagonal.naive import HIT_TOLERANCE, PULL_TOLERANCE, VANISHED, pull_tolerance
from thalweg.diagonal.network import network
from thalweg.diagonal.restricted import restricted_least_squares
from thalweg.numerics.validation import regression_arrays
from thalweg.records import InputError, Outcome


@dataclass(frozen=True, eq=False)
class DescentPath:
    """The saddles that gradient descent of step `step_size` visits, the zero saddle first.

    Attributes
    ----------
    times : array (m,)
        Jump times on the clock of the flow: `iteration * step_size / ln(1/alpha)` for `b = u v`.
    coefficients : array (m + 1, d)
        The saddles.
    losses : array (m + 1,)
        `L` at each.
    dual_plus, dual_minus : arrays (m + 1, d)
        Duals of `w+` and `w-` at time 0 and at each jump; walls at 1.
    stability : array (m + 1,)
        At each saddle; descent comes to rest there only if this is below 1.
    step_size : float
        The step.
    outcome : Outcome
        How the path ended; DIVERGED where descent does not come to rest at the last saddle.
    """

    times: Float[np.ndarray, " m"]
    coefficients: Float[np.ndarray, "m+1 d"]
    losses: Float[np.ndarray, " m+1"]
    dual_plus: Float[np.ndarray, "m+1 d"]
    dual_minus: Float[np.ndarray, "m+1 d"]
    stability: Float[np.ndarray, " m+1"]
    step_size: float
    outcome: Outcome

    @property
    def count(self) -> int:
        """The number of jumps `m`."""
        return int(self.times.size)

    def __repr__(self) -> str:
        return f"<DescentPath step {self.step_size:g}, {self.count} jumps, {self.outcome.value}>"


def descent_path(
    X: np.ndarray,
    y: np.ndarray,
    *,
    step_size: float,
    parametrisation: str = "uv",
    max_saddles: int | None = None,
    tol: float = PULL_TOLERANCE,
) -> DescentPath:
    """Compute the limit of gradient descent from infinitesimal initialisation.

    Parameters
    ----------
    X, y : arrays (n, d), (n,)
        The data, used as they are.
    step_size
        `eta`; `eta * max|g|` must stay below 1 (`2 eta * max|g|` for "w2").
    parametrisation
        "uv", "w2half", "w2" or "square", of depth 2. (At greater depths the factors of the steps tend to 1 as the
        initialisation vanishes: the limit is `saddle_path`, whatever the step.)
    max_saddles
        Stop after so many jumps.
    tol
        Relative size below which pulls are zero.

    Returns
    -------
    DescentPath
        All saddles up to the end, to the limit, or to the first at which descent would not come to rest.

    Raises
    ------
    InputError
        If an array or an option is unusable, or if the step turns the sign of a weight at some saddle.

    Notes
    -----
    With step size to zero this is `saddle_path`; the difference does not vanish with the initialisation.
    """
    X, y = regression_arrays(X, y)
    if not 0 < step_size < np.inf:
        raise InputError("option_range", name="step_size", value=step_size, wanted="> 0")
    if max_saddles is not None and max_saddles < 0:
        raise InputError("option_range", name="max_saddles", value=max_saddles, wanted=">= 0")
    if not 0 < tol < 1:
        raise InputError("option_range", name="tol", value=tol, wanted="0 < tol < 1")
    form = network(X.shape[1], -1.0, parametrisation=parametrisation)
    merged = merge_duplicates(Columns(X), np.ones(X.shape[1]), not form.two_sided)
    walk = _Walk(X[:, merged.kept], y, form.speed * step_size / 2, step_size, form.two_sided, tol)
    outcome = walk.to_end(max_saddles)
    # A coordinate that copies another with the opposite sign has the two duals exchanged.
    places = np.searchsorted(merged.kept, merged.source)
    plus, minus = (np.array(values)[:, places] for values in (walk.history_plus, walk.history_minus))
    spread = np.array(walk.saddles)[:, places] * merged.sign * merged.share
    return DescentPath(
        times=np.array(walk.times),
        coefficients=spread,
        losses=np.array(walk.losses),
        dual_plus=np.where(merged.sign > 0, plus, minus),
        dual_minus=np.where(merged.sign > 0, minus, plus),
        stability=np.array(walk.stability),
        step_size=step_size,
        outcome=outcome,
    )


class _Walk:
    """The state of the limiting process of descent; `push` is the factor of `g` in one step of a weight."""

    def __init__(
        self,
        X: Float[np.ndarray, "n d"],
        y: Float[np.ndarray, " n"],
        push: float,
        step_size: float,
        two_sided: bool,
        tol: float,
    ) -> None:
        self.X, self.y, self.push, self.step_size, self.two_sided, self.tol = X, y, push, step_size, two_sided, tol
        norms, level = np.linalg.norm(X, axis=0), float(np.linalg.norm(y))
        self.tolerance = pull_tolerance(X.T @ y / y.size, norms, y.size, tol, level)
        d = X.shape[1]
        self.time, self.b, self.residual = 0.0, np.zeros(d), y
        self.plus, self.minus = np.zeros(d), np.zeros(d)
        self.times: list[float] = []
        self.saddles: list[np.ndarray] = []
        self.losses: list[float] = []
        self.history_plus: list[np.ndarray] = []
        self.history_minus: list[np.ndarray] = []
        self.stability: list[float] = []
        self._record()

    def to_end(self, max_saddles: int | None) -> Outcome:
        """Walk to a minimiser, to the limit, or to where descent does not come to rest."""
        while True:
            if self.stability[-1] >= 1:
                return Outcome.DIVERGED
            if self.times and np.linalg.norm(self.residual) <= self.tol * np.linalg.norm(self.y):
                return Outcome.INTERPOLATED
            up, down = self._rates()
            if not (np.maximum(up, down) > 0).any():
                return Outcome.CONVERGED if self.times else Outcome.NOTHING_TO_LEARN
            if max_saddles is not None and len(self.times) >= max_saddles:
                return Outcome.STOPPED_ON_REQUEST
            self._advance(up, down)
            if not self._jump():
                return Outcome.PRECISION_LOST

    def _pull(self) -> Float[np.ndarray, " d"]:
        pull = self.X.T @ self.residual / self.y.size
        return np.where(np.abs(pull) <= self.tolerance, 0.0, pull)

    def _rates(self) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]:
        """Return the speeds of both duals; those at a wall that are pulled outwards stay."""
        x = self.push * self._pull()
        share = float(np.abs(x).max() if self.two_sided else (-x).max())
        if share >= 1:
            limit = self.step_size / share
            raise InputError("step_too_large", step=self.step_size, saddle=len(self.times), share=share, limit=limit)
        up = np.log1p(x) / self.push
        down = np.log1p(-x) / self.push if self.two_sided else np.zeros_like(x)
        return np.where((self.plus == 1) & (up > 0), 0.0, up), np.where((self.minus == 1) & (down > 0), 0.0, down)

    def _advance(self, up: np.ndarray, down: np.ndarray) -> None:
        """Move both duals until the first reaches its wall; those of active coordinates stay where they are."""
        speeds = np.concatenate([up, down])
        distances = np.maximum(1.0 - np.concatenate([self.plus, self.minus]), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            delta = float(np.where(speeds > 0, distances / speeds, np.inf).min())
        hits = (speeds > 0) & (distances - delta * speeds <= HIT_TOLERANCE)
        self.time += delta
        moved = np.concatenate([self.plus + delta * up, self.minus + delta * down])
        moved[hits] = 1.0
        self.plus, self.minus = np.minimum(moved[: up.size], 1.0), np.minimum(moved[up.size :], 1.0)

    def _jump(self) -> bool:
        """Move to the next saddle; False if rounding has eaten the descent that theory promises."""
        signs = (self.plus == 1.0).astype(float)
        if self.two_sided:
            signs -= self.minus == 1.0
        before = float(self.residual @ self.residual)
        solution = restricted_least_squares(self.X, self.y, self.b, signs, self.tolerance)
        shares = np.abs(solution.coefficients) * np.linalg.norm(self.X, axis=0)
        vanished = shares <= VANISHED * max(float(np.linalg.norm(self.y)), float(shares.max()))
        self.b, self.residual = np.where(vanished, 0.0, solution.coefficients), solution.residual
        if float(self.residual @ self.residual) >= before:
            return bool(solution.skipped)  # a dependent column rests at its wall, and nothing jumps
        self.times.append(self.time)
        self._record()
        return True

    def _record(self) -> None:
        self.saddles.append(self.b.copy())
        self.losses.append(float(self.residual @ self.residual) / (2 * self.y.size))
        self.history_plus.append(self.plus)
        self.history_minus.append(self.minus)
        active = np.flatnonzero(self.b)
        scaled = self.X[:, active] * np.sqrt(np.abs(self.b[active]))
        # Near a saddle a step multiplies errors by I - 2 push |B| G on its support.
        size = float(np.linalg.norm(scaled, 2)) ** 2 if active.size else 0.0
        self.stability.append(self.push * size / self.y.size)
