"""Many descents of one problem at once: starts, exact scaling, rounds of descent with early diagnosis of escapes.

The problem is scaled by powers of two - columns, target and with them all parameters - so it is solved in sensible
units and its solutions are those of the given data to the last bit. Descents that look like running to infinity
(`escape.py`) are stopped, their closure model is minimised (`closure.py`), and they go on with a stricter watch unless
the closure confirms that this is where they go.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from thalweg.numerics.resampling import stream
from thalweg.shallow.batched import BatchedCost, Layout
from thalweg.shallow.closure import LimitNet, is_approached, merged, stepped
from thalweg.shallow.derivatives import Objective
from thalweg.shallow.escape import ClosestPairs, closest_pairs, saturated
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.trust_region import AT_FLOOR, SPENT, WATCHED, short_descent, trust_region

STEPS = 250
"""Trust-region steps of a start at most: nine in ten bounded ones need fewer than a hundred."""

ROUNDS = ((0.3, 1e-4), (0.1, 1e-6), (0.03, 1e-9), (0.01, 1e-13))
"""Distances of cancelling neurons, and slopes of saturating ones, at which a closure model is asked, one a round."""

START_RIDGE = 1e-10
"""Relative ridge of the least squares that sets the output weights of a start."""

REST, MERGING, SATURATION, UNFINISHED = 0, 1, 2, 3
"""How a start ended."""


@dataclass(frozen=True, eq=False)
class Scaled:
    """A problem in units in which columns and target have a size near one.

    `factor (P,)` are powers of two: parameters of the given data are those of the scaled problem times these, and its
    cost is `unit ** 2` times theirs.
    """

    objective: Objective
    template: ShallowNet
    cost: BatchedCost
    factor: Float[np.ndarray, " P"]
    unit: float
    noise: float

    @property
    def is_free(self) -> bool:
        """Whether nothing is penalised, so parameters may run to infinity."""
        return not self.cost.ridge.any()

    @property
    def is_coercive(self) -> bool:
        """Whether every parameter is penalised, so a minimiser exists (theorem T4)."""
        return bool((self.cost.ridge > 0).all())

    def net(self, theta: Float[np.ndarray, " P"]) -> ShallowNet:
        """Return the network on the given data."""
        return self.template.with_theta(theta * self.factor)


@dataclass(frozen=True, eq=False)
class Descents:
    """How every start ended, in scaled units; `limit` is its place in `limits` or -1."""

    theta: Float[np.ndarray, "S P"]
    loss: Float[np.ndarray, " S"]
    gradient: Float[np.ndarray, " S"]
    steps: Int[np.ndarray, " S"]
    state: Int[np.ndarray, " S"]
    limit: Int[np.ndarray, " S"]
    limits: list[LimitNet] = field(default_factory=list)


def scaled(objective: Objective, width: int, activation: str) -> Scaled:
    """Scale a problem by powers of two.

    Parameters
    ----------
    objective
        Data, weights, ridge and anchor.
    width
        Number of neurons.
    activation
        Its name.

    Returns
    -------
    Scaled
        The same problem, bit by bit.

    Raises
    ------
    InputError
        If ridge or anchor do not fit the network.
    """
    X, targets, weights = objective.X, objective.targets, objective.weights
    (n, d), K = X.shape, targets.shape[1]
    template = ShallowNet(activation, np.zeros(K) if K > 1 else 0.0, np.zeros((width, K) if K > 1 else width),
                          np.zeros(width), np.zeros((width, d)))  # fmt: skip
    objective.require_fits(template)
    columns = np.array([_power_of_two(_spread(column, weights)) for column in X.T])
    unit = _power_of_two(max((_spread(target, weights) for target in targets.T), default=1.0))
    inner = np.tile(np.concatenate([[1.0], 1 / columns]), width)
    factor = np.concatenate([np.full(K * (1 + width), unit), inner])
    rows = np.vstack([np.ones(n), X.T / columns[:, None]])
    ridge = np.broadcast_to(objective.ridge, factor.shape) * factor**2 / unit**2
    anchor = np.zeros(factor.size) if objective.anchor is None else objective.anchor / factor
    scaled_targets = np.ascontiguousarray(targets.T) / unit
    layout, steps = Layout(width, d, K), np.zeros((0, n))
    cost = BatchedCost(template.psi, layout, rows, scaled_targets, weights, steps, ridge, anchor)
    noise = float(np.sqrt(weights @ (scaled_targets**2).sum(axis=0)))
    return Scaled(objective, template, cost, factor, unit, noise)


def draw_starts(problem: Scaled, starts: int, seed: int) -> Float[np.ndarray, "S P"]:
    """Draw inner weights from N(0, 1) for standardised columns, and set the output weights by least squares.

    Parameters
    ----------
    problem
        Scaled.
    starts
        How many.
    seed
        Of the stream.

    Returns
    -------
    array (S, P)
        In scaled units.
    """
    cost, layout = problem.cost, problem.cost.layout
    K, m = layout.K, layout.m
    inner = stream(seed, "shallow.starts", 0).standard_normal((starts, m, layout.d + 1))
    mean = cost.rows[1:] @ cost.weights
    spread = np.sqrt((cost.rows[1:] - mean[:, None]) ** 2 @ cost.weights)
    inner[:, :, 1:] /= np.where(spread > 0, spread, 1.0)
    inner[:, :, 0] -= inner[:, :, 1:] @ mean
    theta = np.zeros((starts, layout.size))
    theta[:, layout.inner] = inner.reshape(starts, -1)
    root = np.sqrt(cost.weights)
    block = max(1, 2**22 // (cost.rows.shape[1] * (m + 1)))
    for begin in range(0, starts, block):
        some = slice(begin, begin + block)
        here = inner[some]
        z = (here.reshape(-1, layout.d + 1) @ cost.rows).reshape(len(here), m, root.size)
        design = np.concatenate([np.ones((len(z), 1, root.size)), cost.activation(z)], axis=1) * root
        gram = design @ design.transpose(0, 2, 1)
        gram += START_RIDGE * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(m + 1)
        outer = np.linalg.solve(gram, design @ (cost.targets * root).T)
        theta[some, : K * (1 + m)] = outer.reshape(len(z), -1)
    return theta


def run_descents(problem: Scaled, theta: Float[np.ndarray, "S P"], steps: int = STEPS) -> Descents:
    """Let every start descend until it rests, is seen to run to infinity, or has spent its steps.

    Parameters
    ----------
    problem
        Scaled.
    theta
        Starts.
    steps
        Trust-region steps of a start at most.

    Returns
    -------
    Descents
        In the order of the starts.
    """
    cost, S = problem.cost, len(theta)
    entered, short = short_descent(cost, theta)
    found = Descents(entered, np.zeros(S), np.zeros(S), short, np.full(S, UNFINISHED), np.full(S, -1))
    who, radius, taken = np.arange(S), np.ones(S), np.zeros(S, dtype=np.int64)
    for gap, level in (*ROUNDS, (0.0, 0.0)) if problem.is_free else ((0.0, 0.0),):
        if who.size == 0:
            break
        left = max(int(steps - taken[who].min()), 1)
        descent = trust_region(cost, found.theta[who], limit=left, noise=problem.noise, radius=radius[who],
                               watch=_watch(cost, gap, level) if problem.is_free else None)  # fmt: skip
        found.theta[who], found.loss[who], found.gradient[who] = descent.theta, descent.loss, descent.gradient
        radius[who] = descent.radius
        taken[who] += descent.steps
        found.steps[who] += descent.steps
        found.state[who[descent.ended == AT_FLOOR]] = REST
        suspects = who[(descent.ended == WATCHED) | (descent.ended == SPENT)]
        if problem.is_free:
            confirm(problem, found, suspects)
        watched = who[descent.ended == WATCHED]
        who = watched[(found.state[watched] == UNFINISHED) & (taken[watched] < steps)]
    _confirm_rested(problem, found)
    return found


def _watch(cost: BatchedCost, gap: float, level: float):
    """Return the watch of one round."""
    symmetry = cost.activation.symmetry

    def watch(theta: np.ndarray, loss: np.ndarray, steps: np.ndarray) -> np.ndarray:
        merging = closest_pairs(cost.layout, theta, symmetry).distance < gap
        return merging | saturated(cost, theta, level).any(axis=1)

    return watch


def confirm(problem: Scaled, found: Descents, suspects: Int[np.ndarray, " s"]) -> None:
    """Mark the suspects that saturate, and those that merge if their closure model says so."""
    cost = problem.cost
    if suspects.size == 0:
        return
    flat = saturated(cost, found.theta[suspects]).any(axis=1)
    for k in suspects[flat]:
        limit = _step_limit(problem, found.theta[k])
        if limit is not None and limit.attracts:
            _mark(found, int(k), SATURATION, limit)
    rest = suspects[~flat]
    pairs = closest_pairs(cost.layout, found.theta[rest], cost.activation.symmetry)
    near = np.flatnonzero(pairs.distance < ROUNDS[0][0])
    if near.size == 0 or cost.layout.K > 1:
        return
    rest = rest[near]
    pairs = ClosestPairs(pairs.first[near], pairs.second[near], pairs.mirrored[near], pairs.distance[near])
    for at, (k, limit) in enumerate(zip(rest, merged(cost, found.theta[rest], pairs, problem.noise), strict=True)):
        if is_approached(cost, found.theta[k], float(found.loss[k]), pairs, at, limit):
            _mark(found, int(k), MERGING, limit)


def _confirm_rested(problem: Scaled, found: Descents) -> None:
    """Find the saturated networks among those that stopped: their gradient has only underflowed."""
    left = np.flatnonzero(np.isin(found.state, (REST, UNFINISHED)))
    if left.size == 0 or problem.is_coercive:
        return
    for k in left[saturated(problem.cost, found.theta[left]).any(axis=1)]:
        mark_saturated(problem, found, int(k))


def mark_saturated(problem: Scaled, found: Descents, k: int) -> None:
    """Mark a start as saturated, with its limit where that can be computed."""
    _mark(found, k, SATURATION, _step_limit(problem, found.theta[k]))


def _step_limit(problem: Scaled, theta: Float[np.ndarray, " P"]) -> LimitNet | None:
    """Return the limit of a saturated network, if there is one output, no ridge, and it can be found."""
    if not problem.is_free or problem.cost.layout.K > 1:
        return None
    limit = stepped(problem.cost, theta, problem.noise)
    return limit if limit is not None and limit.drift > -np.inf else None


def _mark(found: Descents, k: int, state: int, limit: LimitNet | None) -> None:
    found.state[k] = state
    if limit is not None:
        found.limit[k] = len(found.limits)
        found.limits.append(limit)


def _spread(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the standard deviation, or the size of a constant."""
    mean = float(weights @ values)
    spread = float(np.sqrt(weights @ (values - mean) ** 2))
    return spread if spread > 1e-12 * abs(mean) else abs(mean)


def _power_of_two(size: float) -> float:
    return float(2.0 ** np.round(np.log2(size))) if size > 0 else 1.0
