"""Pictures of how far the order of activation can be trusted: bootstrap timeline, stability map, disturbed orders.

As in `plot.py`, every picture carries a sentence that says what it shows and a table with its numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from thalweg.diagonal.activations import Interval
from thalweg.diagonal.jitter import LISTED, Jitter
from thalweg.diagonal.plot import TIMELINE_FEATURES
from thalweg.diagonal.resampling import Bootstrap
from thalweg.diagonal.stability import Stability
from thalweg.numerics.options import require
from thalweg.records import Cell, DataTable, Picture, Statement
from thalweg.runtime.drawing import COLOURS, NEGATIVE, POSITIVE, logarithmic_time, new_figure, plain
from thalweg.texts import text

if TYPE_CHECKING:
    import plotly.graph_objects

ROOM = 1.25
"""Free space at the ends of a time axis, as a factor; the probabilities stand in the right one."""

SHADES = ((0.0, "#f7fbff"), (0.5, "#6baed6"), (1.0, "#08306b"))
"""From white to dark blue: one hue, told apart in every kind of colour blindness and in grey."""


def activation_timeline(study: Bootstrap, feature_names: Sequence[str], lang: str = "en") -> Picture:
    """Draw when each feature switches on: in all rows, and the interval over the bootstrap samples.

    Parameters
    ----------
    study
        A bootstrap.
    feature_names
        One a column.
    lang
        Language of the words.

    Returns
    -------
    Picture
        An interval that reaches beyond the last time (some samples never switch the feature on) ends in an arrow.
    """
    _require_names(feature_names, study.path_coefficients.size)
    found, times = study.activations, study.activations.time
    shown = _first_rows(found.reference, found.probability)
    edges = _edges(np.concatenate([found.reference, times.lower, times.upper])[..., None])
    figure = new_figure(text("axis.time", lang), "", height=130 + 24 * len(shown))
    raising = found.raises >= found.lowers
    for is_raising, colour in ((True, POSITIVE), (False, NEGATIVE)):
        rows = [row for row, i in enumerate(shown) if raising[i] == is_raising]
        name = text("axis.raises" if is_raising else "axis.lowers", lang)
        _draw_intervals(figure, times, rows, shown, edges, colour, name)
    known = [row for row, i in enumerate(shown) if np.isfinite(found.reference[i])]
    figure.add_scatter(
        x=[float(found.reference[shown[row]]) for row in known],
        y=known,
        mode="markers",
        marker={"size": 11, "symbol": "diamond", "color": "white", "line": {"width": 2.5, "color": "#222"}},
        name=text("axis.all_rows", lang),
    )
    _write_shares(figure, [f"{found.probability[i]:.0%}" for i in shown], text("axis.ever_on", lang))
    logarithmic_time(figure, *edges)
    _name_rows(figure, [feature_names[i] for i in shown])
    values: dict[str, Cell] = {
        "draws": study.draws,
        "percent": 100 * study.level,
        "shown": len(shown),
        "features": len(feature_names),
        "first": feature_names[shown[0]],
        "tau": float(found.tau.median),
    }
    return _picture("diagonal.activation_timeline", lang, figure, values, _timeline_table(study, feature_names, shown))


def _draw_intervals(
    figure: plotly.graph_objects.Figure,
    times: Interval,
    rows: list[int],
    shown: list[int],
    edges: tuple[float, float],
    colour: str,
    name: str,
) -> None:
    """Draw a bar from the lower to the upper end, a mark at the median, and an arrow where the end is "never"."""
    if not rows:
        return
    lower, median, upper = (
        np.minimum(end[[shown[row] for row in rows]], edges[1]) for end in (times.lower, times.median, times.upper)
    )
    never = np.isinf(times.upper[[shown[row] for row in rows]])
    xs = [x for low, high in zip(lower.tolist(), upper.tolist(), strict=True) for x in (low, high, None)]
    ys = [y for row in rows for y in (row, row, None)]
    bar = {"width": 7, "color": colour}
    figure.add_scatter(x=xs, y=ys, mode="lines", line=bar, opacity=0.45, name=name, legendgroup=name)
    marks = (
        (median[median < edges[1]], [r for r, m in zip(rows, median, strict=True) if m < edges[1]], "line-ns-open"),
        (upper[never], [r for r, n in zip(rows, never, strict=True) if n], "triangle-right"),
    )
    for x, y, symbol in marks:
        marker = {"symbol": symbol, "size": 13, "color": colour, "line": {"width": 2.5, "color": colour}}
        figure.add_scatter(
            x=x, y=y, mode="markers", marker=marker, showlegend=False, legendgroup=name, cliponaxis=False
        )


def _write_shares(figure: plotly.graph_objects.Figure, shares: list[str], title: str) -> None:
    """Write a share at the right of each row, and above them what they are."""
    place = {"x": 1.0, "xref": "paper", "xanchor": "left", "xshift": 12, "showarrow": False}
    figure.add_annotation(**place, y=1.0, yref="paper", yanchor="bottom", text=title)
    for row, share in enumerate(shares):
        figure.add_annotation(**place, y=row, yref="y", text=share)
    figure.update_layout(margin={"r": 90})


def _timeline_table(study: Bootstrap, names: Sequence[str], shown: list[int]) -> DataTable:
    found = study.activations
    rank, time, ranks = found.rank, found.time, found.reference_ranks
    rows: list[tuple[Cell, ...]] = [
        (
            names[i], float(found.probability[i]), float(found.raises[i]), float(ranks[i]), float(rank.lower[i]),
            float(rank.upper[i]), float(found.reference[i]), float(time.lower[i]), float(time.upper[i]),
        )
        for i in shown
    ]  # fmt: skip
    columns = (
        "feature", "probability", "raises_share", "rank", "rank_lower", "rank_upper", "enters_at", "enters_lower",
        "enters_upper",
    )  # fmt: skip
    return DataTable("diagonal.activation_intervals", columns, tuple(rows))


def stability_map(study: Stability, feature_names: Sequence[str], lang: str = "en") -> Picture:
    """Draw in what share of the halves each feature (row) is active at each `t/t_1` (column).

    Parameters
    ----------
    study
        A stability selection.
    feature_names
        One a column of the data.
    lang
        Language of the words.

    Returns
    -------
    Picture
        Features in the order of activation in all rows, those that never are active last.
    """
    _require_names(feature_names, study.active.shape[1])
    shown = _first_rows(study.activations.reference, np.nanmax(study.switched_on, axis=0, initial=0.0))
    middles = np.sqrt(study.grid[:-1] * study.grid[1:])
    room = float(study.grid[0] / middles[0]) ** -1 if middles.size else ROOM
    bounds = np.concatenate([[study.grid[0] / room], middles, [study.grid[-1] * room]])
    figure = new_figure(text("axis.relative_time", lang), "", height=130 + 24 * len(shown))
    figure.add_heatmap(
        x=bounds,
        y=list(range(len(shown))),
        z=study.active[:, shown].T,
        zmin=0,
        zmax=1,
        colorscale=[list(shade) for shade in SHADES],
        colorbar={"title": {"text": text("axis.share_of_halves", lang), "side": "right"}, "tickformat": ".0%"},
        ygap=2,
    )
    logarithmic_time(figure, float(bounds[0]), float(bounds[-1]))
    _name_rows(figure, [feature_names[i] for i in shown])
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(showgrid=False)
    places = np.unique(np.linspace(0, study.grid.size - 1, 7).round().astype(int)).tolist()
    rows: list[tuple[Cell, ...]] = [
        (feature_names[i], *(float(study.active[place, i]) for place in places)) for i in shown
    ]
    times = tuple(f"t/t_1 = {study.grid[place]:.4g}" for place in places)
    table = DataTable("diagonal.stability", ("feature",), tuple(rows), times)
    values: dict[str, Cell] = {
        "draws": study.draws,
        "rows": study.rows,
        "shown": len(shown),
        "features": len(feature_names),
        "first": feature_names[shown[0]],
        "last": float(study.grid[-1]),
    }
    return _picture("diagonal.stability_map", lang, figure, values, table)


def jitter_strip(study: Jitter, lang: str = "en") -> Picture:
    """Draw Kendall's tau of every draw with the undisturbed order, a box and its points for each kind.

    Parameters
    ----------
    study
        Disturbed orders.
    lang
        Language of the words.

    Returns
    -------
    Picture
        Draws without a tau are left out and counted in the table.
    """
    figure = new_figure("", text("axis.tau", lang), height=380)
    for colour, disturbance in zip(COLOURS, study.disturbances, strict=False):
        taus = disturbance.activations.taus
        figure.add_box(
            y=taus[~np.isnan(taus)],
            name=text(f"jitter.{disturbance.kind}", lang),
            boxpoints="all",
            jitter=0.6,
            pointpos=0,
            marker={"color": colour, "size": 4, "opacity": 0.55},
            line={"color": colour, "width": 2},
            fillcolor="rgba(0,0,0,0)",
        )
    figure.update_layout(showlegend=False, margin={"t": 44})
    least = min(float(np.nanmin(disturbance.activations.taus, initial=0.0)) for disturbance in study.disturbances)
    figure.update_yaxes(range=[least - 0.1, 1.08])
    medians = [float(disturbance.activations.tau.median) for disturbance in study.disturbances]
    worst = int(np.argmin(np.nan_to_num(medians, nan=-np.inf)))  # where no order is left at all is worst
    values: dict[str, Cell] = {
        "draws": study.draws,
        "kind": text(f"jitter.{study.disturbances[worst].kind}", lang),
        "tau": medians[worst],
    }
    return _picture("diagonal.jitter", lang, figure, values, _jitter_table(study, lang))


def _jitter_table(study: Jitter, lang: str) -> DataTable:
    rows: list[tuple[Cell, ...]] = []
    for disturbance in study.disturbances:
        found = disturbance.activations
        as_set, in_order = found.agreement
        k = min(LISTED, as_set.size)
        agreement = (float(as_set[k - 1]), float(in_order[k - 1])) if k else (float("nan"), float("nan"))
        tau = found.tau
        rows.append((
            text(f"jitter.{disturbance.kind}", lang), float(tau.lower), float(tau.median), float(tau.upper),
            int(np.isnan(found.taus).sum()), k, *agreement,
        ))  # fmt: skip
    columns = (
        "disturbance", "tau_lower", "tau_median", "tau_upper", "undefined", "compared_first", "agree_as_set",
        "agree_in_order",
    )  # fmt: skip
    return DataTable("diagonal.jitter", columns, tuple(rows))


def _require_names(names: Sequence[str], d: int) -> None:
    require(len(names) == d, "feature_names", len(names), str(d))


def _first_rows(reference: np.ndarray, probability: np.ndarray) -> list[int]:
    """Return the features to draw: in the order of activation, those without one by falling probability."""
    order = np.lexsort((-probability, reference)).tolist()
    return order[:TIMELINE_FEATURES]


def _edges(times: np.ndarray) -> tuple[float, float]:
    """Return where a time axis starts and ends: some room around all finite times."""
    finite = times[np.isfinite(times)]
    if not finite.size:
        return 1 / ROOM, ROOM
    room = max(ROOM, (finite.max() / finite.min()) ** 0.06)
    return float(finite.min() / room), float(finite.max() * room)


def _name_rows(figure: plotly.graph_objects.Figure, names: list[str]) -> None:
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=[plain(name) for name in names], range=[len(names) - 0.4, -0.6]
    )


def _picture(
    code: str, lang: str, figure: plotly.graph_objects.Figure, values: dict[str, Cell], table: DataTable
) -> Picture:
    title = text(f"figure.{code}.title", lang, **values)
    return Picture(code, title, Statement(f"figure.{code}.alternative", values), figure, (table,))
