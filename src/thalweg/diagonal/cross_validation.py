"""Cross-validation over training time: how long to train, judged on rows that were held out.

Every fold prepares its own training rows and computes their saddle path. On the clock `t / ln(1/alpha)` a path, and so
its held-out error, is a step function; the union of the jump times of all folds is therefore the whole grid, and the
mean over folds is exact at every time without interpolation. The clocks of the folds are comparable because the loss
is a mean over rows. What a path that was stopped early would do later is never guessed: the grid ends where the first
fold, or the path of all rows, ceases to be known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from thalweg.diagonal.path import SaddlePath
from thalweg.diagonal.prepare import Prepared, prepare
from thalweg.diagonal.saddle_path import saddle_path
from thalweg.diagonal.selection import at_most, known_until
from thalweg.numerics.validation import regression_arrays, weights_of_rows
from thalweg.records import InputError

RULES = ("min", "1se")

BLOCK = 2**22
"""Predictions held at a time (saddles times rows): 32 MB, however many saddles there are."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One path and its mean squared error on the rows it has not seen.

    Attributes
    ----------
    times : array (m,)
        Jump times.
    errors : array (m + 1,)
        Held-out mean squared error of every saddle, the zero saddle (the mean alone) first.
    active : array (m + 1,)
        Number of active features of every saddle.
    known_until : float
        Time up to which the path was computed; infinite where it ended by itself.
    weight : float
        Total weight of the held-out rows: their number unless weights were given.
    """

    times: Float[np.ndarray, " m"]
    errors: Float[np.ndarray, " m+1"]
    active: Int[np.ndarray, " m+1"]
    known_until: float
    weight: float


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The held-out error as a step function of training time, and the steps that the rules choose.

    Attributes
    ----------
    times : array (g,)
        Where a step begins: zero and the jump times of all folds. A step lasts until the next.
    fold_errors, fold_active : arrays (f, g)
        Held-out mean squared error and number of active features of every fold on every step.
    mean, standard_error : arrays (g,)
        Mean over folds, weighted by their held-out rows, and its standard error.
    best : int
        The step of least mean error, the earliest of equals.
    one_standard_error : int
        The earliest step whose mean error is within one standard error of the least.
    horizon : float
        End of the last step: the time up to which all paths are known, often infinite.
    folds : tuple of Fold
        The single curves.
    path : SaddlePath
        The path of all rows, in prepared units.
    prepared : Prepared
        How all rows were prepared.
    """

    times: Float[np.ndarray, " g"]
    fold_errors: Float[np.ndarray, "f g"]
    fold_active: Int[np.ndarray, "f g"]
    mean: Float[np.ndarray, " g"]
    standard_error: Float[np.ndarray, " g"]
    best: int
    one_standard_error: int
    horizon: float
    folds: tuple[Fold, ...]
    path: SaddlePath
    prepared: Prepared

    def step(self, rule: str = "min") -> int:
        """Return the number of the step that a rule chooses.

        Parameters
        ----------
        rule
            "min": least mean error; "1se": the earliest step within one standard error of it.

        Returns
        -------
        int
            An index of `times`.

        Raises
        ------
        InputError
            If there is no such rule.
        """
        if rule not in RULES:
            raise InputError("option_range", name="rule", value=rule, wanted=" | ".join(RULES))
        return self.best if rule == "min" else self.one_standard_error

    def time(self, rule: str = "min") -> float:
        """Return a time inside the chosen step: its geometric middle, away from the jumps on either side.

        Parameters
        ----------
        rule
            "min" or "1se".

        Returns
        -------
        float
            Zero on the first step; on a last step without end the last jump of any of the paths.
        """
        j = self.step(rule)
        right = self.times[j + 1] if j + 1 < self.times.size else self.horizon
        if np.isinf(right):
            return float(max(self.times[-1], self.path.times[-1] if self.path.count else 0.0))
        return float(np.sqrt(self.times[j] * right))

    def saddle(self, rule: str = "min") -> int:
        """Return the number of the saddle at which the path of all rows rests at the chosen time."""
        return int(np.searchsorted(self.path.times, self.time(rule), side="right"))

    def by_active(self) -> tuple[Float[np.ndarray, "f p"], Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
        """Return the error against the number of features instead of time.

        Returns
        -------
        tuple
            Errors of every fold `(f, p)`, their mean and its standard error `(p,)`, for at most 0, 1, ..., p - 1
            active features: at the last saddle before more are active for the first time.
        """
        largest = max(int(fold.active.max()) for fold in self.folds)
        cut = [int(fold.active.max()) - 1 for fold in self.folds if np.isfinite(fold.known_until)]
        counts = range(max(0, min([largest, *cut])) + 1)
        errors = np.array([[fold.errors[at_most(fold.active, p)] for p in counts] for fold in self.folds])
        return errors, *_summary(errors, self.folds)


def cross_validate(
    X: np.ndarray,
    y: np.ndarray,
    *,
    folds: int | Any = 5,
    ordered: bool = False,
    seed: int = 0,
    groups: np.ndarray | None = None,
    sample_weight: np.ndarray | None = None,
    fit_intercept: bool = True,
    standardize: bool = True,
    n_jobs: int | None = None,
    **options: Any,
) -> CrossValidation:
    """Judge every training time on held-out rows.

    Parameters
    ----------
    X, y : arrays (n, d), (n,)
        The data as they are; every fold centres and scales by its own training rows.
    folds
        How many; or a splitter of scikit-learn, or (training rows, held-out rows) pairs.
    ordered
        The rows are in the order of time: every fold is judged on rows later than all it has seen.
    seed
        Of the shuffle that makes folds of unordered rows.
    groups : array (n,), optional
        Handed to the splitter.
    sample_weight : array (n,), optional
        Weights of the rows in training and in the errors.
    fit_intercept, standardize
        As in `prepare`.
    n_jobs
        Processes; the result does not depend on it.
    **options
        Of `saddle_path`: `positive`, `init_exponents`, `max_saddles`, `max_time`, `tol`, `tie_break`.

    Returns
    -------
    CrossValidation
        The curves, the chosen steps and the path of all rows.
    """
    X, y = regression_arrays(X, y)
    weights = None if sample_weight is None else weights_of_rows(sample_weight, y.size)
    recipe = _Recipe(fit_intercept, standardize, options)
    splits = _splits(X, y, folds, ordered, seed, groups)
    prepared, path = recipe.follow(X, y, weights)

    if n_jobs in (None, 1):
        judged: Any = [_judge(X, y, weights, train, test, recipe) for train, test in splits]
    else:
        from sklearn.utils.parallel import Parallel, delayed

        works = (delayed(_judge)(X, y, weights, train, test, recipe) for train, test in splits)
        judged = Parallel(n_jobs=n_jobs)(works)
    return _combine(tuple(judged), path, prepared, known_until(path, **recipe.limits))


@dataclass(frozen=True)
class _Recipe:
    """How the path of any set of rows is computed."""

    fit_intercept: bool
    standardize: bool
    options: dict[str, Any]

    @property
    def limits(self) -> dict[str, Any]:
        """The options that end a path early."""
        return {name: self.options.get(name) for name in ("max_saddles", "max_time")}

    def follow(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> tuple[Prepared, SaddlePath]:
        """Prepare rows and compute their path."""
        prepared = prepare(X, y, fit_intercept=self.fit_intercept, standardize=self.standardize, sample_weight=weights)
        return prepared, saddle_path(prepared.X, prepared.y, reference_norm=prepared.target_norm, **self.options)


def _splits(
    X: np.ndarray, y: np.ndarray, folds: Any, ordered: bool, seed: int, groups: np.ndarray | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the row numbers of every fold, training rows and held-out rows."""
    n = y.size
    if isinstance(folds, Integral):
        count = int(folds)
        if not 2 <= count <= n - ordered:
            raise InputError("option_range", name="folds", value=count, wanted=f"2 <= folds <= {n - ordered}")
        return _later_rows(n, count) if ordered else _shuffled_rows(n, count, seed)
    if isinstance(folds, str) or not (hasattr(folds, "split") or isinstance(folds, Iterable)):
        raise InputError("option_range", name="folds", value=folds, wanted="int | splitter | (train, test), ...")
    from sklearn.model_selection import check_cv

    made: Any = check_cv(folds)  # pyright: ignore[reportArgumentType]
    splits = [(_row_numbers(train), _row_numbers(test)) for train, test in made.split(X, y, groups)]
    if len(splits) < 2:
        raise InputError("option_range", name="folds", value=len(splits), wanted="2 <= folds")
    for number, (train, test) in enumerate(splits):
        if ordered and train.max() >= test.min():
            raise InputError("split_looks_ahead", fold=number, trained=int(train.max()), judged=int(test.min()))
    return splits


def _shuffled_rows(n: int, count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the splits of scikit-learn's shuffled `KFold`, whose import takes a second that a survey has not."""
    order = np.arange(n)
    np.random.RandomState(seed).shuffle(order)
    parts = [np.sort(part) for part in np.array_split(order, count)]
    return [(np.setdiff1d(np.arange(n), part, assume_unique=True), part) for part in parts]


def _later_rows(n: int, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the splits of scikit-learn's `TimeSeriesSplit`: held-out rows follow all that were trained on."""
    size = n // (count + 1)
    starts = range(n - count * size, n, size)
    return [(np.arange(start), np.arange(start, start + size)) for start in starts]


def _row_numbers(rows: Any) -> np.ndarray:
    """Return the rows of one side of a split, given by number or by a mask, as numbers."""
    chosen = np.asarray(rows)
    numbers = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
    if numbers.size == 0:
        raise InputError("array_empty", name="folds", shape=str(chosen.shape))
    return numbers


def _judge(
    X: np.ndarray, y: np.ndarray, weights: np.ndarray | None, train: np.ndarray, test: np.ndarray, recipe: _Recipe
) -> Fold:
    """Compute the path of the training rows and the errors of its saddles on the others."""
    prepared, path = recipe.follow(X[train], y[train], None if weights is None else weights[train])
    held_out = np.ones(test.size) if weights is None else weights_of_rows(weights[test], test.size)
    return Fold(
        times=path.times,
        errors=squared_errors(path, prepared, X[test], y[test], held_out),
        active=np.array([support.size for support in path.supports]),
        known_until=known_until(path, **recipe.limits),
        weight=float(held_out.sum()),
    )


def squared_errors(
    path: SaddlePath,
    prepared: Prepared,
    X: Float[np.ndarray, "m d"],
    y: Float[np.ndarray, " m"],
    weights: Float[np.ndarray, " m"],
) -> Float[np.ndarray, " k"]:
    """Return the weighted mean squared error of every saddle on other rows.

    Parameters
    ----------
    path
        A path in prepared units.
    prepared
        How its rows were prepared.
    X, y, weights
        Other rows, in the units of the data.

    Returns
    -------
    array (k,)
        One error a saddle, `k = path.count + 1`; only the columns that are ever active are touched.
    """
    used = np.unique(np.concatenate(path.supports))
    rows = (X[:, used] - prepared.center[used]) / prepared.scale[used]
    target, share = y - prepared.target_mean, weights / weights.sum()
    errors = np.empty(path.count + 1)
    size = max(1, BLOCK // target.size)
    for start in range(0, errors.size, size):
        block = slice(start, min(start + size, errors.size))
        dense = np.zeros((block.stop - start, used.size))
        for row, support, values in zip(dense, path.supports[block], path.values[block], strict=True):
            row[np.searchsorted(used, support)] = values
        errors[block] = (target - dense @ rows.T) ** 2 @ share
    return errors


def _combine(folds: tuple[Fold, ...], path: SaddlePath, prepared: Prepared, known: float) -> CrossValidation:
    """Put the step functions of the folds on their common grid."""
    horizon = min([known, *(fold.known_until for fold in folds)])
    jumps = np.unique(np.concatenate([[0.0], *(fold.times for fold in folds)]))
    times = jumps[jumps <= horizon]
    at = [np.searchsorted(fold.times, times, side="right") for fold in folds]
    errors = np.array([fold.errors[k] for fold, k in zip(folds, at, strict=True)])
    mean, deviation = _summary(errors, folds)
    best = int(np.argmin(mean))
    return CrossValidation(
        times=times,
        fold_errors=errors,
        fold_active=np.array([fold.active[k] for fold, k in zip(folds, at, strict=True)]),
        mean=mean,
        standard_error=deviation,
        best=best,
        one_standard_error=int(np.argmax(mean <= mean[best] + deviation[best])),
        horizon=float(horizon),
        folds=folds,
        path=path,
        prepared=prepared,
    )


def _summary(errors: Float[np.ndarray, "f g"], folds: tuple[Fold, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean over folds and its standard error."""
    share = np.array([fold.weight for fold in folds])
    share /= share.sum()
    mean = share @ errors
    return mean, np.sqrt(share @ (errors - mean) ** 2 / (len(folds) - 1))
