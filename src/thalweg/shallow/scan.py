"""The pilot study: widths, ridges and nested subsamples of the user's data, within a budget of operations.

For each width the share of starts that end at certified minima, how the others run to infinity, how many minima there
are and the error on held-out rows; at the recommended width the same for some ridges, and for a quarter and a half of
the rows: would more of them help.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from thalweg.data.checks import FEW_ROWS
from thalweg.data.problem import Problem
from thalweg.numerics.resampling import stream
from thalweg.shallow.catalogue import MinimaCatalogue
from thalweg.shallow.fit import HELD_OUT_SHARE, kept_network, search
from thalweg.shallow.operations import predicted_operations
from thalweg.shallow.options import DEFAULT_RIDGE, ShallowOptions
from thalweg.shallow.regularity import can_be_regular
from thalweg.shallow.standardise import standardise

WIDTHS = (1, 2, 3, 5, 8)
"""Widths that are tried, as far as the budget reaches."""

RIDGES = (0.0, 1e-6, 1e-4, 1e-3)
"""No ridge, and the range in which it is a remedy (specification, section 4)."""

PARTS = (0.25, 0.5, 1.0)
"""Shares of the training rows, each contained in the next."""

MOST, FEWEST = 12, 4
"""Starts of one search: more do not change a share that is read to a tenth, fewer say nothing."""

STEPS = 100
"""Steps of a start at most: nine in ten of those that end at a minimum need fewer."""

CERTIFIED = 0.5
"""Share of certified starts from which a width can be recommended (specification, section 8)."""

NEARLY_BEST = 1.02
"""Held-out errors within this factor of the least are equal: the smaller width and ridge win."""

BOTH = 1.8
"""A trial searches twice, on all rows and on the first four fifths."""


@dataclass(frozen=True)
class Trial:
    """One search: its options, what became of the starts, and the errors in units of the target (NaN: unknown)."""

    width: int
    ridge: float
    rows: int
    starts: int
    certified: float
    saturation: float
    merging: float
    tail: float
    growth: float
    minima: int
    training: float
    held_out: float

    @property
    def is_reliable(self) -> bool:
        """Whether enough starts end at certified minima."""
        return self.certified >= CERTIFIED


@dataclass(frozen=True)
class Scan:
    """The pilot study and what it recommends; `recommended` is None where no trial could be judged."""

    widths: tuple[Trial, ...]
    ridges: tuple[Trial, ...]
    parts: tuple[Trial, ...]
    starts: int
    left_out: tuple[int, ...]
    recommended: Trial | None
    mean_error: float


def scan(problem: Problem, budget: float, seed: int) -> Scan | None:
    """Make the pilot study.

    Parameters
    ----------
    problem
        Complete data.
    budget
        Estimated operations that may be spent.
    seed
        Of the starts.

    Returns
    -------
    Scan or None
        None if not even the smallest width fits into the budget.
    """
    n, d = problem.X.shape
    widths, starts = affordable(n, d, budget)
    if not widths:
        return None
    rows = stream(seed, "shallow.parts", 0).permutation(_first(n))
    tried = tuple(trial(problem, _options(problem, width, None, starts), seed) for width in widths)
    width = _choose(tried)
    ridges = tuple(
        trial(problem, _options(problem, width.width, ridge, starts), seed)
        for ridge in RIDGES
        if ridge > 0 or _is_free(problem, width.width)
    )
    best = _choose(ridges)
    options = _options(problem, best.width, best.ridge, starts)
    parts = tuple(
        trial(problem, options, seed, np.sort(rows[: max(int(share * rows.size), 2)]))
        for share in PARTS
        if np.isfinite(best.held_out)
    )
    return Scan(tried, ridges, parts, starts, tuple(w for w in WIDTHS if w not in widths), best, _mean_error(problem))


def affordable(n: int, d: int, budget: float) -> tuple[tuple[int, ...], int]:
    """Return the widths and the number of starts of each search that fit into the budget."""
    for last in range(len(WIDTHS), 0, -1):
        widths = WIDTHS[:last]
        one = BOTH * sum(predicted_operations(n, d, width, 1) for width in widths)
        one += (BOTH * len(RIDGES) + len(PARTS) + BOTH) * predicted_operations(n, d, widths[-1], 1)
        starts = min(MOST, int(budget / one))
        if starts >= FEWEST:
            return widths, starts
    return (), 0


def trial(problem: Problem, options: ShallowOptions, seed: int, rows: np.ndarray | None = None) -> Trial:
    """Search once, and judge the best network of the first rows on the last fifth.

    Parameters
    ----------
    problem
        Complete data.
    options, seed
        Of the search.
    rows
        Training rows of a subsample; None: all rows for the catalogue, the first four fifths for the held-out error.

    Returns
    -------
    Trial
        The share and the errors.
    """
    n = problem.y.size
    judged = n >= FEW_ROWS
    shown = np.arange(n) if rows is None else rows
    catalogue, training, held_out = _search(problem, shown, options, seed, judged and rows is not None)
    if rows is None and judged:
        _, _, held_out = _search(problem, np.arange(_first(n)), options, seed, True)
    return Trial(
        width=options.width, ridge=options.ridge, rows=shown.size, starts=options.starts,
        certified=catalogue.certified_share, saturation=catalogue.share("saturation"),
        merging=catalogue.share("merging"), tail=catalogue.share("tail"), growth=catalogue.share("growth"),
        minima=len(catalogue.minima), training=training, held_out=held_out,
    )  # fmt: skip


def _search(
    problem: Problem, rows: np.ndarray, options: ShallowOptions, seed: int, judge: bool
) -> tuple[MinimaCatalogue, float, float]:
    """Return the catalogue of some rows, and the training and held-out errors of its best network."""
    data = standardise(problem.X[rows], problem.y[rows])
    if options.ridge == 0 and not can_be_regular(data.X, options.width):
        options = options.model_copy(update={"ridge": DEFAULT_RIDGE})
    catalogue, _ = search(data, options, seed, STEPS)
    net, _, _ = kept_network(catalogue)

    def error(which: slice | np.ndarray) -> float:
        predicted = data.targets(net(data.features(problem.X[which])))
        return float(np.sqrt(np.mean((predicted - problem.y[which]) ** 2)))

    return catalogue, error(rows), error(slice(_first(problem.y.size), None)) if judge else np.nan


def _options(problem: Problem, width: int, ridge: float | None, starts: int) -> ShallowOptions:
    """Return the options of a trial; without a ridge given there is none where the rows allow it."""
    chosen = ridge if ridge is not None else 0.0 if _is_free(problem, width) else DEFAULT_RIDGE
    return ShallowOptions(width=width, starts=starts, ridge=chosen)


def _is_free(problem: Problem, width: int) -> bool:
    """Tell whether all training rows suffice for a network without a ridge."""
    return can_be_regular(problem.X[: _first(problem.y.size)], width)


def _first(n: int) -> int:
    return n - int(n * HELD_OUT_SHARE)


def _choose(trials: Iterable[Trial]) -> Trial:
    """Return the smallest of the trials with nearly the least error, among the reliable ones if there are any."""
    trials = tuple(trials)
    able = [t for t in trials if t.is_reliable] or list(trials)
    judged = [t for t in able if np.isfinite(t.held_out)]
    if not judged:
        return able[0]
    least = min(t.held_out for t in judged)
    return next(t for t in judged if t.held_out <= NEARLY_BEST * least)


def _mean_error(problem: Problem) -> float:
    """Return the held-out error of the mean of the first rows; NaN for too few."""
    first = _first(problem.y.size)
    if problem.y.size < FEW_ROWS:
        return np.nan
    return float(np.sqrt(np.mean((problem.y[first:] - problem.y[:first].mean()) ** 2)))
