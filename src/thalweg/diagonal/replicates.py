"""Many saddle paths of one data set changed at random, and what is kept of each.

A replicate is the path of rows drawn anew, or of a disturbed target or initialisation. Small well-conditioned ones are
followed all at once (`lockstep.py`); the others one by one with `saddle_path` on their literal rows, and `routes` says
for each replicate which way it went and why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from thalweg.diagonal.compression import WORTH_COMPRESSING
from thalweg.diagonal.lockstep import Lockstep
from thalweg.diagonal.moments import Correlations
from thalweg.diagonal.naive import PULL_TOLERANCE
from thalweg.diagonal.options import DiagonalOptions
from thalweg.diagonal.path import SaddlePath
from thalweg.diagonal.prepare import prepare
from thalweg.diagonal.saddle_path import saddle_path
from thalweg.records import Outcome

TOGETHER, WIDE, UNSOUND, NEAR_TIE = "together", "alone: wide", "alone: ill-conditioned", "alone: near tie"
"""The routes of a replicate: with all others; by itself for want of rows or for too many columns, for correlations
that are too inexact, or for events too close to be told apart in them."""

WIDEST_TOGETHER = 100
"""Above this number of columns a path by itself is as fast as its share of array operations."""

ENTRIES_TOGETHER = 2**17
"""Matrix entries that go in lockstep at a time: one megabyte stays in the cache."""


AT_JUMP = 1e-8
"""A jump within this share behind a time of the grid has happened at it: ratios of times carry rounding."""


@dataclass(frozen=True, eq=False)
class Replicates:
    """What is kept of `m` paths on `d` features.

    Attributes
    ----------
    times : array (m, d)
        When each feature first switches on; infinite: not on the computed path.
    signs : array (m, d)
        Its sign then; 0 where it never does.
    jumps : array (m, k)
        Jump times; infinite behind the last jump of a path.
    coefficients : array (m, d)
        At the chosen time, in the units of the data; NaN where the path was stopped before it.
    active, known : arrays (g, d), (g,)
        At each time `t/t_1` of the grid, and last at the end: in how many paths each feature is active, and how
        many paths are known up to there (they were not stopped before).
    routes : tuple of m str
        How each path was computed, and why.
    outcomes : tuple of m Outcome
        How each path ended.
    """

    times: Float[np.ndarray, "m d"]
    signs: Int[np.ndarray, "m d"]
    jumps: Float[np.ndarray, "m k"]
    coefficients: Float[np.ndarray, "m d"]
    active: Int[np.ndarray, "g d"]
    known: Int[np.ndarray, " g"]
    routes: tuple[str, ...]
    outcomes: tuple[Outcome, ...]


def join(parts: Sequence[Replicates]) -> Replicates:
    """Return the replicates of all parts, in order."""
    longest = max(part.jumps.shape[1] for part in parts)
    padded = [np.pad(p.jumps, ((0, 0), (0, longest - p.jumps.shape[1])), constant_values=np.inf) for p in parts]
    return Replicates(
        times=np.concatenate([part.times for part in parts]),
        signs=np.concatenate([part.signs for part in parts]),
        jumps=np.concatenate(padded),
        coefficients=np.concatenate([part.coefficients for part in parts]),
        active=np.sum([part.active for part in parts], axis=0),
        known=np.sum([part.known for part in parts], axis=0),
        routes=tuple(route for part in parts for route in part.routes),
        outcomes=tuple(outcome for part in parts for outcome in part.outcomes),
    )


class Tally:
    """Collects what is kept while paths are followed.

    Parameters
    ----------
    m, d
        Number of paths and of features.
    grid
        Times `t/t_1` at which it is noted which features are active.
    time
        At which the coefficients are kept; infinite: at the end.
    """

    def __init__(self, m: int, d: int, grid: Float[np.ndarray, " g"], time: float) -> None:
        self.grid, self.time = np.append(grid, np.inf) * (1 + AT_JUMP), time * (1 + AT_JUMP)
        self.times, self.signs = np.full((m, d), np.inf), np.zeros((m, d), dtype=np.int8)
        self.coefficients = np.zeros((m, d))
        self.active = np.zeros((m, self.grid.size, d), dtype=bool)
        self.horizons = np.full(m, np.inf)
        self.jumps, self.counts = np.full((m, 16), np.inf), np.zeros(m, dtype=np.int64)
        self.routes, self.outcomes = [""] * m, [Outcome.CONVERGED] * m

    def note(self, numbers: np.ndarray, times: np.ndarray, b: Float[np.ndarray, "k d"]) -> None:
        """Note the next saddles of some paths: its time and coefficients in the units of the data."""
        active = b != 0
        first = active & np.isinf(self.times[numbers])
        self.times[numbers] = np.where(first, times[:, None], self.times[numbers])
        self.signs[numbers] = np.where(first, np.sign(b).astype(np.int8), self.signs[numbers])
        self._append(numbers, times)
        reached = self.grid >= (times / self.jumps[numbers, 0])[:, None]
        self.active[numbers] = np.where(reached[:, :, None], active[:, None, :], self.active[numbers])
        early = numbers[times <= self.time]
        self.coefficients[early] = b[times <= self.time]

    def _append(self, numbers: np.ndarray, times: np.ndarray) -> None:
        if self.counts[numbers].max(initial=0) == self.jumps.shape[1]:
            self.jumps = np.concatenate([self.jumps, np.full_like(self.jumps, np.inf)], axis=1)
        self.jumps[numbers, self.counts[numbers]] = times
        self.counts[numbers] += 1

    def close(self, number: int, route: str, outcome: Outcome, horizon: float) -> None:
        """Note how a path was computed and ended, and up to which time it is known."""
        self.routes[number], self.outcomes[number] = route, outcome
        self.horizons[number] = horizon
        if self.time > horizon * (1 + 2 * AT_JUMP):
            self.coefficients[number] = np.nan

    def forget(self, number: int) -> None:
        """Forget the saddles of a path that was given up."""
        self.times[number], self.signs[number], self.coefficients[number] = np.inf, 0, 0.0
        self.active[number], self.jumps[number], self.counts[number] = False, np.inf, 0

    def note_path(
        self, number: int, path: SaddlePath, scale: Float[np.ndarray, " d"], route: str, horizon: float
    ) -> None:
        """Note a whole path; `scale` turns its coefficients into the units of the data."""
        for k in range(path.count, 0, -1):  # backwards, so that the first activation is written last
            self.times[number, path.supports[k]] = path.times[k - 1]
            self.signs[number, path.supports[k]] = path.signs[k]
        while path.count > self.jumps.shape[1]:
            self.jumps = np.concatenate([self.jumps, np.full_like(self.jumps, np.inf)], axis=1)
        self.jumps[number, : path.count] = path.times
        start = path.times[0] if path.count else 1.0
        for place, k in enumerate(np.searchsorted(path.times / start, self.grid, side="right").tolist()):
            self.active[number, place, path.supports[k]] = True
        k = int(np.searchsorted(path.times, self.time, side="right"))
        self.coefficients[number, path.supports[k]] = path.values[k] / scale[path.supports[k]]
        self.close(number, route, path.outcome, horizon)

    def result(self) -> Replicates:
        """Return what was collected."""
        longest = int(np.isfinite(self.jumps).sum(axis=1).max(initial=0))
        known = self.grid * self.jumps[:, :1] <= self.horizons[:, None] * (1 + 2 * AT_JUMP)
        return Replicates(
            times=self.times,
            signs=self.signs.astype(np.int64),
            jumps=self.jumps[:, :longest],
            coefficients=self.coefficients,
            active=(self.active & known[:, :, None]).sum(axis=0),
            known=known.sum(axis=0),
            routes=tuple(self.routes),
            outcomes=tuple(self.outcomes),
        )


@dataclass(frozen=True, eq=False)
class UnitColumns:
    """All rows as correlations need them, whatever the options say: the `u` columns that vary, of unit deviation.

    `used (u,)` are their numbers and `scale (u,)` what they were divided by; `level` is the root mean square of the
    target before it was centred.
    """

    used: Int[np.ndarray, " u"]
    scale: Float[np.ndarray, " u"]
    X: Float[np.ndarray, "n u"]
    y: Float[np.ndarray, " n"]
    level: float


@dataclass(frozen=True, eq=False)
class Task:
    """Data, options and initialisation that all replicates share, and what is kept of each."""

    X: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]
    options: DiagonalOptions
    exponents: Float[np.ndarray, " d"]
    grid: Float[np.ndarray, " g"]
    time: float

    def tally(self, m: int) -> Tally:
        """Return an empty tally of `m` paths."""
        return Tally(m, self.X.shape[1], self.grid, self.time)

    def unit_columns(self) -> UnitColumns:
        """Return the columns that vary, divided by their deviation."""
        prepared = prepare(self.X, self.y, fit_intercept=self.options.fit_intercept, standardize=True)
        used = np.flatnonzero(~prepared.constant)
        level = prepared.target_norm / np.sqrt(self.y.size)
        return UnitColumns(used, prepared.scale[used], prepared.X[:, used], prepared.y, float(level))

    def alone(
        self, rows: np.ndarray | slice, y: Float[np.ndarray, " n"], exponents: Float[np.ndarray, " d"]
    ) -> tuple[SaddlePath, Float[np.ndarray, " d"]]:
        """Return the path of these rows, prepared by themselves, and the scale of its columns."""
        options = self.options
        prepared = prepare(self.X[rows], y[rows], fit_intercept=options.fit_intercept, standardize=options.standardize)
        path = saddle_path(
            prepared.X,
            prepared.y,
            positive=options.positive,
            init_exponents=exponents,
            max_saddles=options.max_saddles,
            max_time=options.max_time,
            tol=options.tol,
            tie_break=options.tie_break,
            reference_norm=prepared.target_norm,
        )
        return path, prepared.scale

    def horizon(self, outcome: Outcome, times: Float[np.ndarray, " k"]) -> float:
        """Return up to which time a path that ended thus is known, given its jump times."""
        options, last = self.options, float(times[-1]) if times.size else 0.0
        if outcome is Outcome.STOPPED_ON_REQUEST:
            by_number = options.max_saddles is not None and times.size >= options.max_saddles
            return last if by_number or options.max_time is None else options.max_time
        return last if outcome is Outcome.PRECISION_LOST else np.inf

    def goes_together(self, n: int) -> bool:
        """Tell whether paths of `n` rows of these data can be followed in lockstep."""
        d = self.X.shape[1]
        return d <= WIDEST_TOGETHER and n >= WORTH_COMPRESSING * (d + 1) and self.options.tol <= PULL_TOLERANCE


def follow(
    task: Task,
    unit: UnitColumns,
    sample: Correlations | None,
    exponents: Float[np.ndarray, "m d"],
    alone: Callable[[int], tuple[SaddlePath, np.ndarray]],
) -> Replicates:
    """Follow `m` paths, together where that is safe.

    Parameters
    ----------
    task, unit
        What they share.
    sample
        Their correlations in the unit columns; None where they cannot go together.
    exponents
        Initialisation of each path.
    alone
        Computes one of them by itself: its path and the scale of its columns.

    Returns
    -------
    Replicates
        All of them, in order.
    """
    m = len(exponents)
    tally = task.tally(m)
    if sample is None:
        reasons = [WIDE] * m
    else:
        reasons = [TOGETHER if sound else UNSOUND for sound in sample.sound.tolist()]
        size = max(1, ENTRIES_TOGETHER // (unit.used.size + 1) ** 2)
        sound = np.flatnonzero(sample.sound)
        for part in np.split(sound, np.arange(size, sound.size, size)):
            _together(task, unit, sample, part, exponents[:, unit.used], tally, reasons)
    for number, reason in enumerate(reasons):
        if reason != TOGETHER:
            tally.forget(number)
            path, scale = alone(number)
            tally.note_path(number, path, scale, reason, task.horizon(path.outcome, path.times))
    return tally.result()


def _together(
    task: Task,
    unit: UnitColumns,
    sample: Correlations,
    part: np.ndarray,
    exponents: np.ndarray,
    tally: Tally,
    reasons: list[str],
) -> None:
    """Follow some paths in lockstep, noting their saddles, and the reason for those that were given up."""
    options = task.options
    scale = unit.scale * sample.deviations[part]
    walls = exponents[part] if options.standardize else exponents[part] / scale
    run = Lockstep(
        sample.gram[part], sample.products[part], sample.squares[part], walls, sample.errors[part], options.positive
    )

    def note(numbers: np.ndarray, times: np.ndarray, b: np.ndarray) -> None:
        dense = np.zeros((numbers.size, task.X.shape[1]))
        dense[:, unit.used] = b / scale[numbers]
        tally.note(part[numbers], times, dense)

    run.run(note, options.max_saddles, options.max_time)
    for place, number in enumerate(part.tolist()):
        if not run.finished[place]:
            reasons[number] = NEAR_TIE
            continue
        jumps = tally.jumps[number, : tally.counts[number]]
        ended = Outcome.CONVERGED if jumps.size else Outcome.NOTHING_TO_LEARN
        outcome = Outcome.STOPPED_ON_REQUEST if run.stopped[place] else ended
        tally.close(number, TOGETHER, outcome, task.horizon(outcome, jumps))
