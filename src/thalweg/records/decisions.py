"""Decisions: what people decided on single columns, and what an audit suggests to them."""

from __future__ import annotations

from thalweg.records.codec import record
from thalweg.records.statement import Statement

KEEP, DROP, UNDECIDED = "keep", "drop", "undecided"


@record
class ColumnDecision:
    """One decision: `keep`, `drop` or `undecided`, with its reason, who took it and when (an ISO date).

    `cost` is what the column costs, in the unit of the file; None where nobody said.
    """

    column: str
    decision: str
    reason: str = ""
    who: str = ""
    when: str = ""
    cost: float | None = None


@record
class Decisions:
    """All decisions of one file, in its order; `digest` is the SHA-256 of the file."""

    source: str
    digest: str
    entries: tuple[ColumnDecision, ...]
    cost_unit: str = ""

    def columns(self, decision: str) -> tuple[str, ...]:
        """Return the columns that were decided so."""
        return tuple(entry.column for entry in self.entries if entry.decision == decision)

    @property
    def costs(self) -> dict[str, float]:
        """The costs that were given, by column."""
        return {entry.column: entry.cost for entry in self.entries if entry.cost is not None}

    @property
    def people(self) -> tuple[str, ...]:
        """Who decided, each once."""
        return tuple(dict.fromkeys(entry.who for entry in self.entries if entry.who))


@record
class Suggestion:
    """What an audit suggests for one column, and why; a person decides."""

    column: str
    decision: str
    reason: Statement
