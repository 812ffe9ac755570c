"""`diagonal_flow`: training of a diagonal network from a finite initialisation, in the clock of the limiting process.

Gradient flow moves the dual `s = int g` of every coordinate, and the coefficient is a fixed function of it
(`network.py`); it is integrated in the distance of the dual to its wall (`motion.py`), where no initialisation, down
to `alpha = 1e-1000000000`, overflows. With a step size the same network is trained by gradient descent (`descent.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from thalweg.diagonal.columns import Columns
from thalweg.diagonal.compression import Compressed, compress_if_tall
from thalweg.diagonal.descent import Descent, Observation, UnstableStep
from thalweg.diagonal.merging import merge_duplicates
from thalweg.diagonal.motion import Motion, PrecisionLost
from thalweg.diagonal.network import Network, network
from thalweg.numerics.validation import real_array, regression_arrays
from thalweg.records import InputError, Outcome

TOLERANCE = 1e-5
"""Relative error of a coefficient that one step may make: about the error in transitions; on plateaus it dies out."""

SHARPEST, COARSEST = 1e-12, 1e-2
"""Tolerances that rounding and the method can honour."""

MOST_STEPS = 1_000_000
"""Steps before the budget is spent: minutes."""

AT_REST = 1e-9
"""Pulls below this share of the first ones have come to rest: the end is a minimiser."""


@dataclass(frozen=True, eq=False)
class DiagonalFlow:
    """A network observed while it trains.

    Attributes
    ----------
    times : array (k,)
        Those asked for, in the clock of the limiting process; fewer if the training ended early (`outcome`).
    coefficients, dual : arrays (k, d)
        `b`, and the scaled dual `s`: its walls are where those of the saddle path are. Under gradient descent
        the dual of `w+`.
    dual_minus : array (k, d) or None
        The dual of `w-` under gradient descent; `-s` for a flow.
    residuals : array (k, n)
        `y - X b`.
    losses : array (k,)
        `|y - X b|^2 / (2 n)`.
    stability : array (k,) or None
        Of gradient descent: it contracts towards the present coefficients if this is below 1 (`eta max|b_i|
        lambda_max(G)` bounds it for `b = u v`).
    iterations : tuple of int or None
        Steps of gradient descent up to each time.
    network : Network
        Parametrisation, depth and walls; `network.clock` says what one unit of `times` is.
    log10_alpha : float
        The initialisation.
    step_size, batch_size : float or None, int or None
        Of gradient descent.
    outcome : Outcome
        How it ended.
    steps : int
        Steps that were computed, among them `rejected` ones.
    rejected : int
        Steps of the integrator that were refused and repeated with smaller ones.
    """

    times: Float[np.ndarray, " k"]
    coefficients: Float[np.ndarray, "k d"]
    dual: Float[np.ndarray, "k d"]
    dual_minus: Float[np.ndarray, "k d"] | None
    residuals: Float[np.ndarray, "k n"]
    losses: Float[np.ndarray, " k"]
    stability: Float[np.ndarray, " k"] | None
    iterations: tuple[int, ...] | None
    network: Network
    log10_alpha: float
    step_size: float | None
    batch_size: int | None
    outcome: Outcome
    steps: int
    rejected: int

    @property
    def clock(self) -> str:
        """What one unit of `times` is, in terms of the time `t` of gradient flow with unit step."""
        return self.network.clock

    def __repr__(self) -> str:
        name, depth = self.network.parametrisation, self.network.depth
        span = f"{self.times[0]:.6g} ... {self.times[-1]:.6g}" if self.times.size else "none"
        return (
            f"<DiagonalFlow {name}, depth {depth}, alpha = 1e{self.log10_alpha:g}, times {span}, "
            f"{self.steps} steps, {self.outcome.value}>"
        )


def diagonal_flow(
    X: np.ndarray,
    y: np.ndarray,
    *,
    log10_alpha: float,
    times: ArrayLike,
    depth: int = 2,
    parametrisation: str = "uv",
    step_size: float | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    init_exponents: ArrayLike | None = None,
    init_scale: ArrayLike | None = None,
    tol: float = TOLERANCE,
    max_steps: int = MOST_STEPS,
) -> DiagonalFlow:
    """Train a diagonal network of finite initialisation by gradient flow or gradient descent.

    Parameters
    ----------
    X, y : arrays (n, d), (n,)
        The data, used as they are: neither centred nor scaled.
    log10_alpha
        `log10` of the initialisation scale, below 0 and not below -1e9. For depth D above 2 initialisations with
        `alpha^(D-2) < 1e-40` are computed as that: their results agree in every digit.
    times : array (k,)
        When to look, strictly increasing from 0 or later, in the clock in which the limiting path has its
        thresholds at 1: `t / ln(1/alpha)` for "uv", "w2half" and "square", `2 t / ln(1/alpha)` for "w2",
        `D (D-2) alpha^(D-2) t` for depth D above 2 (half of it for "w2half", `1/D` of it for "square").
    depth, parametrisation
        See `network`: "uv" | "w2half" | "w2" | "square", the last with coefficients that are never negative.
    step_size
        Train by gradient descent with this step instead of gradient flow; its times are `iteration * step_size`.
    batch_size, seed
        Rows of a minibatch, drawn epoch by epoch in an order that the seed fixes; all rows unless given.
    init_exponents : array (d,), optional
        `a_i > 0` of the initialisation `alpha^a_i`; depth 2 only.
    init_scale : array (d,), optional
        Factors `c_i > 0` of the initialisation.
    tol
        Relative error of a coefficient that one step of the integrator may make.
    max_steps
        Steps to compute at most.

    Returns
    -------
    DiagonalFlow
        One row a time. Plateaus cost a few steps, however long they are, unless minibatches are drawn.

    Raises
    ------
    InputError
        If an array or an option is unusable: depth 1 has no saddles; a step times the largest pull must be below 1.

    Notes
    -----
    Source: S. Pesme, N. Flammarion, NeurIPS 2023, section 2; B. Woodworth et al., COLT 2020, for depths above 2.
    """
    X, y = regression_arrays(X, y)
    when = observation_times(times)
    _refuse_bad_options(y.size, step_size, batch_size, seed, tol, max_steps)
    walls = network(
        X.shape[1],
        log10_alpha,
        depth=depth,
        parametrisation=parametrisation,
        init_exponents=init_exponents,
        init_scale=init_scale,
    )
    if step_size is None:
        seen, outcome, effort = _follow(X, y, walls, when, tol, max_steps)
    else:
        seen, outcome, effort = _descend(X, y, walls, when, step_size, batch_size, seed, max_steps)
    b = np.array([row.coefficients for row in seen]).reshape(-1, X.shape[1]) + 0.0  # no negative zeros
    residuals = y - b @ X.T
    return DiagonalFlow(
        times=when[: len(seen)],
        coefficients=b,
        dual=np.array([row.dual for row in seen]).reshape(b.shape),
        dual_minus=np.array([row.dual_minus for row in seen]).reshape(b.shape) if walls.two_sided else None,
        residuals=residuals,
        losses=(residuals**2).sum(axis=1) / (2 * y.size),
        stability=None if step_size is None else np.array([row.stability for row in seen]),
        iterations=None if step_size is None else tuple(row.iteration for row in seen),
        network=walls,
        log10_alpha=float(log10_alpha),
        step_size=step_size,
        batch_size=batch_size,
        outcome=outcome,
        steps=effort[0],
        rejected=effort[1],
    )


def _follow(
    X: np.ndarray, y: np.ndarray, walls: Network, times: np.ndarray, tol: float, max_steps: int
) -> tuple[list[Observation], Outcome, tuple[int, int]]:
    """Integrate the flow and observe it; return also the steps made and refused."""
    merged = merge_duplicates(Columns(X), walls.width, positive=not walls.two_sided)
    kept, copies = replace(walls, width=walls.width[merged.kept]), np.round(1 / merged.share[merged.kept])
    small = compress_if_tall(X[:, merged.kept], y)
    motion, seen, outcome = Motion(small.X, small.y, kept, tol, copies), [], None
    places = np.searchsorted(merged.kept, merged.source)
    for time in times:
        try:
            in_time = motion.advance(float(time), max_steps)
        except PrecisionLost:
            outcome = Outcome.PRECISION_LOST
            break
        if not in_time:
            outcome = Outcome.BUDGET_SPENT
            break
        b, dual = (values[places] * merged.sign for values in (motion.coefficients, motion.dual))
        seen.append(Observation(b, dual, -dual))
    outcome = outcome or _ending(X, y, seen[-1].coefficients, walls.two_sided)
    return seen, outcome, (motion.steps, motion.rejected)


def _descend(
    X: np.ndarray,
    y: np.ndarray,
    walls: Network,
    times: np.ndarray,
    step_size: float,
    batch_size: int | None,
    seed: int,
    max_steps: int,
) -> tuple[list[Observation], Outcome, tuple[int, int]]:
    """Descend and observe; return also the steps computed."""
    whole = batch_size is None or batch_size >= y.size
    small = compress_if_tall(X, y) if whole else Compressed(X, y, 0.0)
    descent, seen, outcome = Descent(small.X, small.y, walls, step_size, batch_size, seed), [], None
    share = descent.largest_first_step()
    if share >= 1:
        raise InputError("step_too_large", step=step_size, saddle=0, share=share, limit=step_size / share)
    for time in times:
        try:
            in_time = descent.advance(round(float(time) / descent.clock_per_step), max_steps)
        except UnstableStep:
            outcome = Outcome.DIVERGED
            break
        if not in_time:
            outcome = Outcome.BUDGET_SPENT
            break
        seen.append(descent.observe())
    outcome = outcome or _ending(X, y, seen[-1].coefficients, walls.two_sided)
    return seen, outcome, (descent.steps, 0)


def _ending(X: np.ndarray, y: np.ndarray, b: np.ndarray, two_sided: bool) -> Outcome:
    """Say whether training has come to rest at a minimiser."""
    norms = np.linalg.norm(X, axis=0)
    per_norm = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    first, left = per_norm * (y @ X), per_norm * ((y - X @ b) @ X)
    if not (np.abs(first) if two_sided else first).max() > 0:
        return Outcome.NOTHING_TO_LEARN
    shrinking = (left < 0) & (b * norms <= AT_REST * np.linalg.norm(y))
    pulled = np.abs(left) if two_sided else np.where(shrinking, 0.0, np.abs(left))
    return Outcome.CONVERGED if pulled.max() <= AT_REST * np.abs(first).max() else Outcome.STOPPED_ON_REQUEST


def observation_times(times: ArrayLike) -> Float[np.ndarray, " k"]:
    """Return the times as an array.

    Returns
    -------
    array (k,)
        Strictly increasing, the first not negative.

    Raises
    ------
    InputError
        If they are anything else.
    """
    when = real_array(times, "times", 1)
    steps = np.diff(when, prepend=-1.0 if when[0] == 0 else 0.0)
    if (steps <= 0).any():
        index = int(np.flatnonzero(steps <= 0)[0])
        raise InputError("times_not_increasing", index=index, time=float(when[index]))
    return when


def _refuse_bad_options(
    n: int, step_size: float | None, batch_size: int | None, seed: int, tol: float, max_steps: int
) -> None:
    if step_size is not None and not 0 < step_size < np.inf:
        raise InputError("option_range", name="step_size", value=step_size, wanted="> 0")
    if batch_size is not None and step_size is None:
        raise InputError("option_range", name="batch_size", value=batch_size, wanted="None without step_size")
    if batch_size is not None and not 1 <= batch_size <= n:
        raise InputError("option_range", name="batch_size", value=batch_size, wanted=f"1 ... {n}")
    if seed < 0:
        raise InputError("option_range", name="seed", value=seed, wanted=">= 0")
    if not SHARPEST <= tol <= COARSEST:
        raise InputError("option_range", name="tol", value=tol, wanted=f"{SHARPEST:g} ... {COARSEST:g}")
    if max_steps < 1:
        raise InputError("option_range", name="max_steps", value=max_steps, wanted=">= 1")
