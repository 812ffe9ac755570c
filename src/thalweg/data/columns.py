"""Columns: what kind of content each one holds, and its numbers as float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thalweg.records import ColumnProfile

if TYPE_CHECKING:
    import pandas

MOSTLY_NUMBERS = 0.5
"""A text column of which at least this share of the cells are numbers is a numeric column with stray text."""

NUMBER_WITH_COMMAS = r"\s*[+-]?\d+([., ]\d+)+\s*"
"""Decimal commas and thousands separators: meant as a number, and to be mended, not left out."""


@dataclass(frozen=True, eq=False)
class Column:
    """One column: `kind` is "number", "number with text", "text", "time" or "empty".

    `numbers (n,)` holds NaN where a cell is missing or text; `text_rows` are the rows (from 0) of the cells
    that are neither missing nor numbers, `text_cells` what stands there.
    """

    name: str
    kind: str
    numbers: np.ndarray
    text_rows: np.ndarray
    text_cells: tuple[str, ...]

    @property
    def is_numeric(self) -> bool:
        """Whether the column can be a feature or a target."""
        return self.kind in ("number", "number with text", "empty")

    @property
    def bad_rows(self) -> np.ndarray:
        """Rows (from 0) whose cell is missing or infinite, text cells not counted."""
        bad = ~np.isfinite(self.numbers)
        bad[self.text_rows] = False
        return np.flatnonzero(bad)

    def profile(self, role: str) -> ColumnProfile:
        """Return the numbers of this column for the report."""
        finite = self.numbers[np.isfinite(self.numbers)]
        none = finite.size == 0
        with np.errstate(over="ignore"):  # a column of extreme size has an infinite deviation, and a check that says so
            deviation = float("nan") if none else float(finite.std())
        return ColumnProfile(
            name=self.name,
            role=role,
            missing=int(self.bad_rows.size + self.text_rows.size) if self.is_numeric else 0,
            distinct=int(np.unique(finite).size),
            minimum=float("nan") if none else float(finite.min()),
            mean=float("nan") if none else float(finite.mean()),
            maximum=float("nan") if none else float(finite.max()),
            deviation=deviation,
        )


def read_columns(frame: pandas.DataFrame) -> list[Column]:
    """Turn every column of a frame into a Column."""
    return [_read_column(str(name), frame.iloc[:, j]) for j, name in enumerate(frame.columns)]


def _read_column(name: str, cells: pandas.Series) -> Column:
    import pandas

    nothing = np.array([], dtype=int)
    if pandas.api.types.is_datetime64_any_dtype(cells) or pandas.api.types.is_timedelta64_dtype(cells):
        return Column(name, "time", np.full(len(cells), np.nan), nothing, ())
    if pandas.api.types.is_complex_dtype(cells):
        return _with_text(name, "text", cells, pandas.Series(np.nan, index=cells.index), cells.notna())
    if pandas.api.types.is_numeric_dtype(cells) or pandas.api.types.is_bool_dtype(cells):
        return Column(name, "number", cells.to_numpy(dtype=np.float64, na_value=np.nan), nothing, ())
    present = cells.notna()
    if not present.any():
        return Column(name, "empty", np.full(len(cells), np.nan), nothing, ())
    numbers = pandas.Series(pandas.to_numeric(cells, errors="coerce"), dtype=np.float64)
    is_text = present & numbers.isna()
    if not is_text.any():
        return Column(name, "number", numbers.to_numpy(dtype=np.float64), nothing, ())
    with_marks = cells.loc[is_text].astype(str).str.fullmatch(NUMBER_WITH_COMMAS).sum()
    if 1 - (is_text.sum() - with_marks) / present.sum() >= MOSTLY_NUMBERS:
        return _with_text(name, "number with text", cells, numbers, is_text)
    kind = "time" if _is_time(cells.loc[present]) else "text"
    return _with_text(name, kind, cells, numbers, is_text)


def _with_text(name: str, kind: str, cells: pandas.Series, numbers: pandas.Series, is_text: pandas.Series) -> Column:
    rows = np.flatnonzero(is_text.to_numpy())
    shown = tuple(str(cell) for cell in cells.iloc[rows[:3]])
    return Column(name, kind, numbers.to_numpy(dtype=np.float64), rows, shown)


def _is_time(cells: pandas.Series) -> bool:
    import warnings

    import pandas

    with warnings.catch_warnings():  # pandas warns when it cannot infer one format: then it is no time column
        warnings.simplefilter("ignore")
        return bool(pandas.to_datetime(cells.iloc[:20].astype(str), errors="coerce").notna().all())
