"""The flow itself, `dtheta/dtau = D^+ v(x)`, by an adaptive Runge-Kutta method of order 8: for a faithful `theta(tau)`.

The other modes follow the outputs and reach the parameters' orbit to first order only. Here the right-hand side is
the adapted direction of the closed loop (theorem T6), with the motion along the fibre that was asked for (theorem T8:
in continuous time it needs no cap), and SciPy's DOP853 controls the error of the parameters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.adapted.factors import Linearisation
from thalweg.adapted.fast import Settings
from thalweg.adapted.fibre import vertical_of
from thalweg.adapted.node import Node
from thalweg.adapted.orthogonal import fits, orthogonal_factor
from thalweg.adapted.recorder import Recorder
from thalweg.adapted.solve import RankLossError, factor
from thalweg.adapted.spectral import spectral_factor
from thalweg.adapted.task import Task
from thalweg.records import Outcome

RELATIVE, ABSOLUTE = 1e-9, 1e-12
"""Tolerances of the integrator."""

TIGHT = 1e-14
"""Relative residual of a solve: the integrator must not see it, nor what it becomes divided by `sigma_min`."""


def run_ode(task: Task, settings: Settings, recorder: Recorder) -> tuple[Any, Outcome]:
    """Integrate the flow until the recorder says stop.

    Returns
    -------
    tuple
        The last parameters, and how the run ended.
    """
    from scipy.integrate import DOP853

    def velocity(tau: float, theta: np.ndarray) -> np.ndarray:
        lin = task.model.linearise(theta)
        wanted = task.loss.velocity(task.raw(lin.outputs))
        made = _factored(lin, settings, wanted)
        aside = vertical_of(made, theta, settings.fibre, None)
        delta = made.solve(wanted, TIGHT).delta
        return np.asarray(delta if aside is None else delta + aside)

    theta = np.asarray(task.model.theta, dtype=np.float64)
    x = task.outputs(theta)
    end = recorder.add(Node(0.0, task.loss.cost(x)), theta, x, task.loss.residual(x))
    solver = DOP853(velocity, 0.0, theta, min(recorder.until, 1e6), rtol=RELATIVE, atol=ABSOLUTE)
    while end is None:
        solver.step()
        if solver.status == "failed" or not np.isfinite(solver.y).all():
            return theta, Outcome.DIVERGED
        theta = solver.y.copy()
        x = task.outputs(theta)
        step = float(solver.step_size or 0.0)
        node = Node(float(solver.t), task.loss.cost(x), step=step, damping=settings.damping)
        end = recorder.add(node, theta, x, task.loss.residual(x))
    return theta, end


def _factored(lin: Linearisation, settings: Settings, wanted: np.ndarray) -> Any:
    """Factor as exactly as it takes: the noise of a direction must lie below the integrator's tolerance."""
    if settings.power != 1.0:
        return spectral_factor(lin, settings.damping, settings.power)
    try:
        made = factor(lin, settings.damping, settings.route, settings.precision)
        made.solve(wanted, TIGHT)
        return made
    except RankLossError:
        if settings.damping > 0 or not fits(lin):
            return spectral_factor(lin, settings.damping)
    try:
        return orthogonal_factor(lin)
    except RankLossError:
        return spectral_factor(lin)
