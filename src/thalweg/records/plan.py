"""Plan: stages with their cost, and the options chosen with the evidence for each."""

from __future__ import annotations

from thalweg.records.codec import record
from thalweg.records.statement import Cell, Statement


@record
class Span:
    """A predicted amount, from low to high."""

    low: float
    high: float
    unit: str = ""


@record
class Stage:
    """One stage: its question, the command that answers it, its cost, when it has passed or should stop."""

    question: Statement
    command: str
    seconds: Span
    memory: Span
    passes_when: Statement
    stops_when: Statement
    money: Span | None = None


@record
class Choice:
    """An option that was chosen, with its evidence."""

    option: str
    value: Cell | bool | None
    evidence: Statement


@record
class Plan:
    """The next stages in order, and the options they use."""

    stages: tuple[Stage, ...] = ()
    choices: tuple[Choice, ...] = ()
