"""When training may stop, told before it starts (specification, T2 with correction A3, and section 7).

Every loss with a law is a decreasing function of the clock that is known from the outputs at the start, so the clock at
which it reaches a cost is too: `tau = ln((C_0 - floor)/(C - floor))/2` for "l2", the root of one scalar function for
the others. `s = N tau` is the time of the flow of the mean loss, `t = 1 - exp(-tau)` the share of the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from thalweg.adapted.log_losses import CrossEntropy
from thalweg.adapted.loss_base import Loss, exponential_time
from thalweg.adapted.targets import NEEDS, Target, Units, parse_target
from thalweg.numerics.options import real_number, require, whole_number
from thalweg.records.errors import InputError
from thalweg.records.outcome import Outcome

SECONDS_PER_HOUR = 3600.0

LAST_SHARE = 1e-6
"""A curve without an end of its own runs until the cost above the floor is this share of the start."""


@dataclass(frozen=True)
class Law:
    """The cost along the orbit from one start: how large at a clock, and at which clock so large.

    Attributes
    ----------
    loss : str
        Name of the loss.
    start, floor : float
        Cost at the start, and the least of any function of the inputs.
    cost_at : callable
        Costs at clocks.
    time_to : callable
        First clock at which the cost is at most this; infinite at or below the floor.
    accuracy_at, accuracy_time : callable or None
        The same for the share of right predictions, for "ce".
    accuracy_limit : float
        Largest share of right predictions of any function of the inputs.
    """

    loss: str
    start: float
    floor: float
    cost_at: Callable[[Any], Any]
    time_to: Callable[[float], float]
    accuracy_at: Callable[[float], float] | None = None
    accuracy_time: Callable[[float], float] | None = None
    accuracy_limit: float = math.nan


def law_of(loss: Loss, x0: Float[np.ndarray, "N Q"]) -> Law:
    """Return the law of a loss from its outputs at the start.

    Returns
    -------
    Law
        In the units of the loss.

    Raises
    ------
    InputError
        If the loss has no law.
    """
    if not loss.is_certified:
        raise InputError("adapted_no_law", loss=loss.name)
    law = (loss.name, loss.cost(x0), loss.floor, lambda tau: loss.predicted(x0, tau), lambda c: loss.time_to(x0, c))
    if not isinstance(loss, CrossEntropy):
        return Law(*law)
    return Law(
        *law, lambda tau: loss.accuracy_at(x0, tau), lambda share: loss.accuracy_time(x0, share), loss.accuracy_limit
    )


def exponential_law(cost: float, floor: float = 0.0) -> Law:
    """Return the law of "l2" from its cost at the start: `floor + (C_0 - floor) exp(-2 tau)`."""
    excess = max(cost - floor, 0.0)
    return Law(
        "l2", cost, floor, lambda tau: floor + excess * np.exp(-2.0 * np.asarray(tau, dtype=float))[()],
        lambda wanted: exponential_time(excess, wanted - floor),
    )  # fmt: skip


@dataclass(frozen=True)
class StoppingTime:
    """When the law reaches what was asked.

    Attributes
    ----------
    tau, s, t : float
        The clock, the time `N tau` of the flow, and the share `1 - exp(-tau)` of the way; infinite (and one) below the
        floor.
    cost_start, cost_target, floor : float
        Costs at the start, at that clock, and the least of any function of the inputs.
    reason : str
        What decided: "tol", "noise", or the target as it was written.
    outcome : Outcome or None
        `BELOW_FLOOR` where no training reaches it, `TARGET_REACHED` where the start does, else nothing.
    seconds, money : float or None
        What it takes to that clock, where the forecast's seconds a unit of the clock (and the rate) are known.
    """

    tau: float
    s: float
    t: float
    cost_start: float
    cost_target: float
    floor: float
    reason: str
    outcome: Outcome | None
    seconds: float | None = None
    money: float | None = None


def stopping_time(
    cost: float,
    tol: float | None,
    n: int,
    *,
    target: str | Target | None = None,
    noise_sd: float | None = None,
    law: Law | None = None,
    floor: float = 0.0,
    outputs: int = 1,
    target_sd: float | None = None,
    standardised: bool = False,
    rate: float | None = None,
    seconds_per_clock: float | None = None,
) -> StoppingTime:
    """Return the clock at which training may stop, before it starts.

    Parameters
    ----------
    cost
        Cost at the start.
    tol
        Cost to reach; not needed with `target` or `noise_sd`, which come before it.
    n
        Number of samples `N`, the sum of the weights that were not normalised: `s = n tau`.
    target
        What the user wants: `"rmse=0.5"` in the user's units, `"r2=0.95"`, `"accuracy=1"`, or `"cost=500"`: as far as
        this much money goes.
    noise_sd
        Known standard deviation of the noise, in the user's units: training stops where it would learn the noise.
    law
        From `loss_law`; needed for other losses than "l2".
    floor
        Cost that merged duplicates force, where `law` is not given.
    outputs
        Number of outputs `Q`.
    target_sd
        Standard deviation of the target in the user's units.
    standardised
        Whether the network is trained on targets divided by it.
    rate
        Money an hour.
    seconds_per_clock
        Measured seconds a unit of the clock `tau`, from the forecast.

    Returns
    -------
    StoppingTime
        With `outcome` below the floor where `tol` or the noise lies there.

    Raises
    ------
    InputError
        If a target is malformed, needs another loss, or no function of the inputs attains it; if an option is out of
        range or missing; if both `target` and `noise_sd` are given.
    """
    whole_number(n, "n", 1)
    real_number(cost, "cost", math.isfinite, "a number")
    require(target is None or noise_sd is None, "noise_sd", noise_sd, "target or noise_sd, not both")
    if law is None:
        require(cost >= 0, "cost", cost, ">= 0")
        law = exponential_law(cost, floor)
    units = Units(outputs, target_sd, standardised)
    if target is not None:
        tau, reason = _time_of(parse_target(target), law, units, rate, seconds_per_clock), str(parse_target(target))
        wanted = float(law.cost_at(tau))
    elif noise_sd is not None:
        require(noise_sd > 0, "noise_sd", noise_sd, "> 0")
        _require_loss("rmse", law)
        wanted, reason = units.cost_of("rmse", noise_sd), "noise"
        tau = law.time_to(wanted)
    else:
        if tol is None:
            raise InputError("option_missing", rule="stopping_time", name="tol")
        require(math.isfinite(tol), "tol", tol, "a number")
        wanted, reason, tau = float(tol), "tol", law.time_to(float(tol))
    outcome = Outcome.BELOW_FLOOR if math.isinf(tau) else Outcome.TARGET_REACHED if tau == 0.0 else None
    seconds = None if seconds_per_clock is None else tau * seconds_per_clock
    money = None if seconds is None or rate is None else seconds * rate / SECONDS_PER_HOUR
    share = -math.expm1(-tau)
    return StoppingTime(tau, n * tau, share, law.start, wanted, law.floor, reason, outcome, seconds, money)


def _require_loss(unit: str, law: Law) -> None:
    if unit in NEEDS and NEEDS[unit] != law.loss:
        raise InputError("adapted_target_loss", unit=unit, wanted=NEEDS[unit], loss=law.loss)


def _time_of(target: Target, law: Law, units: Units, rate: float | None, seconds_per_clock: float | None) -> float:
    """Return the clock at which a target is reached."""
    _require_loss(target.unit, law)
    if target.unit == "cost":
        return target.value / _money_per_clock(rate, seconds_per_clock)
    if target.unit == "accuracy":
        assert law.accuracy_time is not None  # the loss is "ce"
        tau = law.accuracy_time(target.value)
        cost, best = law.floor, f"accuracy={law.accuracy_limit:.6g}"
    else:
        cost = units.cost_of(target.unit, target.value)
        tau, best = law.time_to(cost), f"{target.unit}={units.read(target.unit, law.floor):.6g}"
    if math.isinf(tau):
        raise InputError("adapted_target_unreachable", given=str(target), cost=cost, floor=law.floor, best=best)
    return tau


def _money_per_clock(rate: float | None, seconds_per_clock: float | None) -> float:
    for name, value in (("rate", rate), ("seconds_per_clock", seconds_per_clock)):
        if value is None:
            raise InputError("option_missing", rule="cost", name=name)
        require(0 < value < math.inf, name, value, "> 0")
    return (rate or 0.0) * (seconds_per_clock or 0.0) / SECONDS_PER_HOUR


@dataclass(frozen=True, eq=False)
class KpiCurve:
    """What a model achieves against what it costs, by the law.

    Attributes
    ----------
    unit : str
        "rmse", "r2" or "accuracy".
    tau, cost, kpi : arrays (k,)
        Clocks, costs in the units of the loss, and the quantity.
    seconds, money : arrays (k,) or None
        What training to each clock takes, where the forecast (and the rate) are known.
    """

    unit: str
    tau: Float[np.ndarray, " k"]
    cost: Float[np.ndarray, " k"]
    kpi: Float[np.ndarray, " k"]
    seconds: Float[np.ndarray, " k"] | None
    money: Float[np.ndarray, " k"] | None


def kpi_curve(
    law: Law,
    unit: str,
    *,
    until: float | None = None,
    points: int = 101,
    outputs: int = 1,
    target_sd: float | None = None,
    standardised: bool = False,
    rate: float | None = None,
    seconds_per_clock: float | None = None,
) -> KpiCurve:
    """Return what the model achieves on its training rows against clock, seconds and money.

    Parameters
    ----------
    law
        From `loss_law`.
    unit
        "rmse", "r2" or "accuracy".
    until
        Last clock; where the cost above the floor has fallen to a millionth if not given.
    points
        Number of clocks, equally spaced from zero.
    outputs, target_sd, standardised, rate, seconds_per_clock
        As for `stopping_time`.

    Returns
    -------
    KpiCurve
        Arrays of `points` numbers.

    Raises
    ------
    InputError
        If the unit is unknown or needs another loss, or an option is out of range or missing.
    """
    require(unit in NEEDS, "unit", repr(unit), ", ".join(NEEDS))
    _require_loss(unit, law)
    whole_number(points, "points", 2)
    if until is None:
        until = law.time_to(law.floor + LAST_SHARE * (law.start - law.floor)) or 1.0
    require(0 < until < math.inf, "until", until, "> 0")
    tau = np.linspace(0.0, until, points)
    cost = np.asarray(law.cost_at(tau), dtype=float)
    if unit == "accuracy":
        assert law.accuracy_at is not None  # the loss is "ce"
        kpi = np.array([law.accuracy_at(float(one)) for one in tau])
    else:
        kpi = np.asarray(Units(outputs, target_sd, standardised).read(unit, cost))
    seconds = None if seconds_per_clock is None else tau * seconds_per_clock
    money = None if seconds is None or rate is None else seconds * rate / SECONDS_PER_HOUR
    return KpiCurve(unit, tau, cost, kpi, seconds, money)
