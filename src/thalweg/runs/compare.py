"""Two runs side by side: what is the same, what differs, and whether features switched on in the same order."""

from __future__ import annotations

from thalweg.numerics.ranking import kendall_tau
from thalweg.records import Cell, DataTable, Statement, record
from thalweg.records.fit import option_words
from thalweg.runs.folder import Run


@record
class Comparison:
    """The differences of two runs as a table and sentences."""

    table: DataTable
    statements: tuple[Statement, ...]


def compare(first: Run, second: Run) -> Comparison:
    """Compare two runs of any family by their trajectories and options.

    Parameters
    ----------
    first, second
        Runs that were read.

    Returns
    -------
    Comparison
        One row a fact; the sentences say what the rows mean together.
    """
    rows = [_row(name, first, second) for name in ("family", "target", "data", "outcome", "verdict")]
    for option in sorted({*first.fit.options, *second.fit.options}):
        rows.append((
            option,
            option_words(first.fit.options.get(option, "-")),
            option_words(second.fit.options.get(option, "-")),
        ))
    for name in ("jumps", "clock_end", "loss_start", "loss_end"):
        rows.append(_row(name, first, second))
    return Comparison(
        DataTable("comparison", ("fact", "first_run", "second_run"), tuple(rows)), _statements(first, second)
    )


def _row(name: str, first: Run, second: Run) -> tuple[Cell, Cell, Cell]:
    return (name, _fact(name, first), _fact(name, second))


def _fact(name: str, run: Run) -> Cell:
    path = run.fit.trajectory
    facts: dict[str, Cell] = {
        "family": run.fit.family,
        "target": run.fit.target_name,
        "data": run.manifest.provenance.problem_digest[:12],
        "outcome": run.fit.outcome.value,
        "verdict": run.certificate.verdict.value,
        "jumps": int(path.clock_values.size - 1),
        "clock_end": float(path.clock_values[-1]),
        "loss_start": float(path.loss[0]),
        "loss_end": float(path.loss[-1]),
    }
    return facts[name]


def _statements(first: Run, second: Run) -> tuple[Statement, ...]:
    same_data = first.manifest.provenance.problem_digest == second.manifest.provenance.problem_digest
    code = "comparison.same_data" if same_data else "comparison.other_data"
    features = set(first.fit.feature_names)
    orders = [
        list(dict.fromkeys(mark.subject for mark in run.fit.trajectory.marks if mark.subject in features))
        for run in (first, second)
    ]
    if not any(orders):  # families in which no feature switches on have no order to compare
        return (Statement(code, {}),)
    common = len(set(orders[0]) & set(orders[1]))
    if common < 2:
        return (Statement(code, {}), Statement("comparison.no_order", {"common": common}))
    tau = kendall_tau(*orders)
    return (Statement(code, {}), Statement("comparison.order", {"tau": tau, "common": common}))
