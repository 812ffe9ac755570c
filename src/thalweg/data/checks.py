"""Checks of the data itself, before any theory: one line a cause, counted, never raised.

Every check is made every time, so a checklist always has the same lines. Rows are counted from 1 at the first
row below the header.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thalweg.data.columns import Column
from thalweg.numerics.dependence import DEPENDENCE_OPERATIONS, duplicate_groups, exact_dependences
from thalweg.numerics.validation import has_plain_size, list_some
from thalweg.records import Check, Method, Quantity, Severity, Verdict

FEW_ROWS = 10
"""Fewer rows than this leave no fifth to hold out."""

RESOLUTION = 1e-9
"""A column that varies by less than this share of its size keeps fewer than seven digits once it is centred."""

SOURCE = "docs/checks.md"


def check_data(
    X: np.ndarray,
    y: np.ndarray,
    features: list[Column],
    target: Column,
    left_out: list[Column],
    rows_left_out: int,
    impute: str | None,
) -> tuple[Check, ...]:
    """Evaluate all data checks on `X (n, d)`, `y (n,)` after imputation, and on the columns as read."""
    names = [column.name for column in features]
    return (
        _rows(y),
        _target_finite(target, impute),
        _target_varies(y),
        _target_copy(X, y, names),
        _missing(features, impute),
        _text_cells(features, impute),
        _imputed(features, rows_left_out, impute),
        _text_columns(left_out),
        _magnitude(X, y, names, target.name),
        _resolution(X, names),
        _constant(X, names),
        _wide(X),
        _duplicate(X, names),
        _dependent(X, names),
    )


def _check(
    code: str,
    good: bool,
    severity: Severity,
    *,
    subject: str = "",
    values: dict[str, Quantity] | None = None,
    details: dict[str, str] | None = None,
    verdict: Verdict | None = None,
    columns: Sequence[str] = (),
) -> Check:
    """Make one line; what fails has the given severity, all else is a note."""
    if verdict is None:
        verdict = Verdict.HOLDS if good else Verdict.FAILS
    return Check(
        code=code,
        verdict=verdict,
        severity=severity if verdict is Verdict.FAILS else Severity.NOTE,
        method=Method.EXACT,
        source=SOURCE,
        subject=subject,
        values=values or {},
        details=details or {},
        columns=tuple(columns),
    )


def _rows_words(rows: np.ndarray) -> str:
    return list_some((rows + 1).tolist())


def _rows(y: np.ndarray) -> Check:
    values = {"rows": Quantity(int(y.size), "rows"), "needed": Quantity(FEW_ROWS, "rows")}
    return _check("data.rows", y.size >= FEW_ROWS, Severity.WARNING, values=values)


def _target_finite(target: Column, impute: str | None) -> Check:
    rows = np.sort(np.concatenate([target.bad_rows, target.text_rows]))
    return _check(
        "data.target_missing",
        rows.size == 0,
        Severity.WARNING if impute else Severity.BLOCKING,
        subject=target.name,
        values={"count": Quantity(int(rows.size), "rows")},
        details={"rows": _rows_words(rows)},
    )


def _target_varies(y: np.ndarray) -> Check:
    finite = y[np.isfinite(y)]
    distinct = int(np.unique(finite).size)
    return _check(
        "data.target_constant",
        distinct > 1,
        Severity.BLOCKING,
        values={
            "distinct": Quantity(distinct),
            "value": Quantity(float(finite[0]) if finite.size else np.nan),
        },
    )


def _target_copy(X: np.ndarray, y: np.ndarray, names: list[str]) -> Check:
    copies = [name for j, name in enumerate(names) if y.size > 1 and np.array_equal(X[:, j], y)]
    return _check(
        "data.target_copy",
        not copies,
        Severity.BLOCKING,
        subject=list_some(copies),
        columns=copies,
    )


def _missing(features: list[Column], impute: str | None) -> Check:
    holes = [(c, c.bad_rows) for c in features if c.bad_rows.size]
    count = sum(rows.size for _, rows in holes)
    words = "; ".join(f"{c.name}: {rows.size} ({_rows_words(rows)})" for c, rows in holes[:5])
    empty = [c for c, rows in holes if rows.size == c.numbers.size]
    mended = impute is not None and not empty
    return _check(
        "data.missing",
        mended or not holes,
        Severity.BLOCKING,
        subject=list_some([c.name for c, _ in holes]),
        columns=[c.name for c, _ in holes],
        values={"count": Quantity(0 if mended else count, "cells"), "columns": Quantity(len(holes))},
        details={"where": words, "empty": list_some([c.name for c in empty]) or "-"},
    )


def _text_cells(features: list[Column], impute: str | None) -> Check:
    stray = [c for c in features if c.text_rows.size]
    words = "; ".join(
        f"{c.name}: {c.text_rows.size} ({_rows_words(c.text_rows)}): {list_some(map(repr, c.text_cells))}"
        for c in stray[:5]
    )
    return _check(
        "data.text_cells",
        impute is not None or not stray,
        Severity.BLOCKING,
        subject=list_some([c.name for c in stray]),
        columns=[c.name for c in stray],
        values={"count": Quantity(sum(c.text_rows.size for c in stray), "cells")},
        details={"where": words},
    )


def _imputed(features: list[Column], rows_left_out: int, impute: str | None) -> Check:
    cells = sum(c.bad_rows.size + c.text_rows.size for c in features) if impute else 0
    return _check(
        "data.imputed",
        cells + rows_left_out == 0,
        Severity.WARNING,
        values={"count": Quantity(cells, "cells"), "rows": Quantity(rows_left_out, "rows")},
    )


def _text_columns(left_out: list[Column]) -> Check:
    times = [c.name for c in left_out if c.kind == "time"]
    return _check(
        "data.text_column",
        not left_out,
        Severity.NOTE if len(times) == len(left_out) else Severity.WARNING,
        subject=list_some([c.name for c in left_out]),
        columns=[c.name for c in left_out],
        values={"count": Quantity(len(left_out), "columns")},
    )


def _magnitude(X: np.ndarray, y: np.ndarray, names: list[str], target: str) -> Check:
    extreme = [name for name, values in zip((*names, target), (*X.T, y), strict=True) if not has_plain_size(values)]
    return _check("data.magnitude", not extreme, Severity.BLOCKING, subject=list_some(extreme), columns=extreme)


def _resolution(X: np.ndarray, names: list[str]) -> Check:
    size = np.fmax.reduce(np.abs(X), axis=0)
    spread = np.fmax.reduce(X, axis=0) - np.fmin.reduce(X, axis=0)
    coarse = [n for n, fixed in zip(names, (spread > 0) & (spread <= RESOLUTION * size), strict=True) if fixed]
    values = {"share": Quantity(RESOLUTION)}
    return _check(
        "data.resolution", not coarse, Severity.WARNING, subject=list_some(coarse), values=values, columns=coarse
    )


def _constant(X: np.ndarray, names: list[str]) -> Check:
    low, high = np.fmin.reduce(X, axis=0), np.fmax.reduce(X, axis=0)  # NaN aside
    still = [name for name, fixed in zip(names, low == high, strict=True) if fixed]
    return _check(
        "data.constant",
        not still,
        Severity.WARNING,
        subject=list_some(still),
        values={"count": Quantity(len(still), "columns")},
        columns=still,
    )


def _wide(X: np.ndarray) -> Check:
    n, d = X.shape
    values = {"rows": Quantity(n, "rows"), "columns": Quantity(d, "columns")}
    return _check("data.wide", d < n, Severity.NOTE, values=values)


def _duplicate(X: np.ndarray, names: list[str]) -> Check:
    complete = bool(np.isfinite(X).all())
    groups = duplicate_groups(X) if complete else []
    words = "; ".join(" = ".join(("-" if s < 0 else "") + names[j] for j, s in group) for group in groups[:5])
    return _check(
        "data.duplicate",
        not groups,
        Severity.WARNING,
        subject=words,
        values={"groups": Quantity(len(groups))},
        columns=[names[j] for group in groups for j, _ in group[1:]],
        verdict=None if complete else Verdict.UNDECIDED,
    )


def _dependent(X: np.ndarray, names: list[str]) -> Check:
    n, d = X.shape
    code, severity = "data.dependent", Severity.WARNING
    if not (np.isfinite(X).all() and all(map(has_plain_size, X.T))):
        return _check(code, False, severity, verdict=Verdict.UNDECIDED)
    if d >= n or float(n) * d * d > DEPENDENCE_OPERATIONS:
        values = {"rows": Quantity(n), "columns": Quantity(d), "operations": Quantity(float(n) * d * d)}
        values["limit"] = Quantity(DEPENDENCE_OPERATIONS)
        return _check(code, False, Severity.NOTE, verdict=Verdict.NOT_COVERED, values=values)
    found, smallest = exact_dependences(X)
    # Bit-identical copies have a line of their own.
    copies = {j for group in duplicate_groups(X) for j, _ in group[1:]}
    real = [r for r in found if r.column not in copies]
    words = "; ".join(
        f"{names[r.column]} = "
        + (" ".join(f"{w:+.6g} {names[k]}" for k, w in zip(r.others, r.weights, strict=True)) or "const")
        for r in real[:3]
    )
    return _check(
        code,
        not real,
        severity,
        subject=list_some([names[r.column] for r in real]),
        columns=[names[r.column] for r in real],
        values={"count": Quantity(len(real), "columns"), "smallest_distance": Quantity(smallest)},
        details={"words": words},
    )
