"""`thalweg path FILE --target Y`: the order and the times at which features switch on."""

from __future__ import annotations

import typer

from thalweg.cli import options as given
from thalweg.cli.console import Output
from thalweg.data import read
from thalweg.diagonal.fit import fit
from thalweg.diagonal.section import order_table, saddle_table
from thalweg.reports import report
from thalweg.reports.report import write_atomically


def path(
    file: given.File,
    target: given.Target,
    option: given.FamilyOptions = [],  # noqa: B006
    drop: given.Drop = [],  # noqa: B006
    impute: given.Impute = None,
    encoding: given.Encoding = "utf-8",
    out: given.OutJson = None,
    as_json: given.AsJson = False,
    seed: given.Seed = 0,
    lang: given.Lang = given.Language.en,
    quiet: given.Quiet = False,
    strict: given.Strict = False,
) -> None:
    """Print the exact saddle path: which feature switches on when, and the error after each jump."""
    output = Output(lang.value, quiet, as_json)
    problem = read(file, target, drop=given.split_names(drop), impute=impute, encoding=encoding)
    fitted = fit(problem, given.parse_options(option), seed)
    page = report(fitted, lang=lang.value)
    if out is not None:
        write_atomically(out, page.json())
    output.json(page.facts())
    output.table(order_table(fitted))
    output.console.print()
    output.table(saddle_table(fitted))
    output.console.print(fitted.outcome.say(lang.value), markup=False)
    warned = any(check.is_blocking or (strict and check.is_warning) for check in problem.checks)
    raise typer.Exit(int(warned))
