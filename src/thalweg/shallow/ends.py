"""How descents end: at rest, saturated, merging, in a tail, or unfinished; suspicions are confirmed by their limits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from thalweg.shallow.batched import BatchedCost
from thalweg.shallow.closure import LimitNet, is_approached, merged, stepped
from thalweg.shallow.escape import ClosestPairs, closest_pairs, saturated
from thalweg.shallow.scaling import Scaled
from thalweg.shallow.tails import tail_limits, tail_neurons
from thalweg.shallow.trust_region import Watch

REST, MERGING, SATURATION, TAIL, UNFINISHED = 0, 1, 2, 3, 4
"""How a start ended."""


@dataclass(frozen=True)
class Alarm:
    """When a descent is suspected of running to infinity; each round asks at a later stage.

    `gap`: distance of cancelling neurons, in standardised units; `slope`: of a saturating neuron; `reach`: of a neuron
    in its tail, as `k |z|` of `tails.py`.
    """

    gap: float
    slope: float
    reach: float


ROUNDS = (Alarm(0.3, 1e-4, 2.5), Alarm(0.1, 1e-6, 3.5), Alarm(0.03, 1e-9, 5.0), Alarm(0.01, 1e-13, 7.0))
"""One after another; after the last nothing is asked until the end."""

SILENT = Alarm(0.0, 0.0, np.inf)
"""Never rings."""


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


def watch_for(cost: BatchedCost, alarm: Alarm) -> Watch:
    """Return the watch of one round."""
    symmetry = cost.activation.symmetry

    def watch(theta: np.ndarray, loss: np.ndarray, steps: np.ndarray) -> np.ndarray:
        merging = closest_pairs(cost.layout, theta, symmetry).distance < alarm.gap
        flat = saturated(cost, theta, alarm.slope).any(axis=1)
        return merging | flat | (tail_neurons(cost, theta, alarm.reach) >= 0)

    return watch


def confirm(problem: Scaled, found: Descents, suspects: Int[np.ndarray, " s"]) -> None:
    """Mark those suspects that run to infinity: a limit was found, and they are on their way to it.

    Parameters
    ----------
    problem
        Scaled, with no ridge.
    found
        Where states and limits are written.
    suspects
        Their numbers.
    """
    cost = problem.cost
    if suspects.size == 0 or cost.layout.K > 1:
        return
    flat = saturated(cost, found.theta[suspects]).any(axis=1)
    for k in suspects[flat]:
        limit = _step_limit(problem, found.theta[k])
        if limit is not None and limit.attracts:
            _mark(found, int(k), SATURATION, limit)
    _confirm_merging(problem, found, suspects[~flat])
    _confirm_tails(problem, found, suspects[found.state[suspects] == UNFINISHED])


def _confirm_merging(problem: Scaled, found: Descents, suspects: Int[np.ndarray, " s"]) -> None:
    cost = problem.cost
    pairs = closest_pairs(cost.layout, found.theta[suspects], cost.activation.symmetry)
    near = np.flatnonzero(pairs.distance < ROUNDS[0].gap)
    if near.size == 0:
        return
    rest = suspects[near]
    pairs = ClosestPairs(pairs.first[near], pairs.second[near], pairs.mirrored[near], pairs.distance[near])
    for at, (k, limit) in enumerate(zip(rest, merged(cost, found.theta[rest], pairs, problem.noise), strict=True)):
        if is_approached(cost, found.theta[k], float(found.loss[k]), pairs, at, limit):
            _mark(found, int(k), MERGING, limit)


def _confirm_tails(problem: Scaled, found: Descents, suspects: Int[np.ndarray, " s"]) -> None:
    neurons = tail_neurons(problem.cost, found.theta[suspects], ROUNDS[0].reach)
    rest = suspects[neurons >= 0]
    if rest.size == 0:
        return
    limits, near = tail_limits(problem.cost, found.theta[rest], neurons[neurons >= 0], problem.noise)
    for k, limit, is_near in zip(rest, limits, near, strict=True):
        if is_near:
            _mark(found, int(k), TAIL, limit)


def confirm_rested(problem: Scaled, found: Descents) -> None:
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
