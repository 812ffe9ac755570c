"""The result of `fit`: parameters with the story of the run, the forecasts made on the way, and the certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from thalweg.adapted.forecast import Forecast
from thalweg.adapted.recorder import Recorder
from thalweg.adapted.routes import Route
from thalweg.adapted.task import Task
from thalweg.records import Certificate, Outcome, Statement, Trajectory


@dataclass(frozen=True, eq=False)
class AdaptedFit:
    """What training produced.

    `params` are in the user's own form, `theta` the same as one vector: the best of the validation where there was
    one, else the last. `cost` is the loss at `params`, `trajectory` the run on the clock `tau` with the curve that was
    known before it; `seconds` stand beside its nodes, `forecasts` are what was predicted after each step.
    `node_parameters (k, K)` hold the parameters of every node where these fit into memory, else those of the first and
    the last.
    """

    params: Any
    theta: Float[np.ndarray, " K"]
    cost: float
    outcome: Outcome
    trajectory: Trajectory
    route: Route
    options: Mapping[str, Any]
    seconds: Float[np.ndarray, " k"]
    forecasts: tuple[Forecast, ...]
    notes: tuple[Statement, ...]
    node_parameters: Float[np.ndarray, "kept K"]
    kept_nodes: tuple[int, ...]
    task: Task
    best_tau: float
    best_validation: float | None

    @property
    def tau(self) -> float:
        """Where the clock stood at the end."""
        return float(self.trajectory.clock_values[-1])

    @property
    def s(self) -> float:
        """Flow time `s = N tau` at the end."""
        return self.tau * self.task.model.shape[0]

    @property
    def t(self) -> float:
        """Line clock `t = 1 - exp(-tau)` at the end."""
        return -float(np.expm1(-self.tau))

    @property
    def forecast(self) -> Forecast | None:
        """The last forecast that was made before the run ended."""
        return self.forecasts[-1] if self.forecasts else None

    def predict(self, X: Any) -> Float[np.ndarray, "n Q"]:
        """Return the outputs for other inputs."""
        return np.asarray(self.task.model.predict(self.theta, X))

    def certificate(self) -> Certificate:
        """Prove what the run says of itself by plain forward passes at its nodes (`certify.py`)."""
        from thalweg.adapted.certify import certify_run

        return certify_run(self)

    def __repr__(self) -> str:
        steps = self.trajectory.clock_values.size - 1
        return (
            f"<AdaptedFit {self.options['loss']} {self.options['mode']}: {self.outcome.value}, {steps} steps by "
            f"{self.route.name}, cost {self.trajectory.loss[0]:.6g} -> {self.cost:.6g}>"
        )


def gathered(
    task: Task, recorder: Recorder, theta: Any, outcome: Outcome, options: Mapping[str, Any],
    notes: tuple[Statement, ...], band: float | None,
) -> AdaptedFit:  # fmt: skip
    """Return the result of a run from what its recorder wrote down.

    Parameters
    ----------
    task
        Model and loss.
    recorder
        Of the run.
    theta
        The last parameters.
    outcome
        How it ended.
    options
        What it was asked to do.
    notes
        What was done to the data.
    band
        Relative width around the predicted curve that every node keeps; None where none is proved.

    Returns
    -------
    AdaptedFit
        With the best parameters where there was a validation.
    """
    judged = recorder.validation is not None and recorder.best_theta is not None
    chosen = np.asarray(recorder.best_theta if judged else theta, dtype=np.float64)
    kept = recorder.kept
    return AdaptedFit(
        params=task.model.unflatten(chosen),
        theta=chosen,
        cost=task.loss.cost(task.raw(task.model.outputs(chosen))),
        outcome=outcome,
        trajectory=recorder.trajectory(band),
        route=recorder.route,
        options=options,
        seconds=np.array(recorder.seconds),
        forecasts=tuple(recorder.forecasts),
        notes=notes,
        node_parameters=np.array([kept[k] for k in sorted(kept)]),
        kept_nodes=tuple(sorted(kept)),
        task=task,
        best_tau=recorder.best_tau if judged else recorder.nodes[-1].tau,
        best_validation=recorder.best_value if judged else None,
    )
