"""The file of decisions: who decided to keep or to drop which column, when, and why."""

from __future__ import annotations

import datetime
import hashlib
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from thalweg.data.table import file_bytes
from thalweg.numerics.validation import nearest
from thalweg.records import ColumnDecision, Decisions, InputError
from thalweg.records.decisions import DROP, KEEP, UNDECIDED

ENDINGS = (".toml",)

SHOWN = 40
"""Characters of a wrong value that a message repeats."""


class _Entry(BaseModel):
    """One `[[decision]]`; what is decided has a reason, a person and a date."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)

    column: str
    decision: Literal["keep", "drop", "undecided"]
    reason: str = ""
    who: str = ""
    when: datetime.date | None = None
    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @field_validator("when", mode="before")
    @classmethod
    def _dates_may_be_words(cls, value: object) -> object:
        if isinstance(value, str):
            return datetime.date.fromisoformat(value.strip()) if value.strip() else None
        if isinstance(value, datetime.datetime):
            return value.date()
        return value

    @model_validator(mode="after")
    def _decided_by_someone(self) -> _Entry:
        lacking = [name for name in ("reason", "who", "when") if not getattr(self, name)]
        if self.decision != UNDECIDED and lacking:
            raise _Lacking(lacking[0])
        return self


class _Lacking(ValueError):
    """A field without which a decision is none."""


def read_decisions(path: Path) -> Decisions:
    """Read a file of decisions.

    Parameters
    ----------
    path
        A TOML file with one `[[decision]]` a column.

    Returns
    -------
    Decisions
        Valid in itself; whether its columns exist is for `apply_decisions` to say.

    Raises
    ------
    InputError
        If the file is missing, is no TOML, or an entry is incomplete, repeated or not understood: names its number.
    """
    raw = file_bytes(path, ENDINGS)
    document = _parse(path, raw)
    unit = document.pop("cost_unit", "")
    listed = document.pop("decision", None)
    if document or not isinstance(unit, str):
        raise InputError("decisions_key", path=path, name=next(iter(document), "cost_unit"))
    if not isinstance(listed, list) or not listed:
        raise InputError("decisions_none", path=path)
    entries = [_entry(path, number, item) for number, item in enumerate(listed, start=1)]
    numbers: dict[str, int] = {}
    for number, entry in enumerate(entries, start=1):
        if entry.column in numbers:
            raise InputError(
                "decisions_twice", path=path, column=entry.column, first=numbers[entry.column], entry=number
            )
        numbers[entry.column] = number
    if not unit.strip() and any(entry.cost is not None for entry in entries):
        raise InputError("decisions_unit", path=path)
    return Decisions(str(path), hashlib.sha256(raw).hexdigest(), tuple(entries), unit)


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError("decisions_syntax", path=path, reason=f"line {line}: not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError("decisions_syntax", path=path, reason=str(error)) from None


def _entry(path: Path, number: int, item: object) -> ColumnDecision:
    """Return one entry, or say what is wrong with it."""
    name = str(item.get("column", "-")) if isinstance(item, dict) else "-"
    try:
        made = _Entry.model_validate(item)
    except ValidationError as error:
        first = error.errors()[0]
        lacking = first.get("ctx", {}).get("error")
        field = str(first["loc"][0]) if first["loc"] else "-"
        if isinstance(lacking, _Lacking) or first["type"] == "missing":
            field = str(lacking or field)
            raise InputError("decisions_lacking", path=path, entry=number, column=name, field=field) from None
        reason = f"{str(first['input'])[:SHOWN]!r}: {first['msg']}"
        raise InputError("decisions_entry", path=path, entry=number, column=name, field=field, reason=reason) from None
    if not made.column:
        raise InputError("decisions_lacking", path=path, entry=number, column="-", field="column")
    when = made.when.isoformat() if made.when else ""
    return ColumnDecision(made.column, made.decision, made.reason, made.who, when, made.cost)


def apply_decisions(
    decisions: Decisions | None, drop: Sequence[str], keep: Sequence[str], target: str, known: Iterable[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what is dropped and what is kept after a file of decisions has been added to the options.

    Parameters
    ----------
    decisions
        The file; None adds nothing.
    drop, keep
        Names given as options.
    target
        Name of the target.
    known
        Names of all columns.

    Returns
    -------
    tuple
        Names to drop, names to keep.

    Raises
    ------
    InputError
        If file and options contradict each other, or the file speaks of an unknown column or of the target.
    """
    known = tuple(known)
    for number, entry in enumerate(decisions.entries if decisions else (), start=1):
        path, column = decisions.source if decisions else "", entry.column
        if column == target:
            raise InputError("decisions_target", path=path, entry=number, column=column)
        if column not in known:
            raise InputError("decisions_column", path=path, entry=number, column=column, near=nearest(column, known))
        for option, names, opposite in (("--drop", drop, KEEP), ("--keep", keep, DROP)):
            if column in names and entry.decision == opposite:
                raise InputError(
                    "decisions_conflict", path=path, entry=number, column=column, option=option, decision=opposite
                )
    if both := [name for name in keep if name in drop]:
        raise InputError("keep_dropped", column=both[0])
    added = decisions or Decisions("", "", ())
    dropped = dict.fromkeys((*drop, *added.columns(DROP)))
    kept = dict.fromkeys((*keep, *added.columns(KEEP)))
    return tuple(dropped), tuple(kept)
