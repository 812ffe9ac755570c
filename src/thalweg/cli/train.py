"""`thalweg train FILE --target Y --family NAME [--until TARGET]`: train, certify, and write a run folder."""

from __future__ import annotations

from pathlib import Path

import typer

from thalweg.api import certify
from thalweg.cli import options as given
from thalweg.cli.console import Output
from thalweg.data import Problem
from thalweg.families import FAMILIES, find_family
from thalweg.records import Verdict
from thalweg.reports import report
from thalweg.runs import write_run
from thalweg.surveys.commands import train_command


def train(
    file: given.File,
    target: given.Target,
    family: given.FamilyName = FAMILIES[0].name,
    option: given.FamilyOptions = [],  # noqa: B006
    until: given.Until = None,
    drop: given.Drop = [],  # noqa: B006
    keep: given.Keep = [],  # noqa: B006
    decisions: given.DecisionsFile = None,
    impute: given.Impute = None,
    encoding: given.Encoding = "utf-8",
    keep_data: given.KeepData = False,
    out: given.OutRun = None,
    as_json: given.AsJson = False,
    seed: given.Seed = 0,
    lang: given.Lang = given.Language.en,
    quiet: given.Quiet = False,
    strict: given.Strict = False,
) -> None:
    """Train one family, prove the result, and write a run folder."""
    output = Output(lang.value, quiet, as_json)
    options = given.parse_options(option) | ({} if until is None else {"until": until})
    problem = given.read_problem(file, target, drop, keep, decisions, impute, encoding)
    fit = find_family(family).fit(problem, options, seed)
    certificate = certify(fit, problem)
    provenance = problem.provenance(seed, train_command(problem, family, options, seed))
    folder = out or _free_folder(problem, family)
    write_run(folder, problem, fit, certificate, provenance, keep_data=keep_data)
    output.json(report(fit, certificate, lang=lang.value, provenance=provenance, decisions=problem.decisions).facts())
    output.say("ui.trained", family=family, jumps=fit.trajectory.clock_values.size - 1,
               start=float(fit.trajectory.loss[0]), end=float(fit.trajectory.loss[-1]))  # fmt: skip
    output.console.print(fit.outcome.say(lang.value), markup=False)
    output.decisions(problem.decisions, fit.feature_names)
    output.checks(tuple(check for check in problem.checks if check.is_blocking or check.is_warning))
    output.verdict(certificate.verdict)
    output.statement(certificate.statement)
    output.statement(certificate.reason)
    output.say("ui.run_written", run=folder)
    flagged = any(check.is_blocking or (strict and check.is_warning) for check in problem.checks)
    raise typer.Exit(int(certificate.verdict is not Verdict.HOLDS or flagged))


def _free_folder(problem: Problem, family: str) -> Path:
    """Return the first folder under runs/ that is free for this file and family."""
    base = Path("runs") / f"{Path(problem.profile.source).stem}-{family}"
    number = 1
    folder = base
    while folder.exists():
        number += 1
        folder = base.with_name(f"{base.name}-{number}")
    return folder
