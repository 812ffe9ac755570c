"""Conventions of all pictures: colour-blind safe colours, one layout, names shown as plain text."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import plotly.graph_objects

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C6D31", "#5B8C5A",
           "#AA4466", "#4477AA", "#999999")  # fmt: skip
"""Okabe and Ito's palette, followed by colours that stay apart from it in all three kinds of colour blindness."""

POSITIVE, NEGATIVE = COLOURS[0], COLOURS[1]

NAME_LENGTH = 32


def plain(name: str) -> str:
    """Return a user's name for a label: plotly reads a subset of HTML, so markup is escaped; long names end in …."""
    short = name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"
    return escape(short, quote=False)


def new_figure(x_title: str, y_title: str, *, height: int = 380) -> plotly.graph_objects.Figure:
    """Return an empty figure with labelled axes in the house's layout, transparent for light and dark pages.

    The label of the vertical axis stands above it, horizontally: it is read without turning the head and is
    never cut off, however long the name of a target is.

    Returns
    -------
    Figure
        To be filled with traces.
    """
    import plotly.graph_objects as go

    axis = {"zeroline": False, "automargin": True, "gridcolor": "rgba(128,128,128,0.22)", "linecolor": "#888"}
    label = {"text": y_title, "xref": "paper", "yref": "paper", "x": 0, "y": 1, "xanchor": "left",
             "yanchor": "bottom", "yshift": 6, "showarrow": False, "align": "left"}  # fmt: skip
    return go.Figure(
        layout={
            "template": "none",
            "height": height,
            "margin": {"l": 12, "r": 16, "t": 34, "b": 12},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, 'Noto Sans CJK JP', 'Noto Sans JP', sans-serif", "size": 13},
            "hoverlabel": {"font": {"size": 13}},
            "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.0, "yanchor": "bottom"},
            "annotations": [label] if y_title else [],
            "xaxis": {**axis, "title": {"text": x_title}},
            "yaxis": axis,
        }
    )


def time_window(times: np.ndarray) -> tuple[float, float]:
    """Return where a logarithmic axis starts and ends: some room before the first and after the last of the times.

    Returns
    -------
    tuple
        Without times one decade on either side of 1: any window says as much.
    """
    if times.size == 0:
        return 0.1, 10.0
    room = max(1.5, float(times[-1] / times[0]) ** 0.06)
    return float(times[0]) / room, float(times[-1]) * room


def logarithmic_time(figure: plotly.graph_objects.Figure, left: float, right: float) -> None:
    """Make the horizontal axis logarithmic from `left` to `right`, labelled at powers of ten where there are some."""
    decades = math.log10(right / left)
    figure.update_xaxes(type="log", range=[math.log10(left), math.log10(right)], exponentformat="power")
    if decades > 2:
        figure.update_xaxes(dtick=1)
