"""`fit`: train any differentiable model along a curve that is known before the run (theorems T1 to T8).

The pieces have their own files: the orbit a loss asks for (`losses`), the Jacobian in factors (`factors`, from `mlp` or
`jax_model`), the direction (`solve`, `spectral`), and four ways to follow the orbit: `fast` (Algorithm A), `certified`
(Algorithm B), `ode`, and `underparametrised` (Algorithm C). This file chooses among them and gathers the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from thalweg.adapted.certified import LINE_TOLERANCE, run_certified
from thalweg.adapted.fast import Settings, forcing, run_fast
from thalweg.adapted.fibre import Fibre, Momentum, WeightDecay
from thalweg.adapted.losses import ConvexLoss
from thalweg.adapted.minibatch import Batches, run_minibatch
from thalweg.adapted.model import Model
from thalweg.adapted.networks import output_count
from thalweg.adapted.node import Node
from thalweg.adapted.ode import run_ode
from thalweg.adapted.preparation import Prepared, prepare
from thalweg.adapted.recorder import Recorder, Validation
from thalweg.adapted.result import AdaptedFit, gathered
from thalweg.adapted.routes import Route, choose_route, first_damping
from thalweg.adapted.task import Task, make_task
from thalweg.adapted.underparametrised import run_underparametrised
from thalweg.numerics.options import require, whole_number
from thalweg.records import InputError, Outcome

MODES = ("fast", "certified", "ode")
PRECISIONS = ("float64", "mixed")

PATIENCE = 1.0
"""Of a validation, on the clock `tau`."""


def fit(
    apply_fn: Callable[[Any, Any], Any],
    params: Any,
    data: tuple[Any, Any],
    *,
    loss: str | ConvexLoss = "l2",
    mode: str = "fast",
    tol: float = 1e-12,
    damping: float = 0.0,
    fibre: float | Fibre | None = None,
    validation: tuple[Any, ...] | None = None,
    route: str = "auto",
    precision: str = "float64",
    weights: Any = None,
    callback: Callable[[Node, Any], object] | None = None,
    power: float = 1.0,
    huber_delta: float | None = None,
    patience: float = PATIENCE,
    until: float = np.inf,
    max_steps: int = 500,
    line_tolerance: float = LINE_TOLERANCE,
    batches: Batches | None = None,
    merge: bool = True,
    watch_spectrum: bool = False,
    rate: float | None = None,
    seed: int = 0,
) -> AdaptedFit:
    """Train a model along the curve `C(tau)` that its loss and its first outputs determine.

    Parameters
    ----------
    apply_fn
        `apply_fn(params, X) -> (N, Q)`, each row a function of its own sample: any function that JAX can trace, or an
        `Mlp`, which needs no compilation.
    params
        A pytree of floating-point arrays (other leaves are held fixed), or an equinox module.
    data
        `(X, Y)`: inputs, first axis samples, and targets `(N, Q)` or `(N,)`; classes for "ce".
    loss
        "l2", "ce", "poisson", "huber" (with `huber_delta`), or a `ConvexLoss`.
    mode
        "fast" (Algorithm A), "certified" (Algorithm B: at every node within `2 eps + eps^2` of the curve, verified by a
        plain forward pass), or "ode" (a faithful orbit of the parameters).
    tol
        Cost to reach, in the loss's own units; for "l2" the cost is `|r|^2 / (2N)`.
    damping
        `lambda` in units of the mean eigenvalue of the Gram matrix: filters noise, and is needed where there are fewer
        parameters than outputs.
    fibre
        Motion that leaves the outputs alone: a rate of weight decay, or a `Fibre`.
    validation
        `(X, Y)`, or `(X, Y, weights)`, held out: the run stops after `patience` on the clock without a better value,
        and the best parameters are returned.
    route
        "auto" (said in `route` of the result), "exact", "gram_mean", "normal", or "minibatch" (uncertified).
    precision
        "float64", or "mixed": Gram matrix and factor in single, products and residuals in double precision.
    weights
        Positive weights of the samples `(N,)`; zero weights drop theirs.
    callback
        Called as `callback(node, theta)` at every node; stops the run where it returns True.
    power
        Exponent `a` from 0 to 1 of the filter `mu^-a`: 1 is the adapted flow, 0 gradient flow.
    huber_delta
        Of the loss "huber": the distance from which on a sample counts as an outlier.
    patience
        Of the validation, on the clock `tau`.
    until
        Last value of the clock.
    max_steps
        Most accepted steps.
    line_tolerance
        `eps_line` of the certified mode.
    batches
        Size, step and momentum of the minibatch route.
    merge
        Whether equal inputs become one sample with their mean target and summed weight.
    watch_spectrum
        Whether the fast mode records `sigma_min` of every step's Jacobian: channel "smallest" of the trajectory.
    rate
        Price of an hour of this machine, for the forecast.
    seed
        For what is random: batches, moves along the fibre.

    Returns
    -------
    AdaptedFit
        Parameters, cost, trajectory with the predicted curve, outcome, forecast; `certificate()` proves what it says.

    Raises
    ------
    InputError
        If an argument is out of range or would be ignored, the data do not fit each other, there are fewer parameters
        than outputs without damping, or memory is short.
    """
    _check(mode, precision, tol, damping, patience, max_steps, power, until, line_tolerance, rate)
    outputs = output_count(apply_fn, params, data[0])
    prepared = prepare(data, loss, outputs, weights, merge=merge, huber_delta=huber_delta)
    task = make_task(apply_fn, params, prepared.X, prepared.loss)
    prepared.loss.require_start(task.outputs(task.model.theta))
    chosen = _route(task.model, route, damping, precision, mode)
    first = first_damping(chosen.name, *task.model.shape, task.model.theta.size) if damping == 0 else 0.0
    settings = Settings(chosen.name, precision, damping, power, _fibre(fibre), first, watch_spectrum, seed)
    _refuse_unused(task, settings, mode, batches)
    _refuse_unasked(mode, line_tolerance, validation, patience)
    recorder = Recorder(
        task, tol, max_steps, chosen, until, _validation(prepared, validation, patience), callback, rate,
        _inexact(chosen, task.model, mode),
    )  # fmt: skip
    theta, outcome = _run(task, settings, recorder, mode, line_tolerance, batches)
    options: Mapping[str, Any] = {
        "loss": prepared.loss.name, "mode": mode, "tol": tol, "damping": damping, "route": chosen.name,
        "precision": precision, "power": power, "line_tolerance": line_tolerance, "seed": seed,
    }  # fmt: skip
    notes = (*prepared.notes, *task.model.notes, chosen.statement)
    return gathered(task, recorder, theta, outcome, options, notes, _band(options, task))


def _run(
    task: Task, settings: Settings, recorder: Recorder, mode: str, line_tolerance: float, batches: Batches | None
) -> tuple[Any, Outcome]:
    """Start the algorithm that fits; a target that no function of the inputs reaches is refused at once."""
    if recorder.tol < task.loss.floor or recorder.tol == task.loss.floor != 0.0:
        x = task.outputs(task.model.theta)
        recorder.add(Node(0.0, task.loss.cost(x)), task.model.theta, x, task.loss.residual(x))
        return task.model.theta, Outcome.BELOW_FLOOR
    try:
        if settings.route == "minibatch":
            return run_minibatch(task, settings, recorder, batches or Batches())
        if settings.route == "normal":
            return run_underparametrised(task, settings.damping, recorder)
        if mode == "certified":
            return run_certified(task, settings, recorder, line_tolerance)
        if mode == "ode":
            return run_ode(task, settings, recorder)
        return run_fast(task, settings, recorder)
    except KeyboardInterrupt:
        return recorder.last_theta, Outcome.INTERRUPTED


def _check(
    mode: str, precision: str, tol: float, damping: float, patience: float, max_steps: int, power: float, until: float,
    line_tolerance: float, rate: float | None,
) -> None:  # fmt: skip
    require(mode in MODES, "mode", mode, ", ".join(MODES))
    require(precision in PRECISIONS, "precision", precision, ", ".join(PRECISIONS))
    require(np.isfinite(tol), "tol", tol, "a number")
    require(np.isfinite(damping) and damping >= 0, "damping", damping, ">= 0")
    require(patience > 0, "patience", patience, "> 0")
    whole_number(max_steps, "max_steps", 0)
    require(0 <= power <= 1, "power", power, "0 <= power <= 1")
    require(until >= 0, "until", until, ">= 0")
    require(0 < line_tolerance < 0.5, "line_tolerance", line_tolerance, "0 < line_tolerance < 0.5")
    require(rate is None or 0 < rate < np.inf, "rate", rate, "> 0")


def _refuse_unused(task: Task, settings: Settings, mode: str, batches: Batches | None) -> None:
    """Refuse options that the algorithm would ignore.

    Raises
    ------
    InputError
        Naming the option and what makes it idle.
    """
    route, precision, damping, power = settings.route, settings.precision, settings.damping, settings.power
    fibre, watch = settings.fibre, settings.watch_spectrum
    by_route, by_mode = f'route="{route}"', f'mode="{mode}"'
    blocks = route in ("normal", "minibatch")
    iterates = route == "gram_mean" and task.model.shape[1] > 1 and power == 1.0
    idle = (
        (blocks and mode != "fast", by_mode, by_route),
        (blocks and fibre is not None, "fibre", by_route),
        (blocks and power != 1.0, "power", by_route),
        (blocks and precision != "float64", f'precision="{precision}"', by_route),
        (batches is not None and route != "minibatch", "batches", by_route),
        (mode == "certified" and damping > 0, "damping", by_mode),
        (mode == "certified" and power != 1.0, "power", by_mode),
        (power != 1.0 and precision != "float64", f'precision="{precision}"', "power"),
        (mode != "fast" and isinstance(fibre, Momentum), "fibre=Momentum", by_mode),
        (watch and mode != "fast", "watch_spectrum", by_mode),
        (watch and (blocks or iterates), "watch_spectrum", by_route),
        (watch and precision != "float64", "watch_spectrum", f'precision="{precision}"'),
    )
    for refused, name, other in idle:
        if refused:
            raise InputError("adapted_unused", name=name, other=other)
    if mode == "certified" and not task.loss.is_certified:
        raise InputError("adapted_no_law", loss=task.loss.name)


def _refuse_unasked(mode: str, line_tolerance: float, validation: Any, patience: float) -> None:
    """Refuse settings of a mode or a validation that were not asked for.

    Raises
    ------
    InputError
        Naming both.
    """
    if mode != "certified" and line_tolerance != LINE_TOLERANCE:
        raise InputError("adapted_unused", name="line_tolerance", other=f'mode="{mode}"')
    if validation is None and patience != PATIENCE:
        raise InputError("adapted_unused", name="patience", other="validation=None")


def _route(model: Model, route: str, damping: float, precision: str, mode: str) -> Route:
    (N, Q), K = model.shape, int(model.theta.shape[0])
    return choose_route(
        route, N, Q, K, model.widths, damped=damping > 0, single=precision == "mixed", accurate=mode == "ode"
    )


def _inexact(route: Route, model: Model, mode: str) -> float | None:
    """Return what a solve of this route leaves of the residual; None where steps are steps of the clock."""
    N, Q = model.shape
    if mode != "fast":
        return None
    return forcing(N * Q) if route.name == "gram_mean" and Q > 1 else 0.0


def _band(options: Mapping[str, Any], task: Task) -> float | None:
    """Return the relative width around the curve that every node keeps, where one is proved."""
    if options["mode"] != "certified" or not task.loss.is_certified or options["route"] in ("normal", "minibatch"):
        return None
    tolerance = options["line_tolerance"]
    return 2 * tolerance + tolerance**2


def _fibre(fibre: float | Fibre | None) -> Fibre | None:
    return WeightDecay(float(fibre)) if isinstance(fibre, (int, float)) else fibre


def _validation(prepared: Prepared, held_out: tuple[Any, ...] | None, patience: float) -> Validation | None:
    if held_out is None:
        return None
    X, loss = prepared.held_out(held_out)
    return Validation(X, loss.cost, patience)
