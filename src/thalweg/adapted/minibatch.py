"""Block steps on minibatches (nonlinear Kaczmarz) and SPRING: monitored, never certified.

For a batch `b` the step `theta <- theta - h D_b^+ r_b` shrinks the batch's own residual by `1 - h`; the full loss has
no envelope and is only watched. SPRING adds `beta` times the previous step and aims at `-r_b - beta D_b previous`
(specification, section 5). Prefer the full batch while its Gram matrix fits into memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.adapted.fast import Settings
from thalweg.adapted.node import Node
from thalweg.adapted.recorder import Recorder
from thalweg.adapted.solve import RankLossError, factor
from thalweg.adapted.spectral import spectral_factor
from thalweg.adapted.task import Task
from thalweg.numerics.options import require, whole_number
from thalweg.numerics.resampling import stream
from thalweg.records import Outcome

TOLERANCE = 1e-3
"""Relative residual of a batch's solve; it is direct, and refined only where the condition asks for it."""

DIVERGED = 1e6
"""A loss this many times that of the start has left the problem."""


@dataclass(frozen=True)
class Batches:
    """`size` samples a batch, step `h` in (0, 1], momentum `beta` in [0, 1) (SPRING)."""

    size: int = 256
    step: float = 0.5
    momentum: float = 0.0

    def __post_init__(self) -> None:
        whole_number(self.size, "size", 1)
        require(0 < self.step <= 1, "step", self.step, "0 < step <= 1")
        require(0 <= self.momentum < 1, "momentum", self.momentum, "0 <= momentum < 1")


def run_minibatch(task: Task, settings: Settings, recorder: Recorder, batches: Batches) -> tuple[Any, Outcome]:
    """Train epoch by epoch; a node is an epoch, and its clock the logarithm of what the full residual has lost at best.

    Returns
    -------
    tuple
        The last parameters, and how the run ended.
    """
    theta = task.model.theta
    N = task.model.shape[0]
    size = min(batches.size, N)
    x = task.outputs(theta)
    residual = task.loss.residual(x)
    start = float(np.linalg.norm(residual))
    end = recorder.add(Node(0.0, task.loss.cost(x)), theta, x, residual)
    before = None
    while end is None:
        order = stream(settings.seed, "minibatch", len(recorder.nodes)).permutation(N)
        groups = [np.sort(order[i : i + size]) for i in range(0, N - size + 1, size)]
        for rows in groups:
            theta, before = _block_step(task, settings, batches, theta, rows, before)
        x = task.outputs(theta)
        residual = task.loss.residual(x)
        length = float(np.linalg.norm(residual))
        if not length <= DIVERGED * start:
            return theta, Outcome.DIVERGED
        tau = max(float(np.log(start / max(length, np.finfo(float).tiny))), recorder.nodes[-1].tau)
        end = recorder.add(Node(tau, task.loss.cost(x), step=batches.step), theta, x, residual)
    return theta, end


def _block_step(
    task: Task, settings: Settings, batches: Batches, theta: Any, rows: np.ndarray, before: Any
) -> tuple[Any, Any]:
    """Return the parameters after one batch, and the step that was made."""
    part = task.restrict(rows)
    lin = part.model.linearise(theta)
    dtau = -np.log1p(-batches.step) if batches.step < 1 else np.inf
    wanted = part.loss.wanted(part.raw(lin.outputs), min(dtau, part.loss.longest))
    try:
        made = factor(lin, settings.damping, "exact", "float64")
    except RankLossError:
        made = spectral_factor(lin, settings.damping)
    carried = 0.0 if before is None else batches.momentum * before
    if before is not None and batches.momentum:
        wanted = wanted - lin.push(carried)
    delta = made.solve(wanted, TOLERANCE).delta + carried
    return theta + delta, delta
