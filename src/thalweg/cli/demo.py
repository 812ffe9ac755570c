"""`thalweg demo`: the main job on a shipped real data set."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from thalweg.cli import options as given
from thalweg.cli.console import Output
from thalweg.cli.survey import survey_problem
from thalweg.data import read
from thalweg.data.samples import SAMPLES, Sample, find_sample
from thalweg.records import DataTable, InputError
from thalweg.reports.report import write_atomically
from thalweg.surveys import DEFAULT_BUDGET
from thalweg.texts import text

Name = Annotated[str, typer.Argument(help="Name of a shipped data set (see --list).")]
ListThem = Annotated[bool, typer.Option("--list", help="List the shipped data sets.")]


def demo(
    name: Name = SAMPLES[0].name,
    list_them: ListThem = False,
    budget: given.Budget = DEFAULT_BUDGET,
    out: given.OutReport = None,
    as_json: given.AsJson = False,
    seed: given.Seed = 0,
    lang: given.Lang = given.Language.en,
    quiet: given.Quiet = False,
    strict: given.Strict = False,
) -> None:
    """Survey a real data set that comes with thalweg; nothing is downloaded."""
    output = Output(lang.value, quiet, as_json)
    if list_them:
        rows = tuple((sample.name, text(sample.description, lang.value)) for sample in SAMPLES)
        table = DataTable("samples", ("name", "description"), rows)
        output.table(table)
        output.json([{"name": row[0], "description": row[1]} for row in rows])
        return
    sample = find_sample(name)
    output.say(sample.description)
    folder = out or Path("demo")
    data = _copy_of(sample, folder)
    started = time.perf_counter()
    problem = read(data, sample.target, drop=sample.drop)
    measured = {"read_seconds": time.perf_counter() - started}
    code = survey_problem(problem, output, folder, seed, strict, measured, budget)
    raise typer.Exit(code)


def _copy_of(sample: Sample, out: Path) -> Path:
    """Put the data beside the report, so that the commands in it can be repeated as they stand."""
    folder = out.parent if out.suffix else out
    copy = folder / sample.file
    if copy.exists() and copy.read_bytes() != sample.path.read_bytes():
        raise InputError("file_exists", path=copy)
    if not copy.exists():
        write_atomically(copy, sample.path.read_text(encoding="utf-8"))
    return copy
