"""What the k-th sensor buys: held-out error against the number, or the cost, of the features in use.

Every saddle is the least-squares fit on its own support and the kept columns, so the saddles of the path of the first
four fifths of the rows, judged on the last fifth (`fit.py`), are all the models needed: nothing is fitted anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from thalweg.diagonal.fit import held_out_mean, kept_of
from thalweg.diagonal.stopping import NEARLY_BEST
from thalweg.records import Cell, DataTable, Fit


@dataclass(frozen=True)
class Step:
    """For `at` features, or a cost of `at`: the saddle with the least held-out error, which uses `sensors` features."""

    at: float
    saddle: int
    sensors: int
    error: float
    time: float


def sensor_curve(fit: Fit) -> DataTable:
    """Return, for every number of features, the least held-out error that so many reach.

    Parameters
    ----------
    fit
        A diagonal fit.

    Returns
    -------
    DataTable
        One row for each number, kept columns counted, from none but these to the most that any saddle uses: the least
        error of the saddles with at most so many (so it never rises), what the last one gained, from which time that
        saddle rests, and which features it has more and fewer than the one before. Empty without held-out rows.
    """
    sets = used_features(fit)
    error, features = held_out_mean(fit) if sets else 0.0, set()
    rows: list[tuple[Cell, ...]] = []
    for step in sensor_steps(fit):
        now = sets[step.saddle]
        changes = (_names(fit, now - features), _names(fit, features - now))
        rows.append((int(step.at), step.error, error - step.error, step.time, *changes))
        error, features = step.error, now
    columns = ("sensors", "held_out_rmse", "gain", "rests_from", "added", "removed")
    return DataTable("diagonal.sensors", columns, tuple(rows))


def cost_curve(fit: Fit, costs: Mapping[str, float]) -> DataTable:
    """Return the saddles that no other one beats in both held-out error and cost.

    Parameters
    ----------
    fit
        A diagonal fit.
    costs
        Of columns by name; one that is missing costs nothing (`unpriced` lists them).

    Returns
    -------
    DataTable
        One row a saddle, cost rising and error falling: cost, error, number of features, time from which it rests.
    """
    rows = tuple((step.at, step.error, step.sensors, step.time) for step in cost_steps(fit, costs))
    return DataTable("diagonal.costs", ("cost", "held_out_rmse", "sensors", "rests_from"), rows)


def sensor_steps(fit: Fit) -> list[Step]:
    """Return, for every number of features, the best saddle with at most so many, the earliest of equals."""
    saddles = _saddles(fit)
    if not saddles:
        return []
    least_of: dict[int, Step] = {}
    for saddle in saddles:
        known = least_of.setdefault(saddle.sensors, saddle)
        least_of[saddle.sensors] = saddle if saddle.error < known.error else known
    best = least_of[min(least_of)]
    steps: list[Step] = []
    for number in range(min(least_of), max(least_of) + 1):
        candidate = least_of.get(number, best)
        best = candidate if candidate.error < best.error else best
        steps.append(Step(number, best.saddle, best.sensors, best.error, best.time))
    return steps


def cost_steps(fit: Fit, costs: Mapping[str, float]) -> list[Step]:
    """Return the saddles of the Pareto front of cost and held-out error, the cheapest first."""
    sets = used_features(fit)
    price = [sum(costs.get(fit.feature_names[i], 0.0) for i in sorted(used)) for used in sets]
    steps: list[Step] = []
    for s in sorted(_saddles(fit), key=lambda s: (price[s.saddle], s.error)):
        if not steps or s.error < steps[-1].error:
            steps.append(Step(float(price[s.saddle]), s.saddle, s.sensors, s.error, s.time))
    return steps


def unpriced(fit: Fit, costs: Mapping[str, float]) -> tuple[str, ...]:
    """Return the features that some saddle uses and nobody gave a cost for."""
    used = sorted(set().union(*used_features(fit)))
    return tuple(fit.feature_names[i] for i in used if fit.feature_names[i] not in costs)


def used_features(fit: Fit) -> list[set[int]]:
    """Return the features, kept columns included, of each saddle of the held-out path; none without held-out rows."""
    offsets = fit.solution.get("held_out_support_offsets", np.array([]))
    indices = fit.solution.get("held_out_support_indices", np.array([]))
    kept = set(kept_of(fit).tolist())
    return [kept | set(indices[offsets[k] : offsets[k + 1]].tolist()) for k in range(offsets.size - 1)]


def enough(steps: list[Step]) -> Step:
    """Return the first step whose error is within 5 % of the least."""
    least = min(step.error for step in steps)
    return next(step for step in steps if step.error <= NEARLY_BEST * least)


def _saddles(fit: Fit) -> list[Step]:
    """Return every saddle of the held-out path, at its own number of features."""
    times = np.concatenate([[0.0], fit.solution["held_out_times"]]).tolist()
    errors = fit.solution["held_out_rmse"].tolist()
    sets = enumerate(used_features(fit))
    return [Step(len(used), k, len(used), errors[k], times[k]) for k, used in sets]


def _names(fit: Fit, features: set[int]) -> str:
    return ", ".join(fit.feature_names[i] for i in sorted(features))
