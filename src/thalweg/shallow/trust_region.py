"""Descent of many networks at once: short Levenberg-Marquardt, then a trust region with the exact Hessian.

Levenberg-Marquardt enters a basin cheaply but finishes only linearly (theorem T3: at the rate max |k|). The trust
region minimises the exact quadratic model in a ball: with `H = Q diag(l) Q'` the step is `-(l + mu)^-1 Q'g` with
`mu >= max(0, -l_1)` from the secular equation `|s(mu)| = R` (Moré and Sorensen 1983), so it leaves saddles along their
negative directions. Near the floor the difference of two losses is noise: there a step is taken if and only if the
gradient falls.

Networks need very different numbers of steps. A fixed number of places is filled anew as networks finish, so every call
into the linear algebra works on a full batch and the data of a batch stay in the cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from thalweg.shallow.batched import BatchedCost

PLACES = 48
"""Networks that move at the same time: enough to share the cost of a call, few enough for the cache."""

SHORT = 25
"""Levenberg-Marquardt steps at most."""

SLOW = 1e-3
"""Relative decrease below which these end: from here on the exact Hessian pays."""

FLOOR = 1e-12
"""A predicted decrease below this share of the loss cannot be measured."""

FAILURES = 3
"""Steps in a row that do not lower the gradient, after which the floor is reached."""

FIRST_RADIUS, LARGEST_RADIUS = 1.0, 1e4
"""Radius of the first ball and of the largest, in standardised units."""

LM_FIRST_DAMPING = 1e-2
"""Relative to the diagonal of the Gauss-Newton matrix."""

AT_FLOOR, WATCHED, SPENT = 1, 2, 3
"""How a descent ended: nothing left to gain, stopped by its watch, or too many steps."""

OVERFLOWS = np.errstate(over="ignore", invalid="ignore", divide="ignore")
"""Steps that overflow are seen by their loss and refused; a warning would say nothing more."""

Watch = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Called with parameters, losses and steps done of some networks; tells which of them are to stop."""


@dataclass(frozen=True, eq=False)
class Descent:
    """Where networks came to rest.

    `theta (S, P)`, `loss`, `gradient (S,)` (its norm), `radius`, `ended` (one of the codes above), `steps`.
    """

    theta: Float[np.ndarray, "S P"]
    loss: Float[np.ndarray, " S"]
    gradient: Float[np.ndarray, " S"]
    radius: Float[np.ndarray, " S"]
    ended: Int[np.ndarray, " S"]
    steps: Int[np.ndarray, " S"]


class Places:
    """Arrays of the networks that move now, refilled from a queue as some finish."""

    def __init__(self, total: int, places: int, enter: Callable[[np.ndarray], dict[str, np.ndarray]]) -> None:
        self._queue: Iterator[int] = iter(range(total))
        self._enter = enter
        self.who = np.zeros(0, dtype=np.int64)
        self.state: dict[str, np.ndarray] = {}
        self._places = places
        self._refill()

    def leave(self, finished: Bool[np.ndarray, " s"]) -> None:
        """Let others take the places of those that finished."""
        if not finished.any():
            return
        self.who = self.who[~finished]
        self.state = {name: array[~finished] for name, array in self.state.items()}
        self._refill()

    def _refill(self) -> None:
        wanted = self._places - self.who.size
        coming = np.array(list(itertools.islice(self._queue, wanted)), dtype=np.int64)
        if coming.size == 0:
            return
        entering = self._enter(coming)
        self.state = {
            name: np.concatenate([self.state[name], array]) if self.who.size else array
            for name, array in entering.items()
        }
        self.who = np.concatenate([self.who, coming])


@OVERFLOWS
def short_descent(cost: BatchedCost, theta: Float[np.ndarray, "S P"]) -> tuple[np.ndarray, Int[np.ndarray, " S"]]:
    """Take at most `SHORT` Levenberg-Marquardt steps with Marquardt's scaling.

    Parameters
    ----------
    cost
        Of one layout.
    theta
        Starts.

    Returns
    -------
    tuple
        Parameters `(S, P)` and steps `(S,)`.
    """
    reached, steps = theta.copy(), np.zeros(len(theta), dtype=np.int64)

    def enter(coming: np.ndarray) -> dict[str, np.ndarray]:
        gradient, matrix = cost.derivatives(theta[coming], exact=False)
        zero = np.zeros(coming.size)
        return {"theta": theta[coming], "loss": cost.loss(theta[coming]), "gradient": gradient, "matrix": matrix,
                "damping": zero + LM_FIRST_DAMPING, "steps": zero.astype(np.int64)}  # fmt: skip

    places = Places(len(theta), PLACES, enter)
    while places.who.size:
        now = places.state
        trial = now["theta"] - _damped_solve(now["matrix"], now["gradient"], now["damping"])
        loss = cost.loss(trial)
        better = loss < now["loss"]  # false for NaN
        now["steps"] += 1
        done = (now["steps"] >= SHORT) | (better & (now["loss"] - loss < SLOW * now["loss"]))
        now["damping"] *= np.where(better, 0.2, 5.0)
        now["theta"][better], now["loss"][better] = trial[better], loss[better]
        reached[places.who], steps[places.who] = now["theta"], now["steps"]
        moved = np.flatnonzero(better & ~done)
        if moved.size:
            now["gradient"][moved], now["matrix"][moved] = cost.derivatives(now["theta"][moved], exact=False)
        places.leave(done)
    return reached, steps


def _damped_solve(matrix: np.ndarray, gradient: np.ndarray, damping: np.ndarray) -> Float[np.ndarray, "S P"]:
    diagonal = np.einsum("spp->sp", matrix)
    scale = np.maximum(diagonal, 1e-10 * diagonal.max(axis=1, keepdims=True) + np.finfo(float).tiny)
    damped = matrix.copy()
    np.einsum("spp->sp", damped)[...] += damping[:, None] * scale
    return np.linalg.solve(damped, gradient[:, :, None])[:, :, 0]


@OVERFLOWS
def trust_region(
    cost: BatchedCost,
    theta: Float[np.ndarray, "S P"],
    *,
    limit: int,
    noise: float,
    watch: Watch | None = None,
    radius: Float[np.ndarray, " S"] | None = None,
) -> Descent:
    """Descend to the floor with the exact Hessian.

    Parameters
    ----------
    cost
        Of one layout.
    theta
        Where each network starts.
    limit
        Steps at most.
    noise
        Root mean square of the target: what rounding errors of a residual are relative to.
    watch
        Asked after accepted steps which networks are to stop; None: none.
    radius
        Of the first ball, `FIRST_RADIUS` if None.

    Returns
    -------
    Descent
        In the order of `theta`.
    """
    S, P = theta.shape
    first = np.full(S, FIRST_RADIUS) if radius is None else radius
    result = Descent(theta.copy(), np.zeros(S), np.zeros(S), first.copy(), np.zeros(S, dtype=np.int64),
                     np.zeros(S, dtype=np.int64))  # fmt: skip

    def enter(coming: np.ndarray) -> dict[str, np.ndarray]:
        at, count = theta[coming], np.zeros(coming.size, dtype=np.int64)
        return {"theta": at, "loss": cost.loss(at), "radius": first[coming], "steps": count, "failures": count.copy(),
                **model(*cost.derivatives(at))}  # fmt: skip

    places = Places(S, PLACES, enter)
    while places.who.size:
        now = places.state
        accepted = _step(cost, now, noise)
        now["steps"] += 1
        if accepted.size:
            for name, array in model(*cost.derivatives(now["theta"][accepted])).items():
                now[name][accepted] = array
        ended = np.where(now["steps"] >= limit, SPENT, 0)
        if watch is not None and accepted.size:
            ended[accepted[watch(now["theta"][accepted], now["loss"][accepted], now["steps"][accepted])]] = WATCHED
        ended[(now["failures"] >= FAILURES) | (now["norm"] == 0)] = AT_FLOOR
        if (done := ended > 0).any():
            who = places.who[done]
            for name, into in (("theta", result.theta), ("loss", result.loss), ("norm", result.gradient),
                               ("radius", result.radius), ("steps", result.steps)):  # fmt: skip
                into[who] = now[name][done]
            result.ended[who] = ended[done]
        places.leave(done)
    return result


def model(gradient: np.ndarray, hessian: np.ndarray) -> dict[str, np.ndarray]:
    """Return the quadratic model in the basis of its eigenvectors."""
    bad = ~np.isfinite(hessian).all(axis=(1, 2))
    hessian[bad] = 0.0  # an overflowed network does not move any more: its gradient is not finite
    values, vectors = np.linalg.eigh(hessian)
    turned = np.matmul(gradient[:, None], vectors)[:, 0]
    return {"values": values, "vectors": vectors, "turned": turned, "norm": np.linalg.norm(gradient, axis=1)}


def _step(cost: BatchedCost, now: dict[str, np.ndarray], noise: float) -> Int[np.ndarray, " a"]:
    """Try one step of every network; return which were taken. Radius and failures follow."""
    values, turned, radius, loss = now["values"], now["turned"], now["radius"], now["loss"]
    t = model_step(values, turned, radius)
    length = _norms(t)
    predicted = -np.einsum("sp,sp->s", t, turned + 0.5 * values * t)
    trial = now["theta"] + np.matmul(now["vectors"], t[:, :, None])[:, :, 0]
    reached = cost.loss(trial)
    # Rounding of a residual is about eps times the target, of the loss that times twice the residual.
    floor = FLOOR * loss + 4 * np.finfo(float).eps * noise * (np.sqrt(loss) + np.finfo(float).eps * noise)
    blind = predicted <= floor
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (loss - reached) / predicted
    good = ~blind & (ratio > 1e-4)
    if blind.any():
        at = np.flatnonzero(blind)
        gradient, _ = cost.derivatives(trial[at], exact=False)
        norm = np.linalg.norm(gradient, axis=1)
        falls = (norm < now["norm"][at]) & (reached[at] - loss[at] <= 16 * np.maximum(floor[at], predicted[at]))
        good[at] = falls
        # Newton's steps at least halve the gradient until only rounding is left of it.
        now["failures"][at] = np.where(falls & (norm < 0.5 * now["norm"][at]), 0, now["failures"][at] + 1)
        radius[at] = np.where(falls, radius[at], 0.25 * length[at])
    seen = ~blind
    shrink = seen & ~(ratio > 0.25)
    grow = seen & (ratio > 0.75) & (length > 0.8 * radius)
    radius[shrink] = 0.25 * length[shrink]
    radius[grow] = np.minimum(2 * radius[grow], LARGEST_RADIUS)
    taken = np.flatnonzero(good)
    now["theta"][taken], now["loss"][taken] = trial[taken], reached[taken]
    return taken


def model_step(
    values: Float[np.ndarray, "S P"], turned: Float[np.ndarray, "S P"], radius: Float[np.ndarray, " S"]
) -> Float[np.ndarray, "S P"]:
    """Minimise `g.t + t'diag(l)t/2` over `|t| <= R` for each row: Newton's step, or the secular equation.

    Parameters
    ----------
    values
        Eigenvalues `l` in increasing order.
    turned
        Gradients in the basis of the eigenvectors.
    radius
        Of the balls, positive.

    Returns
    -------
    array (S, P)
        Steps in the basis of the eigenvectors.
    """
    lowest = values[:, 0]
    size = np.maximum(np.abs(values[:, -1]), np.abs(lowest))
    norm = _norms(turned)
    tiny = np.finfo(float).eps * size + np.finfo(float).tiny
    low = np.maximum(0.0, -lowest) + np.where(lowest > tiny, 0.0, tiny)
    high = np.maximum(low, norm / radius - lowest) + tiny  # |s(mu)| <= |g| / (mu + l_1)
    mu = low.copy()
    t = -turned / (values + mu[:, None])
    outside = _norms(t) > radius
    active = np.flatnonzero(outside)
    floor, ceiling = low[active].copy(), high[active].copy()
    for _ in range(40):
        if active.size == 0:
            break
        below = values[active] + mu[active, None]
        t[active] = -turned[active] / below
        length = _norms(t[active])
        far = length > radius[active]
        floor[far], ceiling[~far] = mu[active][far], mu[active][~far]
        with np.errstate(invalid="ignore", divide="ignore"):
            growth = (t[active] ** 2 / below).sum(axis=1)
            newton = mu[active] + (length**2 / growth) * (length / radius[active] - 1)
        inside = (newton > floor) & (newton < ceiling)
        # Geometric bisection where Newton leaves the bracket: mu ranges over many decades.
        guess = np.where(inside, newton, np.sqrt(np.maximum(floor, tiny[active]) * ceiling))
        unfinished = np.abs(length - radius[active]) > 1e-2 * radius[active]
        mu[active] = np.where(unfinished, guess, mu[active])
        active, floor, ceiling = active[unfinished], floor[unfinished], ceiling[unfinished]
    return _hard_case(values, t, radius, outside)


def _norms(rows: np.ndarray) -> Float[np.ndarray, " S"]:
    return np.sqrt(np.einsum("sp,sp->s", rows, rows))


def _hard_case(values: np.ndarray, t: np.ndarray, radius: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Go to the boundary along the lowest eigenvector where the gradient has no part in it."""
    short = np.flatnonzero((values[:, 0] < 0) & ~outside)
    if short.size:
        rest = np.maximum(radius[short] ** 2 - (t[short] ** 2).sum(axis=1) + t[short, 0] ** 2, 0.0)
        sign = np.where(t[short, 0] < 0, -1.0, 1.0)
        t[short, 0] = sign * np.sqrt(rest)
    return t
