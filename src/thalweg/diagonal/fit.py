"""Training a diagonal network on a problem: its exact limiting path as a Fit.

Arrays of `Fit.solution` (m jumps, d features; saddle 0 is zero; coefficients in prepared units):
`times (m,)`; `support_offsets (m + 2,)`, `support_indices`, `support_values`: the saddles row by row;
`losses (m + 1,)`; `center (d,)`, `scale (d,)`, `target_mean (1,)`: the preparation;
`lasso_equivalent_until (1,)`; `rank_skipped (r, 2)`: jump and feature; `simultaneous (s,)`: jump numbers;
`smallest_pivot (1,)`; `held_out_times (h,)`, `held_out_rmse (h + 1,)`, `held_out_active (h + 1,)`: the path of
the first four fifths of the rows judged on the last fifth, `held_out_support_offsets`, `held_out_support_indices`: its
supports row by row; `held_out_mean (1,)`: the error of the mean alone; `held_out_gain (2,)`: by how much the squared
error of the best of its saddles is below that of the mean alone, and the standard error of this;
`kept (p,)`, `kept_values (m + 1, p)`: the columns that are forced in, and their coefficients beside each saddle, in
the units of the data; `lost (d,)`: why a column is zero once it is prepared (`keeping.py`); `duplicate_of (d,)`: the
first of a group of equal columns; `largest_dual (d,)`: how near each feature came to its wall, 1 at the wall.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thalweg.data.checks import FEW_ROWS
from thalweg.data.problem import Problem
from thalweg.diagonal.keeping import kept_columns
from thalweg.diagonal.options import DiagonalOptions
from thalweg.diagonal.path import SaddlePath
from thalweg.diagonal.prepare import Prepared, prepare
from thalweg.diagonal.saddle_path import saddle_path
from thalweg.numerics.options import validated
from thalweg.records import Fit, Mark, Outcome, Trajectory

HELD_OUT = (
    "held_out_times", "held_out_rmse", "held_out_active", "held_out_gain", "held_out_mean",
    "held_out_support_offsets", "held_out_support_indices",
)  # fmt: skip
"""Arrays that judge the path of the first rows on the last; empty for too few rows."""

BLOCK = 64
"""Saddles whose duals are computed by one product with the data."""

HELD_OUT_SHARE = 0.2
"""The last fifth of the rows judges the path of the rows before: right for ordered rows, fair for others."""


def fit(problem: Problem, options: Mapping[str, object] | None = None, seed: int = 0) -> Fit:
    """Compute the saddle path of a problem and judge it on held-out rows.

    Parameters
    ----------
    problem
        Complete data.
    options
        Fields of `DiagonalOptions`; `keep` is what the problem says unless given.
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
    chosen = validated(DiagonalOptions, {"keep": problem.kept, **(options or {})})
    prepared = prepare_as(problem, chosen)
    path = _path(prepared, chosen)
    solution = {
        **_arrays(path),
        **_preparation(prepared),
        **_kept(path, prepared),
        **_story(path, prepared, chosen),
        **_held_out(problem, chosen),
    }
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
    """Return the dense saddle `(d,)` number `k` of a fit in prepared units; kept columns are zero in it."""
    offsets = fit.solution["support_offsets"]
    row = slice(offsets[k], offsets[k + 1])
    dense = np.zeros(len(fit.feature_names))
    dense[fit.solution["support_indices"][row]] = fit.solution["support_values"][row]
    return dense


def coefficients(fit: Fit, k: int) -> tuple[np.ndarray, float]:
    """Return coefficients `(d,)` and intercept of saddle `k` in the units of the data, kept columns included.

    Parameters
    ----------
    fit
        A diagonal fit.
    k
        Number of a saddle.

    Returns
    -------
    tuple
        Coefficients; those of kept columns are the least-squares fit beside the coefficients of the others, so at
        every saddle the joint one on kept columns and support. And the intercept.
    """
    slopes = saddle(fit, k) / fit.solution["scale"]
    kept = kept_of(fit)
    if kept.size:
        slopes[kept] = fit.solution["kept_values"][k]
    return slopes, float(fit.solution["target_mean"][0] - slopes @ fit.solution["center"])


def kept_of(fit: Fit) -> np.ndarray:
    """Return the places `(p,)` of the columns that are forced in."""
    return fit.solution.get("kept", np.array([], dtype=np.int64))


def held_out_mean(fit: Fit) -> float:
    """Return the held-out error of the mean alone; without kept columns it is that of saddle 0."""
    return float(fit.solution.get("held_out_mean", fit.solution["held_out_rmse"])[0])


def best_held_out(fit: Fit) -> int | None:
    """Return the number of the saddle with the least held-out error, the earliest of equals; None without."""
    errors = fit.solution["held_out_rmse"]
    return int(np.argmin(errors)) if errors.size else None


def prepare_as(problem: Problem, options: DiagonalOptions, rows: slice = slice(None)) -> Prepared:
    """Prepare rows of a problem as the options say."""
    return prepare(
        problem.X[rows],
        problem.y[rows],
        fit_intercept=options.fit_intercept,
        standardize=options.standardize,
        kept=kept_columns(problem.feature_names, options.keep),
    )


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
    offsets, indices = _rows_of(path.supports)
    return {
        "times": path.times,
        "support_offsets": offsets,
        "support_indices": indices,
        "support_values": np.concatenate(path.values).astype(np.float64),
        "losses": path.losses,
        "lasso_equivalent_until": np.array([path.lasso_equivalent_until]),
        "rank_skipped": np.array(path.rank_skipped, dtype=np.int64).reshape(-1, 2),
        "simultaneous": np.array(path.simultaneous, dtype=np.int64),
        "smallest_pivot": np.array([path.smallest_pivot]),
    }


def _rows_of(supports: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return supports row by row: where each begins, and their entries."""
    offsets = np.concatenate([[0], np.cumsum([support.size for support in supports])])
    return offsets.astype(np.int64), np.concatenate(supports).astype(np.int64)


def _kept(path: SaddlePath, prepared: Prepared) -> dict[str, np.ndarray]:
    kept = prepared.kept
    saddles = range(path.count + 1) if kept.columns.size else ()
    values = [kept.coefficients(path.coef(k) / prepared.scale) for k in saddles]
    return {"kept": kept.columns, "kept_values": np.array(values).reshape(path.count + 1, kept.columns.size)}


def _story(path: SaddlePath, prepared: Prepared, options: DiagonalOptions) -> dict[str, np.ndarray]:
    """Return what the audit needs to say why a feature is not active."""
    duplicate_of = np.arange(prepared.scale.size)
    for group in path.duplicates:
        duplicate_of[[i for i, _ in group]] = group[0][0]
    largest = _largest_dual(path, prepared, options)
    return {"lost": prepared.lost, "duplicate_of": duplicate_of, "largest_dual": largest}


def _largest_dual(path: SaddlePath, prepared: Prepared, options: DiagonalOptions) -> np.ndarray:
    """Return the largest share of the way to its wall that each dual went; it moves linearly between jumps."""
    largest = np.zeros(path.exponents.size)

    def see(duals: np.ndarray) -> None:
        np.maximum(largest, (duals if options.positive else np.abs(duals)).max(axis=0), out=largest)

    for start in range(0, path.count + 1, BLOCK):
        see(path.integrals[start : start + BLOCK] @ path.X / path.X.shape[0])
    stopped = path.outcome is Outcome.STOPPED_ON_REQUEST and path.count != options.max_saddles
    if stopped and options.max_time is not None:  # in the middle of a plateau
        pull = prepared.X.T @ (prepared.y - prepared.X @ path.coef(path.count)) / prepared.y.size
        rest = options.max_time - (path.times[-1] if path.count else 0.0)
        see((path.dual(path.count) + rest * pull)[None])
    return np.minimum(largest / path.exponents, 1.0)


def _preparation(prepared: Prepared) -> dict[str, np.ndarray]:
    return {
        "center": prepared.center,
        "scale": prepared.scale,
        "target_mean": np.array([prepared.target_mean]),
    }


def _held_out(problem: Problem, options: DiagonalOptions) -> dict[str, np.ndarray]:
    n = problem.y.size
    if n < FEW_ROWS:
        return dict.fromkeys(HELD_OUT, np.array([]))
    first = n - int(n * HELD_OUT_SHARE)
    prepared = prepare_as(problem, options, slice(first))
    path = _path(prepared, options)
    later, left = problem.X[first:], problem.y[first:]
    target = prepared.apply_to_target(later, left)
    rows = prepared.apply(later)
    squares = np.array([(target - rows @ path.coef(k)) ** 2 for k in range(path.count + 1)])
    errors = np.sqrt(squares.mean(axis=1))
    of_mean = (left - prepared.target_mean) ** 2
    gain = of_mean - squares[np.argmin(errors)]
    offsets, indices = _rows_of(path.supports)
    return {
        "held_out_support_offsets": offsets,
        "held_out_support_indices": indices,
        "held_out_mean": np.sqrt(of_mean.mean(keepdims=True)),
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
