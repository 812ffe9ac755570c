"""`observe`: in which order the inputs of any model became active during its training, beside a predicted order.

An input is active while its sensitivity (`sensitivity.py`) exceeds a share of the largest sensitivity of any input in
the record: sensitivities share a unit, so one level means the same effect on the output for all inputs. It stops
being active below half that level, and a spell of activity counts only if it lasts: so jitter of stochastic gradients
near the level neither makes spells nor breaks them. Between two records the sensitivity is taken to grow
exponentially with the step, as it does near a saddle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from thalweg.diagonal.agreement import agreement, predicted_times
from thalweg.diagonal.observation import Activity, Observation
from thalweg.diagonal.path import SaddlePath
from thalweg.diagonal.plateaus import PLATEAU_RATIO, PLATEAU_SHARE, loss_plateaus, origin
from thalweg.numerics.validation import list_some, real_array
from thalweg.records import Fit, InputError

ACTIVE_SHARE = 0.05
"""An input is active above this share of the largest sensitivity: below lies what noise in the data leaves in
inputs without meaning, above it every coefficient of the golden problems."""

RELEASE = 0.5
"""An active input stays active until it falls below this share of the level: jitter by a factor of two is survived."""

HOLD = 1.1
"""A spell of activity ends at a step at least this many times the one it began at: two records at 40 a decade."""


def observe(
    steps: object,
    sensitivity: object,
    losses: object = None,
    *,
    predicted: Fit | SaddlePath | Sequence[int | str] | np.ndarray | None = None,
    clock: float | None = None,
    names: Sequence[str] | None = None,
    threshold: float = ACTIVE_SHARE,
    hold: float = HOLD,
    plateau_share: float = PLATEAU_SHARE,
    plateau_ratio: float = PLATEAU_RATIO,
) -> Observation:
    """Observe a recorded training run: an observation, not a theorem.

    Parameters
    ----------
    steps : array (k,)
        Recorded steps (or times), increasing, not negative, in any spacing.
    sensitivity : array (k, d)
        Sensitivity of each input at each of them, not negative.
    losses : array (k,), optional
        The loss, whose plateaus are sought.
    predicted
        A diagonal fit, a saddle path, or features (numbers or names) in the predicted order of activation; of a
        repeated feature the first mention counts.
    clock
        Steps per unit of predicted time, where known: `ln(1/alpha) / learning rate`.
    names
        Names of the inputs; those of the fit, or x1, x2, ... unless given.
    threshold
        Share of the largest sensitivity from which an input is active.
    hold
        Least ratio of the last step of a spell of activity to its first. An input that becomes active later than the
        last step divided by `hold` is therefore not counted: record longer.
    plateau_share, plateau_ratio
        By how much of its range the loss may vary on a plateau, and the least ratio of its last step to its first.

    Returns
    -------
    Observation
        Activations, plateaus and, with a prediction, its agreement.

    Raises
    ------
    InputError
        If the history is unusable (names the first step and feature), the prediction speaks of other features, or
        an option is out of its range.
    """
    _refuse_bad_options(clock, threshold, hold, plateau_share, plateau_ratio)
    sensitivity = np.asarray(sensitivity)
    named = _names(names, predicted, sensitivity)
    steps, sensitivity, losses = _history(steps, sensitivity, losses, named)
    level = threshold * float(sensitivity.max())
    observation = Observation(
        steps=steps,
        sensitivity=sensitivity,
        losses=losses,
        names=named,
        level=level,
        activities=_activities(steps, sensitivity, level, hold),
        plateaus=() if losses is None else loss_plateaus(steps, losses, plateau_share, plateau_ratio),
        agreement=None,
    )
    if predicted is None:
        if clock is not None:
            raise InputError("clock_without_times")
        return observation
    times, timed = predicted_times(predicted, named)
    if clock is not None and not timed:
        raise InputError("clock_without_times")
    censored = observation.activated == steps[0]
    found = agreement(observation.activated, times, censored=censored, timed=timed, clock=clock)
    return replace(observation, agreement=found)


def _refuse_bad_options(
    clock: float | None, threshold: float, hold: float, plateau_share: float, plateau_ratio: float
) -> None:
    """Refuse options out of their range in words."""
    ranges = (
        ("clock", clock, clock is None or 0 < clock < math.inf, "> 0"),
        ("threshold", threshold, 0 < threshold < 1, "0 < threshold < 1"),
        ("hold", hold, 1 <= hold < math.inf, ">= 1"),
        ("plateau_share", plateau_share, 0 < plateau_share < 1, "0 < plateau_share < 1"),
        ("plateau_ratio", plateau_ratio, 1 < plateau_ratio < math.inf, "> 1"),
    )
    for name, value, fits, wanted in ranges:
        if not fits:
            raise InputError("option_range", name=name, value=value, wanted=wanted)


def _names(names: Sequence[str] | None, predicted: object, sensitivity: np.ndarray) -> tuple[str, ...]:
    """Return one name a feature."""
    if sensitivity.ndim != 2:
        raise InputError("array_dimension", name="sensitivity", found=sensitivity.ndim, wanted=2)
    d = sensitivity.shape[1]
    if names is None:
        if isinstance(predicted, Fit) and len(predicted.feature_names) == d:
            return predicted.feature_names
        return tuple(f"x{i + 1}" for i in range(d))
    given = tuple(map(str, names))
    if len(given) != d:
        raise InputError("length_differs", name="names", found=len(given), wanted=d)
    if twice := [name for name in dict.fromkeys(given) if given.count(name) > 1]:
        raise InputError("columns_twice", source="names", columns=list_some(twice))
    return given


def _history(
    steps: object, sensitivity: np.ndarray, losses: object, names: tuple[str, ...]
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "k d"], Float[np.ndarray, " k"] | None]:
    """Return the history in float64, or an error naming the first bad step and feature."""
    steps = real_array(steps, "steps", 1)
    falls = np.flatnonzero(np.diff(steps, prepend=-np.inf) <= 0)
    if steps[0] < 0 or falls.size:
        raise InputError("steps_not_increasing", record=int(falls[0]) if falls.size else 0)
    lengths = {"sensitivity": len(sensitivity)}
    if losses is not None:
        lengths["losses"] = np.size(np.asarray(losses))
    for name, found in lengths.items():
        if found != steps.size:
            raise InputError("history_lengths", name=name, found=found, wanted=steps.size)
    _refuse_bad_entries(steps, sensitivity, names)
    if losses is None:
        return steps, real_array(sensitivity, "sensitivity", 2), None
    values = np.asarray(losses)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError("loss_not_finite", step=float(steps[bad]), value=float(values.flat[bad]))
    return steps, real_array(sensitivity, "sensitivity", 2), real_array(losses, "losses", 1)


def _refuse_bad_entries(steps: np.ndarray, sensitivity: np.ndarray, names: tuple[str, ...]) -> None:
    """Refuse sensitivities that are not finite or negative, naming the first step and feature."""
    if sensitivity.dtype.kind not in "iuf":
        return  # real_array says what is wrong
    wrong = np.argwhere(~np.isfinite(sensitivity) | (sensitivity < 0))
    if not wrong.size:
        return
    k, i = wrong[0]
    step, value = float(steps[k]), float(sensitivity[k, i])
    if math.isfinite(value):
        raise InputError("sensitivity_negative", step=step, feature=names[i], value=value)
    raise InputError("sensitivity_not_finite", step=step, feature=names[i], value=value)


def _activities(
    steps: Float[np.ndarray, " k"], sensitivity: Float[np.ndarray, "k d"], level: float, hold: float
) -> tuple[Activity, ...]:
    """Return all spells of activity that last, in the order in which they begin."""
    on = _on(sensitivity, level)
    changes = np.diff(on, axis=0, prepend=False, append=False)
    earliest = origin(steps)
    found: list[Activity] = []
    for i in np.flatnonzero(on.any(axis=0)).tolist():
        edges = np.flatnonzero(changes[:, i])
        for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            start = _crossing(steps, sensitivity[:, i], first, level)
            ended = after < steps.size
            end = _crossing(steps, sensitivity[:, i], after, RELEASE * level) if ended else float(steps[-1])
            if end >= hold * max(start, earliest):
                found.append(Activity(i, start, end if ended else math.inf))
    return tuple(sorted(found, key=lambda activity: (activity.start, activity.feature)))


def _on(sensitivity: Float[np.ndarray, "k d"], level: float) -> Bool[np.ndarray, "k d"]:
    """Tell at which records each input is active: from the level on, until it falls below `RELEASE` of it."""
    on = np.zeros(sensitivity.shape, dtype=bool)
    state = np.zeros(sensitivity.shape[1], dtype=bool)
    for k, row in enumerate(sensitivity):
        state = (row > 0) & (row >= np.where(state, RELEASE * level, level))
        on[k] = state
    return on


def _crossing(steps: np.ndarray, values: np.ndarray, k: int, level: float) -> float:
    """Return the step at which the values cross a level between records k - 1 and k, exponential in the step."""
    if k == 0:
        return float(steps[0])
    if min(values[k - 1], values[k]) == 0:
        return float(steps[k])  # from or to nothing at all: the record that shows it
    before, after = math.log(values[k - 1]), math.log(values[k])
    share = (math.log(level) - before) / (after - before)
    return float(steps[k - 1] + share * (steps[k] - steps[k - 1]))
