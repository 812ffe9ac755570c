"""`read`: one call from a file, a frame or arrays to a Problem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from thalweg.data.decisions import read_decisions
from thalweg.data.problem import Problem, make_problem
from thalweg.data.table import ARRAYS, Table, read_table
from thalweg.numerics.validation import real_array
from thalweg.records import Decisions, InputError


def read(
    source: object,
    target: str | np.ndarray,
    *,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    impute: str | None = None,
    encoding: str = "utf-8",
    decisions: str | Path | Decisions | None = None,
) -> Problem:
    """Read a table and make it a problem.

    Parameters
    ----------
    source
        Path of a CSV or Parquet file, a pandas DataFrame, or an array `(n, d)` of features.
    target
        Name of the target column; for an array of features also the array `(n,)` of targets.
    drop
        Columns to leave out.
    keep
        Features to force in: training orders the others by what they add to these.
    impute
        "median" fills holes in features and leaves out rows without a target.
    encoding
        Of a CSV file.
    decisions
        A file of decisions on columns, or what was read from one: adds to `drop` and `keep`.

    Returns
    -------
    Problem
        With the checks of the data.

    Raises
    ------
    InputError
        If the source or the decisions cannot be read, a name is not in it, or decisions contradict each other.
    """
    import pandas

    decided = read_decisions(Path(decisions)) if isinstance(decisions, (str, Path)) else decisions
    if isinstance(target, str):
        path = str(source) if isinstance(source, (str, Path)) else ""
        table = read_table(source, encoding)
        return make_problem(table, target, drop=drop, keep=keep, impute=impute, decisions=decided, path=path)
    features = np.asarray(source)
    values = np.asarray(target)
    if values.ndim != 1:
        raise InputError("array_dimension", name="y", found=values.ndim, wanted=1)
    if features.ndim != 2:
        raise InputError("array_dimension", name="X", found=features.ndim, wanted=2)
    if features.shape[0] != values.shape[0]:
        raise InputError("rows_differ", rows_x=features.shape[0], rows_y=values.shape[0])
    if values.size and not np.isfinite(values).any():
        real_array(values, "y", 1)
    frame = pandas.DataFrame(features, columns=[f"x{j + 1}" for j in range(features.shape[1])])
    frame["y"] = values
    table = read_table(frame)
    table = Table(table.frame, ARRAYS, table.digest)
    return make_problem(table, "y", drop=drop, keep=keep, impute=impute, decisions=decided)
