"""Conventions of all pictures: colour-blind safe colours, one layout, names shown as plain text."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def new_figure(x_title: str, y_title: str, *, height: int = 380, **layout: Any) -> plotly.graph_objects.Figure:
    """Return an empty figure with labelled axes in the house's layout, transparent for light and dark pages."""
    import plotly.graph_objects as go

    axis = {"zeroline": False, "automargin": True, "gridcolor": "rgba(128,128,128,0.22)", "linecolor": "#888"}
    return go.Figure(
        layout={
            "template": "none",
            "height": height,
            "margin": {"l": 12, "r": 16, "t": 12, "b": 12},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, 'Noto Sans CJK JP', 'Noto Sans JP', sans-serif", "size": 13},
            "hoverlabel": {"font": {"size": 13}},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "xaxis": {**axis, "title": {"text": x_title}},
            "yaxis": {**axis, "title": {"text": y_title}},
            **layout,
        }
    )
