"""`thalweg report RUN`: the page of a run."""

from __future__ import annotations

import typer

from thalweg.cli import options as given
from thalweg.cli.console import Output
from thalweg.cli.survey import page_path
from thalweg.records import Verdict
from thalweg.reports import report as make_report
from thalweg.runs import read_run


def report(
    run: given.RunFolder,
    out: given.OutReport = None,
    as_json: given.AsJson = False,
    seed: given.Seed = 0,
    lang: given.Lang = given.Language.en,
    quiet: given.Quiet = False,
    strict: given.Strict = False,
) -> None:
    """Write report.html and report.json of a run (into its folder unless --out says where)."""
    del seed  # a report has no chance in it; the verbs share their options
    output = Output(lang.value, quiet, as_json)
    loaded = read_run(run)
    manifest = loaded.manifest
    page = make_report(
        loaded.fit, loaded.certificate, lang=lang.value, provenance=manifest.provenance, decisions=manifest.decisions
    )
    saved = page.save(page_path(out or run))
    output.json(page.facts())
    output.say("ui.written", page=saved, facts=saved.with_suffix(".json"), size=saved.stat().st_size / 2**20)
    open_question = strict and loaded.certificate.verdict is not Verdict.HOLDS
    raise typer.Exit(int(open_question))
