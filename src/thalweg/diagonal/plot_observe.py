"""Pictures of an observation: the sensitivities against steps, and the observed order beside the predicted one.

Both say "observation, not theorem" in their text alternative and carry their numbers as tables.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from thalweg.diagonal.observation import Agreement, Observation
from thalweg.diagonal.observe import HOLD
from thalweg.diagonal.plateaus import origin
from thalweg.diagonal.section import TABLE_ROWS
from thalweg.records import Cell, DataTable, Picture, Statement
from thalweg.runtime.drawing import COLOURS, logarithmic_time, new_figure, plain
from thalweg.texts import text

if TYPE_CHECKING:
    import plotly.graph_objects

ORDERED = 30
"""Inputs in the picture of the two orders; the table has more."""

DECADES_SHOWN = 4
"""The vertical axis reaches this many powers of ten below the largest sensitivity: what lies below is nothing yet."""

AGREES, MOVED, ALONE = COLOURS[0], COLOURS[1], "#888888"

SHADE = "rgba(128,128,128,0.18)"


def figures(observation: Observation, lang: str = "en") -> tuple[Picture, ...]:
    """Return all pictures of an observation in the given language; none of a model that no input ever moved."""
    if observation.level == 0:
        return ()
    first = observed_inputs(observation, lang)
    if observation.agreement is None:
        return (first,)
    return (first, observed_order(observation, observation.agreement, lang))


def observed_inputs(observation: Observation, lang: str = "en") -> Picture:
    """Draw the largest sensitivities against steps, the level of activity, activations and plateaus of the loss."""
    largest = observation.sensitivity.max(axis=0)
    chosen = np.argsort(-largest, kind="stable")[: len(COLOURS)]
    shown = sorted(chosen.tolist(), key=lambda i: (observation.activated[i], i))
    colours: dict[int, str] = dict(zip(shown, COLOURS, strict=False))
    left, right = _edges(observation)
    figure = new_figure(text("axis.step", lang), text("axis.sensitivity", lang), height=430)
    for i, colour in colours.items():
        channel = observation.sensitivity[:, i]
        figure.add_scatter(
            x=observation.steps,
            y=np.where(channel > 0, channel, np.nan),  # zero has no place on a logarithmic axis
            mode="lines",
            line={"color": colour, "width": 2},
            name=plain(observation.names[i]),
        )
    _add_level(figure, observation, colours, left, right, lang)
    _add_plateaus(figure, observation, left, lang)
    logarithmic_time(figure, left, right)
    top = float(np.log10(largest.max()))
    figure.update_yaxes(type="log", range=[top - DECADES_SHOWN, top + 0.2], exponentformat="power", dtick=1)
    figure.update_layout(legend={"orientation": "v", "x": 1.01, "xanchor": "left", "y": 1, "yanchor": "top"})
    values: dict[str, Cell] = {
        "shown": len(shown),
        "features": len(observation.names),
        "active": len(observation.order),
        "level": observation.level,
        "plateaus": len(observation.plateaus),
    }
    tables = (activation_table(observation), plateau_table(observation))
    return _picture("diagonal.observed_inputs", lang, figure, values, *tables)


def observed_order(observation: Observation, agreement: Agreement, lang: str = "en") -> Picture:
    """Draw the predicted order on the left, the observed one on the right, and join what stands on both sides."""
    activated = observation.activated
    common = [i for i in agreement.order if np.isfinite(activated[i])]
    # Equal times on one side are drawn as the other side has them: a tie is no exchange.
    left = sorted(common, key=lambda i: (agreement.times[i], activated[i]))[:ORDERED]
    right = sorted(left, key=lambda i: (activated[i], agreement.times[i]))
    missing, unexpected = agreement.missing[:ORDERED], agreement.unexpected[:ORDERED]
    height = len(left) + max(len(missing), len(unexpected))
    figure = new_figure("", "", height=110 + 26 * max(height, 1))
    for at, i in enumerate(left):
        there = right.index(i)
        colour = AGREES if at == there else MOVED
        figure.add_scatter(
            x=[0, 1], y=[at, there], mode="lines+markers", line={"color": colour, "width": 2.5}, marker={"size": 9}
        )
    sides = (
        (0, [*left, *missing], agreement.order, "right"),
        (1, [*right, *unexpected], observation.order, "left"),
    )
    for x, listed, order, anchor in sides:
        for at, i in enumerate(listed):
            label = f"{order.index(i) + 1}. {plain(observation.names[i])}"
            figure.add_annotation(
                x=x, y=at, text=label, showarrow=False, xanchor=anchor, xshift=-12 if x == 0 else 12,
                font={"color": ALONE} if at >= len(left) else None,
            )  # fmt: skip
        alone = list(range(len(left), len(listed)))
        marker = {"size": 9, "color": ALONE, "symbol": "circle-open"}
        figure.add_scatter(x=[x] * len(alone), y=alone, mode="markers", marker=marker)
    names = [text("axis.predicted_order", lang), text("axis.observed_order", lang)]
    figure.update_xaxes(tickvals=[0, 1], ticktext=names, range=[-0.6, 1.6], side="top", showgrid=False)
    figure.update_yaxes(visible=False, range=[max(height, 1) - 0.4, -0.6])
    figure.update_layout(showlegend=False, margin={"t": 40})
    values: dict[str, Cell] = {
        "shown": len(left) + len(missing) + len(unexpected),
        "agreeing": agreement.agreeing,
        "compared": agreement.compared,
    }
    return _picture("diagonal.observed_order", lang, figure, values, activation_table(observation))


def _edges(observation: Observation) -> tuple[float, float]:
    """Return where the axis of steps starts, a decade before the first activation if it can, and where it ends."""
    first = float(observation.activated.min())
    earliest = origin(observation.steps)
    left = max(earliest, first / 10) if first < np.inf else earliest
    return left, max(float(observation.steps[-1]), HOLD * left)  # one record, too, needs some width


def _add_level(
    figure: plotly.graph_objects.Figure,
    observation: Observation,
    colours: dict[int, str],
    left: float,
    right: float,
    lang: str,
) -> None:
    """Add the level of activity, and a dot where a drawn input crosses it."""
    level, line = observation.level, {"color": ALONE, "width": 1.5, "dash": "dot"}
    figure.add_scatter(x=[left, right], y=[level, level], mode="lines", line=line, name=text("axis.level", lang))
    marked = [activity for activity in observation.activities if activity.feature in colours]
    figure.add_scatter(
        x=[max(activity.start, left) for activity in marked],
        y=[level] * len(marked),
        mode="markers",
        marker={"size": 11, "color": [colours[a.feature] for a in marked], "line": {"color": "white", "width": 1.5}},
        hovertext=[plain(observation.names[a.feature]) for a in marked],
        name=text("axis.activation", lang),
        showlegend=False,
    )


def _add_plateaus(figure: plotly.graph_objects.Figure, observation: Observation, left: float, lang: str) -> None:
    """Shade the plateaus of the loss, with one entry in the legend."""
    for plateau in observation.plateaus:
        start = max(plateau.start, left)
        if start < plateau.end:
            figure.add_vrect(x0=start, x1=plateau.end, fillcolor=SHADE, line_width=0, layer="below")
    if observation.plateaus:
        marker = {"size": 14, "symbol": "square", "color": SHADE}
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, name=text("axis.plateau", lang))


def activation_table(observation: Observation) -> DataTable:
    """Return one row a spell of activity, then the inputs that were predicted and never became active."""
    agreement, largest = observation.agreement, observation.sensitivity.max(axis=0)
    predicted = {} if agreement is None else {i: place for place, i in enumerate(agreement.order, start=1)}
    places = {i: place for place, i in enumerate(observation.order, start=1)}
    spans = [(activity.feature, activity.start, activity.end) for activity in observation.activities]
    if agreement is not None:
        spans += [(i, float("inf"), float("inf")) for i in agreement.missing]
    rows: list[tuple[Cell, ...]] = [
        (observation.names[i], predicted.get(i, "-"), places.get(i, "-"), start, end, float(largest[i]))
        for i, start, end in spans[:TABLE_ROWS]
    ]
    columns = ("feature", "predicted_place", "observed_place", "active_from", "active_until", "largest_sensitivity")
    return DataTable("diagonal.observed_order", columns, tuple(rows))


def plateau_table(observation: Observation) -> DataTable:
    """Return one row a plateau: where it begins and ends, its loss, the inputs active in its (geometric) middle."""
    earliest = origin(observation.steps)
    rows: list[tuple[Cell, ...]] = [
        (
            plateau.start,
            plateau.end,
            plateau.loss,
            len(observation.active_at(math.sqrt(max(plateau.start, earliest) * plateau.end))),
        )
        for plateau in observation.plateaus[:TABLE_ROWS]
    ]
    return DataTable("diagonal.observed_plateaus", ("from_step", "to_step", "loss", "active"), tuple(rows))


def _picture(
    code: str, lang: str, figure: plotly.graph_objects.Figure, values: dict[str, Cell], *tables: DataTable
) -> Picture:
    title = text(f"figure.{code}.title", lang, **values)
    return Picture(code, title, Statement(f"figure.{code}.alternative", values), figure, tables)
