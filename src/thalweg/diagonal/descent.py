"""Gradient descent of a diagonal network with finite steps and minibatches, in logarithms of the weights.

A step of size `eta` multiplies the weights by `1 + eta g` and `1 - eta g` (two-sided, `b = u v`), so the duals of `w+`
and `w-` move by `log1p(eta g)` and `log1p(-eta g)`: they no longer cancel, and the order and the times of the jumps
depend on the step however small alpha is. While all active coordinates are at rest the pull is constant: full-batch
descent then passes over the whole plateau at once, exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.motion import DEEPEST_APPROACH
from thalweg.diagonal.network import Network

NEGLIGIBLE = 1e-12
"""A coefficient whose column carries less than this share of the target does not interrupt a plateau."""

QUIET = 1e-12
"""Pulls on active coordinates below this share of the first ones are at rest: what is left moves no digit shown."""


class UnstableStep(ArithmeticError):
    """A step would turn the sign of a weight."""


class Observation(NamedTuple):
    """What is recorded of a network at one time; `iteration` of gradient descent only."""

    coefficients: np.ndarray
    dual: np.ndarray
    dual_minus: np.ndarray
    iteration: int = 0
    stability: float = 0.0


class Descent:
    """The state of a network under gradient descent.

    Parameters
    ----------
    X, y : arrays (n, d), (n,)
        The data.
    network
        Its parametrisation and initialisation.
    step_size
        `eta`.
    batch_size, seed
        Rows of a minibatch (all for None) and the order in which they are drawn.
    """

    def __init__(
        self,
        X: Float[np.ndarray, "n d"],
        y: Float[np.ndarray, " n"],
        network: Network,
        step_size: float,
        batch_size: int | None,
        seed: int,
    ) -> None:
        self.X, self.target, self.network = X, y, network
        self.push = network.speed * step_size
        self.plus = network.width.copy()
        self.minus = network.width.copy() if network.two_sided else np.full_like(self.plus, np.inf)
        self.iteration = self.steps = 0
        self.batch_size = batch_size if batch_size is not None and batch_size < y.size else None
        self._seed, self._order = seed, np.array([], dtype=np.int64)
        self._epoch = 0
        norms, level = np.linalg.norm(X, axis=0), float(np.linalg.norm(y)) or 1.0
        self._quiet = QUIET * norms * level / y.size
        self._active_within = network.distance(NEGLIGIBLE * level / np.where(norms > 0, norms, level))
        wide = X.shape[1] > 2 * X.shape[0]
        self._gram = None if wide or self.batch_size else X.T @ X / y.size
        self._first_pull = y @ X / y.size

    @property
    def clock_per_step(self) -> float:
        """By how much one step advances the clock of the limiting process."""
        return self.push / self.network.unit

    @property
    def coefficients(self) -> Float[np.ndarray, " d"]:
        """The coefficients now."""
        with np.errstate(over="ignore"):
            return self.network.size(self.plus) - self.network.size(self.minus)

    def observe(self) -> Observation:
        """Record the state."""
        width, unit = self.network.width, self.network.unit
        dual, dual_minus = (width - self.plus) / unit, (width - self.minus) / unit
        return Observation(self.coefficients, dual, dual_minus, self.iteration, self._stability())

    def largest_first_step(self) -> float:
        """Return the largest share of a weight that the first step of all rows would take away; below 1 it may."""
        up, down = self._relative_steps(self._first_pull)
        return float(max((-up).max(), down.max(), 0.0))

    def advance(self, until: int, most_steps: int) -> bool:
        """Advance to iteration `until`; False if that takes more than so many computed steps in all."""
        while self.iteration < until:
            if self.steps >= most_steps:
                return False
            self.steps += 1
            if self.batch_size is not None:
                self._move(self._batch_pull(), 1)
                continue
            pull = self._pull()
            count, pull = self._through_plateau(pull, until - self.iteration)
            self._move(pull, count)
        return True

    def _pull(self) -> Float[np.ndarray, " d"]:
        if self._gram is not None:
            return self._first_pull - self._gram @ self.coefficients
        return (self.target - self.X @ self.coefficients) @ self.X / self.target.size

    def _batch_pull(self) -> Float[np.ndarray, " d"]:
        """Return the pull of the next minibatch; each epoch draws all rows once, in an order of its own."""
        assert self.batch_size is not None
        if not self._order.size:
            self._order = np.random.default_rng([self._seed, self._epoch]).permutation(self.target.size)
            self._epoch += 1
        rows, self._order = self._order[: self.batch_size], self._order[self.batch_size :]
        X = self.X[rows]
        return (self.target[rows] - X @ self.coefficients) @ X / rows.size

    def _relative_steps(self, pull: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return `x, x'` such that a step multiplies `w+` by `1 + x` and `w-` by `1 - x'`."""
        if self.network.depth == 2:
            half = self.push * pull / 2
            return half, half if self.network.two_sided else np.zeros_like(half)
        layers = self.network.depth - 2
        return self.push * pull / (layers * self.plus), self.push * pull / (layers * self.minus)

    def _move(self, pull: np.ndarray, count: int) -> None:
        """Make `count` steps under a pull that does not change on the way."""
        self.iteration += count
        steps = float(count)  # there may be more than an integer array can hold
        up, down = self._relative_steps(pull)
        if not ((up > -1).all() and (down < 1).all()):
            raise UnstableStep
        if self.network.depth == 2:
            self.plus = self.plus - steps * 2 * np.log1p(up)
            self.minus = self.minus - steps * 2 * np.log1p(-down)
        elif count == 1:
            layers = self.network.depth - 2
            self.plus = self.plus * np.exp(-layers * np.log1p(up))
            self.minus = self.minus * np.exp(-layers * np.log1p(-down))
        else:  # far from the walls a step moves the distance by exactly this: the next order is its square over it
            self.plus = self.plus - steps * self.push * pull
            self.minus = self.minus + steps * self.push * pull

    def _through_plateau(self, pull: np.ndarray, most: int) -> tuple[int, np.ndarray]:
        """Return how many steps leave the pull as it is, and that pull with rest where the active ones are."""
        active = np.minimum(self.plus, self.minus) < self._active_within
        if (np.abs(pull[active]) > self._quiet[active]).any():
            return 1, pull
        at_rest = np.where(active, 0.0, pull)
        speed = (
            2 * np.log1p(np.abs(self.push * at_rest / 2)) if self.network.depth == 2 else np.abs(self.push * at_rest)
        )
        distance = np.where(pull > 0, self.plus, self.minus)
        room = distance - self._active_within
        if self.network.depth > 2:
            room = np.minimum(room, (1 - DEEPEST_APPROACH) * distance)
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = float(np.where(speed > 0, room / speed, np.inf).min())
        if steps < 2:
            return 1, pull
        return (most if steps >= most else int(steps)), at_rest

    def _stability(self) -> float:
        """Return half the largest eigenvalue `e` of a step `1 - e` near the present coefficients."""
        roots = np.sqrt(self.network.slope(self.plus) + self.network.slope(self.minus))
        active = np.flatnonzero(np.minimum(self.plus, self.minus) < self._active_within)
        if not active.size:
            return 0.0
        scaled = self.X[:, active] * roots[active]
        return float(self.push * np.linalg.norm(scaled, 2) ** 2 / self.target.size / 2)
