"""Pictures of the surroundings of a minimum: the loss surface with what is proved of it, and measured rates."""

from __future__ import annotations

import numpy as np

from thalweg.records import Cell, DataTable, Picture
from thalweg.runtime.drawing import COLOURS, NEGATIVE, new_figure
from thalweg.shallow.plot import titled
from thalweg.shallow.study import Rate, Surface
from thalweg.texts import text

SHOWN_POINTS = 12
"""Points of the ellipse in the table."""


def certified_surface(surface: Surface, lang: str = "en") -> Picture:
    """Draw the loss in the plane of the flattest and the steepest direction, with the certified ellipse.

    Parameters
    ----------
    surface
        Of a study.
    lang
        Of labels and sentence.

    Returns
    -------
    Picture
        Contours of the logarithm of the rise of the loss.
    """
    figure = new_figure(text("axis.flattest", lang), text("axis.steepest", lang), height=430)
    rise = np.log10(surface.rise + surface.rise.max() * 1e-8)
    figure.add_contour(x=surface.a, y=surface.b, z=rise, colorscale="Blues", reversescale=True, ncontours=14,
                       colorbar={"title": {"text": text("axis.log_rise", lang)}}, line={"width": 0.5})  # fmt: skip
    figure.add_scatter(x=surface.ellipse[0], y=surface.ellipse[1], mode="lines", name=text("axis.proved", lang),
                       line={"color": NEGATIVE, "width": 3})  # fmt: skip
    figure.update_xaxes(exponentformat="power")
    figure.update_yaxes(exponentformat="power")
    values: dict[str, Cell] = {
        "flat": float(np.abs(surface.ellipse[0]).max()),
        "steep": float(np.abs(surface.ellipse[1]).max()),
        "smallest": surface.smallest,
        "largest": surface.largest,
    }
    step = max(1, surface.ellipse.shape[1] // SHOWN_POINTS)
    rows = tuple((float(a), float(b)) for a, b in surface.ellipse.T[:-1:step])
    return titled("shallow.surface", lang, figure, values, DataTable("shallow.ellipse", ("flattest", "steepest"), rows))


def measured_rates(rates: tuple[Rate, ...], lang: str = "en") -> Picture:
    """Draw the predicted rate of each method beside the measured one, as steps for a factor of ten.

    Parameters
    ----------
    rates
        Of a study.
    lang
        Of labels and sentence.

    Returns
    -------
    Picture
        Bars on a logarithmic scale.
    """
    names = [text(f"method_name.{rate.method}", lang) for rate in rates]
    figure = new_figure("", text("axis.steps_per_digit", lang))
    for part, colour in (("predicted", COLOURS[0]), ("measured", COLOURS[1])):
        steps = [_steps(getattr(rate, part)) for rate in rates]
        figure.add_bar(x=names, y=steps, name=text(f"axis.{part}", lang), marker={"color": colour})
    figure.update_yaxes(type="log")
    worst = max(rates, key=lambda rate: abs(rate.predicted - rate.measured))
    values: dict[str, Cell] = {
        "count": len(rates), "method": text(f"method_name.{worst.method}", lang), "predicted": worst.predicted,
        "measured": worst.measured,
    }  # fmt: skip
    rows = tuple((name, rate.predicted, rate.measured) for name, rate in zip(names, rates, strict=True))
    table = DataTable("shallow.rates", ("method", "predicted_rate", "measured_rate"), rows)
    return titled("shallow.rates", lang, figure, values, table)


def _steps(rate: float) -> float:
    """Return the steps that shrink the distance by ten."""
    return float(-1 / np.log10(rate)) if 0 < rate < 1 else float("nan")
