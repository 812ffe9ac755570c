"""Gradient flow of a diagonal network in the distances of its duals to their walls, at any initialisation.

Between jumps the distances move linearly: a step ends where the first coordinate comes close to its wall. Only
coordinates whose coefficients are not negligible are coupled; the flow is a contraction in them (its Jacobian is
minus a positive semidefinite matrix times a positive diagonal), and an implicit method follows it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from thalweg.diagonal.network import Network
from thalweg.diagonal.rosenbrock import ORDER, rosenbrock_step

NEGLIGIBLE = 1e-18
"""A coefficient whose column carries less than this share of the target changes no digit of any other."""

COUPLED, LANDING = 1e-2 * NEGLIGIBLE, 3e-2 * NEGLIGIBLE
"""Coordinates are coupled from this share on, and steps through a plateau end there: both before they matter."""

MINOR = 1e-10
"""Coefficients above this share of the target are held in place by the others, against rounding too."""

AT_REST = 3e-13
"""Pulls below this share of what the target pulls are rounding, or would need that many plateaus to matter."""

LONG = 1e12
"""A plateau that has lasted so many times of contraction is at rest in every direction that double precision knows."""

SOFT, SOFT_LANDING = 1e-8, 1e-6
"""A step never takes a coefficient from below the first share of the target to above the second unseen."""

OVERFLOW_GUARD = 100.0
"""Distances (depth 2) this far below what is reachable give sizes that are large enough to refuse the step; above
depth 2 they are refused when they become negative."""

ROUNDINGS = 1e-14
"""Relative rounding of a step: weights of both signs up to 150 in its sums."""

DEEPEST_APPROACH = 1e-8
"""A step leaves at least this share of a distance: the rounding of what it subtracts stays below it."""

SOFT_APPROACH = 0.05
"""The same for a coordinate that is coupled already: its size at the end, times the step, stays below the rest."""

CLOSEST_APPROACH = 0.2
"""The same for one on the move at depths above 2, whose distance must stay positive."""

GROWTH, SHRINKAGE, SAFETY = 100.0, 0.1, 0.9
"""Bounds and safety factor of the step size, as is usual (Hairer and Wanner, Solving ODEs II, section IV.8)."""

MOST_REJECTIONS = 60
"""So many refusals in a row shrink a step by at least 2^60: rounding, not the tolerance, refuses."""

SMALLEST_STEP = 1e-290
"""Its inverse can still be multiplied."""


class PrecisionLost(ArithmeticError):
    """No step however small meets the tolerance."""


class Motion:
    """The state of a network that learns, advanced in time.

    Parameters
    ----------
    X, y : arrays (n, d), (n,)
        The data.
    network
        Its parametrisation and initialisation.
    tolerance
        Relative error of a coefficient that one step may make.
    copies : array (d,), optional
        How many equal columns each column stands for: they have equal coefficients for ever.
    """

    def __init__(
        self,
        X: Float[np.ndarray, "n d"],
        y: Float[np.ndarray, " n"],
        network: Network,
        tolerance: float,
        copies: Float[np.ndarray, " d"] | None = None,
    ) -> None:
        self.X, self.target, self.network, self.tolerance = X, y, network, tolerance
        self._copies = np.ones(X.shape[1]) if copies is None else copies
        self.time, self.steps, self.rejected = 0.0, 0, 0
        self.signs, self.distances, self._far = np.ones(X.shape[1]), network.width.copy(), network.far
        norms, level = np.linalg.norm(X, axis=0), float(np.linalg.norm(y)) or 1.0
        scale = level / np.where(norms > 0, norms, level)
        self._negligible, self._coupled, self._landing, self._minor, self._soft, self._soft_landing = (
            network.distance(share * scale) for share in (NEGLIGIBLE, COUPLED, LANDING, MINOR, SOFT, SOFT_LANDING)
        )
        floor = np.minimum(self._negligible, network.width) - OVERFLOW_GUARD
        self._floor = floor if network.depth == 2 else np.full_like(floor, -np.inf)
        # Pulls up to this size are rounding; at rest, over long times, they would move what should stay.
        self._noise = AT_REST * norms * level / y.size
        self._squares = norms**2 / y.size
        self._step = np.inf
        self._refused = False  # whether the step under way was refused before
        self._last: tuple[float, float] | None = None  # length and error of the step before, for the controller

    @property
    def coefficients(self) -> Float[np.ndarray, " d"]:
        """The coefficients now."""
        return self.signs * self.network.between(self.distances, self._far)

    @property
    def dual(self) -> Float[np.ndarray, " d"]:
        """The scaled dual now."""
        return self.signs * (self.network.width - self.distances) / self.network.unit

    def start_near(self, signs: Float[np.ndarray, " d"], sizes: Float[np.ndarray, " d"]) -> None:
        """Place the state at coefficients of these signs and positive sizes."""
        self.signs, self.distances = signs.copy(), self.network.distance(sizes)

    def advance(self, until: float, most_steps: int) -> bool:
        """Advance to the time `until`; False if that takes more than so many steps in all."""
        while self.time < until:
            if self.steps >= most_steps:
                return False
            self.step(until)
        return True

    def step(self, until: float = np.inf) -> None:
        """Make one accepted step, not beyond the time `until`.

        Raises
        ------
        PrecisionLost
            If no step however small is accepted.
        """
        speed = -self.signs * self.pull()
        near, resting = self._near_and_resting(speed)
        coupled, base = near & ~resting, self.target - self._fit(np.flatnonzero(resting))
        for _ in range(MOST_REJECTIONS):
            P = np.flatnonzero(coupled)
            rest = (until - self.time) * self.network.unit
            free, landing = self._longest(P, speed)
            h = min(rest, free, landing)
            if h < SMALLEST_STEP:
                break
            moved, errors = self._try(P, h, base)
            self.steps += 1
            error = self._size_of(errors, moved)
            if not error <= 1:
                self._refuse(h, error)
                continue
            surprised = (np.minimum(moved, self._far - moved) < self._negligible) & ~near & ~coupled
            if surprised.any():
                coupled = coupled | surprised
                self.rejected += 1
                continue
            self.time = until if h == rest else self.time + h / self.network.unit
            self._plan(h, error, h == landing)
            self._settle(moved)
            return
        raise PrecisionLost

    def _near_and_resting(self, speed: np.ndarray) -> tuple[Bool[np.ndarray, " d"], Bool[np.ndarray, " d"]]:
        """Return which coordinates have coefficients that count, and which of these do not move meanwhile."""
        nearest = np.minimum(self.distances, self._far - self.distances)
        near = nearest < self._coupled
        curvature = (self.network.slope(nearest[near]) * self._squares[near]).max(initial=0.0)
        if not speed[near].any() and np.isfinite(self._step) and self._step * curvature > LONG:
            return near, near  # what could contract has done so, and dependent columns would drift by rounding
        minor = near & (nearest > self._minor)
        # Nothing holds small coefficients in place: without a pull above rounding, rounding would move them.
        return near, minor if not speed[minor].any() else np.zeros_like(minor)

    def pull(self) -> Float[np.ndarray, " d"]:
        """Return the pull `X'(y - X b)/n` now, without its rounding."""
        pull = (self.target - self._fit(np.flatnonzero(self.coefficients))) @ self.X / self.target.size
        return np.where(np.abs(pull) <= self._noise, 0.0, pull)

    def _fit(self, P: np.ndarray) -> Float[np.ndarray, " n"]:
        """Return what the coordinates `P` and their copies contribute to the prediction."""
        return self.X[:, P] @ (self._copies[P] * self.coefficients[P])

    def _longest(self, P: np.ndarray, speed: np.ndarray) -> tuple[float, float]:
        """Return the step that the controller allows, and that after which the first coordinate lands at its wall."""
        room = np.where(speed < 0, self.distances, self._far - self.distances)
        # Distances of depth 2 are logarithms, which rounding does not endanger and which may be negative.
        share = np.where(self.network.depth > 2, room, -np.inf)
        ends = np.where(
            room > self._coupled,
            np.maximum(self._landing, DEEPEST_APPROACH * share),
            np.where(
                room > self._soft, np.maximum(self._soft_landing, SOFT_APPROACH * share), CLOSEST_APPROACH * share
            ),
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            limits = np.where((speed != 0) & np.isfinite(room), (room - ends) / np.abs(speed), np.inf)
            first = 0.01 * (self.network.grain(self.distances[P]) / np.abs(speed[P])).min(initial=np.inf)
        free = self._step if P.size and np.isfinite(self._step) else float(first)
        return free, float(limits.min())

    def _try(
        self, P: np.ndarray, h: float, base: Float[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, " d"]]:
        """Return the distances after a step of fast time `h`, with the coordinates `P` coupled, and their errors."""
        X, start, far, floor = self.X[:, P] * self.signs[P], self.distances[P], self._far[P], self._floor[P]
        between, columns = self.network.between, X * self._copies[P]
        slopes = columns * (self.network.slope(start) + self.network.slope(far - start))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            # Outside the domain (a distance below zero, an overflow) all becomes NaN, and the step is refused.
            (change, error), integrals = rosenbrock_step(
                lambda y: base - columns @ between(np.maximum(y, floor), far), start, X / -base.size, slopes, h
            )
        both = integrals @ self.X / base.size
        drift, wrong = np.where(np.abs(both) <= h * self._noise, 0.0, both)
        moved = self.distances - self.signs * drift
        moved[P], wrong[P] = start + change, error
        return moved, wrong

    def _size_of(self, errors: np.ndarray, moved: np.ndarray) -> float:
        """Return the largest error relative to its tolerance; NaN where the step left the domain."""
        if self.network.depth > 2 and (moved <= 0).any():
            return np.nan
        # The lesser of both ends: a step that flings a coordinate far away must not excuse itself by where it went.
        sizes = np.abs([self.distances, moved])
        grain, rounding = self.network.grain(sizes.min(axis=0)), ROUNDINGS * sizes.max(axis=0)
        with np.errstate(invalid="ignore"):
            return float(np.max(np.abs(errors) / (self.tolerance * grain + rounding)))

    def _refuse(self, h: float, error: float) -> None:
        factor = SAFETY * error ** (-1 / ORDER) if np.isfinite(error) else SHRINKAGE
        self._step = h * float(np.clip(factor, SHRINKAGE, 0.5))
        self._refused = True
        self.rejected += 1

    def _plan(self, h: float, error: float, landed: bool) -> None:
        """Choose the next step: what the error allows, and what its trend allows (Gustafsson's controller)."""
        if landed:
            self._step, self._last = np.inf, None  # what comes is unlike what was: begin carefully
            return
        error = max(error, 1e-12)
        factor = SAFETY * error ** (-1 / ORDER)
        cut = np.isfinite(self._step) and h < self._step  # by the requested time
        if self._last is not None and not cut:
            before, last_error = self._last
            factor = min(factor, SAFETY * h / before * (last_error / error**2) ** (1 / ORDER))
        planned = h * float(np.clip(factor, SHRINKAGE, 1.0 if self._refused else GROWTH))
        self._refused = False
        self._step = max(planned, self._step) if cut else planned
        self._last = (h, error)

    def _settle(self, moved: Float[np.ndarray, " d"]) -> None:
        """Take the new distances, each from the wall that is nearer now."""
        if self.network.two_sided:
            across = moved > self.network.width
            self.signs = np.where(across, -self.signs, self.signs)
            moved = np.where(across, self._far - moved, moved)
        self.distances = moved
