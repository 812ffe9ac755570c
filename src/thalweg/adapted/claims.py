"""What a recorded fit claims, compared with what the data and its own parameters give.

A certificate recomputes losses; whatever else it leans on - preparation, sizes, clock, curve, stopping time - must
follow from data and parameters, or the record contradicts itself. The held-out story would take another training: a
certificate says nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.adapted.envelope import AGREEMENT
from thalweg.adapted.fit import network_of
from thalweg.adapted.judge import unflatten
from thalweg.adapted.options import AdaptedOptions, parse_wish
from thalweg.adapted.preparation import Prepared, prepare
from thalweg.adapted.promise import stop_of
from thalweg.adapted.recorder import ROUNDINGS, Task
from thalweg.adapted.standardise import Standardised, standardise
from thalweg.adapted.stopping import Law, StoppingTime, law_of
from thalweg.adapted.training import make_task
from thalweg.data.problem import Problem
from thalweg.records import Fit, InputError, Outcome

TOLERANCE = 1e-9
"""Relative difference at which two computations of the same number still agree."""


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """Data, loss and network of a fit, made anew from the problem and the recorded parameters."""

    table: Standardised
    prepared: Prepared
    task: Task
    law: Law
    stop: StoppingTime
    last_outputs: Any


def rebuild(fit: Fit, problem: Problem, options: AdaptedOptions) -> Rebuilt | None:
    """Return what the record speaks of, made anew; None where its arrays do not fit together or the data."""
    arrays = fit.solution
    classes = int(arrays["sizes"][-1]) if options.loss == "ce" else None
    table = standardise(problem.X, problem.y, options, classes)
    if not _has_sound_arrays(fit, table):
        return None
    network = network_of(fit)
    parameters = arrays["node_parameters"]
    try:
        prepared = prepare((table.X, table.y), table.loss, table.outputs)
        task = make_task(network, unflatten(network, parameters[0]), prepared.X, prepared.loss)
        law = law_of(prepared.loss, task.outputs(parameters[0]))
        stop = stop_of(options, law, table)
    except InputError:  # labels beyond the classes, or a target that these data cannot reach
        return None
    return Rebuilt(table, prepared, task, law, stop, task.outputs(parameters[-1]))


def contradictions(fit: Fit, made: Rebuilt, options: AdaptedOptions) -> list[str]:
    """Return the names of what the record claims wrongly, empty for an honest one."""
    arrays, path, table = fit.solution, fit.trajectory, made.table
    merged = made.prepared.merged
    claims = {
        "center": _near(arrays["center"], table.center, np.abs(table.center).max(initial=1.0)),
        "scale": _near(arrays["scale"], table.scale),
        "target_mean": _near(arrays["target_mean"], table.target_mean, abs(table.target_mean) + table.target_scale),
        "target_scale": _near(arrays["target_scale"], table.target_scale),
        "target_sd": _near(arrays["target_sd"], table.target_sd),
        "rows": int(arrays["rows"][0]) == table.y.size,
        "repeated": merged is not None and int(arrays["repeated"][0]) == merged.repeated,
        "conflicts": merged is not None and int(arrays["conflicts"][0]) == merged.conflicts.size,
        "floor": _near(arrays["floor"], made.law.floor, made.law.start),
        "clock": bool(path.clock_values[0] == 0 and (np.diff(path.clock_values) >= 0).all()),
        "predicted": _has_its_curve(fit, made, options),
        "tau": _tells_its_stop(fit, made, options),
        "outcome": _ended_so(fit, made),
    }
    return [name for name, right in claims.items() if not right]


def _near(found: np.ndarray, wanted: Any, size: float = 0.0) -> bool:
    return bool(np.allclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE * size))


def _has_sound_arrays(fit: Fit, table: Standardised) -> bool:
    """Tell whether the arrays fit together, the network and the data."""
    arrays, path = fit.solution, fit.trajectory
    sizes, numbers, parameters = arrays["sizes"], arrays["kept_nodes"], arrays["node_parameters"]
    d = table.X.shape[1]
    count = int(((sizes[:-1] + 1) * sizes[1:]).sum()) if sizes.size > 1 and (sizes > 0).all() else -1
    nodes = path.clock_values.size
    return bool(
        sizes[0] == d
        and sizes[-1] == table.outputs
        and parameters.ndim == 2
        and parameters.shape == (numbers.size, count)
        and numbers.size > 0
        and (np.diff(numbers) > 0).all()
        and numbers[0] == 0
        and numbers[-1] == nodes - 1
        and np.isfinite(parameters).all()
        and np.isfinite(path.clock_values).all()
        and np.isfinite(path.loss).all()
        and arrays["center"].shape == arrays["scale"].shape == (d,)
    )


def _has_its_curve(fit: Fit, made: Rebuilt, options: AdaptedOptions) -> bool:
    """Tell whether the curve beside the run is the law of its start, and the band as wide as the options say."""
    path = fit.trajectory
    if options.mode != "certified":
        return path.predicted is None and path.band is None
    if path.predicted is None or path.band is None or path.band.shape != (2, path.loss.size):
        return False
    law = np.asarray(made.law.cost_at(path.clock_values))
    width = 2 * options.line_tolerance + options.line_tolerance**2
    beside = np.abs(path.loss - law) <= (width + AGREEMENT) * law  # also at nodes whose parameters were not kept
    wide = _near(path.band, law * np.array([[1 - width], [1 + width]]))
    return _near(path.predicted, law) and wide and bool(beside.all())


def _tells_its_stop(fit: Fit, made: Rebuilt, options: AdaptedOptions) -> bool:
    """Tell whether the forecast of the stopping time is that of the law; one in money depends on an estimate."""
    if options.until is not None and parse_wish(options.until).unit == "cost":
        return True
    if fit.solution["kept_nodes"].size and not {"tau", "loss_start", "loss_target"} <= set(fit.forecast):
        return False
    told = {name: np.array(fit.forecast[name].value) for name in ("tau", "loss_start", "loss_target")}
    return bool(
        _near(told["tau"], made.stop.tau, 1.0)
        and _near(told["loss_start"], made.law.start)
        and _near(told["loss_target"], made.stop.cost_target)
    )


def _ended_so(fit: Fit, made: Rebuilt) -> bool:
    """Tell whether the last parameters are what the outcome says."""
    loss, x = made.task.loss, made.last_outputs
    last = loss.cost(x)
    if fit.outcome is Outcome.TARGET_REACHED:
        return bool(last <= made.stop.cost_target * (1 + AGREEMENT))
    if fit.outcome is Outcome.BELOW_FLOOR:
        return bool(made.stop.cost_target <= made.law.floor * (1 + TOLERANCE))
    if fit.outcome is Outcome.INTERPOLATED:
        left = float(np.linalg.norm(loss.residual(x)))
        return bool(left <= 10 * ROUNDINGS * np.finfo(float).eps * (2 * float(np.linalg.norm(x)) + left))
    return True
