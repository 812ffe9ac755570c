"""Options of a diagonal fit, validated at the border."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from thalweg.diagonal.naive import PULL_TOLERANCE


class DiagonalOptions(BaseModel):
    """How the data are prepared and where the path ends; README.md of this family explains each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep: tuple[str, ...] = ()
    standardize: StrictBool = True
    fit_intercept: StrictBool = True
    positive: StrictBool = False
    max_saddles: int | None = Field(default=None, ge=0)
    max_time: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    tol: float = Field(default=PULL_TOLERANCE, gt=0, lt=1)
    tie_break: Literal["support", "entropy"] = "support"
