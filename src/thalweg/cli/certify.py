"""`thalweg certify RUN`: prove a run anew from its data."""

from __future__ import annotations

from pathlib import Path

import typer

from thalweg.api import certify as certify_fit
from thalweg.cli import options as given
from thalweg.cli.console import Output
from thalweg.records import Verdict, to_document
from thalweg.reports.report import write_atomically
from thalweg.runs import read_run
from thalweg.runs.folder import replace_certificate
from thalweg.runs.problem import problem_of


def certify(
    run: given.RunFolder,
    data: given.DataFile = None,
    out: given.OutJson = None,
    as_json: given.AsJson = False,
    seed: given.Seed = 0,
    lang: given.Lang = given.Language.en,
    quiet: given.Quiet = False,
    strict: given.Strict = False,
) -> None:
    """Prove what a run claims, from its data; the certificate is stored in the run folder."""
    del seed, strict  # a proof has neither chance nor warnings; the verbs share their options
    output = Output(lang.value, quiet, as_json)
    loaded = read_run(run)
    certificate = certify_fit(loaded.fit, problem_of(loaded, Path(data) if data else None))
    replace_certificate(loaded, certificate)
    document = to_document(certificate)
    if out is not None:
        import json

        write_atomically(out, json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
    output.json(document)
    output.verdict(certificate.verdict)
    output.statement(certificate.statement)
    output.statement(certificate.reason)
    for name, margin in certificate.margins.items():
        output.console.print(f"  {name} = {margin}", markup=False)
    raise typer.Exit(int(certificate.verdict is not Verdict.HOLDS))
