"""Many descents of one problem at once: starts, and rounds of descent with early diagnosis of escapes.

Descents that look like running to infinity (`escape.py`, `tails.py`) are stopped, their closure model is minimised, and
they go on with a later alarm unless the closure confirms that this is where they go (`ends.py`).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from thalweg.numerics.resampling import stream
from thalweg.shallow.ends import REST, ROUNDS, SILENT, UNFINISHED, Descents, confirm, confirm_rested, watch_for
from thalweg.shallow.scaling import Scaled
from thalweg.shallow.trust_region import AT_FLOOR, FIRST_RADIUS, SPENT, WATCHED, short_descent, trust_region

STEPS = 250
"""Trust-region steps of a start at most: nine in ten bounded ones need fewer than a hundred."""

FEW, PATIENCE = 0.05, 4
"""If at most this share of the starts is left over, they get so many times the steps: few slow valleys cost little."""

START_RIDGE = 1e-10
"""Relative ridge of the least squares that sets the output weights of a start."""


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
        Trust-region steps of a start at most; a few slow ones get more.

    Returns
    -------
    Descents
        In the order of the starts.
    """
    S = len(theta)
    entered, short = short_descent(problem.cost, theta)
    found = Descents(entered, np.zeros(S), np.zeros(S), short, np.full(S, UNFINISHED), np.full(S, -1))
    radius, taken = np.full(S, FIRST_RADIUS), np.zeros(S, dtype=np.int64)
    _rounds(problem, found, np.arange(S), radius, taken, steps)
    late = np.flatnonzero(found.state == UNFINISHED)
    if 0 < late.size <= max(1, int(FEW * S)):
        _rounds(problem, found, late, radius, taken, PATIENCE * steps)
    confirm_rested(problem, found)
    return found


def _rounds(
    problem: Scaled,
    found: Descents,
    who: Int[np.ndarray, " s"],
    radius: Float[np.ndarray, " S"],
    taken: Int[np.ndarray, " S"],
    steps: int,
) -> None:
    """Let some starts go on until each rests, runs away or has taken `steps`; alarms ring later every round."""
    cost = problem.cost
    for alarm in (*ROUNDS, SILENT) if problem.is_free else (SILENT,):
        if who.size == 0:
            return
        left = max(int(steps - taken[who].min()), 1)
        descent = trust_region(cost, found.theta[who], limit=left, noise=problem.noise, radius=radius[who],
                               watch=watch_for(cost, alarm) if problem.is_free else None)  # fmt: skip
        found.theta[who], found.loss[who], found.gradient[who] = descent.theta, descent.loss, descent.gradient
        radius[who] = descent.radius
        taken[who] += descent.steps
        found.steps[who] += descent.steps
        found.state[who[descent.ended == AT_FLOOR]] = REST
        if problem.is_free:
            confirm(problem, found, who[(descent.ended == WATCHED) | (descent.ended == SPENT)])
        watched = who[descent.ended == WATCHED]
        who = watched[(found.state[watched] == UNFINISHED) & (taken[watched] < steps)]
