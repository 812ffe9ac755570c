"""Tables of an adapted fit: when which error is reached and what that costs, and the nodes of the run."""

from __future__ import annotations

import math

import numpy as np

from thalweg.adapted.options import UNPROMISED
from thalweg.adapted.promise import seconds_of
from thalweg.adapted.routes import estimates
from thalweg.adapted.standardise import Standardised
from thalweg.adapted.stopping import SECONDS_PER_HOUR, Law, exponential_law
from thalweg.records import Cell, DataTable, Fit, Quantity, Statement
from thalweg.records.statement import Shown

TABLE_ROWS = 100
"""Rows of a table in a report; the run folder keeps all."""

WANTED = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
"""Errors on the training rows that the table of stopping times asks for, as shares of the target's deviation."""


def tables(fit: Fit) -> tuple[DataTable, ...]:
    """Return what a report shows beside pictures: promises, and when which error is reached (for classes, nodes)."""
    return (promise_table(fit), node_table(fit) if fit.options["loss"] == "ce" else stopping_table(fit))


def promise_table(fit: Fit) -> DataTable:
    """Return one row a quantity that was known or estimated before the run, beside what became of it.

    Parameters
    ----------
    fit
        With its forecast.

    Returns
    -------
    DataTable
        The held-out error stands with it, measured: where the run ended, or at the end of the rehearsal, which stops
        at the same target, if that is earlier on the clock.
    """
    path, told, nothing = fit.trajectory, dict(fit.forecast), float("nan")
    end = float(path.clock_values[-1])
    if fit.options["damping"] != 0 or fit.options["route"] in UNPROMISED:
        told["tau"] = Quantity(nothing)  # the curve is that of the undamped flow
    made: list[tuple[str, str, str, float]] = [
        ("tau", "tau", "tau", end),
        ("loss", "loss_target", "loss_target", float(path.loss[-1])),
        ("steps", "steps_low", "steps_high", float(cumulated_steps(fit)[-1])),
        ("seconds", "seconds_low", "seconds_high", nothing),
        ("money", "money_low", "money_high", nothing),
    ]
    rows: list[tuple[Shown, ...]] = [
        (Statement(f"promise.{name}", {}), told[low].value, told[high].value, measured)
        for name, low, high, measured in made
        if low in told and high in told
    ]
    if fit.solution["held_out_tau"].size:
        at = min(end, float(fit.solution["held_out_tau"][-1]))
        judged = [name for name in ("held_out_rmse", "held_out_accuracy") if fit.solution[name].size]
        rows += [(Statement(f"promise.{name}", {}), nothing, nothing, held_out_at(fit, at, name)) for name in judged]
    return DataTable("adapted.promise", ("fact", "promised_low", "promised_high", "measured"), tuple(rows))


def stopping_table(fit: Fit, law: Law | None = None, table: Standardised | None = None) -> DataTable:
    """Return one row a wanted error: where the curve reaches it, what that takes, and the held-out error there.

    Parameters
    ----------
    fit
        Of some rows; its steps and its held-out errors are read at the same clock.
    law
        The curve of all rows; that of the fit unless given.
    table
        All rows; those of the fit unless given with `law`.

    Returns
    -------
    DataTable
        Numbers that the fit did not get to see are not told.
    """
    arrays = fit.solution
    if law is None or table is None:
        curve, n = exponential_law(float(fit.trajectory.loss[0]), float(arrays["floor"][0])), int(arrays["rows"][0])
        unit, sd = float(arrays["target_scale"][0]), float(arrays["target_sd"][0])
    else:
        curve, n, unit, sd = law, table.y.size, table.target_scale, table.target_sd
    made: list[tuple[Cell, ...]] = []
    for share in WANTED:
        wanted = share * sd
        tau = curve.time_to((wanted / unit) ** 2 / 2)
        steps = steps_to(fit, tau)
        low, high = seconds_of((steps, steps), step_operations(fit, n))
        made.append((wanted, 1 - share**2, tau, n * tau, -math.expm1(-tau), steps, low, high, held_out_at(fit, tau)))
    columns = ("wanted_rmse", "r2", "tau", "s", "t", "steps", "seconds_low", "seconds_high", "held_out_rmse")
    return DataTable("adapted.stopping", columns, tuple(made))


def node_table(fit: Fit) -> DataTable:
    """Return one row a node: clock, loss, the curve known before, and the deviation from the line."""
    path = fit.trajectory
    nothing = np.full(path.loss.size, np.nan)
    predicted = nothing if path.predicted is None else path.predicted
    deviation = path.channels.get("deviation", nothing)
    rows: list[tuple[Cell, ...]] = [
        (k, float(path.clock_values[k]), float(path.loss[k]), float(predicted[k]), float(deviation[k]))
        for k in range(min(path.loss.size, TABLE_ROWS))
    ]
    return DataTable("adapted.nodes", ("node", "tau", "loss", "predicted_loss", "deviation_line"), tuple(rows))


def event_table(fit: Fit) -> DataTable:
    """Return one row an event of the run: where the clock stood, and what happened."""
    rows = tuple((m.clock_value, Statement(f"event.{m.code}", {"subject": m.subject})) for m in fit.trajectory.marks)
    return DataTable("adapted.events", ("tau", "event"), rows[:TABLE_ROWS])


def held_out_table(fit: Fit) -> DataTable:
    """Return one row a node of the rehearsal: clock and error on the held-out rows."""
    clock, errors = fit.solution["held_out_tau"], fit.solution["held_out_rmse"]
    rows: list[tuple[Cell, ...]] = [(float(t), float(e)) for t, e in zip(clock, errors, strict=True)]
    return DataTable("adapted.held_out", ("tau", "held_out_rmse"), tuple(rows[:TABLE_ROWS]))


def orbit_table(fit: Fit) -> DataTable:
    """Return one row a watched node: extreme singular values of the Jacobian and the efficiency."""
    arrays = fit.solution
    clock = fit.trajectory.clock_values[arrays["orbit_node"]]
    columns = (clock, arrays["orbit_sigma_min"], arrays["orbit_sigma_max"], arrays["orbit_efficiency"])
    rows = tuple(tuple(map(float, row)) for row in zip(*columns, strict=True))
    return DataTable("adapted.orbit", ("tau", "sigma_min", "sigma_max", "cos_squared"), rows)


def spectrum_table(fit: Fit) -> DataTable:
    """Return one row an eigenvalue of the Gram matrix, the largest first, at the start and at the end."""
    start, end = fit.solution["spectrum_start"][::-1], fit.solution["spectrum_end"][::-1]
    shown = spaced_places(start.size, TABLE_ROWS)
    rows: tuple[tuple[Cell, ...], ...] = tuple((int(k) + 1, float(start[k]), float(end[k])) for k in shown)
    return DataTable("adapted.spectrum", ("number", "at_start", "at_end"), rows)


def cost_table(fit: Fit) -> DataTable:
    """Return one row a node: predicted seconds (money where a rate is known), training and held-out error."""
    cost, name = predicted_cost(fit)
    training = training_rmse(fit)
    clock = fit.trajectory.clock_values
    held_out = [held_out_at(fit, float(tau)) for tau in clock]
    rows = tuple((float(t), float(c), float(e), h) for t, c, e, h in zip(clock, cost, training, held_out, strict=True))
    return DataTable("adapted.cost", ("tau", name, "training_rmse", "held_out_rmse"), rows[:TABLE_ROWS])


def accuracy_table(fit: Fit) -> DataTable:
    """Return one row a kept node: predicted cost, and the share of training and of held-out rows that is right."""
    cost, name = predicted_cost(fit)
    kept = fit.solution["kept_nodes"]
    clock, training = fit.trajectory.clock_values[kept], fit.solution["training_accuracy"]
    rows = tuple(
        (float(t), float(c), float(share), held_out_at(fit, float(t), "held_out_accuracy"))
        for t, c, share in zip(clock, cost[kept], training, strict=True)
    )
    return DataTable("adapted.accuracy", ("tau", name, "training_accuracy", "held_out_accuracy"), rows[:TABLE_ROWS])


def predicted_cost(fit: Fit) -> tuple[np.ndarray, str]:
    """Return the predicted cost of training to every node, and the column it belongs to: seconds, or money."""
    low, high = seconds_of((1.0, 1.0), step_operations(fit, int(fit.solution["rows"][0])))
    seconds = cumulated_steps(fit) * math.sqrt(low * high)
    rate = fit.options["rate"]
    if rate is None:
        return seconds, "seconds"
    return seconds * float(rate) / SECONDS_PER_HOUR, "money"  # type: ignore[arg-type]


def training_rmse(fit: Fit) -> np.ndarray:
    """Return the error on the training rows at every node, in the units of the target."""
    return float(fit.solution["target_scale"][0]) * np.sqrt(2 * fit.trajectory.loss)


def cumulated_steps(fit: Fit) -> np.ndarray:
    """Return how many linearisations every node took: corrections of a certified run, else steps."""
    path = fit.trajectory
    each = path.channels.get("iterations") if fit.options["mode"] == "certified" else None
    return np.arange(path.loss.size, dtype=np.float64) if each is None else np.cumsum(each)


def steps_to(fit: Fit, tau: float) -> float:
    """Return the linearisations to the first node at or beyond a clock; NaN where the run did not come so far."""
    place = int(np.searchsorted(fit.trajectory.clock_values, tau * (1 - 1e-12)))
    taken = cumulated_steps(fit)
    return float(taken[place]) if place < taken.size else float("nan")


def held_out_at(fit: Fit, tau: float, name: str = "held_out_rmse") -> float:
    """Return a held-out quantity at a clock, between nodes on a straight line; NaN where it was not measured."""
    clock, values = fit.solution["held_out_tau"], fit.solution[name]
    if values.size == 0 or not tau <= clock[-1]:
        return float("nan")
    return float(np.interp(tau, clock, values))


def step_operations(fit: Fit, rows: int) -> float:
    """Return the operations of one linearisation on so many rows with its exact solve."""
    sizes = fit.solution["sizes"]
    widths = int(2 * sizes.sum() - sizes[0] - sizes[-1])
    outputs = int(sizes[-1]) - (1 if fit.options["loss"] == "ce" else 0)
    return estimates(rows, outputs, int(((sizes[:-1] + 1) * sizes[1:]).sum()), widths)["exact"].operations


def spaced_places(count: int, most: int) -> np.ndarray:
    """Return at most so many places of a row of numbers: the first ones densely, then evenly to the last."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.geomspace(1, count, most).round().astype(int)) - 1
