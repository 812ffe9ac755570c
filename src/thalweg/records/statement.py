"""Statement and Quantity: facts without words; the words stand in `texts` under the statement's code."""

from __future__ import annotations

from thalweg.records.codec import record
from thalweg.texts import text

Cell = float | int | str


@record
class Quantity:
    """A number with its unit (empty: dimensionless)."""

    value: float | int
    unit: str = ""

    def __str__(self) -> str:
        shown = f"{self.value:,}" if isinstance(self.value, int) else f"{self.value:.6g}"
        return f"{shown} {self.unit}".strip()


@record
class Statement:
    """One sentence by its code, with what fills its placeholders."""

    code: str
    values: dict[str, Cell]

    def say(self, lang: str = "en") -> str:
        """Return the sentence in the given language."""
        return text(self.code, lang, **self.values)

    def __str__(self) -> str:
        return self.say()


Shown = Cell | Statement
"""What stands in a table: a number, a name of the user, or words of ours."""


@record
class DataTable:
    """A small table: what a figure shows, in numbers.

    `code` names its entry under `[table]` in the texts, `columns` the entries under `[column]`; `user_columns`
    are further columns under names of the user, which are never translated. Statements among the cells are words of
    ours.
    """

    code: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Shown, ...], ...]
    user_columns: tuple[str, ...] = ()

    def to_frame(self):
        """Return the table as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(list(self.rows), columns=[*self.columns, *self.user_columns])
