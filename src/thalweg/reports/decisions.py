"""Decisions in a report: what was decided and by whom, what is open, lines to sign, and a file ready to be edited."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from thalweg.records import ColumnDecision, DataProfile, DataTable, Decisions, Suggestion, Survey
from thalweg.records.decisions import UNDECIDED
from thalweg.records.statement import Shown, Statement
from thalweg.texts import text

BLANK_SIGNATURES = 2
"""Lines to sign without a printed name, below those of the people in the file."""

SUGGESTED = 300
"""Columns of the file to edit, decided and suggested first; whatever is not in the file is undecided anyway."""

DEL = "\x7f"


@dataclass(frozen=True)
class DecisionView:
    """What the page shows: a table and signatures where decisions were given, open columns, a file to edit."""

    table: DataTable | None
    open: tuple[str, ...]
    people: tuple[str, ...]
    file: str
    left_out: int


def view(survey: Survey | None, decisions: Decisions | None, features: tuple[str, ...], lang: str) -> DecisionView:
    """Gather what the page shows of decisions on these features."""
    decided = decisions or (survey.decisions if survey else None)
    names = features_of(survey.profile) if survey else features
    people = (*decided.people, *[""] * BLANK_SIGNATURES) if decided else ()
    file, left_out = "", 0
    if survey:
        suggested = [suggestion for section in survey.sections for suggestion in section.suggestions]
        file, left_out = file_to_edit(decided, suggested, survey.profile, lang)
    table = decision_table(decided) if decided else None
    return DecisionView(table, open_columns(decided, names), people, file, left_out)


def features_of(profile: DataProfile) -> tuple[str, ...]:
    """Return the features of a profile, those that are kept included."""
    return tuple(column.name for column in profile.columns if column.role in ("feature", "kept"))


def open_columns(decisions: Decisions | None, features: Sequence[str]) -> tuple[str, ...]:
    """Return the features on which nobody has decided."""
    entries = decisions.entries if decisions else ()
    decided = {entry.column for entry in entries if entry.decision != UNDECIDED}
    return tuple(name for name in features if name not in decided)


def decision_table(decisions: Decisions) -> DataTable:
    """Return one row a decision: column, decision, reason, who, when, and the cost where costs were given."""
    columns = ("feature", "decision", "reason", "who", "when")
    priced = bool(decisions.costs)
    rows = tuple(_row(entry, priced) for entry in decisions.entries)
    unit = decisions.cost_unit
    if not priced:
        return DataTable("decisions", columns, rows)
    return DataTable("decisions", columns if unit else (*columns, "cost"), rows, (unit,) if unit else ())


def _row(entry: ColumnDecision, priced: bool) -> tuple[Shown, ...]:
    cost = (float("nan") if entry.cost is None else entry.cost,) if priced else ()
    word = Statement(f"state.{entry.decision}", {})
    return (entry.column, word, entry.reason, entry.who, entry.when, *cost)


def file_to_edit(
    decisions: Decisions | None, suggested: Sequence[Suggestion], profile: DataProfile, lang: str
) -> tuple[str, int]:
    """Return a file of decisions that says what was decided and suggests the rest, and how many columns it leaves out.

    Parameters
    ----------
    decisions
        Those that were given; their entries are repeated first.
    suggested
        Of the audit, one a column.
    profile
        Of the data, for the heading.
    lang
        Of comments and reasons; keys and decisions are the same in all languages.

    Returns
    -------
    tuple
        TOML that `--decisions` reads once somebody has filled in who and when; empty where there is no column.
    """
    entries = list(decisions.entries) if decisions else []
    entries = [entry for entry in entries if entry.decision != UNDECIDED or entry.reason]
    decided = {entry.column for entry in entries}
    costs = decisions.costs if decisions else {}
    fresh = [s for s in suggested if s.column not in decided]
    fresh.sort(key=lambda s: s.decision == UNDECIDED)
    entries += [ColumnDecision(s.column, s.decision, s.reason.say(lang), cost=costs.get(s.column)) for s in fresh]
    if not entries:
        return "", 0
    source, target = _quoted(profile.source), _quoted(profile.target)
    head = [f"# {line}" for line in text("ui.decisions_head", lang, source=source, target=target).split("\n")]
    unit = [f"cost_unit = {_quoted(decisions.cost_unit)}"] if decisions and decisions.cost_unit else []
    blocks = ["\n".join([*head, *unit]), *(_block(entry) for entry in entries[:SUGGESTED])]
    return "\n\n".join(blocks) + "\n", max(len(entries) - SUGGESTED, 0)


def _block(entry: ColumnDecision) -> str:
    fields = {
        "column": entry.column,
        "decision": entry.decision,
        "reason": entry.reason,
        "who": entry.who,
        "when": entry.when,
    }
    lines = [f"{name} = {_quoted(value)}" for name, value in fields.items()]
    return "\n".join(["[[decision]]", *lines, *([f"cost = {entry.cost!r}"] if entry.cost is not None else [])])


def _quoted(words: str) -> str:
    """Return a basic string of TOML: JSON's escapes are TOML's, and TOML escapes one character more."""
    return json.dumps(words, ensure_ascii=False).replace(DEL, "\\u007f")
