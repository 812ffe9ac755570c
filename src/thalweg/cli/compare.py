"""`thalweg compare RUN RUN`: two runs side by side."""

from __future__ import annotations

import json

from thalweg.cli import options as given
from thalweg.cli.console import Output
from thalweg.records import DataTable, to_document
from thalweg.reports.numbers import fact
from thalweg.reports.report import write_atomically
from thalweg.runs import compare as compare_runs
from thalweg.runs import read_run


def compare(
    first: given.RunFolder,
    second: given.RunFolder,
    out: given.OutJson = None,
    as_json: given.AsJson = False,
    seed: given.Seed = 0,
    lang: given.Lang = given.Language.en,
    quiet: given.Quiet = False,
    strict: given.Strict = False,
) -> None:
    """Say what two runs share, what differs, and whether features switched on in the same order."""
    del seed, strict  # comparing has neither chance nor warnings; the verbs share their options
    output = Output(lang.value, quiet, as_json)
    made = compare_runs(read_run(first), read_run(second))
    document = to_document(made)
    if out is not None:
        write_atomically(out, json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
    output.json(document)
    output.table(_in_words(made.table, lang.value))
    for statement in made.statements:
        output.statement(statement)


def _in_words(table: DataTable, lang: str) -> DataTable:
    """Say what each row is, and the values that are words of ours; other values are names of the user."""
    ours = ("outcome", "verdict")
    rows = tuple((fact(n, lang), *(fact(v, lang) if n in ours else v for v in values)) for n, *values in table.rows)
    return DataTable(table.code, table.columns, rows)
