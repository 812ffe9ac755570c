"""Pictures of where to stop: the cross-validated error in time, and training against the Lasso.

Both have the clock `t / ln(1/alpha)` on a logarithmic axis, as in `plot.py`. Until a coordinate leaves its wall the
running mean of training is the Lasso solution of penalty `1/t` (Berthier 2025; `SaddlePath.lasso_equivalent_until`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.cross_validation import CrossValidation
from thalweg.diagonal.path import SaddlePath
from thalweg.diagonal.plot import STAIRCASE_FEATURES, titled
from thalweg.diagonal.section import TABLE_ROWS
from thalweg.records import Cell, DataTable, InputError, Picture
from thalweg.runtime.drawing import COLOURS, logarithmic_time, new_figure, plain, time_window
from thalweg.texts import text

if TYPE_CHECKING:
    import plotly.graph_objects

if TYPE_CHECKING:
    pass

POINTS = 400
"""Times at which the curves of the means are drawn, besides their corners: smooth at the width of a page."""


def cross_validation_curve(validation: CrossValidation, target_name: str = "y", lang: str = "en") -> Picture:
    """Draw the held-out error as steps in time, with its standard error and the times of both rules.

    Parameters
    ----------
    validation
        From `cross_validate`.
    target_name
        Of whose square the error is.
    lang
        "en" or "ja".

    Returns
    -------
    Picture
        With the steps, and the error against the number of features, as tables.
    """
    left, right = time_window(validation.times[1:])
    figure = new_figure(text("axis.time", lang), text("axis.mse", lang, target=plain(target_name)), height=400)
    _draw_steps(figure, validation, left, right, lang)
    for rule, code, colour, symbol in (("min", "least_held_out", 1, "circle"), ("1se", "one_standard_error", 2, "x")):
        figure.add_scatter(
            x=[min(max(validation.time(rule), left), right)],
            y=[validation.mean[validation.step(rule)]],
            mode="markers",
            marker={"size": 12, "color": COLOURS[colour], "symbol": symbol, "line": {"width": 1, "color": "white"}},
            name=text(f"axis.{code}", lang),
        )
    logarithmic_time(figure, left, right)
    figure.update_yaxes(rangemode="tozero")
    inside = {
        "orientation": "v",
        "x": 0.99,
        "xanchor": "right",
        "y": 0.98,
        "yanchor": "top",
    }  # errors fall: empty there
    figure.update_layout(legend=inside)
    values: dict[str, Cell] = {
        "folds": len(validation.folds),
        "start": float(validation.mean[0]),
        "end": float(validation.mean[-1]),
    }
    for rule, name in (("min", "least"), ("1se", "early")):
        values[f"{name}_time"] = validation.time(rule)
        values[name] = float(validation.mean[validation.step(rule)])
        values[f"{name}_active"] = int(validation.path.supports[validation.saddle(rule)].size)
    return titled("diagonal.cross_validation", lang, figure, values, *_error_tables(validation))


def _draw_steps(
    figure: plotly.graph_objects.Figure, validation: CrossValidation, left: float, right: float, lang: str
) -> None:
    """Draw the mean error and its band of one standard error as steps."""
    xs = np.concatenate([[left], validation.times[1:], [right]])
    mean, deviation = (np.append(c, c[-1]) for c in (validation.mean, validation.standard_error))
    edge = {"shape": "hv", "width": 0}
    figure.add_scatter(x=xs, y=mean - deviation, mode="lines", line=edge, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        x=xs,
        y=mean + deviation,
        mode="lines",
        line=edge,
        fill="tonexty",
        fillcolor="rgba(0,114,178,0.2)",
        name=text("axis.standard_error", lang),
        hoverinfo="skip",
    )
    line = {"shape": "hv", "width": 2.5, "color": COLOURS[0]}
    figure.add_scatter(x=xs, y=mean, mode="lines", line=line, name=text("axis.mean_held_out", lang))


def _error_tables(validation: CrossValidation) -> tuple[DataTable, DataTable]:
    """Return the error against time and against the number of active features."""
    active = validation.fold_active.mean(axis=0)
    shown = zip(validation.times, validation.mean, validation.standard_error, active, strict=True)
    in_time: list[tuple[Cell, ...]] = [tuple(map(float, row)) for row in shown]
    _, mean, deviation = validation.by_active()
    by_active: list[tuple[Cell, ...]] = [
        (p, float(mean[p]), float(deviation[p])) for p in range(min(mean.size, TABLE_ROWS))
    ]
    errors = ("held_out_mse", "standard_error")
    return (
        DataTable("diagonal.error_in_time", ("time", *errors, "mean_active"), tuple(in_time[:TABLE_ROWS])),
        DataTable("diagonal.error_by_active", ("active", *errors), tuple(by_active)),
    )


def lasso_comparison(
    path: SaddlePath,
    X: np.ndarray,
    y: np.ndarray,
    *,
    positive: bool = False,
    feature_names: Sequence[str] | None = None,
    target_name: str = "y",
    lang: str = "en",
) -> Picture:
    """Draw the running mean of training over the Lasso path of penalty `1/t`, and where the two part.

    Parameters
    ----------
    path
        Of `X`, `y`, with at least one jump.
    X, y : arrays (n, d), (n,)
        The data of the path, prepared as they were for it.
    positive
        Whether the path is that of the one-sided network.
    feature_names, target_name
        For the labels.
    lang
        "en" or "ja".

    Returns
    -------
    Picture
        With one row a jump as its table.

    Raises
    ------
    InputError
        If the path has no jump or another loss than the squared one, or the data another number of columns.
    """
    d = path.exponents.size
    names = [f"x{i + 1}" for i in range(d)] if feature_names is None else list(feature_names)
    if not d == X.shape[1] == len(names):
        raise InputError("length_differs", name="feature_names", found=len(names), wanted=X.shape[1])
    if path.count == 0:
        raise InputError("nothing_to_draw")
    if path.lasso_equivalent_until == 0:
        raise InputError("option_range", name="loss", value=path.algorithm, wanted="squared")
    means = _Means.of(path, X, y, positive)
    figure = new_figure(
        text("axis.time", lang), text("axis.coefficient_of", lang, target=plain(target_name)), height=460
    )
    means.draw(figure, names, lang)
    logarithmic_time(figure, float(means.times[0]), float(means.times[-1]))
    figure.update_layout(legend={"orientation": "v", "x": 1.01, "xanchor": "left", "y": 1, "yanchor": "top"})
    until = path.lasso_equivalent_until
    parts = until < path.count
    values: dict[str, Cell] = {"jumps": path.count, "shown": len(means.features), "before": means.difference(until)}
    if parts:
        time = float(path.times[until - 1])
        _mark(figure, time, text("axis.departure", lang))
        values |= {"until": until, "time": time, "after": means.difference(path.count)}
    code = "diagonal.lasso_comparison" if parts else "diagonal.lasso_comparison_same"
    return titled(code, lang, figure, values, means.table(path))


def _mark(figure: plotly.graph_objects.Figure, time: float, words: str) -> None:
    """Draw a vertical line with words at its top."""
    figure.add_vline(x=time, line={"color": "#888", "dash": "dash"})
    at = {"x": np.log10(time), "y": 1, "yref": "paper", "xanchor": "right", "yanchor": "top", "xshift": -4}
    figure.add_annotation(text=words, showarrow=False, **at)  # positions on a logarithmic axis count in decades


@dataclass(frozen=True, eq=False)
class _Means:
    """The running mean of training and the Lasso on the same times, for the features with the largest values."""

    times: Float[np.ndarray, " k"]
    features: np.ndarray
    trained: Float[np.ndarray, "k p"]
    lasso: Float[np.ndarray, "k p"]
    at_jumps: np.ndarray

    @classmethod
    def of(cls, path: SaddlePath, X: np.ndarray, y: np.ndarray, positive: bool) -> _Means:
        """Compute both; the Lasso with penalties `a_i` is the plain one of columns divided by them."""
        from sklearn.linear_model import lars_path

        # Equal columns share as they do on the path: the Lasso leaves their split open.
        copies = {i for group in path.duplicates for i, _ in group[1:]}
        kept = [i for i in range(path.exponents.size) if i not in copies]
        penalties, _, found = lars_path((X / path.exponents)[:, kept], y, method="lasso", positive=positive)
        solutions = np.zeros((path.exponents.size, penalties.size))
        solutions[kept] = found / path.exponents[kept, np.newaxis]
        for group in path.duplicates:
            whole = solutions[group[0][0]] / len(group)
            for i, sign in group:
                solutions[i] = sign * whole
        features = _largest(path)
        saddles = np.array([path.coef(k)[features] for k in range(path.count + 1)])
        left, right = time_window(path.times)
        right = min(right, path.horizon)
        smooth = np.geomspace(left, right, POINTS)
        knots = 1 / penalties[penalties > 0]
        times = np.unique(np.concatenate([smooth, path.times, knots[(knots > left) & (knots < right)]]))
        rising, increasing = penalties[::-1], solutions[:, ::-1]
        lasso = np.array([np.interp(1 / times, rising, increasing[i], left=np.nan) for i in features]).T
        return cls(
            times=times,
            features=features,
            trained=_running_means(path, saddles, times),
            lasso=lasso,
            at_jumps=np.searchsorted(times, path.times),
        )

    def draw(self, figure: plotly.graph_objects.Figure, names: Sequence[str], lang: str) -> None:
        """Draw both, training solid and the Lasso dotted, one colour a feature."""
        for colour, (feature, trained, lasso) in zip(COLOURS, self._curves(), strict=False):
            line = {"color": colour, "width": 2}
            name = plain(names[feature])
            figure.add_scatter(x=self.times, y=trained, mode="lines", line=line, name=name, legendgroup=name)
            dashed = {"color": colour, "width": 2, "dash": "dot"}
            figure.add_scatter(x=self.times, y=lasso, mode="lines", line=dashed, legendgroup=name, showlegend=False)
        for dash, code in (("solid", "running_mean"), ("dot", "lasso")):
            style = {"color": "#888", "width": 2, "dash": dash}
            figure.add_scatter(x=[None], y=[None], mode="lines", line=style, name=text(f"axis.{code}", lang))

    def _curves(self) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Return one line a feature: its number, its running mean and its Lasso coefficient; none while it is zero."""
        shown = ([_while_on(line) for line in lines] for lines in (self.trained.T, self.lasso.T))
        return list(zip(self.features.tolist(), *shown, strict=True))

    def difference(self, jump: int) -> float:
        """Return the largest difference up to a jump, relative to the largest coefficient."""
        largest = np.nanmax(np.abs(self.trained - self.lasso)[: self.at_jumps[jump - 1] + 1])
        return float(largest / np.abs(self.trained).max())

    def table(self, path: SaddlePath) -> DataTable:
        """Return one row a jump: how many features are active, and how far the two are apart."""
        apart = np.abs(self.trained - self.lasso).max(axis=1)[self.at_jumps]
        rows: list[tuple[Cell, ...]] = [
            (k, float(path.times[k - 1]), int(path.supports[k].size), float(apart[k - 1]))
            for k in range(1, min(path.count, TABLE_ROWS) + 1)
        ]
        return DataTable("diagonal.lasso", ("jump", "time", "active", "difference"), tuple(rows))


def _while_on(line: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Return a line with NaN where it and its neighbours are zero."""
    off = np.pad(line == 0, 1, constant_values=True)
    return np.where(off[:-2] & off[1:-1] & off[2:], np.nan, line)


def _largest(path: SaddlePath) -> np.ndarray:
    """Return the features with the largest coefficients on the path, as many as there are colours."""
    largest = np.zeros(path.exponents.size)
    for support, values in zip(path.supports, path.values, strict=True):
        largest[support] = np.maximum(largest[support], np.abs(values))
    features = np.argsort(-largest, kind="stable")[:STAIRCASE_FEATURES]
    return features[largest[features] > 0]


def _running_means(
    path: SaddlePath, saddles: Float[np.ndarray, "m p"], times: Float[np.ndarray, " k"]
) -> Float[np.ndarray, "k p"]:
    """Return `(1/t) int_0^t b` at many times; the integral is linear between jumps."""
    edges = np.concatenate([[0.0], path.times, [max(times[-1], path.times[-1]) * 2]])
    integral = np.zeros((edges.size, saddles.shape[1]))
    integral[1:] = np.cumsum(np.diff(edges)[:, np.newaxis] * saddles, axis=0)
    return np.array([np.interp(times, edges, column) for column in integral.T]).T / times[:, np.newaxis]
