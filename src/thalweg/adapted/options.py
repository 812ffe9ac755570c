"""Options of an adapted fit, validated at the border; README.md of this family explains each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator

from thalweg.adapted.certified import LINE_TOLERANCE
from thalweg.adapted.targets import Target, parse_target
from thalweg.numerics.options import require, validated
from thalweg.records.errors import InputError

BARE = ("loss", "noise")
"""Wishes that are no quantity of the user's: a loss as it is trained, and the known deviation of the noise."""

UNPROMISED = ("normal", "minibatch")
"""Routes that follow no curve that is known before the run."""


class AdaptedOptions(BaseModel):
    """Network, run and stop of a fit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: str | None = None
    activation: Literal["tanh", "logistic", "softplus", "sin", "relu", "identity"] = "tanh"
    mode: Literal["certified", "fast", "ode"] = "certified"
    loss: Literal["l2", "ce"] = "l2"
    until: str | None = None
    tol: float = Field(default=1e-6, gt=0, lt=1)
    damping: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    validation: StrictBool = False
    precision: Literal["float64", "mixed"] = "float64"
    route: Literal["auto", "exact", "gram_mean", "normal", "minibatch"] = "auto"
    max_steps: int = Field(default=500, ge=0)
    standardize: StrictBool = True
    line_tolerance: float = Field(default=LINE_TOLERANCE, gt=0, lt=0.5)
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @field_validator("hidden", mode="before")
    @classmethod
    def _as_words(cls, value: Any) -> Any:
        """Accept 300, [300, 300], "300,300" and "300x300"; keep them as "300,300"."""
        if value is None or isinstance(value, bool):
            return value
        parts = value.replace("x", ",").split(",") if isinstance(value, str) else value
        parts = [parts] if isinstance(parts, int) else parts
        try:
            widths = [int(str(part)) for part in parts]
        except (TypeError, ValueError):
            widths = []
        if not widths or min(widths) < 1:
            raise ValueError("300,300")
        return ",".join(map(str, widths))

    @property
    def widths(self) -> tuple[int, ...] | None:
        """Widths of the hidden layers; None where they are chosen by the size of the data."""
        return None if self.hidden is None else tuple(map(int, self.hidden.split(",")))

    @property
    def is_promised(self) -> bool:
        """Whether the loss follows a curve that is known before the run."""
        return self.damping == 0 and self.route not in UNPROMISED


def read_options(options: Mapping[str, object] | None) -> AdaptedOptions:
    """Return checked options.

    Parameters
    ----------
    options
        Fields of `AdaptedOptions`.

    Returns
    -------
    AdaptedOptions
        Frozen and complete with defaults.

    Raises
    ------
    InputError
        If one is unknown, out of range, or contradicts another or makes it idle: names both.
    """
    made = validated(AdaptedOptions, options)
    if made.mode == "certified" and not (made.is_promised and made.weight_decay == 0):
        asked = _first_difference(made)
        raise InputError("adapted_not_certified", asked=asked)
    require(made.weight_decay == 0 or made.mode == "fast", "mode", made.mode, "fast")
    if made.mode != "certified" and made.line_tolerance != LINE_TOLERANCE:
        raise InputError("adapted_unused", name="line_tolerance", other=f"mode={made.mode}")
    if made.until is not None:
        if made.tol != AdaptedOptions.model_fields["tol"].default:
            raise InputError("adapted_unused", name="tol", other="until")
        wish = parse_wish(made.until)
        if wish.unit == "cost" and made.rate is None:
            raise InputError("option_missing", rule="until=cost", name="rate")
    return made


def parse_wish(given: str) -> Target:
    """Return what `until` asks for: a target of `parse_target`, or "loss=" or "noise=" and a positive number.

    Returns
    -------
    Target
        Unit and value.

    Raises
    ------
    InputError
        If the unit is unknown, the number is none, or it is out of range.
    """
    unit, _, number = given.partition("=")
    unit = unit.strip().lower()
    if unit not in BARE:
        return parse_target(given)
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise InputError("adapted_target_value", given=repr(given), unit=unit, wanted="> 0")
    return Target(unit, value)


def _first_difference(options: AdaptedOptions) -> str:
    """Return the first option that breaks the promise, as it is written."""
    if options.damping > 0:
        return f"damping={options.damping:g}"
    return f"route={options.route}" if options.route in UNPROMISED else f"weight_decay={options.weight_decay:g}"
