"""Picture: a figure with its title, a text alternative and the same numbers as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thalweg.records.statement import DataTable, Statement


@dataclass(frozen=True, eq=False)
class Picture:
    """A plotly figure in one language, made on demand; it is drawn, never stored.

    `code` names the title under `[figure]` in the texts.
    """

    code: str
    title: str
    alternative: Statement
    figure: Any
    tables: tuple[DataTable, ...]
