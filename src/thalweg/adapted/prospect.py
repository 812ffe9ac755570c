"""`forecast`: what a training will take, from a few of its own timed steps, before anyone pays for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from thalweg.adapted.forecast import TIMED_STEPS, Forecast
from thalweg.adapted.training import fit
from thalweg.numerics.options import whole_number
from thalweg.records import InputError


def forecast(
    apply_fn: Callable[[Any, Any], Any],
    params: Any,
    data: tuple[Any, Any],
    *,
    tol: float = 1e-12,
    steps: int = TIMED_STEPS,
    rate: float | None = None,
    **options: Any,
) -> Forecast:
    """Time a few steps of a training and say what the whole will take: steps, seconds, operations, money.

    Parameters
    ----------
    apply_fn, params, data
        As for `fit`; the parameters are left as they are.
    tol
        Cost to reach.
    steps
        Timed steps; one is made before them where something must be compiled.
    rate
        Price of an hour of this machine.
    options
        Further options of `fit`.

    Returns
    -------
    Forecast
        Totals from the start of a run; compilation is not in them.

    Raises
    ------
    InputError
        If the timed steps end without progress to extrapolate; says how they ended.
    """
    whole_number(steps, "steps", 1)
    fit(apply_fn, params, data, tol=tol, max_steps=1, **options)
    made = fit(apply_fn, params, data, tol=tol, max_steps=steps, rate=rate, **options)
    if not made.forecasts:
        raise InputError("adapted_no_forecast", steps=steps, outcome=made.outcome.say())
    return made.forecasts[-1]
