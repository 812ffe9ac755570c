"""Training a diagonal network on a problem: its exact limiting path as a Fit.

Arrays of `Fit.solution` (m jumps, d features; saddle 0 is zero; coefficients in prepared units):
`times (m,)`; `support_offsets (m + 2,)`, `support_indices`, `support_values`: the saddles row by row;
`losses (m + 1,)`; `center (d,)`, `scale (d,)`, `target_mean (1,)`: the preparation;
`lasso_equivalent_until (1,)`; `rank_skipped (r, 2)`: jump and feature; `simultaneous (s,)`: jump numbers;
`smallest_pivot (1,)`; `held_out_times (h,)`, `held_out_rmse (h + 1,)`, `held_out_active (h + 1,)`: the path of
the first four fifths of the rows judged on the last fifth; `held_out_gain (2,)`: by how much the squared error of the
best of its saddles is below that of the mean alone, and the standard error of this.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thalweg.data.checks import FEW_ROWS
from thalweg.data.problem import Problem
from thalweg.diagonal.options import DiagonalOptions
from thalweg.diagonal.path import SaddlePath
from thalweg.diagonal.prepare import Prepared, prepare
from thalweg.diagonal.saddle_path import saddle_path
from thalweg.numerics.options import validated
from thalweg.records import Fit, Mark, Trajectory

HELD_OUT_SHARE = 0.2
"""The last fifth of the rows judges the path of the rows before: right for ordered rows, fair for others."""


def fit(problem: Problem, options: Mapping[str, object] | None = None, seed: int = 0) -> Fit:
    """Compute the saddle path of a problem and judge it on held-out rows.

    Parameters
    ----------
    problem
        Complete data.
    options
        Fields of `DiagonalOptions`.
    seed
        Recorded; the path is deterministic.

    Returns
    -------
    Fit
        Arrays as in the module's docstring.

    Raises
    ------
    InputError
        If the problem has holes or an option is invalid.
    """
    problem.require_computable()
    chosen = validated(DiagonalOptions, options)
    prepared = prepare_as(problem.X, problem.y, chosen)
    path = _path(prepared, chosen)
    solution = {**_arrays(path), **_preparation(prepared), **_held_out(problem, chosen)}
    return Fit(
        family="diagonal",
        outcome=path.outcome,
        seed=seed,
        options=chosen.model_dump(),
        feature_names=problem.feature_names,
        target_name=problem.target_name,
        solution=solution,
        trajectory=_trajectory(path, problem.feature_names),
    )


def saddle(fit: Fit, k: int) -> np.ndarray:
    """Return the dense saddle `(d,)` number `k` of a fit in prepared units."""
    offsets = fit.solution["support_offsets"]
    row = slice(offsets[k], offsets[k + 1])
    dense = np.zeros(len(fit.feature_names))
    dense[fit.solution["support_indices"][row]] = fit.solution["support_values"][row]
    return dense


def coefficients(fit: Fit, k: int) -> tuple[np.ndarray, float]:
    """Return coefficients `(d,)` and intercept of saddle `k` in the units of the data."""
    slopes = saddle(fit, k) / fit.solution["scale"]
    return slopes, float(fit.solution["target_mean"][0] - slopes @ fit.solution["center"])


def best_held_out(fit: Fit) -> int | None:
    """Return the number of the saddle with the least held-out error, the earliest of equals; None without."""
    errors = fit.solution["held_out_rmse"]
    return int(np.argmin(errors)) if errors.size else None


def prepare_as(X: np.ndarray, y: np.ndarray, options: DiagonalOptions) -> Prepared:
    """Prepare data as the options say."""
    return prepare(X, y, fit_intercept=options.fit_intercept, standardize=options.standardize)


def _path(prepared: Prepared, options: DiagonalOptions) -> SaddlePath:
    return saddle_path(
        prepared.X,
        prepared.y,
        positive=options.positive,
        max_saddles=options.max_saddles,
        max_time=options.max_time,
        tol=options.tol,
        tie_break=options.tie_break,
        reference_norm=prepared.target_norm,
    )


def _arrays(path: SaddlePath) -> dict[str, np.ndarray]:
    sizes = [support.size for support in path.supports]
    return {
        "times": path.times,
        "support_offsets": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        "support_indices": np.concatenate(path.supports).astype(np.int64),
        "support_values": np.concatenate(path.values).astype(np.float64),
        "losses": path.losses,
        "lasso_equivalent_until": np.array([path.lasso_equivalent_until]),
        "rank_skipped": np.array(path.rank_skipped, dtype=np.int64).reshape(-1, 2),
        "simultaneous": np.array(path.simultaneous, dtype=np.int64),
        "smallest_pivot": np.array([path.smallest_pivot]),
    }


def _preparation(prepared: Prepared) -> dict[str, np.ndarray]:
    return {
        "center": prepared.center,
        "scale": prepared.scale,
        "target_mean": np.array([prepared.target_mean]),
    }


def _held_out(problem: Problem, options: DiagonalOptions) -> dict[str, np.ndarray]:
    n = problem.y.size
    if n < FEW_ROWS:
        nothing = np.array([])
        names = ("held_out_times", "held_out_rmse", "held_out_active", "held_out_gain")
        return dict.fromkeys(names, nothing)
    first = n - int(n * HELD_OUT_SHARE)
    prepared = prepare_as(problem.X[:first], problem.y[:first], options)
    path = _path(prepared, options)
    later, target = prepared.apply(problem.X[first:]), problem.y[first:] - prepared.target_mean
    squares = np.array([(target - later @ path.coef(k)) ** 2 for k in range(path.count + 1)])
    errors = np.sqrt(squares.mean(axis=1))
    gain = squares[0] - squares[np.argmin(errors)]
    return {
        "held_out_times": path.times,
        "held_out_rmse": errors,
        "held_out_gain": np.array([gain.mean(), gain.std(ddof=1) / np.sqrt(gain.size) if gain.size > 1 else np.inf]),
        "held_out_active": np.array([support.size for support in path.supports], dtype=np.float64),
    }


def _trajectory(path: SaddlePath, names: tuple[str, ...]) -> Trajectory:
    return Trajectory(
        clock="t / ln(1/alpha)",
        clock_unit="",
        clock_values=np.concatenate([[0.0], path.times]),
        loss=path.losses,
        loss_unit="",
        channels={"active": np.array([support.size for support in path.supports], dtype=np.float64)},
        marks=tuple(Mark(event.time, event.kind, names[event.feature]) for event in path.events),
    )
