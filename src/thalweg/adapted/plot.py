"""Pictures of an adapted run: the loss beside the curve known before it, what the Jacobian was like, and what it costs.

The horizontal axis is the clock `tau`, on which the curve of the squared loss is `exp(-2 tau)`: a straight line. Every
picture carries a sentence that says what it shows and a table with its numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thalweg.adapted.fit import best_held_out
from thalweg.adapted.tables import (
    accuracy_table,
    cost_table,
    event_table,
    held_out_at,
    held_out_table,
    node_table,
    orbit_table,
    predicted_cost,
    spectrum_table,
    training_rmse,
)
from thalweg.records import Cell, DataTable, Decisions, Fit, Picture, Statement
from thalweg.runtime.drawing import COLOURS, new_figure, plain
from thalweg.texts import text

if TYPE_CHECKING:
    import plotly.graph_objects

    from thalweg.adapted.result import AdaptedFit

SMALLEST_SHOWN = 1e-18
"""Numbers below it are rounding: a logarithmic axis that held them would show nothing else."""

COST_AXES = {"seconds": "axis.predicted_seconds", "money": "axis.predicted_money"}

COST_CODES = {
    ("seconds", False): "adapted.cost_curve_seconds",
    ("seconds", True): "adapted.cost_curve_seconds_held_out",
    ("money", False): "adapted.cost_curve_money",
    ("money", True): "adapted.cost_curve_money_held_out",
}
"""By the unit of the cost, and whether rows were held out."""

ACCURACY_CODES = {
    ("seconds", False): "adapted.accuracy_curve_seconds",
    ("seconds", True): "adapted.accuracy_curve_seconds_held_out",
    ("money", False): "adapted.accuracy_curve_money",
    ("money", True): "adapted.accuracy_curve_money_held_out",
}
"""The same for classes."""

SHADE = "rgba(0,114,178,0.18)"


def figures(fit: Fit, lang: str = "en", decisions: Decisions | None = None) -> tuple[Picture, ...]:
    """Return all pictures of a fit in the given language; none for a run that made no step."""
    if fit.trajectory.loss.size < 2:
        return ()
    made = [loss_curve(fit, lang)]
    if "deviation" in fit.trajectory.channels:
        made.append(line_deviation(fit, lang))
    if fit.solution["held_out_rmse"].size:
        made.append(held_out_curve(fit, lang))
    if fit.options["loss"] == "l2":
        made.append(cost_curve(fit, lang))
    else:
        made.append(accuracy_curve(fit, lang))
    if fit.solution["spectrum_start"].size:
        made += [orbit_curve(fit, lang), spectrum_curve(fit, lang)]
    return tuple(made)


def loss_curve(fit: Fit, lang: str = "en") -> Picture:
    """Draw the loss at the nodes beside the curve known before the run, or the bound that the steps have proved."""
    path = fit.trajectory
    figure = new_figure(text("axis.clock", lang), text("axis.loss", lang))
    code = "adapted.loss_curve"
    if path.predicted is not None:
        if path.band is not None:
            _band(figure, path.clock_values, path.band[0], path.band[1], text("axis.band", lang))
        _line(figure, path.clock_values, path.predicted, 0, text("axis.predicted_curve", lang), dash="dot")
    elif "guaranteed" in path.channels:
        code = "adapted.loss_bound"
        floor = float(fit.solution["floor"][0])
        bound = floor + (path.loss[0] - floor) * np.exp(-2 * path.channels["guaranteed"])
        _line(figure, path.clock_values, bound, 0, text("axis.bound", lang), dash="dot")
    else:
        code = "adapted.loss_alone"
    _dots(figure, path.clock_values, path.loss, 1, text("axis.recorded", lang))
    figure.update_yaxes(type="log", exponentformat="power")
    values: dict[str, Cell] = {
        "nodes": path.loss.size - 1,
        "start": float(path.loss[0]),
        "end": float(path.loss[-1]),
        "tau": float(path.clock_values[-1]),
        "percent": 0.0 if path.band is None else float(100 * (path.band[1, 0] / path.predicted[0] - 1)),  # type: ignore[index]
    }
    events = (event_table(fit),) if path.marks else ()
    return _picture(code, lang, figure, values, node_table(fit), *events)


def line_deviation(fit: Fit, lang: str = "en") -> Picture:
    """Draw how far the outputs were from the line that they were to follow, as a share of what was left of it."""
    path = fit.trajectory
    deviation = path.channels["deviation"]
    tolerance = float(fit.options["line_tolerance"])  # type: ignore[arg-type]
    figure = new_figure(text("axis.clock", lang), text("axis.deviation_line", lang), height=320)
    ends = path.clock_values[[0, -1]]
    _line(figure, ends, np.array([tolerance, tolerance]), 6, text("axis.line_tolerance", lang), dash="dash")
    _dots(figure, path.clock_values[1:], np.maximum(deviation[1:], SMALLEST_SHOWN), 1, text("axis.recorded", lang))
    figure.update_yaxes(type="log", exponentformat="power")
    largest = float(np.nanmax(deviation))
    values: dict[str, Cell] = {"largest": largest, "tolerance": tolerance, "nodes": path.loss.size - 1}
    return _picture("adapted.line_deviation", lang, figure, values, node_table(fit))


def held_out_curve(fit: Fit, lang: str = "en") -> Picture:
    """Draw the error on held-out rows against the clock, with its least value and the error of the mean alone."""
    arrays = fit.solution
    clock, errors, mean = arrays["held_out_tau"], arrays["held_out_rmse"], float(arrays["held_out_mean"][0])
    best = best_held_out(fit) or 0
    unit = "axis.rmse_probability" if fit.options["loss"] == "ce" else "axis.rmse"
    figure = new_figure(text("axis.clock", lang), text(unit, lang, target=plain(fit.target_name)))
    if fit.options["loss"] == "l2":
        _line(figure, fit.trajectory.clock_values, training_rmse(fit), 0, text("axis.training_error", lang))
    _dots(figure, clock, errors, 1, text("axis.held_out_error", lang))
    ends = np.array([clock[0], max(clock[-1], fit.trajectory.clock_values[-1])])
    _line(figure, ends, np.array([mean, mean]), 11, text("axis.mean_alone", lang), dash="dash")
    figure.add_scatter(
        x=[clock[best]],
        y=[errors[best]],
        mode="markers",
        marker={"size": 13, "color": COLOURS[1], "symbol": "circle-open", "line": {"width": 3}},
        name=text("axis.least_held_out", lang),
    )
    figure.update_yaxes(rangemode="tozero")
    values: dict[str, Cell] = {
        "best": float(errors[best]),
        "tau": float(clock[best]),
        "end": float(errors[-1]),
        "mean": mean,
    }
    return _picture("adapted.held_out_curve", lang, figure, values, held_out_table(fit))


def cost_curve(fit: Fit, lang: str = "en") -> Picture:
    """Draw what training is predicted to take against the error that it buys, on training and on held-out rows."""
    cost, name = predicted_cost(fit)
    training, clock = training_rmse(fit), fit.trajectory.clock_values
    figure = new_figure(text(COST_AXES[name], lang), text("axis.rmse", lang, target=plain(fit.target_name)))
    _dots(figure, cost, training, 0, text("axis.training_error", lang))
    held_out = np.array([held_out_at(fit, float(tau)) for tau in clock])
    values: dict[str, Cell] = {"end": float(training[-1]), "cost": float(cost[-1])}
    judged = bool(np.isfinite(held_out).any())
    if judged:
        best = int(np.nanargmin(held_out))
        _dots(figure, cost, held_out, 1, text("axis.held_out_error", lang))
        values |= {"best": float(held_out[best]), "enough": float(cost[best])}
    figure.update_yaxes(rangemode="tozero")
    return _picture(COST_CODES[name, judged], lang, figure, values, cost_table(fit))


def accuracy_curve(fit: Fit, lang: str = "en") -> Picture:
    """Draw what training is predicted to take against the share of rows that is classified rightly."""
    cost, name = predicted_cost(fit)
    kept, training = fit.solution["kept_nodes"], fit.solution["training_accuracy"]
    figure = new_figure(text(COST_AXES[name], lang), text("axis.accuracy", lang, target=plain(fit.target_name)))
    _dots(figure, cost[kept], training, 0, text("axis.training_error", lang))
    held_out = np.array([held_out_at(fit, float(fit.trajectory.clock_values[k]), "held_out_accuracy") for k in kept])
    values: dict[str, Cell] = {"end": float(training[-1]), "cost": float(cost[-1])}
    judged = bool(np.isfinite(held_out).any())
    if judged:
        best = int(np.nanargmax(held_out))
        _dots(figure, cost[kept], held_out, 1, text("axis.held_out_error", lang))
        values |= {"best": float(held_out[best]), "enough": float(cost[kept[best]])}
    figure.update_yaxes(tickformat=".0%")
    return _picture(ACCURACY_CODES[name, judged], lang, figure, values, accuracy_table(fit))


def orbit_curve(fit: Fit, lang: str = "en") -> Picture:
    """Draw the conditioning of the Jacobian along the run, and the share of the residual that it could follow."""
    arrays = fit.solution
    clock = fit.trajectory.clock_values[arrays["orbit_node"]]
    relative = arrays["orbit_sigma_min"] / np.maximum(arrays["orbit_sigma_max"], np.finfo(float).tiny)
    figure = new_figure(text("axis.clock", lang), text("axis.share", lang), height=340)
    _dots(figure, clock, np.maximum(relative, SMALLEST_SHOWN), 0, text("axis.relative_sigma", lang))
    _dots(figure, clock, arrays["orbit_efficiency"], 2, text("axis.cos_squared", lang))
    figure.update_yaxes(type="log", exponentformat="power")
    values: dict[str, Cell] = {
        "nodes": int(clock.size),
        "least": float(arrays["orbit_sigma_min"].min()),
        "relative": float(relative.min()),
        "efficiency": float(np.nanmin(arrays["orbit_efficiency"])),
    }
    return _picture("adapted.orbit_curve", lang, figure, values, orbit_table(fit))


def spectrum_curve(fit: Fit, lang: str = "en") -> Picture:
    """Draw the eigenvalues of the Gram matrix at the start and at the end, the largest first."""
    start, end = fit.solution["spectrum_start"][::-1], fit.solution["spectrum_end"][::-1]
    least = max(float(max(start[0], end[0])) * SMALLEST_SHOWN, np.finfo(float).tiny)
    number = np.arange(1, start.size + 1)
    figure = new_figure(text("axis.mode_number", lang), text("axis.mode_eigenvalue", lang))
    _line(figure, number, np.maximum(start, least), 0, text("axis.at_start", lang))
    _line(figure, number, np.maximum(end, least), 1, text("axis.at_end", lang))
    figure.update_yaxes(type="log", exponentformat="power")
    if number.size > 1:
        figure.update_xaxes(type="log")
    values: dict[str, Cell] = {"count": start.size, "largest": float(end[0]), "smallest": float(end[-1])}
    return _picture("adapted.spectrum_curve", lang, figure, values, spectrum_table(fit))


def forecast_curve(run: AdaptedFit, lang: str = "en") -> Picture:
    """Draw the seconds that a run was forecast to take, as they were told after every step, beside what it took.

    Parameters
    ----------
    run
        Of `adapted.fit`, with its measured seconds.
    lang
        Of words and labels.

    Returns
    -------
    Picture
        Empty but for the total where the run was over before a forecast.
    """
    made = np.array([f.made_at for f in run.forecasts], dtype=float)
    spans = np.array([f.seconds for f in run.forecasts]).reshape(-1, 3)
    total = float(run.seconds[-1])
    figure = new_figure(text("axis.steps_made", lang), text("axis.forecast_seconds", lang))
    _band(figure, made, spans[:, 0], spans[:, 2], text("axis.forecast_range", lang))
    _dots(figure, made, spans[:, 1], 0, text("axis.forecast", lang))
    ends = np.array([0.0, run.seconds.size - 1.0])
    _line(figure, ends, np.array([total, total]), 1, text("axis.actual", lang), dash="dash")
    figure.update_yaxes(rangemode="tozero")
    third = min(2, made.size - 1)
    told = float(spans[third, 1]) if made.size else float("nan")
    values: dict[str, Cell] = {"steps": run.seconds.size - 1, "told": told, "actual": total}
    rows = tuple((int(m), *map(float, s)) for m, s in zip(made, spans, strict=True)) or ((0, total, total, total),)
    columns = ("steps", "seconds_low", "seconds", "seconds_high")
    return _picture("adapted.forecast_curve", lang, figure, values, DataTable("adapted.forecast", columns, rows))


def _line(
    figure: plotly.graph_objects.Figure, x: np.ndarray, y: np.ndarray, colour: int, name: str, dash: str = "solid"
) -> None:
    line = {"color": COLOURS[colour], "width": 2.5, "dash": dash}
    figure.add_scatter(x=x, y=y, mode="lines", line=line, name=name)


def _dots(figure: plotly.graph_objects.Figure, x: np.ndarray, y: np.ndarray, colour: int, name: str) -> None:
    line = {"color": COLOURS[colour], "width": 1.5}
    figure.add_scatter(x=x, y=y, mode="lines+markers", line=line, marker={"size": 6}, name=name)


def _band(figure: plotly.graph_objects.Figure, x: np.ndarray, low: np.ndarray, high: np.ndarray, name: str) -> None:
    figure.add_scatter(x=x, y=low, mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip")
    figure.add_scatter(x=x, y=high, mode="lines", line={"width": 0}, fill="tonexty", fillcolor=SHADE, name=name)


def _picture(
    code: str, lang: str, figure: plotly.graph_objects.Figure, values: dict[str, Cell], *tables: DataTable
) -> Picture:
    title = text(f"figure.{code}.title", lang, **values)
    return Picture(code, title, Statement(f"figure.{code}.alternative", values), figure, tables)
