"""`thalweg certify RUN`: prove a run anew from its data. `thalweg certify MODEL --data FILE --target Y`: a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from thalweg.api import certify as certify_fit
from thalweg.cli import options as given
from thalweg.cli.certify_model import ModelOptions, certify_model, show_certificate
from thalweg.cli.console import Output
from thalweg.records import InputError, Verdict, to_document
from thalweg.reports.report import write_atomically
from thalweg.runs import read_run
from thalweg.runs.folder import replace_certificate
from thalweg.runs.problem import problem_of

Subject = Annotated[
    Path,
    typer.Argument(
        metavar="RUN|MODEL",
        help="Run folder, or a model made elsewhere: .safetensors, .pt, .pth (state dict), .npz.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="JSON file to write; with --refine also .safetensors.", show_default=False),
]


def certify(
    subject: Subject,
    data: given.DataFile = None,
    target: Annotated[str | None, typer.Option("--target", "-t", help="Model: column it predicts.")] = None,
    activation: Annotated[str | None, typer.Option(help="Model: of its hidden layers.")] = None,
    layout: Annotated[str | None, typer.Option(help="Model: 'out_in' or 'in_out', for arrays without names.")] = None,
    scale: Annotated[str | None, typer.Option(help="Model: 'features' or 'all' were standardised for it.")] = None,
    ridge: Annotated[float, typer.Option(min=0.0, help="Model: penalty of squared weights, beside the MSE.")] = 0.0,
    ridge_biases: Annotated[
        bool, typer.Option("--ridge-biases", help="Model: biases too, as weight_decay = 2 RIDGE does.")
    ] = False,
    method: Annotated[str | None, typer.Option(help="Model: 'fast' or 'balls' (slower, sharper).")] = None,
    refine: Annotated[bool, typer.Option("--refine", help="Model: polish it first; --out keeps the net.")] = False,
    drop: given.Drop = [],  # noqa: B006
    impute: given.Impute = None,
    encoding: given.Encoding = "utf-8",
    out: Out = None,
    as_json: given.AsJson = False,
    seed: given.Seed = 0,
    lang: given.Lang = given.Language.en,
    quiet: given.Quiet = False,
    strict: given.Strict = False,
) -> None:
    """Prove what a run or a model made elsewhere claims, from its data; that of a run is stored in its folder."""
    del seed  # a proof has no chance; the verbs share their options
    output = Output(lang.value, quiet, as_json)
    options = ModelOptions(
        data, target, activation, layout, scale, ridge, ridge_biases, method, refine, tuple(drop), impute, encoding
    )
    if subject.is_file() or (subject.suffix and not subject.exists()):
        raise typer.Exit(certify_model(subject, options, output, out, strict))
    if useless := options.only_for_models():
        raise InputError("option_without_effect", options=", ".join(useless), subject=subject)
    loaded = read_run(subject)
    certificate = certify_fit(loaded.fit, problem_of(loaded, Path(data) if data else None))
    replace_certificate(loaded, certificate)
    document = to_document(certificate)
    if out is not None:
        write_atomically(out, json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
    output.json(document)
    show_certificate(certificate, (certificate.reason,), output)
    raise typer.Exit(int(certificate.verdict is not Verdict.HOLDS))
