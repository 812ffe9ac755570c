"""What a run writes down at every accepted step, and when it ends.

The clock is that of the outputs: `tau` is `-ln` of the factor by which the residual has shrunk at best, so for the
squared loss `C = C_0 exp(-2 tau)` holds by definition of the achieved clock (correction A12); it stands still where a
move along the fibre raised the loss. What is proved of each step is its lower bound (A11), summed in `guaranteed`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from thalweg.adapted.forecast import Forecast, forecast_from
from thalweg.adapted.node import Node
from thalweg.adapted.routes import Route
from thalweg.adapted.task import Task
from thalweg.records import Mark, Outcome, Trajectory

ROUNDINGS = 10.0
"""A residual below so many roundings of outputs and targets is zero to machine precision."""

KEPT_BYTES = 2**27
"""Parameters of nodes are kept up to this size; beyond it only those of the first and the last."""

STEP_CHANNELS = ("step", "damping", "efficiency", "deviation", "iterations", "validation", "smallest", "guaranteed")


@dataclass(frozen=True, eq=False)
class Validation:
    """Held-out data on the same clock: inputs, what is measured of raw outputs (less is better), patience in `tau`."""

    X: Any
    measure: Callable[[np.ndarray], float]
    patience: float


@dataclass(eq=False)
class Recorder:
    """Collects nodes, forecasts and parameters, and decides when to stop.

    `tol` is the cost to reach, floor included; `until` bounds the clock; `callback(node, theta)` may return True to
    stop; `rate` is the price of an hour.
    """

    task: Task
    tol: float
    max_steps: int
    route: Route
    until: float = np.inf
    validation: Validation | None = None
    callback: Callable[[Node, Any], object] | None = None
    rate: float | None = None
    inexact: float | None = 0.0
    nodes: list[Node] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    forecasts: list[Forecast] = field(default_factory=list)
    kept: dict[int, np.ndarray] = field(default_factory=dict)
    first_outputs: Any = None
    last_theta: Any = None
    best_theta: Any = None
    best_tau: float = 0.0
    best_value: float = np.inf
    started: float = field(default_factory=time.perf_counter)

    def add(self, node: Node, theta: Any, x: np.ndarray, residual: np.ndarray) -> Outcome | None:
        """Write down a node; return how the run ends, or None to go on."""
        if self.first_outputs is None:
            self.first_outputs = x
        if self.validation is not None:
            node = self._judge(node, theta)
        self.nodes.append(node)
        self.seconds.append(time.perf_counter() - self.started)
        self._keep(theta)
        made = forecast_from(self.nodes, self.seconds, self.tol, self.task.loss.floor, self.route.operations,
                             self.inexact, self.rate)  # fmt: skip
        end = self._end(node, theta, x, residual)
        if made is not None and end in (None, Outcome.BUDGET_SPENT):
            self.forecasts.append(made)
        return end

    def mark(self, code: str, subject: str = "") -> None:
        """Write down an event at the current clock."""
        self.marks.append(Mark(self.nodes[-1].tau if self.nodes else 0.0, f"adapted.{code}", subject))

    def trajectory(self, band: float | None) -> Trajectory:
        """Return the run with the curve that was known before it; `band` is its relative width where one is proved."""
        columns = {name: np.array([getattr(node, name) for node in self.nodes], float) for name in STEP_CHANNELS}
        clock = np.array([node.tau for node in self.nodes])
        predicted = None if band is None else self.task.loss.predicted(self.first_outputs, clock)
        return Trajectory(
            clock="tau",
            clock_unit="",
            clock_values=clock,
            loss=np.array([node.cost for node in self.nodes]),
            predicted=predicted,
            band=None if predicted is None or band is None else predicted * np.array([[1 - band], [1 + band]]),
            channels={name: values for name, values in columns.items() if np.isfinite(values).any()},
            marks=tuple(self.marks),
        )

    def _end(self, node: Node, theta: Any, x: np.ndarray, residual: np.ndarray) -> Outcome | None:
        if self.callback is not None and self.callback(node, theta):
            return Outcome.STOPPED_ON_REQUEST
        if node.cost <= self.tol:
            return Outcome.TARGET_REACHED
        left = float(np.linalg.norm(residual))
        if left <= ROUNDINGS * np.finfo(float).eps * (2 * float(np.linalg.norm(x)) + left):
            return Outcome.INTERPOLATED
        if node.tau >= self.until * (1 - 1e-12):
            return Outcome.STOPPED_ON_REQUEST
        if self.validation is not None and node.tau - self.best_tau >= self.validation.patience:
            self.mark("validation_stop")
            return Outcome.STOPPED_ON_REQUEST
        return Outcome.BUDGET_SPENT if len(self.nodes) > self.max_steps else None

    def _keep(self, theta: Any) -> None:
        """Keep the parameters of this node, and give up those between first and last where memory asks for it."""
        last = len(self.nodes) - 1
        self.last_theta = theta
        self.kept[last] = np.asarray(theta)
        if len(self.kept) * self.kept[last].nbytes > KEPT_BYTES:
            self.kept = {number: kept for number, kept in self.kept.items() if number in (0, last)}

    def _judge(self, node: Node, theta: Any) -> Node:
        """Measure the held-out data; the best parameters are kept."""
        assert self.validation is not None
        value = float(self.validation.measure(self.task.model.predict(theta, self.validation.X)))
        if value < self.best_value:
            self.best_value, self.best_tau, self.best_theta = value, node.tau, theta
        return dataclasses.replace(node, validation=value)
