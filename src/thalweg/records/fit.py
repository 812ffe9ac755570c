"""Fit: the result of training one family, as arrays with their story."""

from __future__ import annotations

import numpy as np

from thalweg.records.catalogue import Catalogue
from thalweg.records.check import Check
from thalweg.records.codec import record
from thalweg.records.outcome import Outcome
from thalweg.records.statement import Cell, Quantity
from thalweg.records.trajectory import Trajectory


def option_words(value: object) -> str:
    """Return the value of an option for a reader: names one after another, nothing as a dash."""
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value)) or "-"
    return str(value)


@record
class Fit:
    """What training produced; the family's README says what the arrays of `solution` mean."""

    family: str
    outcome: Outcome
    seed: int
    options: dict[str, Cell | bool | None | tuple[str, ...]]
    feature_names: tuple[str, ...]
    target_name: str
    solution: dict[str, np.ndarray]
    trajectory: Trajectory
    checks: tuple[Check, ...] = ()
    catalogue: Catalogue | None = None
    forecast: dict[str, Quantity] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        object.__setattr__(self, "forecast", dict(self.forecast or {}))

    def __repr__(self) -> str:
        steps = self.trajectory.clock_values.size - 1
        return (
            f"<Fit {self.family} of {self.target_name!r}: {self.outcome.value}, {steps} steps on the clock "
            f"{self.trajectory.clock}, loss {self.trajectory.loss[0]:.6g} -> {self.trajectory.loss[-1]:.6g}>"
        )
