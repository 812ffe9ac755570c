"""An observed order of activation beside a predicted one: Kendall's tau, leading agreement, and the ratio of clocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from thalweg.diagonal.observation import Agreement
from thalweg.diagonal.order import spells
from thalweg.diagonal.path import SaddlePath
from thalweg.records import Fit, InputError


def predicted_times(
    predicted: Fit | SaddlePath | Sequence[int | str] | np.ndarray, names: tuple[str, ...]
) -> tuple[Float[np.ndarray, " d"], bool]:
    """Return when each feature is predicted to become active, and whether these are times rather than places.

    Parameters
    ----------
    predicted
        A diagonal fit, a saddle path, or features by number or name in their order.
    names
        Names of the observed features.

    Returns
    -------
    tuple
        Times of first activation `(d,)`, or places from 1; infinite for features that are not predicted.

    Raises
    ------
    InputError
        If the prediction is of another family, of another number of features, or names an unknown one.
    """
    if isinstance(predicted, Fit):
        if predicted.family != "diagonal":
            raise InputError("family_differs", found=predicted.family, wanted="diagonal")
        entries = [(spell.feature, predicted.solution["times"][spell.enters - 1]) for spell in spells(predicted)]
        return _first_times(entries, len(predicted.feature_names), len(names)), True
    if isinstance(predicted, SaddlePath):
        entries = [(event.feature, event.time) for event in predicted.events if event.kind == "enter"]
        return _first_times(entries, predicted.exponents.size, len(names)), True
    listed = predicted if isinstance(predicted, Sequence) else np.ravel(predicted)
    entries = [(_number(item, names), place) for place, item in enumerate(listed, start=1)]
    return _first_times(entries, len(names), len(names)), False


def agreement(
    observed: Float[np.ndarray, " d"],
    predicted: Float[np.ndarray, " d"],
    *,
    censored: Bool[np.ndarray, " d"],
    timed: bool,
    clock: float | None,
) -> Agreement:
    """Compare observed steps of activation with predicted times; infinite means never.

    Parameters
    ----------
    observed, predicted : arrays (d,)
        Steps and times of first activation.
    censored : array (d,)
        Features that were active from the start: their steps are upper bounds, of no use for the ratio of clocks.
    timed
        Whether `predicted` holds times rather than places.
    clock
        Steps per unit of predicted time, where known.

    Returns
    -------
    Agreement
        Over the features that were predicted and observed.
    """
    seen, foretold = np.isfinite(observed), np.isfinite(predicted)
    both = seen & foretold
    tau, p_value = _kendall(predicted[both], observed[both])
    usable = both & ~censored & (observed > 0)
    logs = np.log(observed[usable] / predicted[usable]) if timed else np.array([])
    return Agreement(
        order=in_order(predicted, foretold),
        times=predicted,
        tau=tau,
        p_value=p_value,
        compared=int(both.sum()),
        agreeing=_agreeing(observed, predicted),
        missing=in_order(predicted, foretold & ~seen),
        unexpected=in_order(observed, seen & ~foretold),
        pace=float(np.exp(logs.mean())) if logs.size else float("nan"),
        spread=float(np.exp(logs.std())) if logs.size > 1 else float("nan"),
        clock=clock,
    )


def _first_times(entries: Sequence[tuple[int, float]], d: int, wanted: int) -> Float[np.ndarray, " d"]:
    """Return the first time of each feature, infinite without one."""
    if d != wanted:
        raise InputError("length_differs", name="predicted", found=d, wanted=wanted)
    times = np.full(d, np.inf)
    for feature, time in entries:
        times[feature] = min(times[feature], time)
    return times


def _number(item: object, names: tuple[str, ...]) -> int:
    """Return the number of a feature given by number or name."""
    if isinstance(item, str) and item in names:
        return names.index(item)
    if isinstance(item, (int, np.integer)) and not isinstance(item, bool) and 0 <= item < len(names):
        return int(item)
    raise InputError("predicted_unknown", item=item, last=len(names) - 1)


def in_order(times: Float[np.ndarray, " d"], chosen: Bool[np.ndarray, " d"]) -> tuple[int, ...]:
    """Return the chosen features by time, equal times by column."""
    return tuple(i for i in np.argsort(times, kind="stable").tolist() if chosen[i])


def _kendall(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return tau-b and the exact probability of at least this under random orders; NaN where undefined."""
    from scipy.stats import kendalltau

    kinds = np.unique(first).size, np.unique(second).size
    if min(kinds) < 2:
        return float("nan"), float("nan")
    if min(kinds) < first.size:
        tied: Any = kendalltau(first, second)
        return float(tied.statistic), float("nan")
    exact: Any = kendalltau(first, second, method="exact", alternative="greater")
    return float(exact.statistic), float(exact.pvalue)


def _agreeing(observed: Float[np.ndarray, " d"], predicted: Float[np.ndarray, " d"]) -> int:
    """Count the leading features in agreement: each group seen together is one that could come next by prediction."""
    waiting = np.isfinite(predicted)
    count = 0
    for time in np.unique(observed[np.isfinite(observed)]):
        group = observed == time
        rest = predicted[waiting & ~group]
        if not (group <= waiting).all() or predicted[group].max() > rest.min(initial=np.inf):
            break
        waiting &= ~group
        count += int(group.sum())
    return count
