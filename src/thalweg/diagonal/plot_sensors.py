"""Pictures of the audit: what the k-th sensor buys, and what its cost buys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thalweg.diagonal.fit import held_out_mean
from thalweg.diagonal.section import TABLE_ROWS
from thalweg.diagonal.sensors import Step, cost_curve, cost_steps, enough, sensor_curve, sensor_steps, unpriced
from thalweg.records import Cell, DataTable, Decisions, Fit, Picture, Statement
from thalweg.runtime.drawing import COLOURS, new_figure, plain
from thalweg.texts import text

if TYPE_CHECKING:
    import plotly.graph_objects

HEIGHT = 360

NAMED = 20
"""Columns without a cost that the text names."""


def sensor_pictures(fit: Fit, lang: str, decisions: Decisions | None) -> tuple[Picture, ...]:
    """Return the error against the number of features and, where costs are known, against cost."""
    if not sensor_steps(fit):
        return ()
    if decisions is None or not set(decisions.costs) & set(fit.feature_names):
        return (sensor_staircase(fit, lang),)
    return (sensor_staircase(fit, lang), cost_staircase(fit, decisions, lang))


def sensor_staircase(fit: Fit, lang: str = "en") -> Picture:
    """Draw the least held-out error that so many features reach, with the numbers that improve it marked."""
    steps = sensor_steps(fit)
    figure = _staircase(fit, steps, text("axis.sensors", lang), lang)
    figure.update_xaxes(tickformat="d")
    values: dict[str, Cell] = {"most": int(steps[-1].at), **_best_and_enough(fit, steps)}
    values |= {"at": int(values["at"]), "enough": int(values["enough"])}
    return _picture("diagonal.sensors", figure, values, sensor_curve(fit), lang)


def cost_staircase(fit: Fit, decisions: Decisions, lang: str = "en") -> Picture:
    """Draw the least held-out error that so much money reaches."""
    steps, missing = cost_steps(fit, decisions.costs), unpriced(fit, decisions.costs)
    unit = decisions.cost_unit or "1"
    figure = _staircase(fit, steps, text("axis.cost", lang, unit=plain(unit)), lang)
    values: dict[str, Cell] = {
        "unit": unit,
        "unpriced": ", ".join(missing[:NAMED]) + (", …" if len(missing) > NAMED else ""),
        **_best_and_enough(fit, steps),
    }
    code = "diagonal.costs_unpriced" if missing else "diagonal.costs"
    return _picture(code, figure, values, cost_curve(fit, decisions.costs), lang)


def _picture(
    code: str, figure: plotly.graph_objects.Figure, values: dict[str, Cell], table: DataTable, lang: str
) -> Picture:
    title = text(f"figure.{code}.title", lang, **values)
    shown = DataTable(table.code, table.columns, table.rows[:TABLE_ROWS])
    return Picture(code, title, Statement(f"figure.{code}.alternative", values), figure, (shown,))


def _best_and_enough(fit: Fit, steps: list[Step]) -> dict[str, Cell]:
    """Return the first step of the least error and the first one within 5 % of it, by the names of the texts."""
    best, near = min(steps, key=lambda step: step.error), enough(steps)
    return {
        "best": best.error,
        "at": best.at,
        "sensors": best.sensors,
        "error": near.error,
        "enough": near.at,
        "fewer": near.sensors,
        "mean": held_out_mean(fit),
    }


def _staircase(fit: Fit, steps: list[Step], x_title: str, lang: str) -> plotly.graph_objects.Figure:
    """Draw error against number or cost as steps, and mark where it falls and where it is nearly least."""
    figure = new_figure(x_title, text("axis.rmse", lang, target=plain(fit.target_name)), height=HEIGHT)
    line = {"shape": "hv", "width": 2.5, "color": COLOURS[1]}
    xs, errors = [step.at for step in steps], [step.error for step in steps]
    figure.add_scatter(x=xs, y=errors, mode="lines", line=line, name=text("axis.held_out_error", lang))
    falls = [i for i in range(len(xs)) if i == 0 or errors[i] < errors[i - 1]]
    figure.add_scatter(
        x=[xs[i] for i in falls],
        y=[errors[i] for i in falls],
        mode="markers",
        marker={"size": 7, "color": COLOURS[1]},
        showlegend=False,
    )
    ring = {"size": 13, "color": COLOURS[0], "symbol": "circle-open", "line": {"width": 3}}
    near = enough(steps)
    figure.add_scatter(x=[near.at], y=[near.error], mode="markers", marker=ring, name=text("axis.enough", lang))
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(rangemode="tozero")
    return figure
