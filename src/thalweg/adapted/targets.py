"""What a user asks of a model, in the user's own units, and the cost that it means.

With `Q` outputs and the cost `C = |r|^2/(2N)` a root mean squared error `rho` over all entries is `C = Q rho^2/2`, or
`Q rho^2/(2 sd^2)` where the network is trained on targets divided by `sd`; a coefficient of determination `R^2`,
averaged over outputs of unit variance, is `C = Q (1 - R^2)/2`. Known noise of deviation `s` asks for `rho = s`: below
that the model learns the noise (discrepancy principle).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.records.errors import InputError

RANGES = {
    "rmse": (lambda value: 0 < value < math.inf, "> 0"),
    "r2": (lambda value: value < 1, "< 1"),
    "accuracy": (lambda value: 0 < value <= 1, "> 0, <= 1"),
    "cost": (lambda value: 0 < value < math.inf, "> 0"),
}
"""Allowed values of each unit."""

NEEDS = {"rmse": "l2", "r2": "l2", "accuracy": "ce"}
"""The loss that tells a quantity; money is told by the forecast."""


@dataclass(frozen=True)
class Target:
    """A wish such as `rmse=0.5`: its unit (rmse, r2, accuracy, or cost in money) and its value."""

    unit: str
    value: float

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.unit}={self.value:g}"


def parse_target(given: str | Target) -> Target:
    """Read a target such as `"rmse=0.5"`, `"r2=0.95"`, `"accuracy=1"` or `"cost=500"`.

    Parameters
    ----------
    given
        Unit and number; spaces and case do not matter.

    Returns
    -------
    Target
        With a value that the unit allows.

    Raises
    ------
    InputError
        If the unit is unknown, the number is none, or it is out of range.
    """
    unit, _, number = str(given).partition("=")
    unit = unit.strip().lower()
    try:
        value = float(number)
    except ValueError:
        raise InputError("adapted_target_unknown", given=repr(str(given))) from None
    if unit not in RANGES:
        raise InputError("adapted_target_unknown", given=repr(str(given)))
    holds, wanted = RANGES[unit]
    if not holds(value):
        raise InputError("adapted_target_value", given=repr(str(given)), unit=unit, wanted=wanted)
    return Target(unit, value)


@dataclass(frozen=True)
class Units:
    """How the cost of "l2" reads in the user's units.

    Parameters
    ----------
    outputs
        Number of outputs `Q`.
    target_sd
        Standard deviation of the target over the training rows, in the user's units.
    standardised
        Whether the network is trained on targets divided by it.
    """

    outputs: int = 1
    target_sd: float | None = None
    standardised: bool = False

    def __post_init__(self) -> None:
        """Refuse a deviation that is none.

        Raises
        ------
        InputError
            If `target_sd` is not positive.
        """
        if self.target_sd is not None and not 0 < self.target_sd < math.inf:
            raise InputError("option_range", name="target_sd", value=self.target_sd, wanted="> 0")

    def _sd(self, rule: str) -> float:
        if self.target_sd is None:
            raise InputError("option_missing", rule=rule, name="target_sd")
        return self.target_sd

    def unit(self) -> float:
        """Return the user's units in one unit of the outputs.

        Returns
        -------
        float
            One unless targets are standardised.

        Raises
        ------
        InputError
            If targets are standardised and their deviation is not known.
        """
        return self._sd("rmse") if self.standardised else 1.0

    def variance(self) -> float:
        """Return the variance of the targets as they are trained on.

        Returns
        -------
        float
            One if they are standardised.

        Raises
        ------
        InputError
            If they are not standardised and their deviation is not known.
        """
        return 1.0 if self.standardised else self._sd("r2") ** 2

    def cost_of(self, unit: str, value: float) -> float:
        """Return the cost at a root mean squared error ("rmse") or a coefficient of determination ("r2")."""
        if unit == "rmse":
            return self.outputs * (value / self.unit()) ** 2 / 2.0
        return self.outputs * (1.0 - value) * self.variance() / 2.0

    def read(self, unit: str, cost: Any) -> Any:
        """Return "rmse" or "r2" at a cost, or at an array of costs."""
        if unit == "rmse":
            return self.unit() * np.sqrt(2.0 * np.asarray(cost) / self.outputs)[()]
        return 1.0 - 2.0 * np.asarray(cost)[()] / (self.outputs * self.variance())
