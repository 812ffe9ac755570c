"""`thalweg survey FILE --target Y`: checklist, report.html and report.json before any training."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from thalweg.cli import options as given
from thalweg.cli.console import Output, exit_code_of
from thalweg.data import Problem
from thalweg.records import InputError, Survey
from thalweg.reports import report
from thalweg.reports.decisions import features_of
from thalweg.surveys import DEFAULT_BUDGET
from thalweg.surveys import survey as make_survey


def survey(
    file: given.File,
    target: given.Target,
    drop: given.Drop = [],  # noqa: B006
    keep: given.Keep = [],  # noqa: B006
    decisions: given.DecisionsFile = None,
    impute: given.Impute = None,
    encoding: given.Encoding = "utf-8",
    budget: given.Budget = DEFAULT_BUDGET,
    out: given.OutReport = None,
    as_json: given.AsJson = False,
    seed: given.Seed = 0,
    lang: given.Lang = given.Language.en,
    quiet: given.Quiet = False,
    strict: given.Strict = False,
) -> None:
    """Check the data, predict the training, and write report.html and report.json."""
    output = Output(lang.value, quiet, as_json)
    started = time.perf_counter()
    problem = given.read_problem(file, target, drop, keep, decisions, impute, encoding)
    read_seconds = time.perf_counter() - started
    raise typer.Exit(survey_problem(problem, output, out, seed, strict, {"read_seconds": read_seconds}, budget))


def survey_problem(
    problem: Problem,
    output: Output,
    out: Path | None,
    seed: int,
    strict: bool,
    measured: dict[str, float],
    budget: float,
) -> int:
    """Survey a problem, print it, write the report, and return the exit code."""
    started = time.perf_counter()
    made = make_survey(problem, budget=budget, seed=seed)
    measured["survey_seconds"] = time.perf_counter() - started
    page = report(made, lang=output.lang, measured=measured)
    saved = page.save(page_path(out))
    output.json(page.facts())
    _print(made, output)
    size = saved.stat().st_size / 2**20
    output.say("ui.written", page=saved, facts=saved.with_suffix(".json"), size=size)
    return exit_code_of(made, strict)


def page_path(out: Path | None) -> Path:
    """Return where the page goes: a named .html file, or report.html in a folder (this one by default).

    Parameters
    ----------
    out
        What the user asked for.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    InputError
        If a file stands where a folder is needed.
    """
    if out is not None and out.suffix.lower() in (".html", ".htm"):
        return out
    if out is not None and out.is_file():
        raise InputError("out_is_file", path=out)
    return (out or Path()) / "report.html"


def _print(made: Survey, output: Output) -> None:
    profile = made.profile
    output.say("ui.size_line", source=profile.source, rows=profile.rows, columns=len(profile.columns),
               target=profile.target)  # fmt: skip
    output.decisions(made.decisions, features_of(made.profile))
    output.checks(made.all_checks)
    output.console.print()
    for sentence in made.decision.sentences:
        output.statement(sentence)
    if made.decision.command:
        output.say("ui.next_command")
        output.command(made.decision.command)
    output.say("ui.counted", blocking=len(made.blocking), warnings=len(made.warnings))
