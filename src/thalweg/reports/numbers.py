"""How facts are worded and ordered for a reader, on the page and on the terminal alike."""

from __future__ import annotations

import math

from thalweg.records import Check, DataTable, Statement
from thalweg.records.statement import Shown
from thalweg.texts import has_text, text

MARK, WORD = 4, 12
"""Texts in a table up to these lengths are marks such as signs, and single words; longer ones wrap."""


def group_checks(checks: tuple[Check, ...]) -> dict[str, list[Check]]:
    """Sort checks into the groups of the checklist, the ones to act on first."""
    groups: dict[str, list[Check]] = {"blocking": [], "warning": [], "open": [], "note": [], "holds": []}
    for check in checks:
        if check.is_blocking:
            group = "blocking"
        elif check.is_warning:
            group = "warning"
        elif check.verdict.value in ("undecided", "not_covered"):
            group = "open"
        else:
            group = "holds" if check.verdict.value == "holds" else "note"
        groups[group].append(check)
    return groups


def show_number(value: object) -> str:
    """Return a cell as a reader wants it: five digits, no exponent without need, words as they are."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.5g}"


def show_cell(value: object, lang: str) -> str:
    """Return what stands in a table: our words in the language, numbers for a reader, names of the user as they are."""
    return value.say(lang) if isinstance(value, Statement) else show_number(value)


def column_kinds(table: DataTable, lang: str) -> list[str]:
    """Return for each column "words" (sentences, lists of names: they wrap), "word" (read from the left) or ""."""
    return [_kind([row[j] for row in table.rows], lang) for j in range(len(table.columns) + len(table.user_columns))]


def _kind(cells: list[Shown], lang: str) -> str:
    texts = [show_cell(cell, lang) for cell in cells if not isinstance(cell, (int, float))]
    longest = max(map(len, texts), default=0)
    return "words" if longest > WORD else "word" if longest > MARK else ""


def heading(column: str, lang: str) -> str:
    """Return the word for a column of ours."""
    return text(f"column.{column}", lang)


def headings(table: DataTable, lang: str) -> list[str]:
    """Return the headings of a table: our words, then the user's own names as they are."""
    return [*(heading(column, lang) for column in table.columns), *table.user_columns]


def fact(name: object, lang: str) -> str:
    """Return a known word in the language, anything else as it is."""
    codes = (f"fact.{name}", f"verdict.{name}", f"outcome.{name}")
    return next((text(code, lang) for code in codes if has_text(code)), str(name))
