"""What the shallow family contributes to a survey: a pilot study, the recommended network, and its proof."""

from __future__ import annotations

import numpy as np

from thalweg.data.problem import Problem
from thalweg.numerics.options import validated
from thalweg.records import Cell, Check, Choice, DataTable, Fit, Section, Span, Statement
from thalweg.records.statement import Shown
from thalweg.runtime.threads import threads_for
from thalweg.shallow.catalogue import ESCAPES, MINIMUM
from thalweg.shallow.checks import WASTED, checks
from thalweg.shallow.fit import fit
from thalweg.shallow.operations import predicted_operations
from thalweg.shallow.options import ShallowOptions
from thalweg.shallow.retries import retries
from thalweg.shallow.scan import Scan, Trial, scan
from thalweg.shallow.study import study

TABLE_ROWS = 100
"""Rows of a table in a report; the run folder keeps all."""

WORTH_MORE_ROWS = 2.0
"""Percent of the held-out error that the last doubling of the rows must have gained to recommend more of them."""


def section(problem: Problem, budget: float, seed: int) -> Section:
    """Make a pilot study within a budget of operations, train the recommended network and say what it means.

    Parameters
    ----------
    problem
        Any data; with holes the section says that it was skipped.
    budget
        Estimated operations that may be spent.
    seed
        Of all starts.

    Returns
    -------
    Section
        With the fit, its checks, the pilot study and advice.
    """
    if not problem.is_computable:
        return _without("section.shallow.incomplete", Statement("section.shallow.needs_complete", {}), checks(problem))
    n, d = problem.X.shape
    with threads_for(1):  # the matrices are of the size of one network
        pilot = scan(problem, budget, seed)
    if pilot is None or pilot.recommended is None:
        least: dict[str, Cell] = {"least": predicted_operations(n, d, 1, 1)}
        return _without("section.shallow.too_large", Statement("section.shallow.needs_budget", least), ())
    best = pilot.recommended
    fitted = fit(problem, {"width": best.width, "ridge": best.ridge, "starts": pilot.starts}, seed)
    skipped = ()
    if pilot.left_out:
        widths = ", ".join(map(str, pilot.left_out))
        skipped = (Statement("section.shallow.widths_left_out", {"widths": widths, "budget": budget}),)
    worth = _is_worth_training(pilot)
    return Section(
        family="shallow",
        applies=True,
        headline=_headline(fitted),
        checks=checks(problem, fitted),
        tables=(width_table(pilot), ridge_table(pilot), part_table(pilot), *tables(fitted)),
        advice=_advice(pilot, fitted),
        fits=(fitted,),
        skipped=skipped,
        studies=(study(problem, fitted),),
        choices=_choices(pilot) if worth else (),
        recommended=worth,
        seconds=_predicted_seconds(n, d, best.width, validated(ShallowOptions, {}).starts),
        memory=Span(16.0 * n * d, 80.0 * n * d + 2e8, "bytes"),
    )


def _without(headline: str, reason: Statement, made: tuple[Check, ...]) -> Section:
    """Return the section of data for which nothing can be computed."""
    return Section(
        family="shallow",
        applies=True,
        headline=Statement(headline, {}),
        checks=made,
        skipped=(reason,),
        recommended=False,
    )


def tables(fitted: Fit) -> tuple[DataTable, ...]:
    """Return what a report shows beside the pictures: the minima, the ends of the starts, the neurons."""
    made = (minima_table(fitted), ends_table(fitted), neuron_table(fitted))
    return tuple(table for table in made if table.rows)


def minima_table(fitted: Fit) -> DataTable:
    """Return one row a point of the catalogue."""
    rows: list[tuple[Shown, ...]] = []
    points = fitted.catalogue.points if fitted.catalogue else ()
    starts = fitted.solution["start_losses"].size
    for i, point in enumerate(points[:TABLE_ROWS]):
        least, most = point.smallest_eigenvalue or np.nan, point.largest_eigenvalue or np.nan
        proved = point.certificate is not None and point.certificate.verdict.value == "holds"
        rows.append((
            i + 1, Statement(f"state.{point.kind}", {}), point.loss, point.hits / starts,
            Statement("state.proved" if proved else "state.unproved", {}), least, most / least,
            float(fitted.solution["focal_margins"][i]),
        ))  # fmt: skip
    columns = ("point", "kind", "loss", "frequency", "proof", "smallest_eigenvalue", "condition", "focal_margin")
    return DataTable("shallow.minima", columns, tuple(rows))


def ends_table(fitted: Fit) -> DataTable:
    """Return how many starts ended in each way, with the lowest loss reached and the lowest limit."""
    escapes, losses = fitted.solution["start_escapes"], fitted.solution["start_losses"]
    points = fitted.solution["start_points"]
    kinds = [point.kind for point in fitted.catalogue.points] if fitted.catalogue else []
    at_minimum = np.array([p >= 0 and kinds[p] == MINIMUM for p in points], dtype=bool)
    rows: list[tuple[Shown, ...]] = []
    for name, which in (
        ("minimum", at_minimum),
        *((escape, (escapes == i + 1) & ~at_minimum) for i, escape in enumerate(ESCAPES)),
        ("unfinished", (escapes == 0) & ~at_minimum),
    ):
        if which.any():
            limits = fitted.solution["limit_losses"]
            own = limits[fitted.solution["limit_kinds"] == ESCAPES.index(name) + 1] if name in ESCAPES else limits[:0]
            rows.append((
                Statement(f"state.{name}", {}), int(which.sum()), float(np.min(losses[which])),
                float(own.min()) if own.size else "-",
            ))  # fmt: skip
    return DataTable("shallow.ends", ("ending", "count", "least_loss", "least_limit"), tuple(rows))


def neuron_table(fitted: Fit) -> DataTable:
    """Return one row a neuron: what the loss rises by without it, and its output weight."""
    waste, theta = fitted.solution["waste"], fitted.solution["theta"]
    rows = tuple((j + 1, float(theta[1 + j]), float(waste[j])) for j in range(min(waste.size, TABLE_ROWS)))
    return DataTable("shallow.neurons", ("neuron", "output_weight", "waste"), rows)


def width_table(pilot: Scan) -> DataTable:
    """Return one row a width of the pilot study."""
    rows = tuple((t.width, t.ridge, *_shown(t)) for t in pilot.widths)
    return DataTable("shallow.widths", ("width", "ridge", *SHOWN), rows)


def ridge_table(pilot: Scan) -> DataTable:
    """Return one row a ridge at the recommended width."""
    return DataTable("shallow.ridges", ("ridge", *SHOWN), tuple((t.ridge, *_shown(t)) for t in pilot.ridges))


def part_table(pilot: Scan) -> DataTable:
    """Return one row a nested subsample of the training rows."""
    return DataTable("shallow.parts", ("rows", *SHOWN), tuple((t.rows, *_shown(t)) for t in pilot.parts))


SHOWN = (
    "certified_share", "saturating", "merging_share", "tail_share", "growing", "minima", "training_rmse",
    "held_out_rmse",
)  # fmt: skip
"""Columns of the pilot study."""


def _shown(t: Trial) -> tuple[Cell, ...]:
    return (t.certified, t.saturation, t.merging, t.tail, t.growth, t.minima, t.training, t.held_out)


def _is_worth_training(pilot: Scan) -> bool:
    """Tell whether the recommended network predicts held-out rows better than the mean, as far as known."""
    best = pilot.recommended
    return best is not None and (not np.isfinite(best.held_out) or best.held_out < pilot.mean_error)


def _choices(pilot: Scan) -> tuple[Choice, ...]:
    best = pilot.recommended
    assert best is not None
    values: dict[str, Cell] = {"share": 100 * best.certified, "error": best.held_out}
    return (
        Choice("width", best.width, Statement("choice.shallow.width", values)),
        Choice("ridge", best.ridge, Statement("choice.shallow.ridge", values)),
    )


def _headline(fitted: Fit) -> Statement:
    share = 100 * float(fitted.solution["certified_share"][0])
    minima = sum(point.kind == MINIMUM for point in fitted.catalogue.points) if fitted.catalogue else 0
    width = validated(ShallowOptions, fitted.options).width
    if not minima:
        return Statement("section.shallow.no_minimum", {"width": width})
    return Statement("section.shallow.headline", {"width": width, "share": share, "minima": minima})


def _advice(pilot: Scan, fitted: Fit) -> tuple[Statement, ...]:
    best = pilot.recommended
    assert best is not None
    values: dict[str, Cell] = {
        "width": best.width, "ridge": best.ridge, "error": best.held_out, "mean": pilot.mean_error,
        "share": 100 * best.certified,
    }  # fmt: skip
    if not np.isfinite(best.held_out):
        said = [Statement("advice.shallow.no_held_out", values)]
    elif best.held_out < pilot.mean_error:
        said = [Statement("advice.shallow.use", values)]
    else:
        said = [Statement("advice.shallow.mean_is_best", values)]
    return (*said, *_about_retries(fitted), *_about_rows(pilot), *_about_waste(fitted))


def _about_retries(fitted: Fit) -> tuple[Statement, ...]:
    """Say how many restarts find a certified minimum with 99 % probability."""
    starts = int(fitted.solution["start_losses"].size)
    certified = round(float(fitted.solution["certified_share"][0]) * starts)
    needed = retries(certified, starts)
    if needed.restarts is None:
        return (Statement("advice.shallow.none_certified", {"starts": starts}),)
    return (Statement("advice.shallow.retries", {"restarts": needed.restarts, "certified": certified,
                                                "starts": starts}),)  # fmt: skip


def _about_rows(pilot: Scan) -> tuple[Statement, ...]:
    """Say whether more rows would help: by what the last doubling of them gained."""
    if len(pilot.parts) < 2 or not pilot.parts[-2].held_out > 0:
        return ()
    half, full = pilot.parts[-2], pilot.parts[-1]
    percent = 100 * (1 - full.held_out / half.held_out)
    code = "advice.shallow.more_rows" if percent > WORTH_MORE_ROWS else "advice.shallow.rows_enough"
    return (Statement(code, {"percent": percent, "half": half.rows, "full": full.rows}),)


def _about_waste(fitted: Fit) -> tuple[Statement, ...]:
    """Name the neurons that the loss hardly needs."""
    waste = fitted.solution["waste"]
    wasted = [str(j + 1) for j in range(waste.size) if not waste[j] > WASTED]
    return (Statement("advice.shallow.wasted", {"neurons": ", ".join(wasted)}),) if wasted else ()


def _predicted_seconds(n: int, d: int, width: int, starts: int) -> Span:
    """Predict the time of one fit, held-out search included: 3 to 50 operations per ns were measured."""
    operations = 1.8 * predicted_operations(n, d, width, starts)
    return Span(0.05 + operations / 5e10, 0.2 + operations / 3e9, "s")
