"""What the verbs print: checklists, tables and sentences for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from thalweg.records import Check, DataTable, Decisions, Statement, Survey, Verdict
from thalweg.records.decisions import DROP, KEEP
from thalweg.reports.decisions import open_columns
from thalweg.reports.numbers import group_checks, headings, show_cell
from thalweg.texts import text

STYLES = {
    "blocking": "bold red", "warning": "yellow", "open": "magenta", "note": "cyan", "holds": "green"
}  # fmt: skip


class Output:
    """Prints in one language; `quiet` and `as_json` silence the prose."""

    def __init__(self, lang: str, quiet: bool, as_json: bool) -> None:
        self.lang, self.as_json = lang, as_json
        self.console = Console(quiet=quiet or as_json, highlight=False, soft_wrap=True)

    def say(self, code: str, **values: object) -> None:
        """Print one sentence."""
        self.console.print(Text(text(code, self.lang, **values)))

    def statement(self, statement: Statement, style: str = "") -> None:
        """Print a statement."""
        self.console.print(Text(statement.say(self.lang), style=style))

    def command(self, command: str) -> None:
        """Print a command for the reader to copy, character by character as it is."""
        if not self.console.quiet:
            self.console.file.write(f"  {command}\n")

    def verdict(self, verdict: Verdict) -> None:
        """Print the verdict of a certificate."""
        self.say("ui.verdict", verdict=text(f"verdict.{verdict.value}", self.lang))

    def checks(self, checks: tuple[Check, ...]) -> None:
        """Print a checklist, what to act on first; what holds is only counted."""
        groups = group_checks(checks)
        for group in ("blocking", "warning", "open", "note"):
            for check in groups[group]:
                line = Text(f" {text(f'mark.{group}', self.lang)} ", style=STYLES[group])
                line.append(check.say("title", self.lang), style="bold")
                line.append(f"  {check.say('finding', self.lang)}", style="default")
                self.console.print(line)
        held = len(groups["holds"])
        if not held:
            return
        self.console.print(
            Text(f" {text('mark.holds', self.lang)} {text('ui.held', self.lang, count=held)}", style="green")
        )

    def table(self, table: DataTable, limit: int | None = None) -> None:
        """Print a table, or its first rows and how many there are more."""
        drawn = RichTable(title=None, box=None, pad_edge=False, header_style="bold")
        for name in headings(table, self.lang):
            drawn.add_column(Text(name), overflow="fold")
        for row in table.rows[:limit]:
            drawn.add_row(*(Text(show_cell(cell, self.lang)) for cell in row))
        self.console.print(drawn)
        if limit is not None and len(table.rows) > limit:
            self.say("ui.more_rows", count=len(table.rows) - limit)

    def decisions(self, decisions: Decisions | None, features: tuple[str, ...]) -> None:
        """Print how many columns were decided on, and by whom, if there is a file of decisions."""
        if decisions is None:
            return
        counts = {word: len(decisions.columns(word)) for word in (KEEP, DROP)}
        people = ", ".join(decisions.people) or "-"
        self.say(
            "ui.decided", source=decisions.source, people=people, open=len(open_columns(decisions, features)), **counts
        )

    def json(self, facts: Any) -> None:
        """Print facts for a program, if it asked for them."""
        if self.as_json:
            sys.stdout.write(json.dumps(facts, ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def exit_code_of(survey: Survey, strict: bool) -> int:
    """Return 1 if something blocks, or if `strict` and something warns; else 0."""
    return int(bool(survey.blocking) or (strict and bool(survey.warnings)))
