"""What is known before anyone pays for a training: `loss_law`, its loss curve, and `forecast`, what it will take.

The curve follows from the outputs at the start alone (T1, section 7); steps and seconds are extrapolated from a few
timed steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from thalweg.adapted.forecast import TIMED_STEPS, Forecast
from thalweg.adapted.losses import ConvexLoss
from thalweg.adapted.networks import output_count
from thalweg.adapted.preparation import prepare
from thalweg.adapted.stopping import Law, law_of
from thalweg.adapted.task import make_task
from thalweg.adapted.training import fit
from thalweg.numerics.options import whole_number
from thalweg.records import InputError


def loss_law(
    apply_fn: Callable[[Any, Any], Any],
    params: Any,
    data: tuple[Any, Any],
    *,
    loss: str | ConvexLoss = "l2",
    weights: Any = None,
    huber_delta: float | None = None,
    merge: bool = True,
) -> Law:
    """Return the loss curve of a training from one forward pass: for `stopping_time` and `kpi_curve`.

    Parameters
    ----------
    apply_fn, params, data, loss, weights, huber_delta, merge
        As for `fit`.

    Returns
    -------
    Law
        Exact while the rank condition holds, which `rank_check` tells of the start.

    Raises
    ------
    InputError
        If the data do not fit each other or the network, or the loss has no law.
    """
    prepared = prepare(data, loss, output_count(apply_fn, params, data[0]), weights, merge=merge,
                       huber_delta=huber_delta)  # fmt: skip
    task = make_task(apply_fn, params, prepared.X, prepared.loss)
    x0 = task.outputs(task.model.theta)
    prepared.loss.require_start(x0)
    return law_of(prepared.loss, x0)


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
