"""Trajectory: a run recorded against its clock, with what was predicted beforehand."""

from __future__ import annotations

import numpy as np

from thalweg.records.codec import record


@record
class Mark:
    """Something that happened at one clock value; `code` names the event, `subject` what it happened to."""

    clock_value: float
    code: str
    subject: str = ""


@record
class Trajectory:
    """A run of any family.

    `clock_values (k,)`, `loss (k,)`, `predicted (k,)` made before the run, `band (2, k)` around the
    prediction, and named channels of shape `(k,)`.
    """

    clock: str
    clock_unit: str
    clock_values: np.ndarray
    loss: np.ndarray
    loss_unit: str = ""
    predicted: np.ndarray | None = None
    band: np.ndarray | None = None
    channels: dict[str, np.ndarray] = None  # type: ignore[assignment]
    marks: tuple[Mark, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", dict(self.channels or {}))
        for name, values in {"loss": self.loss, "predicted": self.predicted, **self.channels}.items():
            if values is not None and values.shape != self.clock_values.shape:
                raise ValueError(f"{name} has shape {values.shape}, the clock {self.clock_values.shape}")
