"""Algorithm B: stay on the line that was known before the run, and prove it at every node.

The outputs are to follow `T(tau)`, the orbit of the loss law: `y + exp(-tau)(x_0 - y)` for the squared loss. To advance
the clock, the parameters are corrected by `theta <- theta - D^+ (x - T)` until `|x - T| <= eps_line |T - y|`, which a
plain forward pass verifies. Then for the squared loss

    |C / C_predicted - 1| <= 2 eps_line + eps_line^2

at every node, whatever the curvature was (section 4). For other losses `x - y` reads as the residual of the loss, and
the cost itself must be that near as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.adapted.factors import Linearisation
from thalweg.adapted.fast import Settings
from thalweg.adapted.fibre import vertical
from thalweg.adapted.node import Node
from thalweg.adapted.orthogonal import accurate_factor
from thalweg.adapted.recorder import Recorder
from thalweg.adapted.solve import RankLossError
from thalweg.adapted.spectral import spectral_factor
from thalweg.adapted.task import Task
from thalweg.records import Outcome

LINE_TOLERANCE = 1e-4
"""`eps_line`: the run is then within 2e-4 of the curve, far below what a picture shows."""

CORRECTIONS = 4
"""Corrections at one clock value before the step is shortened."""

CONTRACTION = 0.5
"""A correction that leaves more than this share of the deviation does not converge."""

FIRST_STEP, SHORTEST_STEP, LONGEST_STEP = 0.1, 1e-6, 4.0
"""Steps of the clock: the first, the one below which the line is given up, and the longest."""

SHRINK, GROWTH = 0.4, {1: 2.0, 2: 1.3}
"""Change of the step after a failure, and after one or two corrections; else it shrinks by a fifth."""

SOLVE_TOLERANCE = 1e-2
"""Relative residual of an iterative solve: each correction gains two digits."""


def run_certified(
    task: Task, settings: Settings, recorder: Recorder, line_tolerance: float = LINE_TOLERANCE
) -> tuple[Any, Outcome]:
    """Train along the predicted curve until the recorder says stop.

    Returns
    -------
    tuple
        The last parameters, and how the run ended: with `stalled` where the line cannot be followed at this rank.
    """
    theta = task.model.theta
    x = x0 = task.outputs(theta)
    end = recorder.add(Node(0.0, task.loss.cost(x), deviation=0.0), theta, x, task.loss.residual(x))
    tau, dtau = 0.0, FIRST_STEP
    last = min(recorder.until, _arrival(task, x0, recorder.tol, line_tolerance))
    while end is None:
        dtau = min(dtau, last - tau) if last > tau else dtau
        target = np.asarray(task.loss.line(x0, tau + dtau))
        begun = _moved_aside(task, settings, theta, x, dtau)
        reached = _corrected(task, settings, begun, task.outputs(begun), target, line_tolerance)
        if reached is None:
            dtau *= SHRINK
            if dtau < SHORTEST_STEP:
                recorder.mark("line_lost")
                return theta, Outcome.STALLED
            continue
        theta, x, deviation, corrections = reached
        tau += dtau
        node = Node(tau, task.loss.cost(x), step=dtau, deviation=deviation, iterations=corrections, efficiency=1.0,
                    guaranteed=tau)  # fmt: skip
        end = recorder.add(node, theta, x, task.loss.residual(x))
        dtau = min(dtau * GROWTH.get(corrections, 0.8), LONGEST_STEP)
    return theta, end


def _moved_aside(task: Task, settings: Settings, theta: Any, x: np.ndarray, dtau: float) -> Any:
    """Return the parameters after the wanted motion along the fibre; corrections then bring the outputs back."""
    if settings.fibre is None:
        return theta
    made = _factored(task.model.linearise(theta), settings)
    size = float(np.linalg.norm(task.loss.residual(x)))
    return theta + dtau * vertical(task.model, theta, made, settings.fibre, None, size)


def _factored(lin: Linearisation, settings: Settings) -> Any:
    try:
        return accurate_factor(lin, settings.route, settings.precision)
    except RankLossError:
        return spectral_factor(lin)


def _arrival(task: Task, x0: np.ndarray, tol: float, line_tolerance: float) -> float:
    """Return the clock at which the run has reached the target wherever in the band it is."""
    floor = task.loss.floor
    return task.loss.time_to(x0, floor + (tol - floor) / (1 + 3 * line_tolerance)) if tol > floor else np.inf


def _corrected(
    task: Task, settings: Settings, theta: Any, x: np.ndarray, target: np.ndarray, line_tolerance: float
) -> tuple[Any, np.ndarray, float, int] | None:
    """Return parameters whose outputs are on the line, or None if corrections do not contract."""
    aim = task.loss.residual(target)
    size = float(np.linalg.norm(aim))
    before = np.inf
    for count in range(1, CORRECTIONS + 1):
        made = _factored(task.model.linearise(theta), settings)
        theta = theta + made.solve(task.trained(target - x), SOLVE_TOLERANCE * line_tolerance**0.25).delta
        x = task.outputs(theta)
        deviation = float(np.linalg.norm(task.loss.residual(x) - aim)) / size
        if not task.loss.is_linear:
            deviation = max(deviation, 0.5 * abs(task.loss.excess(x) / task.loss.excess(target) - 1))
        if deviation <= line_tolerance:
            return theta, x, deviation, count
        if not deviation <= CONTRACTION * before:
            return None
        before = deviation
    return None
