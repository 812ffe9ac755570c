"""Options of a shallow fit, validated at the border."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

DEFAULT_RIDGE = 1e-4
"""In the middle of the range in which a ridge is a remedy and not yet a bias: a minimiser exists, whatever the data."""


class ShallowOptions(BaseModel):
    """The network and how its minima are sought; README.md of this family explains each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(default=3, ge=0, le=1000)
    activation: Literal[
        "tanh", "logistic", "erf", "arctan", "gauss", "sin", "softplus", "silu", "gelu"
    ] = "tanh"  # fmt: skip
    starts: int = Field(default=24, ge=1)
    ridge: float = Field(default=DEFAULT_RIDGE, ge=0, allow_inf_nan=False)
    anchor: Literal["zero", "random"] = "zero"
