"""What is known before a run: the loss curve, where it reaches what was asked, and how many steps that will take.

The curve needs nothing but the outputs at the start (T1). Steps are an estimate: the clock grows from a first step
that the curvature `kappa = |x''[delta, delta]| / |r|` allows (section 4), by doublings, so their number grows with the
logarithm of `kappa`. The constants were read off runs on seven data sets with 60 to 480 rows: low and high enclose all
certified ones, and all fast ones but that on the readings of the inverter, which has no factor and crawls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from thalweg.adapted.mlp import Mlp
from thalweg.adapted.options import AdaptedOptions, parse_wish
from thalweg.adapted.preparation import Prepared, prepare
from thalweg.adapted.recorder import Task
from thalweg.adapted.routes import choose_route, estimates
from thalweg.adapted.solve import RankLossError, factor
from thalweg.adapted.standardise import Standardised
from thalweg.adapted.stopping import SECONDS_PER_HOUR, Law, StoppingTime, law_of, stopping_time
from thalweg.adapted.training import make_task
from thalweg.records import Quantity

CERTIFIED_STEPS = (14.0, 60.0, 3.0)
"""Linearisations of a certified run: the least, the most without curvature, and more for each doubling of it."""

FAST_STEPS = (4.0, 12.0, 2.0)
"""The same for the fast mode."""

UNKNOWN_DOUBLINGS = 40.0
"""Stands for the curvature where the Gram matrix has no factor: as many steps as the worst seen."""

OPERATIONS_A_SECOND = (2e9, 3e10)
"""From small matrices on a busy core to large ones on a good one."""

SECONDS_A_STEP = (2e-4, 2e-3)
"""Overhead of a linearisation whatever the size."""


@dataclass(frozen=True, eq=False)
class Promise:
    """What the start tells.

    `task` is network and loss on the merged rows, `law` the curve, `curvature` the number `kappa` (NaN without a
    factor), `stop` where the law reaches the target, `step_operations` of one linearisation with its solve.
    """

    task: Task
    prepared: Prepared
    law: Law
    curvature: float
    stop: StoppingTime
    steps: tuple[float, float]
    step_operations: float

    @property
    def seconds(self) -> tuple[float, float]:
        """Predicted seconds of the run, from low to high."""
        return seconds_of(self.steps, self.step_operations)


def promise(table: Standardised, network: Mlp, options: AdaptedOptions, seed: int) -> Promise:
    """Return what is known of a run before it is made.

    Parameters
    ----------
    table
        The rows it is trained on.
    network
        Sizes and activation.
    options
        Of the fit.
    seed
        Of the initial parameters.

    Returns
    -------
    Promise
        Forecast included; the run is not begun.

    Raises
    ------
    InputError
        If there are fewer parameters than numbers without damping, memory is short, or the target cannot be reached.
    """
    prepared = prepare((table.X, table.y), table.loss, table.outputs)
    loss = prepared.loss
    task = make_task(network, network.initial(seed), prepared.X, loss)
    (N, Q), K = task.model.shape, int(task.model.theta.size)
    route = choose_route(
        options.route, N, Q, K, task.model.widths, damped=options.damping > 0, single=options.precision == "mixed"
    )
    x0 = task.outputs(task.model.theta)
    law = law_of(loss, x0)
    curvature = _curvature(task, x0) if route.name == "exact" else float("nan")
    steps = _steps(options, curvature)
    operations = estimates(N, Q, K, task.model.widths)[route.name].operations
    seconds = float(np.mean(seconds_of(steps, operations)))
    end = law.time_to(law.floor + options.tol)
    stop = stop_of(options, law, table, seconds / end if 0 < end < math.inf else None)
    return Promise(task, prepared, law, curvature, stop, steps, operations)


def start_law(table: Standardised, network: Mlp, seed: int) -> Law:
    """Return the law of a network on rows that it is not trained on: one forward pass."""
    prepared = prepare((table.X, table.y), table.loss, table.outputs)
    return law_of(prepared.loss, network(network.initial(seed), prepared.X))


def seconds_of(steps: tuple[float, float], operations: float) -> tuple[float, float]:
    """Return the seconds of so many linearisations, from low to high."""
    slow, quick = OPERATIONS_A_SECOND
    low, high = SECONDS_A_STEP
    return steps[0] * (low + operations / quick), steps[1] * (high + operations / slow)


def forecast_of(made: Promise, options: AdaptedOptions, n: int) -> dict[str, Quantity]:
    """Return the forecast as numbers with units; money where a rate was given, in its currency."""
    stop, (low, high) = made.stop, made.seconds
    found = {
        "tau": Quantity(stop.tau),
        "s": Quantity(stop.s),
        "t": Quantity(stop.t),
        "loss_start": Quantity(stop.cost_start),
        "loss_target": Quantity(stop.cost_target),
        "loss_floor": Quantity(stop.floor),
        "curvature": Quantity(made.curvature),
        "steps_low": Quantity(made.steps[0]),
        "steps_high": Quantity(made.steps[1]),
        "operations": Quantity(made.step_operations * float(np.mean(made.steps))),
        "seconds_low": Quantity(low, "s"),
        "seconds_high": Quantity(high, "s"),
    }
    if options.rate is not None:
        found["money_low"] = Quantity(low * options.rate / SECONDS_PER_HOUR)
        found["money_high"] = Quantity(high * options.rate / SECONDS_PER_HOUR)
    return found


def _curvature(task: Task, x0: np.ndarray) -> float:
    """Return `|x''[delta, delta]| / |r|` along the direction of the whole way."""
    theta = task.model.theta
    wanted = task.loss.velocity(x0)
    size = float(np.linalg.norm(wanted))
    if size == 0.0:
        return 0.0
    try:
        delta = factor(task.model.linearise(theta), 0.0, "exact").solve(wanted, 0.0).delta
    except RankLossError:
        return float("nan")
    return float(np.linalg.norm(np.asarray(task.model.bend(theta, delta)))) / size


def _steps(options: AdaptedOptions, curvature: float) -> tuple[float, float]:
    if options.damping > 0 or not options.is_promised or options.mode == "ode":
        return min(FAST_STEPS[0], options.max_steps), float(options.max_steps)
    least, most, each = CERTIFIED_STEPS if options.mode == "certified" else FAST_STEPS
    if math.isnan(curvature):
        return least, most + each * UNKNOWN_DOUBLINGS
    doublings = min(math.log2(1.0 + curvature), UNKNOWN_DOUBLINGS)
    return least + each / 2 * doublings, most + each * doublings


def stop_of(
    options: AdaptedOptions, law: Law, table: Standardised, seconds_per_clock: float | None = None
) -> StoppingTime:
    """Return where the law reaches what was asked.

    Parameters
    ----------
    options
        With `until`, or else `tol` above the loss that duplicates force.
    law
        The curve.
    table
        The rows, for the units of the target.
    seconds_per_clock
        Predicted, for a wish in money.

    Returns
    -------
    StoppingTime
        Below the floor with its outcome.

    Raises
    ------
    InputError
        If the wish needs another loss, or no function of the inputs attains it.
    """
    n = table.y.size
    if options.until is None:
        return stopping_time(law.start, law.floor + options.tol, n, law=law)
    wish = parse_wish(options.until)
    if wish.unit == "loss":
        return stopping_time(law.start, wish.value, n, law=law)
    units = {"outputs": table.outputs, "target_sd": table.target_sd, "standardised": options.standardize}
    if wish.unit == "noise":
        return stopping_time(law.start, None, n, noise_sd=wish.value, law=law, **units)
    money = {"rate": options.rate, "seconds_per_clock": seconds_per_clock or 1.0}
    return stopping_time(law.start, None, n, target=wish, law=law, **units, **money)
