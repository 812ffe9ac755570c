"""`thalweg doctor`: is this installation sound?"""

from __future__ import annotations

import typer

from thalweg.cli import options as given
from thalweg.cli.console import Output
from thalweg.records import DataTable
from thalweg.report.report import write_atomically
from thalweg.runtime.environment import caches, threads
from thalweg.runtime.versions import versions


def doctor(
    out: given.Out = None,
    as_json: given.AsJson = False,
    seed: given.Seed = 0,
    lang: given.Lang = given.Language.en,
    quiet: given.Quiet = False,
    strict: given.Strict = False,
) -> None:
    """Show versions, threads and caches, and recompute golden values of every family."""
    import json

    from thalweg.cli.golden import golden_values

    del seed, strict  # nothing here is random, and nothing is a warning; the verbs share their options
    output = Output(lang.value, quiet, as_json)
    golden = golden_values()
    facts = {"versions": versions(), "threads": threads(), "caches": caches(), "golden": golden}
    if out is not None:
        write_atomically(out, json.dumps(facts, ensure_ascii=False, indent=1) + "\n")
    output.json(facts)
    shown = {**facts["versions"], **facts["threads"], **facts["caches"]}
    output.table(DataTable("doctor", ("fact", "value"), tuple((k, str(v)) for k, v in shown.items())))
    for name, difference in golden.items():
        passed = difference <= 1e-9
        output.say("ui.golden_right" if passed else "ui.golden_wrong", name=name, difference=difference)
    raise typer.Exit(int(any(difference > 1e-9 for difference in golden.values())))
