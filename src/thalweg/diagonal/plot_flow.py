"""Pictures of training from a finite initialisation, and of what happens between the saddles.

The staircase under the flows that follow it, the race of the duals to their walls, the way through coefficient space
with its heteroclinic orbits, the same as a film in the arc-length clock, and the initialisation that each plateau
needs to be seen. Every picture carries a sentence that says what it shows and a table with its numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.finite_alpha import alpha_needed
from thalweg.diagonal.flow import DiagonalFlow
from thalweg.diagonal.path import SaddlePath
from thalweg.diagonal.transitions import Film, arc_length, film
from thalweg.records import Cell, DataTable, InputError, Picture, Statement
from thalweg.runtime.drawing import COLOURS, logarithmic_time, new_figure, plain
from thalweg.texts import text

if TYPE_CHECKING:
    import plotly.graph_objects

OVERLAY_FEATURES, RACE_FEATURES = 5, 12
"""Lines that can be told apart: with several flows beside each staircase fewer than alone."""

DASHES = ("dot", "dash", "longdash", "dashdot")
"""Of the flows, from the first to the last."""

TRANSITION_SHARE = 0.4
"""Of the width of a film: what all its transitions take together."""

ORDINARY = (-2, -8, -300)
"""Exponents of alpha to compare with: usual training, careful training, the limit of double precision."""

TABLE_ROWS = 100
"""Rows of a table."""


def drawing_times(path: SaddlePath, points: int = 400) -> Float[np.ndarray, " k"]:
    """Return times at which a flow should be observed to be drawn beside its path."""
    left, right = _edges(path)
    return np.geomspace(left, right, points)


def flow_overlay(path: SaddlePath, flows: Sequence[DiagonalFlow], names: Sequence[str], lang: str = "en") -> Picture:
    """Draw the coefficients of the saddles as steps, and beside them those of training from finite initialisations.

    Parameters
    ----------
    path
        A saddle path with at least one jump.
    flows
        Observed at many times (`drawing_times`), of the same data.
    names
        One a feature.
    lang
        Language of the labels.

    Returns
    -------
    Picture
        With the deviation of each flow from each saddle.
    """
    _refuse_no_jump(path)
    dense = np.array([path.coef(k) for k in range(path.count + 1)])
    shown = np.argsort(-np.abs(dense).max(axis=0), kind="stable")[:OVERLAY_FEATURES]
    shown = [int(i) for i in shown if dense[:, i].any()]
    left, right = _edges(path)
    figure = new_figure(text("axis.time", lang), text("axis.coefficient_plain", lang), height=430)
    steps = np.concatenate([[left], path.times, [right]])
    for colour, i in zip(COLOURS, shown, strict=False):
        line = {"shape": "hv", "color": colour, "width": 5}
        figure.add_scatter(
            x=steps,
            y=np.append(dense[:, i], dense[-1, i]),
            mode="lines",
            line=line,
            opacity=0.45,
            name=plain(names[i]),
        )
    for dash, flow in zip(DASHES * len(flows), flows, strict=False):
        for place, (colour, i) in enumerate(zip(COLOURS, shown, strict=False)):
            figure.add_scatter(
                x=flow.times,
                y=flow.coefficients[:, i],
                mode="lines",
                line={"color": colour, "width": 1.6, "dash": dash},
                name=_label(flow),
                legendgroup=_label(flow),
                showlegend=place == 0,
            )
    logarithmic_time(figure, left, right)
    figure.update_layout(legend={"orientation": "v", "x": 1.01, "xanchor": "left", "y": 1, "yanchor": "top"})
    rows = [(_label(flow), k, float(t), float(gap)) for flow in flows for k, t, gap in _deviations(path, flow)]
    table = DataTable(
        "diagonal.flow_overlay", ("training", "saddle", "time", "gap_to_saddle"), tuple(rows[:TABLE_ROWS])
    )
    values: dict[str, Cell] = {"shown": len(shown), "flows": len(flows), "jumps": path.count}
    return _picture("diagonal.flow_overlay", lang, figure, values, table)


def dual_race(path: SaddlePath, names: Sequence[str], lang: str = "en") -> Picture:
    """Draw the scaled duals on their way to the walls: the next to arrive is the next to switch on.

    Parameters
    ----------
    path
        A saddle path with at least one jump.
    names
        One a feature.
    lang
        Language of the labels.

    Returns
    -------
    Picture
        With the time of every arrival.
    """
    _refuse_no_jump(path)
    duals = np.array([path.dual(k) for k in range(path.count + 1)]) / path.exponents
    first = [int(np.argmax(np.abs(column) > 1 - 1e-9)) or path.count + 1 for column in duals.T]
    order = sorted(range(len(first)), key=lambda i: (first[i], -float(np.abs(duals[:, i]).max())))
    shown = [i for i in order[:RACE_FEATURES] if duals[:, i].any()]
    left, right = _edges(path)
    times = np.unique(np.concatenate([np.geomspace(left, path.times[-1], 300), path.times, [right]]))
    known = np.concatenate([[0.0], path.times, [right]])
    figure = new_figure(text("axis.time", lang), text("axis.dual", lang), height=430)
    for colour, i in zip(COLOURS, shown, strict=False):
        along = np.interp(times, known, np.append(duals[:, i], duals[-1, i]))
        figure.add_scatter(x=times, y=along, mode="lines", line={"color": colour, "width": 2}, name=plain(names[i]))
    for wall in (-1, 1) if duals[:, shown].min() < 0 else (1,):
        figure.add_hline(y=wall, line={"color": "#888", "dash": "dash", "width": 1})
    logarithmic_time(figure, left, right)
    low = max(float(duals[:, shown].min()), -1.5)  # in the one-sided network duals fall without bound
    figure.update_yaxes(range=[low - 0.08, 1.08])
    figure.update_layout(legend={"orientation": "v", "x": 1.01, "xanchor": "left", "y": 1, "yanchor": "top"})
    arrivals = [(names[i], float(path.times[first[i] - 1])) for i in order if first[i] <= path.count]
    table = DataTable("diagonal.dual_race", ("feature", "arrives_at"), tuple(arrivals[:TABLE_ROWS]))
    values: dict[str, Cell] = {"shown": len(shown), "first": names[order[0]], "time": float(path.times[0])}
    return _picture("diagonal.dual_race", lang, figure, values, table)


def saddle_tour(
    path: SaddlePath,
    names: Sequence[str],
    lang: str = "en",
    *,
    features: tuple[int, int, int] | None = None,
    jumps: int | None = None,
    positive: bool = False,
) -> Picture:
    """Draw the way from saddle to saddle in three dimensions, along the heteroclinic orbits.

    Parameters
    ----------
    path
        A saddle path with at least one jump.
    names
        One a feature.
    lang
        Language of the labels.
    features
        Three coordinates to use as axes; the principal components of the saddles unless given.
    jumps
        How many jumps to draw; all unless given.
    positive
        Whether the path is that of the one-sided network.

    Returns
    -------
    Picture
        With the saddles in the drawn coordinates.
    """
    _refuse_no_jump(path)
    reel = film(path, jumps=jumps, positive=positive)
    points, labels, share = _three_axes(reel, names, features, lang)
    ends = reel.plateaus[:, 0]
    figure = new_figure("", "", height=560)
    figure.add_scatter3d(
        x=points[:, 0],
        y=points[:, 1],
        z=points[:, 2],
        mode="lines",
        line={"width": 5, "color": np.arange(len(points)), "colorscale": "Viridis"},
        name=text("axis.orbits", lang),
    )
    stops = points[ends]
    figure.add_scatter3d(
        x=stops[:, 0],
        y=stops[:, 1],
        z=stops[:, 2],
        mode="markers+text",
        marker={"size": 5, "color": COLOURS[1]},
        text=[str(k) for k in range(len(ends))],
        name=text("axis.saddles", lang),
    )
    figure.update_layout(showlegend=False, margin={"l": 0, "r": 0, "t": 0, "b": 0})
    axes = (
        {"title": {"text": label}, "gridcolor": "rgba(128,128,128,0.3)", "showbackground": False} for label in labels
    )
    camera = {"eye": {"x": 1.7, "y": -1.7, "z": 1.0}}
    figure.update_layout(scene={**dict(zip(("xaxis", "yaxis", "zaxis"), axes, strict=True)), "camera": camera})
    rows = [(k, float(reel.times[end]), *map(float, points[end])) for k, end in enumerate(ends.tolist())]
    table = DataTable("diagonal.saddle_tour", ("saddle", "time"), tuple(rows[:TABLE_ROWS]), tuple(labels))
    values: dict[str, Cell] = {"saddles": len(ends), "percent": 100 * share}
    return _picture("diagonal.saddle_tour", lang, figure, values, table)


def path_film(
    path: SaddlePath, names: Sequence[str], lang: str = "en", *, jumps: int | None = None, positive: bool = False
) -> Picture:
    """Draw the coefficients in the arc-length clock: every transition takes the width of its orbit.

    Parameters
    ----------
    path
        A saddle path with at least one jump.
    names
        One a feature.
    lang
        Language of the labels.
    jumps
        How many jumps to draw; all unless given.
    positive
        Whether the path is that of the one-sided network.

    Returns
    -------
    Picture
        With the length of each transition beside the distance between its saddles.
    """
    _refuse_no_jump(path)
    reel = film(path, jumps=jumps, positive=positive)
    slow = np.log(np.maximum(reel.times, reel.times[1] / 2))
    length = arc_length(np.zeros(slow.size), reel.coefficients)[-1]
    weight = (slow[-1] - slow[0]) / length * TRANSITION_SHARE / (1 - TRANSITION_SHARE)
    clock = arc_length(slow, reel.coefficients, weight=float(weight))
    figure = new_figure(text("axis.arc_length", lang), text("axis.coefficient_plain", lang), height=430)
    largest = np.argsort(-np.abs(reel.coefficients).max(axis=0), kind="stable")[:RACE_FEATURES]
    for colour, place in zip(COLOURS, largest.tolist(), strict=False):
        figure.add_scatter(
            x=clock,
            y=reel.coefficients[:, place],
            mode="lines",
            line={"color": colour, "width": 2},
            name=plain(names[int(reel.features[place])]),
        )
    for start, end in zip(reel.plateaus[:-1, 1], reel.plateaus[1:, 0], strict=True):
        figure.add_vrect(x0=clock[start], x1=clock[end], fillcolor="rgba(128,128,128,0.14)", line_width=0)
    figure.update_xaxes(
        tickvals=clock[reel.plateaus].mean(axis=1), ticktext=[str(k) for k in range(len(reel.plateaus))]
    )
    figure.update_layout(legend={"orientation": "v", "x": 1.01, "xanchor": "left", "y": 1, "yanchor": "top"})
    table = DataTable("diagonal.path_film", ("jump", "time", "orbit_length", "distance"), _lengths(reel)[:TABLE_ROWS])
    values: dict[str, Cell] = {"jumps": len(reel.plateaus) - 1, "shown": len(largest), "length": float(length)}
    return _picture("diagonal.path_film", lang, figure, values, table)


def visibility(path: SaddlePath, lang: str = "en", *, tolerance: float = 1e-3) -> Picture:
    """Draw the initialisation that each plateau needs to be seen.

    Parameters
    ----------
    path
        A saddle path with at least one jump.
    lang
        Language of the labels.
    tolerance
        Relative deviation from the saddle that still counts as seeing it.

    Returns
    -------
    Picture
        With `log10(alpha)` of every plateau.
    """
    _refuse_no_jump(path)
    needed = [alpha_needed(path, k, tolerance=tolerance) for k in range(1, path.count + 1)]
    digits = -np.array(needed)
    drawn = np.isfinite(digits)
    figure = new_figure(text("axis.saddle_plateau", lang), text("axis.digits", lang), height=380)
    numbers = np.arange(1, path.count + 1)
    figure.add_scatter(
        x=numbers[drawn],
        y=np.maximum(digits[drawn], 0.1),
        mode="markers",
        marker={"size": 8, "color": COLOURS[0]},
        name=text("axis.needed", lang),
    )
    for dash, exponent in zip(DASHES, ORDINARY, strict=False):
        figure.add_scatter(
            x=[0.5, path.count + 0.5],
            y=[-exponent, -exponent],
            mode="lines",
            line={"color": "#888", "dash": dash, "width": 1.5},
            name=f"α = 1e{exponent}",
        )
    figure.update_xaxes(range=[0.4, path.count + 0.6])
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    rows = [(k, float(path.times[k - 1]), value) for k, value in zip(numbers.tolist(), needed, strict=True)]
    table = DataTable("diagonal.visibility", ("saddle", "time", "log10_alpha"), tuple(rows[:TABLE_ROWS]))
    values: dict[str, Cell] = {
        "plateaus": path.count,
        "usual": sum(value >= ORDINARY[0] for value in needed),
        "careful": sum(value >= ORDINARY[1] for value in needed),
        "percent": 100 * tolerance,
    }
    return _picture("diagonal.visibility", lang, figure, values, table)


def _label(flow: DiagonalFlow) -> str:
    """Name a training by what sets it apart."""
    parts = [f"α = 1e{flow.log10_alpha:g}"]
    if flow.network.depth > 2:
        parts.append(f"D = {flow.network.depth}")
    if flow.step_size is not None:
        parts.append(f"η = {flow.step_size:g}")
    return ", ".join(parts)


def _deviations(path: SaddlePath, flow: DiagonalFlow) -> list[tuple[int, float, float]]:
    """Return for each plateau the observation nearest to its middle and its largest deviation from the saddle."""
    found = []
    for k in range(1, path.count):
        within = np.flatnonzero((flow.times > path.times[k - 1]) & (flow.times < path.times[k]))
        if within.size:
            middle = (path.times[k - 1] + path.times[k]) / 2
            row = int(within[np.argmin(np.abs(flow.times[within] - middle))])
            found.append((k, float(flow.times[row]), float(np.abs(flow.coefficients[row] - path.coef(k)).max())))
    return found


def _three_axes(
    reel: Film, names: Sequence[str], features: tuple[int, int, int] | None, lang: str
) -> tuple[Float[np.ndarray, "q 3"], list[str], float]:
    """Return the film in three coordinates, their labels, and the share of all movement that they show."""
    total = float(((reel.coefficients - reel.coefficients.mean(axis=0)) ** 2).sum())
    if features is not None:
        points = np.zeros((reel.times.size, 3))
        for axis, feature in enumerate(features):
            place = np.flatnonzero(reel.features == feature)
            if place.size:
                points[:, axis] = reel.coefficients[:, place[0]]
        labels = [plain(names[i]) for i in features]
    else:
        centred = reel.coefficients - reel.coefficients[reel.plateaus[:, 0]].mean(axis=0)
        directions = np.linalg.svd(centred[reel.plateaus[:, 0]], full_matrices=False)[2][:3]
        points = np.zeros((reel.times.size, 3))
        points[:, : len(directions)] = centred @ directions.T
        labels = [text("axis.component", lang, number=axis) for axis in (1, 2, 3)]
    return points, labels, float(((points - points.mean(axis=0)) ** 2).sum()) / total


def _lengths(reel: Film) -> tuple[tuple[Cell, ...], ...]:
    """Return one row a jump: number, time, length of its orbit, distance between its saddles."""
    rows = []
    for k, (start, end) in enumerate(zip(reel.plateaus[:-1, 1], reel.plateaus[1:, 0], strict=True), start=1):
        part = reel.coefficients[start : end + 1]
        length = float(arc_length(np.zeros(len(part)), part)[-1])
        rows.append((k, float(reel.times[start]), length, float(np.linalg.norm(part[-1] - part[0]))))
    return tuple(rows)


def _refuse_no_jump(path: SaddlePath) -> None:
    if not path.count:
        raise InputError("no_such_jump", k=1, last=0)


def _edges(path: SaddlePath) -> tuple[float, float]:
    """Return where the time axis starts and ends: some room before the first and after the last jump."""
    room = max(1.5, (path.times[-1] / path.times[0]) ** 0.06)
    return float(path.times[0] / room), float(path.times[-1] * room)


def _picture(
    code: str, lang: str, figure: plotly.graph_objects.Figure, values: dict[str, Cell], *tables: DataTable
) -> Picture:
    title = text(f"figure.{code}.title", lang, **values)
    return Picture(code, title, Statement(f"figure.{code}.alternative", values), figure, tables)
