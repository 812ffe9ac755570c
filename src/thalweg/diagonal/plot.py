"""Pictures of a saddle path: who is active when, the coefficients, and the error, all as staircases in time.

The horizontal axis is the clock `t / ln(1/alpha)` on a logarithmic scale. Every picture carries a sentence
that says what it shows and a table with its numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thalweg.diagonal.fit import best_held_out, kept_of, saddle
from thalweg.diagonal.order import activation_order, spells
from thalweg.diagonal.plot_sensors import sensor_pictures
from thalweg.diagonal.section import TABLE_ROWS, coefficient_table, order_table, saddle_table
from thalweg.records import Cell, DataTable, Decisions, Fit, Picture, Statement
from thalweg.runtime.drawing import COLOURS, NEGATIVE, POSITIVE, logarithmic_time, new_figure, plain, time_window
from thalweg.texts import text

if TYPE_CHECKING:
    import plotly.graph_objects

TIMELINE_FEATURES = 30
"""Rows of the timeline; later features are counted in the text."""

FORCED = COLOURS[11]
"""Grey: kept columns have no sign and no time of their own."""

STAIRCASE_FEATURES = 12
"""Lines of the staircase: as many as there are colours."""


def figures(fit: Fit, lang: str = "en", decisions: Decisions | None = None) -> tuple[Picture, ...]:
    """Return all pictures of a fit in the given language; none for a path without jumps."""
    if fit.solution["times"].size == 0:
        return ()
    staircases = (timeline(fit, lang), coefficient_staircase(fit, lang), loss_staircase(fit, lang))
    return (*staircases, *sensor_pictures(fit, lang, decisions))


def timeline(fit: Fit, lang: str = "en") -> Picture:
    """Draw one bar a spell of activity, one row a feature, kept columns first, then in the order of activation."""
    order, kept = activation_order(fit), tuple(kept_of(fit).tolist())
    shown = (*kept[: TIMELINE_FEATURES // 3], *order)[:TIMELINE_FEATURES]
    row = {feature: place for place, feature in enumerate(shown)}
    left, right = _edges(fit)
    times = fit.solution["times"]
    figure = new_figure(text("axis.time", lang), "", height=120 + 22 * len(shown))
    for sign, colour in ((1, POSITIVE), (-1, NEGATIVE)):
        xs: list[float | None] = []
        ys: list[float | None] = []
        for spell in spells(fit):
            if spell.sign != sign or spell.feature not in row:
                continue
            end = right if spell.leaves is None else float(times[spell.leaves - 1])
            xs += [float(times[spell.enters - 1]), end, None]
            ys += [row[spell.feature], row[spell.feature], None]
        name = text("axis.raises" if sign > 0 else "axis.lowers", lang)
        figure.add_scatter(x=xs, y=ys, mode="lines", line={"width": 11, "color": colour}, name=name)
    if kept:
        bars = [place for place, feature in enumerate(shown) if feature in kept]
        xs, ys = [left, right, None] * len(bars), [y for place in bars for y in (place, place, None)]
        line = {"width": 11, "color": FORCED}
        figure.add_scatter(x=xs, y=ys, mode="lines", line=line, name=text("axis.kept", lang))
    logarithmic_time(figure, left, right)
    figure.update_yaxes(
        tickvals=list(range(len(shown))),
        ticktext=[plain(fit.feature_names[i]) for i in shown],
        range=[len(shown) - 0.4, -0.6],
    )
    values: dict[str, Cell] = {
        "active": len(order),
        "features": len(fit.feature_names) - len(kept),
        "shown": len(shown),
        "first": fit.feature_names[order[0]],
        "time": float(times[0]),
    }
    return titled("diagonal.timeline", lang, figure, values, order_table(fit))


def coefficient_staircase(fit: Fit, lang: str = "en") -> Picture:
    """Draw the coefficients of the saddles as steps, the largest ones by name."""
    dense = np.array([saddle(fit, k) for k in range(fit.solution["times"].size + 1)])
    largest = np.argsort(-np.abs(dense).max(axis=0), kind="stable")
    shown = [int(i) for i in largest[:STAIRCASE_FEATURES] if dense[:, i].any()]
    left, right = _edges(fit)
    xs = np.concatenate([[left], fit.solution["times"], [right]])
    unit = "axis.coefficient_scaled" if fit.options["standardize"] else "axis.coefficient"
    figure = new_figure(text("axis.time", lang), text(unit, lang, target=plain(fit.target_name)), height=430)
    for colour, i in zip(COLOURS, shown, strict=False):
        steps = np.append(dense[:, i], dense[-1, i])
        figure.add_scatter(
            x=xs,
            y=np.where(steps == 0, np.nan, steps),  # no line while the feature is off
            mode="lines",
            line={"shape": "hv", "color": colour, "width": 2},
            name=plain(fit.feature_names[i]),
        )
    logarithmic_time(figure, left, right)
    figure.update_layout(legend={"orientation": "v", "x": 1.01, "xanchor": "left", "y": 1, "yanchor": "top"})
    times = np.concatenate([[0.0], fit.solution["times"]])
    rows = tuple((k, float(times[k]), *(float(dense[k, i]) for i in shown)) for k in range(len(dense)))
    table = DataTable(
        "diagonal.staircase", ("saddle", "time"), rows[:TABLE_ROWS], tuple(fit.feature_names[i] for i in shown)
    )
    values: dict[str, Cell] = {
        "shown": len(shown),
        "largest": fit.feature_names[shown[0]],
        "value": float(dense[-1, shown[0]]),
        "jumps": int(fit.solution["times"].size),
    }
    return titled("diagonal.coefficient_staircase", lang, figure, values, coefficient_table(fit), table)


def loss_staircase(fit: Fit, lang: str = "en") -> Picture:
    """Draw the training error and the held-out error as steps, in the units of the target."""
    left, right = _edges(fit)
    times, errors = fit.solution["times"], np.sqrt(2 * fit.solution["losses"])
    figure = new_figure(text("axis.time", lang), text("axis.rmse", lang, target=plain(fit.target_name)), height=380)
    step = {"shape": "hv", "width": 2.5}
    figure.add_scatter(
        x=np.concatenate([[left], times, [right]]),
        y=np.append(errors, errors[-1]),
        mode="lines",
        line={**step, "color": COLOURS[0]},
        name=text("axis.training_error", lang),
    )
    held_out = fit.solution["held_out_rmse"]
    best = best_held_out(fit)
    values: dict[str, Cell] = {"start": float(errors[0]), "end": float(errors[-1])}
    if best is None:
        code = "diagonal.loss_staircase"
    else:
        code = "diagonal.loss_staircase_held_out"
        at = np.concatenate([[left], fit.solution["held_out_times"]])
        figure.add_scatter(
            x=np.append(at, max(right, at[-1])),
            y=np.append(held_out, held_out[-1]),
            mode="lines",
            line={**step, "color": COLOURS[1], "dash": "dash"},
            name=text("axis.held_out_error", lang),
        )
        figure.add_scatter(
            x=[at[best]],
            y=[held_out[best]],
            mode="markers",
            marker={"size": 11, "color": COLOURS[1], "symbol": "circle-open", "line": {"width": 3}},
            name=text("axis.least_held_out", lang),
        )
        values |= {"best": float(held_out[best]), "time": float(at[best]) if best else 0.0}
    logarithmic_time(figure, left, right)
    figure.update_yaxes(rangemode="tozero")
    tables = (saddle_table(fit),) if best is None else (saddle_table(fit), _held_out_table(fit))
    return titled(code, lang, figure, values, *tables)


def _held_out_table(fit: Fit) -> DataTable:
    """Return one row a saddle of the held-out path: time, active features, error on the held-out rows."""
    times = np.concatenate([[0.0], fit.solution["held_out_times"]])
    active, errors = fit.solution["held_out_active"], fit.solution["held_out_rmse"]
    rows: list[tuple[Cell, ...]] = [
        (k, float(times[k]), int(active[k]), float(errors[k])) for k in range(min(errors.size, TABLE_ROWS))
    ]
    return DataTable("diagonal.held_out", ("saddle", "time", "active", "held_out_rmse"), tuple(rows))


def _edges(fit: Fit) -> tuple[float, float]:
    """Return where the time axis starts and ends: some room before the first and after the last jump."""
    return time_window(fit.solution["times"])


def titled(
    code: str, lang: str, figure: plotly.graph_objects.Figure, values: dict[str, Cell], *tables: DataTable
) -> Picture:
    """Return a figure with its title, its text alternative and its numbers."""
    title = text(f"figure.{code}.title", lang, **values)
    return Picture(code, title, Statement(f"figure.{code}.alternative", values), figure, tables)
