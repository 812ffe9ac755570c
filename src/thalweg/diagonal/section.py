"""What the diagonal family contributes to a survey."""

from __future__ import annotations

import numpy as np

from thalweg.data.problem import Problem
from thalweg.diagonal.audit import ACTIVE, KEPT, feature_table, suggestions
from thalweg.diagonal.checks import checks
from thalweg.diagonal.fit import best_held_out, coefficients, fit, held_out_mean, kept_of
from thalweg.diagonal.keeping import FREE
from thalweg.diagonal.operations import predicted_operations
from thalweg.diagonal.order import activation_order, spells, supports
from thalweg.diagonal.sensors import cost_curve, sensor_curve
from thalweg.diagonal.stopping import NEARLY_BEST, recommended_saddle, stopping_time
from thalweg.diagonal.study import study
from thalweg.records import Cell, Choice, DataTable, Decisions, Fit, Outcome, Section, Span, Statement
from thalweg.records.statement import Shown

TABLE_ROWS = 100
"""Rows of a table in a report; the run folder keeps all."""


def section(problem: Problem, budget: float, seed: int) -> Section:
    """Compute the path within a budget of operations and say what it means.

    Parameters
    ----------
    problem
        Any data; with holes the section says that it was skipped.
    budget
        Estimated operations that may be spent.
    seed
        Recorded in the fit.

    Returns
    -------
    Section
        With the fit, its checks, the order of activation and advice.
    """
    if not problem.is_computable:
        return Section(
            family="diagonal",
            applies=True,
            headline=Statement("section.diagonal.incomplete", {}),
            checks=checks(problem),
            skipped=(Statement("section.diagonal.needs_complete", {}),),
        )
    n, d = problem.X.shape
    limit = affordable_jumps(n, d, budget)
    fitted = fit(problem, {"max_saddles": limit}, seed)
    skipped = ()
    if limit is not None and fitted.outcome is Outcome.STOPPED_ON_REQUEST:
        skipped = (Statement("section.diagonal.cut", {"limit": limit, "budget": budget}),)
    studied, left_out = study(problem, fitted, budget, seed)
    return Section(
        family="diagonal",
        applies=True,
        headline=_headline(fitted),
        checks=checks(problem, fitted),
        tables=_all_tables(fitted, problem.decisions),
        advice=_advice(fitted),
        fits=(fitted,),
        skipped=skipped + left_out,
        studies=() if studied is None else (studied,),
        choices=_choices(fitted),
        suggestions=suggestions(fitted),
        recommended=_is_worth_training(fitted),
        seconds=_predicted_seconds(n, d),
        memory=Span(16.0 * n * d, 40.0 * n * d, "bytes"),  # two to five arrays of the size of X
    )


def affordable_jumps(n: int, d: int, budget: float) -> int | None:
    """Return how many jumps fit into the budget; None if even three times min(n, d) do."""
    usual = 3 * min(n, d)
    # Four paths are computed: all rows, the first four fifths, and both for the other scaling.
    if 4 * predicted_operations(n, d, usual) <= budget:
        return None
    low, high = 1, usual
    while low < high:
        middle = (low + high + 1) // 2
        fits = 4 * predicted_operations(n, d, middle) <= budget
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def order_table(fitted: Fit) -> DataTable:
    """Return one row a spell of activity: feature, sign, jump and time of entry, time of exit."""
    times = fitted.solution["times"]
    rows: list[tuple[Cell, ...]] = [
        (
            fitted.feature_names[spell.feature],
            "+" if spell.sign > 0 else "-",
            spell.enters,
            float(times[spell.enters - 1]),
            float("inf") if spell.leaves is None else float(times[spell.leaves - 1]),
        )
        for spell in spells(fitted)[:TABLE_ROWS]
    ]
    return DataTable("diagonal.order", ("feature", "sign", "jump", "enters_at", "leaves_at"), tuple(rows))


def saddle_table(fitted: Fit) -> DataTable:
    """Return one row a saddle: time, number of active features, training error in units of the target."""
    times = np.concatenate([[0.0], fitted.solution["times"]])
    rows: list[tuple[Cell, ...]] = [
        (k, float(times[k]), int(support.size), float(np.sqrt(2 * fitted.solution["losses"][k])))
        for k, support in enumerate(supports(fitted)[:TABLE_ROWS])
    ]
    return DataTable("diagonal.saddles", ("saddle", "time", "active", "training_rmse"), tuple(rows))


def coefficient_table(fitted: Fit) -> DataTable:
    """Return the coefficients of the last saddle in the units of the data, kept columns first, the intercept last."""
    k = int(fitted.solution["times"].size)
    slopes, intercept = coefficients(fitted, k)
    states = [(i, KEPT) for i in kept_of(fitted).tolist()] + [(i, ACTIVE) for i in supports(fitted)[k].tolist()]
    rows: list[tuple[Shown, ...]] = [
        (fitted.feature_names[i], state, float(slopes[i])) for i, state in states[: TABLE_ROWS - 1]
    ]
    constant = ("1", Statement("state.intercept", {}), intercept)
    return DataTable("diagonal.coefficients", ("feature", "role", "coefficient"), (*rows, constant))


def _all_tables(fitted: Fit, decisions: Decisions | None) -> tuple[DataTable, ...]:
    """Return every table of a survey; where columns have costs, also what these buy."""
    costs = decisions.costs if decisions else {}
    made = (order_table(fitted), saddle_table(fitted), feature_table(fitted), sensor_curve(fitted))
    return (*made, cost_curve(fitted, costs)) if costs else made


def tables(fitted: Fit) -> tuple[DataTable, ...]:
    """Return what a report shows beside the pictures: the audit, and the coefficients where nothing is drawn."""
    undrawn = fitted.solution["times"].size == 0 and kept_of(fitted).size
    return (feature_table(fitted), *((coefficient_table(fitted),) if undrawn else ()))


def _predicted_seconds(n: int, d: int) -> Span:
    """Predict the time of one fit: jumps cost 0.1-1 ms of overhead each, operations run at 0.5-10 per ns."""
    few, many = min(n, d), 3 * min(n, d)
    low = 1e-4 * few + predicted_operations(n, d, few) / 1e10
    high = 1e-3 * many + 2 * predicted_operations(n, d, many) / 5e8
    return Span(low, high, "s")


def _choices(fitted: Fit) -> tuple[Choice, ...]:
    """Recommend to stop inside the plateau of least held-out error, where there is one to stop at."""
    if not _is_worth_training(fitted):
        return ()
    if best_held_out(fitted) == 0 and fitted.solution["times"].size:
        evidence = Statement("choice.diagonal.max_saddles", {"best": float(fitted.solution["held_out_rmse"][0])})
        return (Choice("max_saddles", 0, evidence),)
    time = stopping_time(fitted)
    if time is None:
        return ()
    rounded = float(f"{time:.4g}")
    best = best_held_out(fitted)
    evidence = Statement("choice.diagonal.max_time", {"best": float(fitted.solution["held_out_rmse"][best])})
    return (Choice("max_time", rounded, evidence),)


def _is_worth_training(fitted: Fit) -> bool:
    """Tell whether some saddle, kept columns included, predicts held-out rows better than the mean, as far as known."""
    best = best_held_out(fitted)
    learns = fitted.outcome is not Outcome.NOTHING_TO_LEARN or bool(kept_of(fitted).size)
    return learns and (best is None or bool(fitted.solution["held_out_rmse"][best] < held_out_mean(fitted)))


def _headline(fitted: Fit) -> Statement:
    order, kept = activation_order(fitted), kept_of(fitted)
    if not order and not kept.size:
        return Statement("section.diagonal.nothing", {"target": fitted.target_name})
    if not order:
        left = int((fitted.solution["lost"] == FREE).sum() - (fitted.solution["lost"][kept] == FREE).sum())
        return Statement("section.diagonal.only_kept", {"target": fitted.target_name, "kept": kept.size, "left": left})
    return Statement(
        "section.diagonal.headline",
        {
            "jumps": int(fitted.solution["times"].size),
            "active": int(supports(fitted)[-1].size),
            "features": len(fitted.feature_names) - int(kept.size),
            "first": fitted.feature_names[order[0]],
            "time": float(fitted.solution["times"][0]),
        },
    )


def _advice(fitted: Fit) -> tuple[Statement, ...]:
    best = best_held_out(fitted)
    errors = fitted.solution["held_out_rmse"]
    if best is None:
        return (Statement("advice.diagonal.no_held_out", {}), *_forced_in(fitted))
    mean, kept = held_out_mean(fitted), int(kept_of(fitted).size)
    if errors[best] >= mean:
        return (Statement("advice.diagonal.mean_is_best", {"mean": mean}), *_forced_in(fitted))
    if best == 0:
        values: dict[str, Cell] = {"best": float(errors[0]), "mean": mean, "end": float(errors[-1])}
        return (Statement("advice.diagonal.kept_is_best", values), *_forced_in(fitted))
    there = recommended_saddle(fitted) or 0
    active = int(supports(fitted)[there].size) + kept  # of the path of all rows: what training will give
    values = {"active": active, "best": float(errors[best]), "mean": mean, "end": float(errors[-1])}
    time = stopping_time(fitted)
    if time is None:
        first = Statement("advice.diagonal.run_to_end", values)
    else:
        first = Statement("advice.diagonal.stop_at", {**values, "time": time})
    return (first, *_fewer(fitted, best), *_forced_in(fitted))


def _forced_in(fitted: Fit) -> tuple[Statement, ...]:
    """Name the columns that are forced in, and say what the path then means."""
    names = [fitted.feature_names[i] for i in kept_of(fitted)]
    return (Statement("advice.diagonal.kept", {"names": ", ".join(names)}),) if names else ()


def _fewer(fitted: Fit, best: int) -> tuple[Statement, ...]:
    """Say how few features come close to the least held-out error: what a sensor is worth."""
    errors, active = fitted.solution["held_out_rmse"], fitted.solution["held_out_active"]
    near = [k for k in range(1, best) if errors[k] <= NEARLY_BEST * errors[best] and active[k] < active[best]]
    if not near:
        return ()
    fewest = min(near, key=lambda k: (active[k], errors[k]))
    values: dict[str, Cell] = {
        "active": int(active[fewest]) + int(kept_of(fitted).size),
        "error": float(errors[fewest]),
        "percent": float(100 * (errors[fewest] / errors[best] - 1)),
    }
    return (Statement("advice.diagonal.fewer", values),)
