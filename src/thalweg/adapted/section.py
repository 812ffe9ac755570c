"""What the adapted family contributes to a survey: the curve known before training, and whether to follow it."""

from __future__ import annotations

import dataclasses
import math

from thalweg.adapted.checks import OVERFITTING, checks
from thalweg.adapted.probability import sizes_with
from thalweg.adapted.promise import FAST_STEPS, seconds_of
from thalweg.adapted.rank_report import TITLES
from thalweg.adapted.study import Study, study
from thalweg.adapted.tables import stopping_table, tables
from thalweg.data.problem import Problem
from thalweg.records import Cell, Choice, DataTable, Fit, Outcome, Section, Span, Statement
from thalweg.records.statement import Shown

__all__ = ["section", "tables"]

LARGE_BYTES = 8e9
"""Memory of a step beyond which training on all rows is not recommended: what a common machine has."""


def section(problem: Problem, budget: float, seed: int) -> Section:
    """Tell the curve of all rows, rehearse on as many as the budget allows, and say what it means.

    Parameters
    ----------
    problem
        Any data; with holes the section says that it was skipped.
    budget
        Estimated operations that may be spent.
    seed
        Of initial parameters.

    Returns
    -------
    Section
        With the rehearsal, the checks, rank and stopping times, and advice.
    """
    if not problem.is_computable:
        return Section(
            family="adapted",
            applies=True,
            headline=Statement("section.adapted.incomplete", {}),
            checks=checks(problem),
            skipped=(Statement("section.adapted.needs_complete", {}),),
        )
    found = study(problem, budget, seed)
    shown = (rank_table(found),)
    if found.rehearsal is not None:
        shown += (stopping_table(found.rehearsal, found.law, found.table),)
    return Section(
        family="adapted",
        applies=True,
        headline=_headline(found),
        checks=checks(problem, found),
        tables=shown,
        advice=_advice(found),
        fits=() if found.rehearsal is None else (_without_nodes(found.rehearsal),),
        skipped=found.skipped,
        choices=_choices(found),
        recommended=_is_worth_training(found),
        seconds=_seconds(found),
        memory=Span(found.route.bytes / 2, 2 * found.route.bytes, "bytes"),
    )


def rank_table(found: Study) -> DataTable:
    """Return the rank checklist of the default network: one row a fact."""
    rank, rows = found.rank, found.table.y.size
    merged = found.prepared.merged
    needed = sizes_with(found.network, rows) or found.network.sizes
    facts: list[tuple[str, Shown]] = [
        ("sizes", _words(found.network.sizes)),
        ("parameters", found.network.parameter_count),
        ("outputs", rows),
        ("needed_sizes", _words(needed)),
        ("rank_rows", rank.samples),
        ("rank", "?" if rank.rank is None else rank.rank),
        ("sigma_min", rank.sigma_min),
        ("sigma_max", rank.sigma_max),
        ("condition", rank.condition),
        ("grade", Statement(TITLES[rank.grade], {})),
        ("repeated", 0 if merged is None else merged.repeated),
        ("floor_rmse", found.table.target_scale * math.sqrt(2 * float(found.prepared.loss.floor))),
        ("closest", found.close.relative_distance),
    ]
    made = tuple((Statement(f"rank_fact.{name}", {}), value) for name, value in facts)
    return DataTable("adapted.rank", ("fact", "value"), made)


def _words(sizes: tuple[int, ...]) -> str:
    return " - ".join(map(str, sizes))


def _without_nodes(rehearsal: Fit) -> Fit:
    """Return the rehearsal with its last parameters alone: a survey is kept as text, and proves nothing."""
    arrays = dict(rehearsal.solution)
    arrays["node_parameters"], arrays["kept_nodes"] = arrays["node_parameters"][-1:], arrays["kept_nodes"][-1:]
    return dataclasses.replace(rehearsal, solution=arrays)


def _headline(found: Study) -> Statement:
    law = found.law
    values: dict[str, Cell] = {"sizes": _words(found.network.sizes)}
    if law is None:
        return Statement("section.adapted.too_large", {**values, "rows": found.table.y.size})
    goal = law.floor + found.options.tol
    tau = law.time_to(goal)
    times: dict[str, Cell] = {"tau": tau, "s": found.table.y.size * tau, "t": -math.expm1(-tau)}
    code = "section.adapted.conditional" if found.rank.grade == "red" else "section.adapted.headline"
    return Statement(code, {**values, **times, "start": law.start, "goal": goal})


def _is_worth_training(found: Study) -> bool:
    """Tell whether some run predicts held-out rows better than the mean, as far as known, and fits into memory."""
    return found.route.bytes <= LARGE_BYTES and found.learns is not False


def _advice(found: Study) -> tuple[Statement, ...]:
    first = (_main_advice(found),)
    rehearsal = found.rehearsal
    if rehearsal is not None and rehearsal.outcome is not Outcome.TARGET_REACHED:
        first += (Statement("advice.adapted.not_followed", {"tau": float(rehearsal.trajectory.clock_values[-1])}),)
    if found.route.bytes > LARGE_BYTES:
        values: dict[str, Cell] = {"gigabytes": found.route.bytes / 2**30, "rows": found.table.y.size}
        first += (Statement("advice.adapted.large", values),)
    return first


def _main_advice(found: Study) -> Statement:
    judge = found.exact
    if judge is None:
        return Statement("advice.adapted.no_held_out", {})
    best, end = judge.errors[judge.best], judge.errors[-1]
    values: dict[str, Cell] = {"best": best, "end": end, "mean": found.mean_error, "tau": judge.clock[judge.best]}
    if not found.learns:
        code = "advice.adapted.mean_is_best" if judge.best > 0 else "advice.adapted.untrained"
        return Statement(code, values)
    if found.best_damping is not None:
        damping, damped = found.best_damping
        chosen: dict[str, Cell] = {"damping": damping, "damped": damped.errors[damped.best]}
        return Statement("advice.adapted.damp", {**values, **chosen, "tau": damped.clock[damped.best]})
    if end > OVERFITTING * best:
        return Statement("advice.adapted.stop_at", values)
    return Statement("advice.adapted.run_to_end", values)


def _choices(found: Study) -> tuple[Choice, ...]:
    """Recommend damping where it predicts better, and to stop where held-out rows say so."""
    judge = found.exact
    if judge is None or not _is_worth_training(found):
        return ()
    least: dict[str, Cell] = {"best": found.best_error or 0.0}
    stop = Choice("validation", True, Statement("choice.adapted.validation", least))
    if found.best_damping is not None:
        damping, _ = found.best_damping
        both: dict[str, Cell] = {**least, "exact": judge.errors[judge.best]}
        return (
            Choice("mode", "fast", Statement("choice.adapted.mode", {})),
            Choice("damping", damping, Statement("choice.adapted.damping", both)),
            stop,
        )
    return (stop,) if judge.errors[-1] > OVERFITTING * judge.errors[judge.best] else ()


def _seconds(found: Study) -> Span:
    """Predict the time of a training with the recommended options, its rehearsal included."""
    if found.best_damping is not None:
        steps = (FAST_STEPS[0], 4.0 * len(found.best_damping[1].errors))
    else:
        steps = (FAST_STEPS[0], 200.0) if found.promise is None else found.promise.steps
    low, high = seconds_of(steps, found.route.operations)
    return Span(1.5 * low, 2 * high, "s")
