"""The flow itself, `dtheta/dtau = D^+ v(x)`, by an adaptive Runge-Kutta method of order 8: for a faithful `theta(tau)`.

The other modes follow the outputs and reach the parameters' orbit to first order only. Here the right-hand side is
the adapted direction of the closed loop (theorem T6) and SciPy's DOP853 controls the error of the parameters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.adapted.fast import Settings
from thalweg.adapted.node import Node
from thalweg.adapted.recorder import Recorder, Task
from thalweg.adapted.solve import RankLossError, factor
from thalweg.adapted.spectral import spectral_factor
from thalweg.records import Outcome

RELATIVE, ABSOLUTE = 1e-9, 1e-12
"""Tolerances of the integrator."""

TIGHT = 1e-12
"""Relative residual of an iterative solve: the integrator must not see it."""


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
        try:
            made = factor(lin, settings.damping, settings.route, settings.precision)
        except RankLossError:
            made = spectral_factor(lin, settings.damping)
        return np.asarray(made.solve(wanted, TIGHT).delta)

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
