"""What a survey can find out about a table within a budget of operations: the curve of all rows, and a rehearsal.

The loss curve of a training on all rows needs one forward pass (T1). Everything else is computed on as many evenly
spaced rows as the budget allows: the rank check on few, a training on the first four fifths judged on the last fifth,
and the same with damping, on the same clock (section 7: damping filters noise, the exact flow does not).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from thalweg.adapted.duplicates import Closeness, closeness
from thalweg.adapted.fit import judged, rehearse
from thalweg.adapted.judge import Judge
from thalweg.adapted.mlp import Mlp
from thalweg.adapted.options import AdaptedOptions
from thalweg.adapted.preparation import Prepared, prepare
from thalweg.adapted.promise import Promise, start_law
from thalweg.adapted.rank import rank_check
from thalweg.adapted.rank_report import RankReport
from thalweg.adapted.routes import Route, estimates
from thalweg.adapted.standardise import Standardised, default_widths, network_for, standardise
from thalweg.adapted.stopping import Law
from thalweg.data.checks import FEW_ROWS
from thalweg.data.problem import Problem
from thalweg.records import Fit, Statement
from thalweg.runtime.threads import threads_for

DAMPINGS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Beside the exact flow (specification, section 7)."""

DAMPED_STEPS = 20
"""Of a damped run in a survey: the best of the held-out errors comes early."""

SURVEY_TOLERANCE = 1e-2
"""Line tolerance in a survey: half the linearisations, and the curve is still within two percent."""

STEPS_IN_ALL = 600
"""Linearisations of a study, counted dearer than they are, for small matrices run below full speed."""

MOST_ROWS, RANK_ROWS, CLOSE_ROWS = 400, 150, 5000
"""Rows beyond which a rehearsal, a rank check and a search for close pairs say little more."""

RANK_TRIALS, WATCHED = 3, 6
"""Random starts of the rank check, and nodes of the rehearsal at which singular values are computed."""

FORWARD_SHARE = 0.1
"""Share of the budget that the curve of all rows may take."""

GAIN = 0.98
"""Damping is recommended where it lowers the least held-out error below this share of that of the exact flow."""


@dataclass(frozen=True, eq=False)
class Study:
    """What was found.

    `table`, `network`, `prepared` and `law` are those of all rows (no law where even a forward pass is too dear);
    `rows` are those of the rehearsal, zero without one; `damped` its repetitions with damping.
    """

    options: AdaptedOptions
    table: Standardised
    network: Mlp
    prepared: Prepared
    law: Law | None
    close: Closeness
    rank: RankReport
    rows: int
    rehearsal: Fit | None
    promise: Promise | None
    exact: Judge | None
    damped: tuple[tuple[float, Judge], ...]
    skipped: tuple[Statement, ...]

    @cached_property
    def best_damping(self) -> tuple[float, Judge] | None:
        """The damping with the least held-out error, where that is clearly below that of the exact flow."""
        if self.exact is None or not self.damped:
            return None
        damping, judge = min(self.damped, key=lambda pair: pair[1].errors[pair[1].best])
        least = self.exact.errors[self.exact.best]
        return (damping, judge) if judge.errors[judge.best] < GAIN * least else None

    @property
    def learns(self) -> bool | None:
        """Whether training brings the held-out error below that of its start and of the mean alone."""
        if self.exact is None:
            return None
        judge = self.best_damping[1] if self.best_damping else self.exact
        return judge.best > 0 and judge.errors[judge.best] < self.mean_error

    @property
    def best_error(self) -> float | None:
        """The least held-out error of all; None where nothing was held out."""
        if self.exact is None:
            return None
        judge = self.best_damping[1] if self.best_damping else self.exact
        return judge.errors[judge.best]

    @property
    def mean_error(self) -> float:
        """The held-out error of the mean alone."""
        return float("nan") if self.exact is None else float(np.sqrt(self.exact.of_mean.mean()))

    @property
    def route(self) -> Route:
        """Operations and memory of one step on all rows."""
        return step_costs(self.table.y.size, self.table.X.shape[1])


def study(problem: Problem, budget: float, seed: int) -> Study:
    """Study a problem within a budget.

    Parameters
    ----------
    problem
        Complete data.
    budget
        Estimated operations that may be spent.
    seed
        Of initial parameters.

    Returns
    -------
    Study
        What was left out is listed in it.
    """
    with threads_for(MOST_ROWS):
        return _studied(problem, budget, seed)


def _studied(problem: Problem, budget: float, seed: int) -> Study:
    options = AdaptedOptions(line_tolerance=SURVEY_TOLERANCE)
    table = standardise(problem.X, problem.y, options)
    n = table.y.size
    network = network_for(table, options)
    affordable = 2.0 * n * network.parameter_count <= FORWARD_SHARE * budget
    law = start_law(table, network, seed) if affordable else None
    prepared = prepare((table.X, table.y), "l2", 1)
    few = prepared.X[spaced(len(prepared.X), RANK_ROWS)]  # equal rows merged, as in training
    small = Mlp((table.X.shape[1], *default_widths(len(few), table.X.shape[1], 1), 1))
    rank = rank_check(small, small.initial(seed), few, trials=RANK_TRIALS, seed=seed)
    rows, skipped = affordable_rows(n, table.X.shape[1], budget), []
    rehearsal = made = exact = None
    damped: list[tuple[float, Judge]] = []
    if rows < min(n, FEW_ROWS):
        rows = 0
        skipped.append(Statement("section.adapted.not_rehearsed", {"budget": budget}))
    else:
        part = problem if rows == n else _with_rows(problem, spaced(n, rows))
        own = network if rows == n else network_for(table.rows(slice(rows)), options)
        rehearsal, exact, made = rehearse(part, options, own, 1, seed, WATCHED)
        for damping in DAMPINGS if exact is not None else ():
            damped_options = AdaptedOptions(mode="fast", damping=damping, max_steps=DAMPED_STEPS)
            judge = judged(part, damped_options, own, 1, seed)
            assert judge is not None  # rows were held out for the exact flow too
            damped.append((damping, judge))
    if 0 < rows < n:
        skipped.append(Statement("section.adapted.some_rows", {"rows": rows, "all": n}))
    return Study(
        options, table, network, prepared, law, closeness(prepared.X[spaced(len(prepared.X), CLOSE_ROWS)]), rank,
        rows, rehearsal, made, exact, tuple(damped), tuple(skipped),
    )  # fmt: skip


def spaced(n: int, most: int) -> np.ndarray:
    """Return the places of at most so many of `n` rows, evenly spaced and in order."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))


def affordable_rows(n: int, d: int, budget: float) -> int:
    """Return the most rows on which a rehearsal fits into the budget."""
    low, high = 0, min(n, MOST_ROWS)
    while low < high:
        middle = (low + high + 1) // 2
        fits = STEPS_IN_ALL * step_costs(middle, d).operations <= budget
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def step_costs(n: int, d: int) -> Route:
    """Return operations and memory of one step of the default network on `n` rows."""
    sizes = (d, *default_widths(n, d, 1), 1)
    widths = 2 * sum(sizes) - sizes[0] - sizes[-1]
    return estimates(n, 1, Mlp(sizes).parameter_count, widths)["exact"]


def _with_rows(problem: Problem, rows: np.ndarray) -> Problem:
    return dataclasses.replace(problem, X=problem.X[rows], y=problem.y[rows])
