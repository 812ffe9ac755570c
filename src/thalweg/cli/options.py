"""Options that several verbs share, written once."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thalweg.records.errors import InputError

if TYPE_CHECKING:
    from thalweg.data import Problem


class Language(StrEnum):
    """Languages of reports and messages."""

    en = "en"
    ja = "ja"


File = Annotated[str, typer.Argument(metavar="FILE", help="CSV or Parquet file.", show_default=False)]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.", show_default=False)]
Target = Annotated[str, typer.Option("--target", "-t", help="Column to learn.", show_default=False)]
Drop = Annotated[list[str], typer.Option("--drop", help="Columns to leave out; repeat, or separate by commas.")]
Keep = Annotated[
    list[str],
    typer.Option("--keep", help="Features to force in, training orders the rest; repeat, or separate by commas."),
]
DecisionsFile = Annotated[
    str | None,
    typer.Option("--decisions", help="TOML file: which columns to keep or drop, who decided it.", show_default=False),
]
Impute = Annotated[
    str | None, typer.Option("--impute", help="Fill holes: 'median' of each feature.", show_default=False)
]
Encoding = Annotated[str, typer.Option("--encoding", help="Of a CSV file, e.g. cp932.")]
OutReport = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder or .html file of the report.", show_default=False)
]
OutRun = Annotated[Path | None, typer.Option("--out", "-o", help="Run folder to make.", show_default=False)]
OutJson = Annotated[Path | None, typer.Option("--out", "-o", help="JSON file to write.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the facts as JSON and nothing else.")]
Budget = Annotated[
    float,
    typer.Option("--budget", min=1.0, help="Estimated operations to spend; what does not fit is left out and listed."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Lang = Annotated[Language, typer.Option("--lang", help="Language of messages and report.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 on any warning.")]
FamilyName = Annotated[str, typer.Option("--family", help="Which network family to train.")]
FamilyOptions = Annotated[
    list[str],
    typer.Option("--option", help="Option of the family as NAME=VALUE; repeat.", show_default=False),
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until",
        metavar="TARGET",
        help="Where to stop, in your units: rmse=0.5, r2=0.95, accuracy=1, cost=500, noise=0.3 or loss=1e-6; "
        "the same as --option until=TARGET, for families that have it.",
        show_default=False,
    ),
]
KeepData = Annotated[bool, typer.Option("--keep-data", help="Store X and y in the run folder.")]
DataFile = Annotated[
    str | None,
    typer.Option("--data", help="Where the data of the run are now; of a model: its data.", show_default=False),
]


def split_names(given: list[str]) -> tuple[str, ...]:
    """Return column names given one by one or separated by commas; a quoted name keeps its commas."""
    import csv

    names = [name.strip() for item in given for name in next(csv.reader([item], skipinitialspace=True), [])]
    return tuple(dict.fromkeys(name for name in names if name))


def read_problem(
    file: str,
    target: str,
    drop: list[str],
    keep: list[str],
    decisions: str | None,
    impute: str | None,
    encoding: str,
) -> Problem:
    """Read the problem that the options describe."""
    from thalweg.data import read

    return read(
        file,
        target,
        drop=split_names(drop),
        keep=split_names(keep),
        impute=impute,
        encoding=encoding,
        decisions=decisions,
    )


def parse_options(given: list[str]) -> dict[str, Any]:
    """Return NAME=VALUE pairs; values are JSON where they can be (numbers, true, false, null), else words.

    Returns
    -------
    dict
        Values by name.

    Raises
    ------
    InputError
        If one has no equals sign.
    """
    options: dict[str, Any] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise InputError("option_pair", item=item)
        try:
            options[name.strip()] = json.loads(value)
        except ValueError:
            options[name.strip()] = value
    return options
