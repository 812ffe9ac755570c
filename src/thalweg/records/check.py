"""Check: one line of a checklist, and the three enums that grade it."""

from __future__ import annotations

import enum

from thalweg.records.codec import record
from thalweg.records.statement import Cell, Quantity
from thalweg.texts import text


class Verdict(enum.Enum):
    """What was found about a statement."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"
    NOT_COVERED = "not_covered"


class Severity(enum.Enum):
    """What follows when the statement does not hold."""

    BLOCKING = "blocking"
    WARNING = "warning"
    NOTE = "note"


class Method(enum.Enum):
    """How the verdict was reached, strongest first."""

    EXACT = "exact"
    PROVED = "proved"
    FLOAT = "float"
    STATISTICAL = "statistical"


@record
class Check:
    """One line of a checklist.

    `code` names its title, meaning and remedy in the texts; `values` are measured numbers, thresholds and
    margins; `details` are words for the placeholders (rows, relations); `columns` are all columns concerned;
    `source` is where the criterion comes from. A hypothesis that only makes a family inapplicable has severity NOTE.
    """

    code: str
    verdict: Verdict
    severity: Severity
    method: Method
    source: str
    subject: str = ""
    values: dict[str, Quantity] = None  # type: ignore[assignment]
    details: dict[str, str] = None  # type: ignore[assignment]
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", dict(self.values or {}))
        object.__setattr__(self, "details", dict(self.details or {}))

    @property
    def is_blocking(self) -> bool:
        """Whether nothing should be trained before this is mended."""
        return self.severity is Severity.BLOCKING and self.verdict is not Verdict.HOLDS

    @property
    def is_warning(self) -> bool:
        """Whether the reader should look at this line before going on."""
        return self.severity is Severity.WARNING

    @property
    def placeholders(self) -> dict[str, Cell]:
        """What the texts of this check may name."""
        numbers = {name: quantity.value for name, quantity in self.values.items()}
        return {"subject": self.subject, **numbers, **self.details}

    def say(self, part: str, lang: str = "en") -> str:
        """Return one part of the check's text: `title`, `finding` (by verdict) or `remedy`."""
        part = self.verdict.value if part == "finding" else part
        return text(f"check.{self.code}.{part}", lang, **self.placeholders)

    def __str__(self) -> str:
        return f"{self.verdict.value:<11} {self.say('title')}: {self.say('finding')}"
