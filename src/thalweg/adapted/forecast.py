"""What a run will take, from a few of its own steps: steps, seconds, operations, money.

A step that keeps its promise at `h = 1` squares the factor by which the residual shrinks (section 4 with correction
A13), down to what an inexact solve leaves; before that `h` doubles step by step. The forecast plays this forward from
the last step: `low` with squaring, `high` with the last factor repeated, and between them the expected count. Seconds
are steps times the median of the steps so far, so a forecast is refreshed at every step and tells how far off the
earlier ones were.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thalweg.adapted.node import Node

TIMED_STEPS = 3
"""Steps after which a forecast is first made."""

MOST_STEPS = 10_000
"""A forecast beyond this says "not within reach"."""

CLOCK_GROWTHS = (1.5, 1.15, 1.0)
"""Factors between steps of the clock in a certified run: what they may become, usually become, and are at worst."""

STEADY = 0.97
"""A factor by which the residual shrinks above this is no progress to extrapolate."""


@dataclass(frozen=True)
class Forecast:
    """Predicted totals of a run: `steps`, `seconds` and `operations` as low, expected and high.

    `made_at` is the number of steps it is based on; `rate` is the price of an hour, and `money` its product.
    """

    made_at: int
    steps: tuple[int, int, int]
    seconds: tuple[float, float, float]
    operations: tuple[float, float, float]
    rate: float | None = None

    @property
    def money(self) -> tuple[float, float, float] | None:
        """Cost of the run as low, expected and high, in the currency of the hourly rate."""
        if self.rate is None:
            return None
        low, expected, high = (seconds / 3600 * self.rate for seconds in self.seconds)
        return low, expected, high

    def __str__(self) -> str:
        (low, expected, high), (few, steps, many) = self.seconds, self.steps
        return f"{expected:.3g} s ({low:.3g} to {high:.3g} s), {steps} steps ({few} to {many})"


def forecast_from(
    nodes: Sequence[Node], seconds: Sequence[float], tol: float, floor: float, operations: float,
    inexact: float | None, rate: float | None = None,
) -> Forecast | None:  # fmt: skip
    """Return the forecast of a run from its nodes so far, or None before the first step.

    Parameters
    ----------
    nodes
        The start and every accepted step.
    seconds
        Since the start, one for each node.
    tol
        The cost to reach.
    floor
        What no function of the inputs can undercut.
    operations
        Of one step.
    inexact
        Relative residual that a solve leaves; zero for exact ones, None for runs whose steps are steps of the clock.
    rate
        Price of an hour of this machine.

    Returns
    -------
    Forecast or None
        Totals, counted from the start of the run.
    """
    made = len(nodes) - 1
    if made < 1:
        return None
    last = nodes[-1]
    left = math.log(max(last.cost - floor, 1e-300) / max(tol - floor, 1e-300)) / 2 if tol > floor else math.inf
    if inexact is None:
        counts = tuple(made + _clock_steps(left, last.step, growth) for growth in CLOCK_GROWTHS)
    else:
        shrinkage = math.exp(-(last.tau - nodes[-2].tau))
        laws = ("squares", "usual", "repeats")
        counts = tuple(made + _steps(left, shrinkage, last.step, inexact, law) for law in laws)
    each = float(np.median(np.diff(seconds)))
    low, expected, high = (seconds[-1] + (count - made) * each for count in counts)
    return Forecast(made, counts, (low, expected, high), tuple(c * operations for c in counts), rate)  # type: ignore[arg-type]


def _clock_steps(left: float, step: float, growth: float) -> int:
    """Count steps of the clock that change by a factor each until `left` is gone."""
    for count in range(1, MOST_STEPS):
        step *= growth
        left -= step
        if left <= 0:
            return count
    return MOST_STEPS


def _steps(left: float, shrinkage: float, h: float, inexact: float, law: str) -> int:
    """Play the law forward until `left` units of the clock are gone."""
    if left <= 0:
        return 0
    h = 1.0 if math.isnan(h) else h
    for count in range(1, MOST_STEPS):
        if law == "repeats":
            shrinkage = min(shrinkage, STEADY)
        elif h < 1:
            h = min(1.0, 2 * h)
            shrinkage = min(shrinkage, max(1 - h, shrinkage**2, inexact))
        else:
            shrinkage = max(min(shrinkage, STEADY) ** 2, inexact if law == "usual" else inexact**2)
        left += math.log(max(shrinkage, 1e-300))
        if left <= 0:
            return count
    return MOST_STEPS
