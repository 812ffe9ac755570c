"""The audit: one line for every feature of a problem - when it switches on and off, and why it is not active.

A feature can be active only while its dual is at its wall (README.md), so whatever is not active was forced in, carries
nothing of its own, has not reached its wall, is determined by others there, or was pushed out by what entered. The
verdict is about the recommended stop, or the end of the path where no rows were held out to recommend one.
"""

from __future__ import annotations

import numpy as np

from thalweg.diagonal.fit import kept_of
from thalweg.diagonal.keeping import DETERMINED, FREE, STILL
from thalweg.diagonal.order import Spell, spells, supports
from thalweg.diagonal.stopping import recommended_saddle
from thalweg.records import Cell, DataTable, Fit, Outcome, Statement, Suggestion
from thalweg.records.decisions import DROP, KEEP, UNDECIDED
from thalweg.records.statement import Shown

AT_WALL = 1.0 - 1e-9
"""A dual this near its wall has reached it: far coarser than the rounding of a dual, far finer than any plateau."""

NEARLY = 99.99
"""Largest percentage of the way that is said of a dual which has not reached its wall."""

NOTHING = float("nan")

ACTIVE, OFF, KEPT = (Statement(f"state.{word}", {}) for word in ("active", "off", "kept"))

COLUMNS = ("feature", "why", "at_stop", "at_end", "sign", "jump", "enters_at", "leaves_at", "spells")


def feature_table(fit: Fit) -> DataTable:
    """Return one row for every feature of the problem, those that are or were active first.

    Parameters
    ----------
    fit
        A diagonal fit; of one made elsewhere, without the arrays of the audit, some reasons are shorter.

    Returns
    -------
    DataTable
        Feature; why it is active or not; state at the recommended stop and at the end; signs in the order of its
        spells; jump and time of first entry; time of last exit (infinite: never); number of spells.
    """
    story = _Story(fit)
    return DataTable("diagonal.features", COLUMNS, tuple(story.row(i) for i in story.order()))


def suggestions(fit: Fit) -> tuple[Suggestion, ...]:
    """Suggest for every feature what to decide: keep what is used, drop what carries nothing of its own.

    Parameters
    ----------
    fit
        A diagonal fit.

    Returns
    -------
    tuple of Suggestion
        In the order of `feature_table`; where neither applies, or no rows were held out, the suggestion is undecided.
    """
    story = _Story(fit)
    return tuple(story.suggestion(i) for i in story.order())


class _Story:
    """What a fit tells about each of its features."""

    def __init__(self, fit: Fit) -> None:
        arrays, d = fit.solution, len(fit.feature_names)
        self.fit, self.names = fit, fit.feature_names
        self.times, self.supports = np.concatenate([[0.0], arrays["times"]]), supports(fit)
        self.stop = recommended_saddle(fit)
        self.end = self.times.size - 1
        self.seen = self.end if self.stop is None else self.stop
        self.kept = {int(i): place for place, i in enumerate(kept_of(fit))}
        self.lost = arrays.get("lost", np.full(d, FREE))
        self.first_copy = arrays.get("duplicate_of", np.arange(d))
        self.nearest = arrays.get("largest_dual", np.full(d, NOTHING))
        self.skipped = {int(i): int(k) for k, i in arrays["rank_skipped"][::-1]}
        self.spells: dict[int, list[Spell]] = {i: [] for i in range(d)}
        for spell in spells(fit):
            self.spells[spell.feature].append(spell)

    def order(self) -> list[int]:
        """Return the features: kept, in the order of activation, by nearness to the wall, without content."""

        def place(i: int) -> tuple[float, ...]:
            if i in self.kept:
                return (0, i)
            if self.spells[i]:
                return (1, self.spells[i][0].enters, i)
            return (2, float(self.lost[i] != FREE), -np.nan_to_num(self.nearest[i]), i)

        return sorted(range(len(self.names)), key=place)

    def row(self, i: int) -> tuple[Shown, ...]:
        at_stop: Shown = NOTHING if self.stop is None else self.state(i, self.stop)
        return (self.names[i], self.why(i), at_stop, self.state(i, self.end), *self._times_of(i))

    def _times_of(self, i: int) -> tuple[Cell, ...]:
        """Return signs, jump and time of the first entry, time of the last exit, and the number of spells."""
        if i in self.kept:
            value = self.fit.solution["kept_values"][self.seen, self.kept[i]]
            return (_sign(value), 0, 0.0, float("inf"), 1) if value else ("", NOTHING, NOTHING, NOTHING, 0)
        mine = self.spells[i]
        if not mine:
            return ("", NOTHING, NOTHING, NOTHING, 0)
        leaves = mine[-1].leaves
        signs = ", ".join(dict.fromkeys(_sign(spell.sign) for spell in mine))
        exit_time = float("inf") if leaves is None else float(self.times[leaves])
        return (signs, mine[0].enters, float(self.times[mine[0].enters]), exit_time, len(mine))

    def state(self, i: int, k: int) -> Statement:
        if i in self.kept:
            return KEPT
        return ACTIVE if self.spell_at(i, k) else OFF

    def spell_at(self, i: int, k: int) -> Spell | None:
        """Return the spell of a feature that lasts at saddle `k`, None if it is off."""
        lasting = (s for s in self.spells[i] if s.enters <= k and (s.leaves is None or s.leaves > k))
        return next(lasting, None)

    def copies(self, i: int) -> list[str]:
        """Return the names of the columns equal to this one."""
        same = np.flatnonzero(self.first_copy == self.first_copy[i])
        return [self.names[j] for j in same if j != i]

    def why(self, i: int) -> Statement:
        """Say why a feature is active, and above all why it is not."""
        if i in self.kept:
            codes = {STILL: "why.diagonal.kept_still", DETERMINED: "why.diagonal.kept_determined"}
            return Statement(codes.get(int(self.lost[i]), "why.diagonal.kept"), {})
        if self.lost[i] == STILL:
            return Statement("why.diagonal.still", {})
        if self.lost[i] == DETERMINED:
            return Statement("why.diagonal.determined", {})
        spell = self.spell_at(i, self.seen)
        if spell is None:
            return self._why_not(i)
        if copies := self.copies(i):
            return Statement("why.diagonal.shares", {"names": ", ".join(copies)})
        code = "why.diagonal.active_at_end" if self.stop is None else "why.diagonal.active_at_stop"
        return Statement(code, {"time": float(self.times[spell.enters])})

    def _why_not(self, i: int) -> Statement:
        """Say why a feature that could be active is off."""
        gone = [spell for spell in self.spells[i] if spell.leaves is not None and spell.leaves <= self.seen]
        if gone:
            return self._pushed_out(gone[-1])
        if self.spells[i]:
            spell = self.spells[i][0]
            return Statement("why.diagonal.after_stop", {"time": float(self.times[spell.enters]), "jump": spell.enters})
        if (skipped := self.skipped.get(int(self.first_copy[i]))) is not None:
            return Statement("why.diagonal.dependent", {"jump": skipped})
        share = float(self.nearest[i])
        if np.isnan(share):
            return Statement("why.diagonal.never", {})
        if share >= AT_WALL:
            return Statement("why.diagonal.touched", {})
        ended = self.fit.outcome in (Outcome.CONVERGED, Outcome.INTERPOLATED, Outcome.NOTHING_TO_LEARN)
        code = "why.diagonal.never_reached" if ended else "why.diagonal.not_yet"
        return Statement(code, {"percent": min(round(100 * share, 2), NEARLY)})

    def _pushed_out(self, spell: Spell) -> Statement:
        """Name what entered when a spell ended."""
        assert spell.leaves is not None
        came = np.setdiff1d(self.supports[spell.leaves], self.supports[spell.leaves - 1])
        values: dict[str, Cell] = {"jump": spell.leaves, "time": float(self.times[spell.leaves])}
        if not came.size:
            return Statement("why.diagonal.left_alone", values)
        return Statement("why.diagonal.left", {**values, "names": ", ".join(self.names[j] for j in came)})

    def suggestion(self, i: int) -> Suggestion:
        why = self.why(i)
        if i in self.kept:
            return Suggestion(self.names[i], KEEP, why)
        first = int(self.first_copy[i])
        if self.lost[i] != FREE or why.code == "why.diagonal.dependent":
            return Suggestion(self.names[i], DROP, why)
        if first != i:
            return Suggestion(self.names[i], DROP, Statement("why.diagonal.copy", {"name": self.names[first]}))
        used = self.stop is not None and self.spell_at(i, self.stop) is not None
        return Suggestion(self.names[i], KEEP if used else UNDECIDED, why)


def _sign(value: float) -> str:
    return "+" if value > 0 else "-"
