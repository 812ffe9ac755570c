"""`thalweg path FILE --target Y`: the order and the times at which features switch on."""

from __future__ import annotations

import typer

from thalweg.cli import options as given
from thalweg.cli.console import Output
from thalweg.diagonal.audit import feature_table
from thalweg.diagonal.fit import fit
from thalweg.diagonal.section import TABLE_ROWS, order_table, saddle_table
from thalweg.records import DataTable
from thalweg.reports import report
from thalweg.reports.report import write_atomically


def path(
    file: given.File,
    target: given.Target,
    option: given.FamilyOptions = [],  # noqa: B006
    drop: given.Drop = [],  # noqa: B006
    keep: given.Keep = [],  # noqa: B006
    decisions: given.DecisionsFile = None,
    impute: given.Impute = None,
    encoding: given.Encoding = "utf-8",
    out: given.OutJson = None,
    as_json: given.AsJson = False,
    seed: given.Seed = 0,
    lang: given.Lang = given.Language.en,
    quiet: given.Quiet = False,
    strict: given.Strict = False,
) -> None:
    """Print the exact saddle path: which feature switches on when, the error after each jump, why others are off."""
    output = Output(lang.value, quiet, as_json)
    problem = given.read_problem(file, target, drop, keep, decisions, impute, encoding)
    fitted = fit(problem, given.parse_options(option), seed)
    page = report(fitted, lang=lang.value, decisions=problem.decisions)
    if out is not None:
        write_atomically(out, page.json())
    output.json(page.facts())
    output.table(order_table(fitted))
    output.console.print()
    output.table(saddle_table(fitted))
    output.console.print()
    output.table(_short(feature_table(fitted)), TABLE_ROWS)
    output.console.print(fitted.outcome.say(lang.value), markup=False)
    warned = any(check.is_blocking or (strict and check.is_warning) for check in problem.checks)
    raise typer.Exit(int(warned))


def _short(table: DataTable) -> DataTable:
    """Leave out what the order of activation has said already."""
    upto = table.columns.index("at_end") + 1
    return DataTable(table.code, table.columns[:upto], tuple(row[:upto] for row in table.rows))
