"""Survey: everything that is known about a data set before training."""

from __future__ import annotations

from thalweg.records.check import Check
from thalweg.records.codec import record
from thalweg.records.decisions import Decisions
from thalweg.records.plan import Plan
from thalweg.records.provenance import Provenance
from thalweg.records.section import Section
from thalweg.records.statement import Statement
from thalweg.texts import text


@record
class ColumnProfile:
    """One column of the file in numbers; statistics are NaN where the column holds no number."""

    name: str
    role: str
    missing: int
    distinct: int
    minimum: float
    mean: float
    maximum: float
    deviation: float


@record
class DataProfile:
    """What was read: name, size and columns of the file."""

    source: str
    rows: int
    target: str
    columns: tuple[ColumnProfile, ...]


@record
class Decision:
    """The decision in three sentences, the next command, and what would change the decision."""

    sentences: tuple[Statement, ...]
    command: str
    would_change: tuple[Statement, ...]


@record
class Survey:
    """Data profile, checks of the data, sections, decision, plan, provenance, and what people decided before."""

    profile: DataProfile
    checks: tuple[Check, ...]
    sections: tuple[Section, ...]
    decision: Decision
    plan: Plan
    provenance: Provenance
    decisions: Decisions | None = None

    @property
    def all_checks(self) -> tuple[Check, ...]:
        """The checks of the data followed by those of every section."""
        return self.checks + tuple(check for section in self.sections for check in section.checks)

    @property
    def blocking(self) -> tuple[Check, ...]:
        """The checks that forbid training."""
        return tuple(check for check in self.all_checks if check.is_blocking)

    @property
    def warnings(self) -> tuple[Check, ...]:
        """The checks to look at before going on."""
        return tuple(check for check in self.all_checks if check.is_warning)

    def __repr__(self) -> str:
        return f"<Survey of {self.profile.source}>\n" + "\n".join(self._lines())

    def _repr_html_(self) -> str:
        from html import escape

        return "<pre>" + escape("\n".join(self._lines())) + "</pre>"

    def _lines(self) -> list[str]:
        lines = [text("ui.size", rows=self.profile.rows, columns=len(self.profile.columns))]
        lines += [str(check) for check in (*self.blocking, *self.warnings)]
        lines += [f"{section.family}: {section.headline}" for section in self.sections]
        lines += [str(sentence) for sentence in self.decision.sentences]
        return [*lines, self.decision.command]
