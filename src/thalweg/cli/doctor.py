"""`thalweg doctor`: tells whether this installation is sound."""

from __future__ import annotations

import json

import typer

from thalweg.cli import options as given
from thalweg.cli.console import Output
from thalweg.families import FAMILIES
from thalweg.records import DataTable
from thalweg.reports.report import write_atomically
from thalweg.runtime.environment import caches, threads
from thalweg.runtime.versions import versions

GOLDEN_TOLERANCE = 1e-9
"""Golden values are rational numbers of order one: a larger difference is an error, not rounding."""


def doctor(
    out: given.OutJson = None,
    as_json: given.AsJson = False,
    seed: given.Seed = 0,
    lang: given.Lang = given.Language.en,
    quiet: given.Quiet = False,
    strict: given.Strict = False,
) -> None:
    """Show versions, threads and caches, and recompute golden values of every family."""
    del seed, strict  # nothing here is random, and nothing is a warning; the verbs share their options
    output = Output(lang.value, quiet, as_json)
    golden = {
        f"{family.name} {name}": difference
        for family in FAMILIES
        for name, difference in family.golden_values().items()
    }
    facts = {"versions": versions(), "threads": threads(), "caches": caches(), "golden": golden}
    if out is not None:
        write_atomically(out, json.dumps(facts, ensure_ascii=False, indent=1) + "\n")
    output.json(facts)
    shown = {**facts["versions"], **facts["threads"], **facts["caches"]}
    output.table(DataTable("doctor", ("fact", "value"), tuple((k, str(v)) for k, v in shown.items())))
    for name, difference in golden.items():
        passed = difference <= GOLDEN_TOLERANCE
        output.say("ui.golden_right" if passed else "ui.golden_wrong", name=name, difference=difference)
    raise typer.Exit(int(any(difference > GOLDEN_TOLERANCE for difference in golden.values())))
