"""Stability selection on the saddle path: how often half of the rows switches a feature on.

The rows are split into pairs of disjoint halves (complementary pairs, Shah and Samworth 2013); the path of each half
selects the features that it has switched on by a time `t/t_1`. Features that nearly all halves select are stable, and
the number of false ones among them is bounded (Meinshausen and Buehlmann 2010).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from thalweg.diagonal.activations import Activations
from thalweg.diagonal.path import SaddlePath
from thalweg.diagonal.replicates import AT_JUMP
from thalweg.diagonal.resampling import active_shares, make_task, path_of_all_rows, resample
from thalweg.numerics.options import real_number, require, whole_number
from thalweg.numerics.resampling import disjoint_pair, stream

if TYPE_CHECKING:
    import pandas

GRID_TIMES = 60
"""Times of the grid unless given: a heat map of this width shows every jump of a usual path."""

LARGEST_THETA = 3**-0.5
"""Above this share of selected features the unimodal bound is not proved."""

LEVEL = 0.95


@dataclass(frozen=True)
class SelectionBound:
    """How many false features a stable set holds at most, in expectation.

    Attributes
    ----------
    selected_by_half : float
        `q`: mean number of features that a half of the rows selects.
    worst_case : float
        `q^2 / ((2 threshold - 1) d)`, `d` counting the features that vary. It bounds the expected number of selected
        noise features if the selection of noise features is exchangeable and the procedure is not worse than
        guessing (Meinshausen and Buehlmann 2010, theorem 1); and, without any assumption, the expected number of
        selected features that a half selects with probability at most `q/d` (Shah and Samworth 2013, theorem 1).
    unimodal : float
        The smaller bound of the latter number if the shares of simultaneous selection have unimodal distributions
        (Shah and Samworth 2013, theorem 2); NaN where that theorem does not cover the threshold.
    """

    selected_by_half: float
    worst_case: float
    unimodal: float


@dataclass(frozen=True, eq=False)
class Stability:
    """How often halves of the rows switch features on.

    Attributes
    ----------
    path : SaddlePath
        That of all rows.
    activations : Activations
        First activations in the path and in the halves.
    grid : array (g,)
        Times `t/t_1`, `t_1` being the first jump of each half.
    active : array (g, d)
        Share of halves in which each feature is active at that time; NaN where none is known that far.
    switched_on : array (g, d)
        Share of halves that have switched each feature on by that time: what is selected.
    varying : int
        Number of features that are not constant.
    draws, rows, seed
        Number of halves, of rows in each, and the seed.
    routes : dict
        How many halves were computed which way (`replicates.py`).
    """

    path: SaddlePath
    activations: Activations
    grid: Float[np.ndarray, " g"]
    active: Float[np.ndarray, "g d"]
    switched_on: Float[np.ndarray, "g d"]
    varying: int
    draws: int
    rows: int
    seed: int
    routes: dict[str, int]

    def selected(self, threshold: float, until: float) -> Int[np.ndarray, " k"]:
        """Return the features that at least this share of the halves has switched on by `t/t_1 = until`.

        Parameters
        ----------
        threshold
            Above 1/2; usual: 0.6 to 0.9.
        until
            The last time of the grid up to here counts.

        Returns
        -------
        array (k,)
            Numbers of columns.
        """
        return np.flatnonzero(self._shares(until) >= _threshold(threshold))

    def bound(self, threshold: float, until: float) -> SelectionBound:
        """Return how many of the features selected thus are false at most, in expectation."""
        q = float(self._shares(until).sum())
        threshold = _threshold(threshold)
        worst = q**2 / ((2 * threshold - 1) * self.varying) if self.varying else 0.0
        factor = unimodal_factor(threshold, self.draws // 2, q / max(self.varying, 1))
        return SelectionBound(q, worst, factor * q**2 / max(self.varying, 1))

    def latest(self, threshold: float, most_false: float) -> float:
        """Return the latest `t/t_1` of the grid up to which the worst-case bound is at most `most_false`.

        Returns
        -------
        float
            0 if even the first time of the grid selects too much.
        """
        real_number(most_false, "most_false", lambda v: v > 0, "> 0")
        q = self.switched_on.sum(axis=1)
        fine = q**2 <= most_false * (2 * _threshold(threshold) - 1) * self.varying
        return float(self.grid[fine].max(initial=0.0))

    def _shares(self, until: float) -> Float[np.ndarray, " d"]:
        place = int(np.searchsorted(self.grid, until, side="right")) - 1
        require(place >= 0, "until", until, f">= {self.grid[0]:g}")
        return self.switched_on[place]

    def to_frame(self, feature_names: Sequence[str] | None = None) -> pandas.DataFrame:
        """Return the shares of halves that have switched each feature (row) on by each `t/t_1` (column)."""
        import pandas

        names = range(self.switched_on.shape[1]) if feature_names is None else feature_names
        columns = pandas.Index(self.grid, name="t/t_1")
        return pandas.DataFrame(self.switched_on.T, index=pandas.Index(names, name="feature"), columns=columns)

    def __repr__(self) -> str:
        return f"<Stability {self.draws} halves of {self.rows} rows, {self.grid.size} times of {self.path!r}>"


def stability_selection(
    X: np.ndarray,
    y: np.ndarray,
    *,
    draws: int = 100,
    seed: int = 0,
    share: float = 0.5,
    grid: np.ndarray | Sequence[float] | None = None,
    fit_intercept: bool = True,
    standardize: bool = True,
    workers: int = 1,
    init_exponents: np.ndarray | None = None,
    **path_options: object,
) -> Stability:
    """Follow the saddle paths of pairs of disjoint halves of the rows.

    Parameters
    ----------
    X, y : arrays (n, d), (n,)
        The data, as measured.
    draws
        Number of halves, even: two make a pair.
    seed
        Of all randomness.
    share
        Of the rows that is in each "half", at most 1/2.
    grid
        Times `t/t_1`, increasing; from the first to the last jump of all rows unless given.
    fit_intercept, standardize
        Centre; divide each column by its deviation: anew in every half.
    workers
        Threads; the result does not depend on it.
    init_exponents : array (d,), optional
        As in `saddle_path`.
    **path_options
        `positive`, `max_saddles`, `max_time`, `tol`, `tie_break`, as in `saddle_path`.

    Returns
    -------
    Stability
        With the path of all rows.
    """
    options = {"fit_intercept": fit_intercept, "standardize": standardize, **path_options}
    task = make_task(X, y, () if grid is None else grid, np.inf, init_exponents, **options)
    n = task.y.size
    draws, seed = whole_number(draws, "draws", 2), whole_number(seed, "seed", 0)
    require(draws % 2 == 0, "draws", draws, "2, 4, 6, ...")
    share = real_number(share, "share", lambda p: 0 < p <= 0.5, "0 < share <= 0.5")
    size = int(share * n)
    require(size >= 2, "share", share, f">= {2 / n:.3g}")
    path, whole = path_of_all_rows(task)
    if grid is None:
        last = path.times[-1] / path.times[0] if path.count else 1.0
        task = replace(task, grid=np.geomspace(1.0, last, GRID_TIMES) if last > 1 else np.ones(1))

    def rows_of(k: int) -> np.ndarray:
        return disjoint_pair(n, size, stream(seed, "halves", k // 2))[k % 2]

    found = resample(task, draws, rows_of, whole_number(workers, "workers", 1))
    starts = found.jumps[:, 0] if found.jumps.shape[1] else np.full(draws, np.inf)
    ever = np.isfinite(found.times)
    relative = np.divide(found.times, starts[:, None], out=np.full(ever.shape, np.inf), where=ever)
    return Stability(
        path=path,
        activations=Activations(whole.times[0], found.times, found.signs, LEVEL),
        grid=task.grid,
        active=active_shares(found)[:-1],
        switched_on=np.array([(relative <= t).mean(axis=0) for t in (task.grid * (1 + AT_JUMP)).tolist()]),
        varying=int(task.unit_columns().used.size),
        draws=draws,
        rows=size,
        seed=seed,
        routes=dict(Counter(found.routes)),
    )


def unimodal_factor(threshold: float, pairs: int, theta: float) -> float:
    """Return the factor of `q^2 / d` in the unimodal bound (Shah and Samworth 2013, theorem 2).

    Parameters
    ----------
    threshold
        Share of the halves; what they can reach are multiples of `1 / (2 pairs)`.
    pairs
        Number of pairs of halves.
    theta
        `q / d`.

    Returns
    -------
    float
        NaN where the theorem does not cover the case.
    """
    reached = np.ceil(2 * pairs * threshold - 1e-9) / (2 * pairs)
    least = min(0.5 + theta**2, 0.5 + 1 / (2 * pairs) + 0.75 * theta**2)
    if theta > LARGEST_THETA or reached < 0.5 + 1 / pairs or not least < reached <= 1:
        return float("nan")
    if reached <= 0.75:
        return float(1 / (2 * (2 * reached - 1 - 1 / (2 * pairs))))
    return float(4 * (1 - reached + 1 / (2 * pairs)) / (1 + 1 / pairs))


def _threshold(threshold: float) -> float:
    return real_number(threshold, "threshold", lambda p: 0.5 < p <= 1, "0.5 < threshold <= 1")
