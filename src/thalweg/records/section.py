"""Section: what one family contributes to a survey."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Protocol

from thalweg.records.check import Check
from thalweg.records.codec import record
from thalweg.records.decisions import Suggestion
from thalweg.records.fit import Fit
from thalweg.records.picture import Picture
from thalweg.records.plan import Choice, Span
from thalweg.records.statement import DataTable, Statement


class Study(Protocol):
    """What can be drawn only while the data are at hand."""

    def pictures(self, lang: str = "en") -> tuple[Picture, ...]:
        """Draw it."""
        ...


@record
class Section:
    """One family's card: does it apply, what it says, and what it left out (`skipped`).

    `choices` are the options it recommends, each with its evidence; `seconds` and `memory` what training with
    them is predicted to take; `recommended` is whether training is worth it at all; `suggestions` are what its audit
    suggests to decide on single columns. A survey makes its plan from these without knowing any family.
    """

    family: str
    applies: bool
    headline: Statement
    checks: tuple[Check, ...] = ()
    tables: tuple[DataTable, ...] = ()
    advice: tuple[Statement, ...] = ()
    fits: tuple[Fit, ...] = ()
    skipped: tuple[Statement, ...] = ()
    choices: tuple[Choice, ...] = ()
    recommended: bool = True
    seconds: Span | None = None
    memory: Span | None = None
    suggestions: tuple[Suggestion, ...] = ()
    studies: tuple[Any, ...] = field(default=(), metadata={"stored": False})
