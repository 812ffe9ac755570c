"""The path of rows drawn anew: how far order, times and coefficients would differ in another sample.

`bootstrap` draws as many rows as there are, with replacement (Efron 1979; in moving blocks, Kuensch 1989, for rows in
the order of time), prepares every draw by itself and follows its path. The percentile intervals say how much a result
varies with the rows; the choice of features makes it no confidence interval in the strict sense.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.activations import Activations, Interval, interval
from thalweg.diagonal.moments import correlations
from thalweg.diagonal.options import DiagonalOptions
from thalweg.diagonal.path import SaddlePath
from thalweg.diagonal.replicates import Replicates, Task, follow, join
from thalweg.numerics.options import real_number, require, validated, whole_number
from thalweg.numerics.resampling import bootstrap_rows, stream
from thalweg.numerics.validation import list_some, real_array, regression_arrays
from thalweg.records import InputError

if TYPE_CHECKING:
    import pandas

LARGEST_PART = 256
"""Replicates prepared at a time; parts do not depend on the number of workers, so neither does a bit of the result."""

ENTRIES_A_PART = 2**22
"""Weights of rows, and marks of active features, held for a part: tens of megabytes."""


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """What `m` samples of the rows say about the path of all rows.

    Attributes
    ----------
    path : SaddlePath
        That of all rows.
    activations : Activations
        First activations in the path and in the samples: probabilities, ranks, times, order.
    jumps : array (m, k)
        Jump times of each sample; infinite behind its last jump.
    time : float
        The time `t` of the coefficients; infinite: the end.
    coefficients : array (m, d)
        At this time, in the units of the data; NaN where a sample's path was stopped before.
    path_coefficients : array (d,)
        Those of all rows.
    grid, active, active_at_end : arrays (g,), (g, d), (d,)
        Share of samples in which each feature is active at `t/t_1` (`t_1` of the sample), and at the end; NaN where
        no sample's path is known that far.
    routes : dict
        How many samples were computed which way (`replicates.py`).
    outcomes : dict
        How many paths ended how.
    level, seed, block_length
        As given.
    """

    path: SaddlePath
    activations: Activations
    jumps: Float[np.ndarray, "m k"]
    time: float
    coefficients: Float[np.ndarray, "m d"]
    path_coefficients: Float[np.ndarray, " d"]
    grid: Float[np.ndarray, " g"]
    active: Float[np.ndarray, "g d"]
    active_at_end: Float[np.ndarray, " d"]
    routes: dict[str, int]
    outcomes: dict[str, int]
    level: float
    seed: int
    block_length: int | None

    @property
    def draws(self) -> int:
        """The number of samples `m`."""
        return self.jumps.shape[0]

    def jump_interval(self) -> Interval:
        """Return the interval of the time of jump 1, 2, ..., as many as the path of all rows has."""
        missing = max(0, self.path.count - self.jumps.shape[1])
        jumps = np.pad(self.jumps, ((0, 0), (0, missing)), constant_values=np.inf)
        return interval(jumps[:, : self.path.count], self.level)

    def coefficient_interval(self) -> Interval:
        """Return the interval of each coefficient over the samples whose paths are known at this time."""
        return interval(self.coefficients[~np.isnan(self.coefficients).any(axis=1)], self.level)

    def to_frame(self, feature_names: Sequence[str] | None = None) -> pandas.DataFrame:
        """Return one row a feature in the order of activation in all rows: probabilities, ranks, times, coefficients.

        Parameters
        ----------
        feature_names
            The index; numbers of columns unless given.

        Returns
        -------
        DataFrame
            Features that never switch on come last.
        """
        import pandas

        coefficient = self.coefficient_interval()
        table = self.activations.table() | {
            "active_at_end": self.active_at_end,
            "coefficient": self.path_coefficients,
            "coefficient_lower": coefficient.lower,
            "coefficient_median": coefficient.median,
            "coefficient_upper": coefficient.upper,
        }
        names = range(self.path_coefficients.size) if feature_names is None else feature_names
        frame = pandas.DataFrame(table, index=pandas.Index(names, name="feature"))
        return frame.iloc[np.argsort(self.activations.reference, kind="stable")]

    def jumps_to_frame(self) -> pandas.DataFrame:
        """Return one row a jump of all rows: its time, and the interval over the samples."""
        import pandas

        times = self.jump_interval()
        table = {
            "time": self.path.times,
            "time_lower": times.lower,
            "time_median": times.median,
            "time_upper": times.upper,
        }
        return pandas.DataFrame(table, index=pandas.RangeIndex(1, self.path.count + 1, name="jump"))

    def __repr__(self) -> str:
        tau = self.activations.tau
        return f"<Bootstrap {self.draws} draws of {self.path!r}, Kendall's tau {tau.median:.3f} (median)>"


def bootstrap(
    X: np.ndarray,
    y: np.ndarray,
    *,
    draws: int = 1000,
    seed: int = 0,
    fit_intercept: bool = True,
    standardize: bool = True,
    block_length: int | None = None,
    level: float = 0.95,
    grid: np.ndarray | Sequence[float] = (),
    time: float = np.inf,
    workers: int = 1,
    init_exponents: np.ndarray | None = None,
    **path_options: object,
) -> Bootstrap:
    """Follow the saddle paths of `draws` samples of the rows.

    Parameters
    ----------
    X, y : arrays (n, d), (n,)
        The data, as measured.
    draws
        Number of samples, at least 2.
    seed
        Of all randomness; draw `k` is the same whatever their number.
    fit_intercept, standardize
        Centre; divide each column by its deviation: anew in every sample.
    block_length
        Draw blocks of so many neighbouring rows: for rows in the order of time.
    level
        Of all intervals, between 0 and 1.
    grid
        Times `t/t_1` at which the shares of active features are wanted, `t_1` being the first jump of each sample.
    time
        The time `t` at which the coefficients are wanted; infinite: at the end.
    workers
        Threads; the result does not depend on it.
    init_exponents : array (d,), optional
        As in `saddle_path`.
    **path_options
        `positive`, `max_saddles`, `max_time`, `tol`, `tie_break`, as in `saddle_path`.

    Returns
    -------
    Bootstrap
        With the path of all rows.
    """
    task = make_task(
        X, y, grid, time, init_exponents, fit_intercept=fit_intercept, standardize=standardize, **path_options
    )
    n = task.y.size
    draws, seed = whole_number(draws, "draws", 2), whole_number(seed, "seed", 0)
    level = real_number(level, "level", lambda p: 0 < p < 1, "0 < level < 1")
    if block_length is not None:
        require(whole_number(block_length, "block_length", 1) <= n, "block_length", block_length, f"<= {n}")

    def rows_of(k: int) -> np.ndarray:
        return bootstrap_rows(n, stream(seed, "bootstrap", k), block_length)

    path, whole = path_of_all_rows(task)
    found = resample(task, draws, rows_of, whole_number(workers, "workers", 1))
    shares = active_shares(found)
    return Bootstrap(
        path=path,
        activations=Activations(whole.times[0], found.times, found.signs, level),
        jumps=found.jumps,
        time=task.time,
        coefficients=found.coefficients,
        path_coefficients=whole.coefficients[0],
        grid=task.grid,
        active=shares[:-1],
        active_at_end=shares[-1],
        routes=dict(Counter(found.routes)),
        outcomes=dict(Counter(outcome.value for outcome in found.outcomes)),
        level=level,
        seed=seed,
        block_length=block_length,
    )


def make_task(
    X: np.ndarray,
    y: np.ndarray,
    grid: np.ndarray | Sequence[float],
    time: float,
    init_exponents: np.ndarray | None,
    **options: object,
) -> Task:
    """Return data and options of a study of replicates, or refuse them in words."""
    X, y = regression_arrays(X, y)
    d = X.shape[1]
    exponents = np.ones(d) if init_exponents is None else real_array(init_exponents, "init_exponents", 1)
    if exponents.size != d:
        raise InputError("length_differs", name="init_exponents", found=exponents.size, wanted=d)
    require((exponents > 0).all(), "init_exponents", float(exponents.min()), "> 0")
    times = real_array(grid, "grid", 1) if np.size(grid) else np.array([])
    require((np.diff(times, prepend=0.0) > 0).all(), "grid", list_some(times), "positive and increasing")
    return Task(
        X, y, validated(DiagonalOptions, options), exponents, times,
        real_number(time, "time", lambda t: t > 0, "> 0"),
    )  # fmt: skip


def path_of_all_rows(task: Task) -> tuple[SaddlePath, Replicates]:
    """Return the path of the data themselves, and what is kept of it."""
    path, scale = task.alone(slice(None), task.y, task.exponents)
    tally = task.tally(1)
    tally.note_path(0, path, scale, "", task.horizon(path.outcome, path.times))
    return path, tally.result()


def resample(task: Task, draws: int, rows_of: Callable[[int], np.ndarray], workers: int) -> Replicates:
    """Follow the paths of samples of the rows.

    Parameters
    ----------
    task
        Data and options.
    draws
        Number of samples.
    rows_of
        The rows of sample `k`, any number of them.
    workers
        Threads.

    Returns
    -------
    Replicates
        In the order of the samples.
    """
    n, d = task.X.shape
    unit = task.unit_columns()

    def work(numbers: range) -> Replicates:
        rows = [rows_of(k) for k in numbers]
        sample = None
        if unit.used.size and task.goes_together(min(r.size for r in rows)):
            weights = np.array([np.bincount(r, minlength=n) / r.size for r in rows])
            sample = correlations(unit.X, unit.y, weights, centre=task.options.fit_intercept, level=unit.level)
        exponents = np.broadcast_to(task.exponents, (len(rows), d))
        return follow(task, unit, sample, exponents, lambda k: task.alone(rows[k], task.y, task.exponents))

    return in_parts(task, draws, work, workers)


def in_parts(task: Task, draws: int, work: Callable[[range], Replicates], workers: int) -> Replicates:
    """Return the replicates that `work` makes of parts of them, in order, whoever makes which part."""
    n, d = task.X.shape
    size = max(1, min(LARGEST_PART, ENTRIES_A_PART // n, ENTRIES_A_PART // (d * (task.grid.size + 1))))
    parts = [range(k, min(draws, k + size)) for k in range(0, draws, size)]
    if workers == 1:
        return join([work(part) for part in parts])
    with ThreadPoolExecutor(workers) as pool:
        return join(list(pool.map(work, parts)))


def active_shares(found: Replicates) -> Float[np.ndarray, "g d"]:
    """Return the shares of active features at each time of the grid and at the end; NaN where nothing is known."""
    known = found.known[:, None].astype(float)
    return np.divide(found.active, known, out=np.full(found.active.shape, np.nan), where=known > 0)
