"""Limits of networks that run to infinity: closure models, their minima, and whether these attract (section 4).

Merging. A pair `v/2 +- 1/(2e)` at `B +- e p` tends to `v psi(z) + (p.xt) psi'(z)` as `e -> 0`, and exactly

    sum of the pair = v psi + (p.xt) psi' + e^2 (v (p.xt)^2 psi''/2 + (p.xt)^3 psi'''/6) + O(e^4).

`(v, p, B, e)` are coordinates of the pair, and the cost is a smooth function of `e^2 >= 0` in them. So a strict minimum
of the closure model is a strict local infimum of the family, approached and never attained, if the drift
`2 sum_i w_i r_i (v (p.xt_i)^2 psi''/2 + (p.xt_i)^3 psi'''/6)` is positive; if it is negative, networks leave it.
(Derived here; specification section 4 gives the closure model.)

Saturation. A neuron whose inner weights grow becomes a step: a fixed feature. Rows in its transition, at most as many
as a hyperplane can hold, are fitted exactly as long as the value that this needs lies between those of the step. The
drift is then the rise of the loss as the step softens, to first order: along this ray the loss tends to the limit from
above if it is positive. Other directions may do better, so no infimum is claimed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from thalweg.shallow.batched import BatchedCost, Layout
from thalweg.shallow.escape import ClosestPairs, saturated, transition_rows
from thalweg.shallow.symmetry import MIRRORS
from thalweg.shallow.trust_region import AT_FLOOR, OVERFLOWS, short_descent, trust_region

MERGING, SATURATION = "merging", "saturation"

FAR = 1e300
"""Where an activation has its limit value."""

STEPS, MOST_STEPS = {SATURATION: 40}, 200
"""Trust-region steps of a closure model at most; those with steps are solved one by one, so they get fewer."""

SHAPE = 0.5
"""The rise of the loss above its limit may differ by this share from what the drift predicts."""

SINGULAR = 1e-13
"""A closure minimum whose smallest eigenvalue is below this share of the largest is not told from a degenerate one."""


@dataclass(frozen=True, eq=False)
class LimitNet:
    """The network at infinity.

    Attributes
    ----------
    kind
        "merging" or "saturation".
    theta : array
        Parameters in `layout` (`batched.py`), in scaled units.
    loss
        Cost at the limit.
    drift
        How the cost rises off the limit; minus infinity if the limit was not found.
    smallest, largest
        Extreme eigenvalues of its Hessian.
    gradient
        Norm of its gradient.
    cost
        The closure model itself.
    """

    kind: str
    theta: Float[np.ndarray, " P"]
    loss: float
    drift: float
    smallest: float
    largest: float
    gradient: float
    cost: BatchedCost

    @property
    def attracts(self) -> bool:
        """Whether the limit is a strict minimum of the closure and lies below the networks on their way to it."""
        return self.drift > 0 and self.smallest > SINGULAR * self.largest


def merged(cost: BatchedCost, theta: Float[np.ndarray, "S P"], pairs: ClosestPairs, noise: float) -> list[LimitNet]:
    """Minimise the closure models of merging networks.

    Parameters
    ----------
    cost
        Of the networks; one output, no ridge on what grows.
    theta
        Networks about to merge.
    pairs
        Which two neurons.
    noise
        As in `trust_region`.

    Returns
    -------
    list of LimitNet
        One a network; whether it is where the network goes is for the caller to compare.
    """
    layout = replace(cost.layout, m=cost.layout.m - 1, pairs=1)
    closure = _closure(cost, layout, cost.weights, cost.steps)
    starts = np.array([_merge(cost, theta[k], pairs, k) for k in range(len(theta))])
    return descend_to_limits(MERGING, closure, starts, noise, lambda at: _drift(closure, at))


def is_approached(
    cost: BatchedCost, theta: Float[np.ndarray, " P"], loss: float, pairs: ClosestPairs, k: int, limit: LimitNet
) -> bool:
    """Tell whether a network is on its way to this limit: above it by what the drift predicts for its distance."""
    if not (limit.attracts and loss >= limit.loss):
        return False
    _, _, _, p, _ = limit.cost.layout.split(limit.theta[None])
    size = np.linalg.norm(p[0, 0])
    rise = limit.drift * (pairs.distance[k] / (2 * size)) ** 2
    start = _merge(cost, theta, pairs, k)
    near = np.linalg.norm(start - limit.theta) <= SHAPE * (1 + np.linalg.norm(limit.theta))
    return bool(near and abs(loss - limit.loss - rise) <= SHAPE * rise)


def stepped(cost: BatchedCost, theta: Float[np.ndarray, " P"], noise: float) -> LimitNet | None:
    """Minimise the closure model of a network with saturated neurons.

    Parameters
    ----------
    cost
        Of the network; one output.
    theta
        Its parameters.
    noise
        As in `trust_region`.

    Returns
    -------
    LimitNet or None
        None if no neuron is saturated or the rows in transition need values that a step cannot take.
    """
    which = saturated(cost, theta[None])[0]
    if not which.any():
        return None
    layout = cost.layout
    _, _, v, _, B = layout.split(theta[None])
    inside = transition_rows(cost, theta[None])[0] & which[:, None]
    steps = cost.activation(np.copysign(FAR, B[0, which] @ cost.rows))
    steps = np.where(inside[which], 0.0, steps)
    settled = ~inside.any(axis=0)
    useful = [s for s in range(len(steps)) if np.ptp(steps[s, settled]) > 0]
    left = replace(layout, m=int((~which).sum()), steps=len(useful))
    weights = np.where(settled, cost.weights, 0.0)
    closure = _closure(cost, left, weights, steps[useful])
    outer, moving = v[0, which, 0].copy(), v[0, ~which, 0]
    constant = sum(outer[s] * steps[s, settled][0] for s in range(len(steps)) if s not in useful)
    start = np.concatenate([theta[:1] + constant, outer[useful], moving, B[0, ~which].ravel()])
    limit = descend_to_limits(SATURATION, closure, start[None], noise, lambda at: 0.0)[0]
    if limit.drift == -np.inf:
        return limit
    outer[useful] = limit.theta[1 : 1 + len(useful)]
    residual = closure.residuals(limit.theta[None])[0, 0]
    if not _can_fit(cost, residual, outer, inside[which]):
        return None
    return replace(limit, drift=_softening(cost, B[0, which], outer, np.where(settled, residual, 0.0)))


def _closure(cost: BatchedCost, layout: Layout, weights: np.ndarray, steps: np.ndarray) -> BatchedCost:
    zero = np.zeros(layout.size)
    return BatchedCost(cost.activation, layout, cost.rows, cost.targets, weights, steps, zero, zero)


def _merge(cost: BatchedCost, theta: np.ndarray, pairs: ClosestPairs, k: int) -> np.ndarray:
    """Return the start of the closure model: mean of the pair, and its difference as the derivative neuron."""
    v0, _, v, _, B = (part[0] for part in cost.layout.split(theta[None]))
    i, j = int(pairs.first[k]), int(pairs.second[k])
    vi, vj, Bi, Bj, bias = v[i, 0], v[j, 0], B[i], B[j], v0[0]
    if pairs.mirrored[k]:
        sign, shift = MIRRORS[cost.activation.symmetry]
        bias, vj, Bj = bias + shift * vj, sign * vj, -Bj
    mean = (abs(vi) * Bi + abs(vj) * Bj) / (abs(vi) + abs(vj))
    others = [h for h in range(cost.layout.m) if h not in (i, j)]
    p = vi * (Bi - mean) + vj * (Bj - mean)
    return np.concatenate([[bias, vi + vj], v[others, 0], p, mean, B[others].ravel()])


@OVERFLOWS
def descend_to_limits(
    kind: str,
    closure: BatchedCost,
    starts: Float[np.ndarray, "S P"],
    noise: float,
    drift: Callable[[np.ndarray], float],
) -> list[LimitNet]:
    """Minimise closure models of one layout.

    Parameters
    ----------
    kind
        Of the limits.
    closure
        The model.
    starts
        In its layout.
    noise
        As in `trust_region`.
    drift
        How the cost rises off a limit, from its parameters.

    Returns
    -------
    list of LimitNet
        In the order of the starts.
    """
    entered, _ = short_descent(closure, starts)
    descent = trust_region(closure, entered, limit=STEPS.get(kind, MOST_STEPS), noise=noise)
    _, hessians = closure.derivatives(descent.theta)
    eigenvalues = np.linalg.eigvalsh(np.where(np.isfinite(hessians), hessians, 0.0))
    found = []
    for theta, loss, gradient, ended, values in zip(
        descent.theta, descent.loss, descent.gradient, descent.ended, eigenvalues, strict=True
    ):
        rise = drift(theta) if ended == AT_FLOOR else -np.inf
        found.append(LimitNet(kind, theta, float(loss), rise, float(values[0]), float(values[-1]), float(gradient),
                              closure))  # fmt: skip
    return found


def _can_fit(cost: BatchedCost, residual: np.ndarray, outer: np.ndarray, inside: np.ndarray) -> bool:
    """Tell whether rows in transition can be fitted: what they lack lies between the values of their step."""
    ends = cost.activation(np.array([-FAR, FAR]))
    for row in np.flatnonzero(inside.any(axis=0)):
        low, high = np.sort(np.outer(outer[inside[:, row]], ends), axis=1).sum(axis=0)
        if not low < -residual[row] < high:
            return False
    return True


def _softening(cost: BatchedCost, B: np.ndarray, outer: np.ndarray, residual: np.ndarray) -> float:
    """Return the rise of the loss as steps soften, relative to the largest slope: it may be too small for a float."""
    z = B @ cost.rows
    slope = np.abs(cost.activation.derivatives(z, 1)[1])
    largest = slope[:, residual != 0].max(initial=0.0)
    if largest == 0:
        return 0.0
    change = -np.sign(z) * slope / largest
    return float(2 * (cost.weights * residual) @ (outer @ change))


def _drift(closure: BatchedCost, theta: np.ndarray) -> float:
    """Return how the cost rises off a merging limit; its sign says whether networks approach it."""
    _, _, v, p, B = closure.layout.split(theta[None])
    z, tilt = B[0, 0] @ closure.rows, p[0, 0] @ closure.rows
    _, _, second, third = closure.activation.derivatives(z, 3)
    change = v[0, 0, 0] * tilt**2 * second / 2 + tilt**3 * third / 6
    return float(2 * (closure.weights * closure.residuals(theta[None])[0, 0]) @ change)
