"""Pictures of a shallow fit: its minima, the spectrum at the kept one, margins, neurons, and how starts escape.

Every picture carries a sentence that says what it shows and a table with its numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thalweg.records import Cell, CriticalPoint, DataTable, Decisions, Fit, Picture, Statement, Verdict
from thalweg.runtime.drawing import COLOURS, NEGATIVE, POSITIVE, new_figure
from thalweg.shallow.catalogue import ESCAPES
from thalweg.shallow.section import TABLE_ROWS, ends_table, minima_table, neuron_table
from thalweg.texts import text

if TYPE_CHECKING:
    import plotly.graph_objects

PROVED, OPEN, AWAY = COLOURS[2], COLOURS[4], COLOURS[1]
"""Colours of the verdicts: proved minima, points that are not proved, starts that run to infinity."""

SAME_LOSS = 1e-3
"""Losses that differ by less than this share are drawn on an axis from zero: their difference says nothing."""


def figures(fit: Fit, lang: str = "en", decisions: Decisions | None = None) -> tuple[Picture, ...]:
    """Return all pictures of a fit in the given language."""
    drawn = [start_losses(fit, lang)]
    if fit.catalogue and fit.catalogue.points:
        drawn = [minima_picture(fit, lang), *drawn]
    if fit.solution["eigenvalues"].size > 1:
        drawn.append(spectrum(fit, lang))
    if fit.solution["focal_values"].size:
        drawn.append(margins(fit, lang))
    if fit.solution["waste"].size:
        drawn.append(neurons(fit, lang))
    return tuple(drawn)


def minima_picture(fit: Fit, lang: str = "en") -> Picture:
    """Draw the loss of every critical point against the share of starts that ended there, coloured by verdict."""
    points: tuple[CriticalPoint, ...] = fit.catalogue.points if fit.catalogue else ()
    starts = fit.solution["start_losses"].size
    figure = new_figure(text("axis.share_of_starts", lang), text("axis.loss_standardised", lang))
    for proved, colour, name in ((True, PROVED, "state.proved"), (False, OPEN, "state.unproved")):
        shown = [point for point in points if _is_proved(point) is proved]
        if shown:
            figure.add_scatter(
                x=[point.hits / starts for point in shown],
                y=[point.loss for point in shown],
                mode="markers",
                marker={"size": 12, "color": colour, "symbol": [_symbol(point.kind) for point in shown]},
                name=text(name, lang),
            )
    figure.update_xaxes(rangemode="tozero", tickformat=".0%")
    _loss_axis(figure, np.array([point.loss for point in points]))
    first = next(iter(points))
    values: dict[str, Cell] = {
        "points": len(points),
        "proved": sum(map(_is_proved, points)),
        "least": first.loss,
        "percent": 100 * first.hits / starts,
        "starts": starts,
    }
    return titled("shallow.minima", lang, figure, values, minima_table(fit))


def start_losses(fit: Fit, lang: str = "en") -> Picture:
    """Draw where every start ended, in order of loss: at a point, or on its way to infinity and how."""
    losses, points = fit.solution["start_losses"], fit.solution["start_points"]
    escapes = fit.solution["start_escapes"]
    order = np.argsort(losses, kind="stable")
    place = np.empty(order.size, dtype=int)
    place[order] = np.arange(1, order.size + 1)
    figure = new_figure(text("axis.starts", lang), text("axis.loss_standardised", lang))
    groups = [("at_point", (points >= 0) & (escapes == 0), PROVED, "circle")]
    for i, (escape, symbol) in enumerate(zip(ESCAPES, ("square", "diamond", "star", "triangle-up"), strict=True)):
        groups.append((escape, escapes == i + 1, AWAY, symbol))
    groups.append(("unfinished", (points < 0) & (escapes == 0), OPEN, "x"))
    for name, which, colour, symbol in groups:
        if which.any():
            figure.add_scatter(x=place[which], y=losses[which], mode="markers", name=text(f"state.{name}", lang),
                               marker={"size": 8, "color": colour, "symbol": symbol})  # fmt: skip
    figure.update_xaxes(dtick=max(1, order.size // 10))
    _loss_axis(figure, losses)
    for loss in np.unique(fit.solution["limit_losses"])[:TABLE_ROWS]:
        figure.add_hline(y=float(loss), line={"color": AWAY, "width": 1, "dash": "dot"})
    values: dict[str, Cell] = {
        "starts": losses.size,
        "certified": 100 * float(fit.solution["certified_share"][0]),
        "away": 100 * float((escapes > 0).mean()),
        "limits": int(fit.solution["limit_losses"].size),
    }
    return titled("shallow.escapes", lang, figure, values, ends_table(fit))


def spectrum(fit: Fit, lang: str = "en") -> Picture:
    """Draw the eigenvalues of the Hessian at the kept network by size, with the number of signs that is proved."""
    values = fit.solution["eigenvalues"]
    figure = new_figure(text("axis.number", lang), text("axis.eigenvalue", lang))
    for sign, colour in ((1, POSITIVE), (-1, NEGATIVE)):
        which = np.flatnonzero(np.sign(values) == sign)
        if which.size:
            name = text("axis.positive" if sign > 0 else "axis.negative", lang)
            marker = {"size": 8, "color": colour}
            figure.add_scatter(x=which + 1, y=np.abs(values[which]), mode="markers", marker=marker, name=name)
    figure.update_yaxes(type="log", exponentformat="power")
    best = next((p for p in (fit.catalogue.points if fit.catalogue else ()) if _is_proved(p)), None)
    shown: dict[str, Cell] = {
        "count": values.size, "smallest": float(values[0]), "largest": float(values[-1]),
        "negative": int((values < 0).sum()),
    }  # fmt: skip
    rows = tuple((i + 1, float(value)) for i, value in enumerate(values[:TABLE_ROWS]))
    table = DataTable("shallow.spectrum", ("number", "eigenvalue"), rows)
    proved = best is not None and best.index == 0
    return titled("shallow.spectrum" if proved else "shallow.spectrum_open", lang, figure, shown, table)


def margins(fit: Fit, lang: str = "en") -> Picture:
    """Draw the focal spectrum at the kept network: how far each direction is from degenerating."""
    k = fit.solution["focal_values"]
    figure = new_figure(text("axis.number", lang), text("axis.focal_margin", lang))
    figure.add_bar(x=np.arange(1, k.size + 1), y=1 + k, marker={"color": POSITIVE}, showlegend=False)
    figure.add_hline(y=0, line={"color": NEGATIVE, "width": 2})
    rate = float(np.abs(k).max())
    values: dict[str, Cell] = {"margin": float(1 + k[0]), "rate": rate, "count": k.size}
    rows = tuple((i + 1, float(1 + value)) for i, value in enumerate(k[:TABLE_ROWS]))
    table = DataTable("shallow.margins", ("number", "focal_margin"), rows)
    return titled("shallow.margins", lang, figure, values, table)


def neurons(fit: Fit, lang: str = "en") -> Picture:
    """Draw what the loss rises by without each neuron, after the output layer is fitted anew."""
    waste = fit.solution["waste"]
    figure = new_figure(text("axis.neuron", lang), text("axis.waste", lang))
    figure.add_bar(x=np.arange(1, waste.size + 1), y=waste, marker={"color": POSITIVE}, showlegend=False)
    figure.update_xaxes(dtick=1)
    least = int(np.argmin(waste))
    values: dict[str, Cell] = {"neuron": least + 1, "waste": float(waste[least]), "count": waste.size}
    return titled("shallow.neurons", lang, figure, values, neuron_table(fit))


def _loss_axis(figure: plotly.graph_objects.Figure, losses: np.ndarray) -> None:
    """Start the axis of losses at zero where they are too close for an axis of their own."""
    seen = losses[np.isfinite(losses)]
    top = float(seen.max(initial=0.0))
    if top > 0 and top - float(seen.min()) < SAME_LOSS * top:
        figure.update_yaxes(range=[0, 1.5 * top])


def _is_proved(point: CriticalPoint) -> bool:
    return point.certificate is not None and point.certificate.verdict is Verdict.HOLDS


def _symbol(kind: str) -> str:
    return {"minimum": "circle", "saddle": "cross"}.get(kind, "circle-open")


def titled(
    code: str, lang: str, figure: plotly.graph_objects.Figure, values: dict[str, Cell], *tables: DataTable
) -> Picture:
    """Return a figure with its title, its text alternative and its numbers."""
    title = text(f"figure.{code}.title", lang, **values)
    return Picture(code, title, Statement(f"figure.{code}.alternative", values), figure, tables)
