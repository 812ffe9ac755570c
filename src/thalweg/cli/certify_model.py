"""`thalweg certify MODEL --data FILE --target Y`: is a model wasteful, is its minimum proved, what remains."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thalweg.cli.console import Output
from thalweg.cli.options import read_problem
from thalweg.data import Problem
from thalweg.interop import ForeignModel, ModelCheck, check, facts, foreign_model, read_model
from thalweg.interop.files import SAFETENSORS_SUFFIX, may_be_replaced, to_safetensors
from thalweg.records import Certificate, DataTable, InputError, Statement, Verdict
from thalweg.reports.report import write_atomically

SHOWN = 20
"""Rows of a table that are printed; the JSON has all."""


@dataclass(frozen=True)
class ModelOptions:
    """What the command line says of a model; defaults mean that it says nothing."""

    data: str | None = None
    target: str | None = None
    activation: str | None = None
    layout: str | None = None
    scale: str | None = None
    ridge: float = 0.0
    ridge_biases: bool = False
    method: str | None = None
    refine: bool = False
    drop: tuple[str, ...] = ()
    impute: str | None = None
    encoding: str = "utf-8"

    def only_for_models(self) -> list[str]:
        """Return the options that were given and say nothing of a run folder, which holds its own."""
        fields = [f for f in dataclasses.fields(self) if f.name != "data"]
        return [f"--{f.name.replace('_', '-')}" for f in fields if getattr(self, f.name) != f.default]

    def refining(self, path: Path) -> str:
        """Return the command that polishes the model and keeps the better net beside it."""
        words = ["thalweg", "certify", str(path), "--refine", "--out", str(path.with_suffix(".refined.safetensors"))]
        for field in dataclasses.fields(self):
            value, name = getattr(self, field.name), f"--{field.name.replace('_', '-')}"
            if isinstance(value, tuple):
                words += [word for column in value for word in (name, column)]
            elif value != field.default:
                words += [name] if value is True else [name, str(value)]
        return shlex.join(words)


def certify_model(path: Path, options: ModelOptions, output: Output, out: Path | None, strict: bool) -> int:
    """Check a model on its data, print what was found, and return the exit code."""
    model = read_model(path, activation=options.activation, layout=options.layout)
    problem = _problem(path, options)
    _refuse_useless(options, out)
    problem.require_computable()
    ridge = np.full(model.parameter_count, options.ridge) if options.ridge_biases else options.ridge
    found = check(
        model, problem.X, problem.y, ridge=ridge, scale=options.scale or "none", method=options.method or "fast",
        polish=options.refine,
    )  # fmt: skip
    document = facts(found) | {"data": _data_facts(problem)}
    written = None if out is None else _write(found, out, document)
    output.json(document)
    _show(found, problem, output)
    if written is not None:
        output.say("ui.model_written", path=written)
    if found.refined is None and found.certificate.verdict is Verdict.UNDECIDED:
        output.say("ui.next_command")
        output.command(options.refining(path))
    output.checks(tuple(c for c in problem.checks if c.is_blocking or c.is_warning))
    flagged = any(c.is_blocking or (strict and c.is_warning) for c in problem.checks)
    return int(found.certificate.verdict is not Verdict.HOLDS or flagged)


def show_certificate(certificate: Certificate, reasons: Sequence[Statement], output: Output) -> None:
    """Print verdict, statement, reasons and margins."""
    output.verdict(certificate.verdict)
    output.statement(certificate.statement)
    for reason in reasons:
        output.statement(reason)
    for name, margin in certificate.margins.items():
        output.console.print(f"  {name} = {margin}", markup=False)


def _problem(path: Path, options: ModelOptions) -> Problem:
    missing = [f"--{name}" for name in ("data", "target") if not getattr(options, name)]
    if missing or options.data is None or options.target is None:
        raise InputError("model_without_data", path=path, missing=", ".join(missing))
    drop, impute, encoding = list(options.drop), options.impute, options.encoding
    return read_problem(options.data, options.target, drop, [], None, impute, encoding)


def _refuse_useless(options: ModelOptions, out: Path | None) -> None:
    if options.ridge_biases and not options.ridge:
        raise InputError("option_without_effect", options="--ridge-biases", subject="--ridge 0")
    if out is not None and not may_be_replaced(out) and out.suffix == SAFETENSORS_SUFFIX:
        raise InputError("file_exists", path=out)


def _write(found: ModelCheck, out: Path, document: Mapping[str, object]) -> Path:
    """Write the better net, or the facts, whichever the name of the file asks for."""
    if out.suffix != SAFETENSORS_SUFFIX:
        write_atomically(out, json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
    elif found.refined is None:
        raise InputError("nothing_refined", path=out)
    else:
        write_atomically(out, to_safetensors(foreign_model(found.refined.net, found.model)))
    return out


def _data_facts(problem: Problem) -> dict[str, object]:
    return {
        "source": problem.profile.source,
        "target": problem.target_name,
        "features": list(problem.feature_names),
        "rows": len(problem.X),
    }


def _show(found: ModelCheck, problem: Problem, output: Output) -> None:
    model = found.model
    output.say("ui.model", source=model.source, layers=len(model.layers), parameters=model.parameter_count)
    output.table(_layers(model))
    names = ", ".join(problem.feature_names)
    output.say("ui.model_data", rows=len(problem.X), target=problem.target_name, features=names)
    parts = [("ui.model_fit", found.fit_statements())]
    if found.outside is None:
        parts += [("ui.model_worth", found.worth_statements()), ("ui.model_remaining", found.remaining_statements())]
    else:
        parts.append(("ui.model_outside", found.outside.statements()))
    for heading, statements in parts:
        output.console.print()
        output.say(heading)
        for statement in statements:
            output.statement(statement)
        if heading == "ui.model_worth":
            _show_neurons(found, output)
    output.console.print()
    show_certificate(found.certificate, found.proof_statements(), output)


def _layers(model: ForeignModel) -> DataTable:
    last = Statement("model_layer.output", {})
    rows = [
        (layer.name, layer.weights.shape[1], layer.weights.shape[0], activation)
        for layer, activation in zip(model.layers, (*model.activations, last), strict=True)
    ]
    return DataTable("interop.layers", ("layer", "inputs", "outputs", "activation"), tuple(rows))


def _show_neurons(found: ModelCheck, output: Output) -> None:
    """Print the neurons, the most wasteful first, and the directions in which nothing changes on the data."""
    classification, net = found.classification, found.net
    if classification is None or net is None or classification.waste is None or not classification.waste.size:
        return
    sizes = np.linalg.norm(net.output_weights, axis=1)
    order = np.argsort(classification.waste, kind="stable")
    waste = "waste" if classification.waste_is_relative else "waste_absolute"
    rows = tuple((int(j), float(sizes[j]), float(classification.waste[j])) for j in order)
    output.table(DataTable("interop.neurons", ("neuron", "output_weight", waste), rows), SHOWN)
    if classification.null_directions:
        counted = Counter((d.kind, d.reason, d.neurons) for d in classification.null_directions)
        lines = tuple(
            (count, Statement(f"direction.{kind}", {}), Statement(f"cause.{reason}", {}), ", ".join(map(str, neurons)))
            for (kind, reason, neurons), count in counted.items()
        )
        output.table(DataTable("interop.directions", ("directions", "kind", "why", "neurons"), lines), SHOWN)
