"""`saddle_path`: the limiting saddle-to-saddle process, exactly and fast.

The process is stated in `naive.py`. Here many rows are compressed to as many as there are columns (`compression.py`),
the events run on an active set that is updated instead of computed anew (`walk.py`), and where columns far outnumber
rows, on a working set that is verified against all columns (`batches.py`). Where columns are so nearly dependent that
the updated factor is too inexact, the plain algorithm takes over, and the path says so (`algorithm`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from thalweg.diagonal import batches
from thalweg.diagonal.columns import Columns
from thalweg.diagonal.compression import compress, from_gram, is_tall
from thalweg.diagonal.course import Course
from thalweg.diagonal.merging import Merged, merge_duplicates
from thalweg.diagonal.naive import PULL_TOLERANCE, naive_path, pull_tolerance, refuse_bad_options
from thalweg.diagonal.path import SaddlePath, assemble
from thalweg.diagonal.smooth_path import smooth_path
from thalweg.diagonal.walk import PrecisionLost, Walk, Working
from thalweg.numerics.validation import real_array, weights_of_rows
from thalweg.records import InputError, Outcome

PLAIN_ENTRIES = 10_000_000
"""Entries of wide data up to which the plain algorithm takes over where precision is lost: beyond, it takes hours."""

WORTH_BATCHES = 4000
"""From so many columns on (and twice as many as rows), a working set saves more than its verification costs."""


def saddle_path(
    X: Any,
    y: np.ndarray,
    *,
    loss: str = "squared",
    huber_delta: float | None = None,
    positive: bool = False,
    init_exponents: np.ndarray | None = None,
    sample_weight: np.ndarray | None = None,
    max_saddles: int | None = None,
    max_time: float | None = None,
    tol: float = PULL_TOLERANCE,
    verify: bool = True,
    tie_break: str = "support",
    reference_norm: float | None = None,
) -> SaddlePath:
    """Compute the saddle path: all saddles that training from an infinitesimal start visits, and when.

    Parameters
    ----------
    X : array, memory map, sparse matrix or Columns (n, d)
        The data, used as they are: neither centred nor scaled (`Columns` can imply both). Float32, mapped and
        sparse data are never copied whole.
    y : array (n,)
        The target.
    loss, huber_delta
        "squared"; or "logistic", "poisson" or "huber" by Newton's method on a dense matrix (`smooth_path`, which
        also takes columns without penalty).
    positive
        The one-sided network `b = u^2`: only `s_i = +a_i` switches a feature on.
    init_exponents : array (d,), optional
        `a_i > 0` of the initialisation `alpha^a_i`; 1 for all unless given.
    sample_weight : array (n,), optional
        Weights `w_i >= 0` of the rows: the loss is `sum w_i (y - X b)_i^2 / (2 sum w_i)`.
    max_saddles, max_time
        Stop after so many jumps, or before the first jump later than this.
    tol
        Relative size below which pulls and residuals are zero.
    verify
        Whether every event found on a working set is proved against all columns. Without, only the last event of
        each batch is: a column that reaches its wall and leaves it in between is missed. The path says so
        (`algorithm`).
    tie_break
        Coefficients of dependent columns: "support" keeps the first that explain the fit, "entropy" takes
        the split that the flow approaches. Times, losses and fits are the same.
    reference_norm
        Norm of the target before centring, for the rounding level; of `y` unless given.

    Returns
    -------
    SaddlePath
        All saddles up to the end or the limits.

    Raises
    ------
    InputError
        If an array is unusable, an option is out of its range, or dependent columns of data too large for the plain
        algorithm were to be split by entropy.

    Notes
    -----
    Source: S. Pesme, N. Flammarion, NeurIPS 2023, algorithm 1.
    """
    if loss != "squared":
        if isinstance(X, Columns) or hasattr(X, "tocsc"):
            raise InputError("loss_needs_dense", loss=loss)
        return smooth_path(
            X, y, loss=loss, huber_delta=huber_delta, positive=positive, init_exponents=init_exponents,
            sample_weight=sample_weight, max_saddles=max_saddles, max_time=max_time, tol=tol, tie_break=tie_break,
            reference_norm=reference_norm,
        )  # fmt: skip
    columns, y = _weighted(*_checked(X, y), sample_weight)
    d = columns.shape[1]
    a = np.ones(d) if init_exponents is None else real_array(init_exponents, "init_exponents", 1)
    refuse_bad_options(columns.shape, a, max_saddles, max_time, tol, tie_break)
    merged = merge_duplicates(columns, a, positive)
    level = float(np.linalg.norm(y)) if reference_norm is None else reference_norm
    negligible = (tol * float(np.linalg.norm(y))) ** 2 / (2 * y.size)
    task = _Task(columns, y, a, merged, positive, tol, level, max_saddles, max_time, tie_break, negligible)
    if is_tall((columns.shape[0], merged.kept.size)):
        return task.compressed().solve()
    if d >= max(WORTH_BATCHES, 2 * columns.shape[0]) or not columns.is_plain:
        return task.solve_in_batches(verify)
    return task.solve()


def gram_path(
    gram: np.ndarray,
    products: np.ndarray,
    *,
    rows: float,
    target_square: float | None = None,
    positive: bool = False,
    init_exponents: np.ndarray | None = None,
    max_saddles: int | None = None,
    max_time: float | None = None,
    tol: float = PULL_TOLERANCE,
) -> SaddlePath:
    """Compute the saddle path of the squared loss from sums of products alone.

    Such sums add up over parts of the data, machines or time. They carry the square of the condition number: where
    columns are nearly dependent, `saddle_path` on the data is more exact.

    Parameters
    ----------
    gram : array (d, d)
        `X'X`.
    products : array (d,)
        `X'y`.
    rows
        The number of rows `n`, or the sum of weights.
    target_square
        `y'y`; without it, losses are counted from the least one.
    positive, init_exponents, max_saddles, max_time, tol
        As for `saddle_path`.

    Returns
    -------
    SaddlePath
        Its integrals refer to data that have these products.

    Raises
    ------
    InputError
        If an array is unusable, or no data have these products.
    """
    gram, products = real_array(gram, "gram", 2), real_array(products, "products", 1)
    d = products.size
    if gram.shape != (d, d):
        raise InputError("length_differs", name="gram", found=gram.shape[0], wanted=d)
    if not rows > 0:
        raise InputError("option_range", name="rows", value=rows, wanted="> 0")
    a = np.ones(d) if init_exponents is None else real_array(init_exponents, "init_exponents", 1)
    refuse_bad_options((1, d), a, max_saddles, max_time, tol, "support")
    try:
        small = from_gram(gram, products, 0.0 if target_square is None else target_square, rows)
    except np.linalg.LinAlgError:
        raise InputError("gram_impossible") from None
    columns = Columns(small.X)
    level = float(np.linalg.norm(small.y)) if target_square is None else np.sqrt(target_square * small.y.size / rows)
    merged = merge_duplicates(columns, a, positive)
    negligible = (tol * level) ** 2 / (2 * max(small.y.size, 1))
    constant = small.constant_loss if target_square is not None else 0.0
    task = _Task(
        columns, small.y, a, merged, positive, tol, level, max_saddles, max_time, "support", negligible, constant
    )
    return task.solve()


def _checked(X: Any, y: np.ndarray) -> tuple[Columns, Float[np.ndarray, " n"]]:
    """Return data and target, finite and of equal length."""
    columns = X if isinstance(X, Columns) else Columns(X)
    columns.require_finite()
    y = real_array(y, "y", 1)
    if columns.shape[0] != y.size:
        raise InputError("rows_differ", rows_x=columns.shape[0], rows_y=y.size)
    return columns, y


def _weighted(
    columns: Columns, y: Float[np.ndarray, " n"], weight: np.ndarray | None
) -> tuple[Columns, Float[np.ndarray, " n"]]:
    """Return data whose plain loss is the weighted one: rows times `sqrt(w n / sum w)`."""
    if weight is None:
        return columns, y
    w = weights_of_rows(weight, y.size)
    factor = np.sqrt(w * (w.size / w.sum()))
    if columns.is_plain:
        return Columns(columns.data * factor[:, None]), y * factor
    rows = factor if columns.rows is None else factor * columns.rows
    return Columns(columns.data, center=columns.center, scale=columns.scale, rows=rows), y * factor


@dataclass(frozen=True, eq=False)
class _Task:
    """A path to compute: data, how columns stand for others, and the options."""

    columns: Columns
    y: Float[np.ndarray, " n"]
    exponents: Float[np.ndarray, " d"]
    merged: Merged
    positive: bool
    tol: float
    level: float
    max_saddles: int | None
    max_time: float | None
    tie_break: str
    negligible_loss: float
    constant: float = 0.0

    def compressed(self) -> _Task:
        """Return the same task with as many rows as columns."""
        n, kept = self.y.size, self.merged.kept
        small = compress(self.columns if not self.merged.groups else self.columns.only(kept), self.y)
        places = np.searchsorted(kept, self.merged.source)
        X = small.X[:, places] * self.merged.sign if self.merged.groups else small.X
        # Rounding is relative to the raw target: the compressed one is as much smaller as its clock factor says.
        level = self.level * np.sqrt(small.y.size / n)
        return replace(self, columns=Columns(X), y=small.y, level=level, constant=small.constant_loss)

    def solve(self) -> SaddlePath:
        """Walk over all columns at once; where that is too inexact, or ties are to be split, plainly."""
        pull = self.columns.products(self.y) / self.y.size
        tolerance = pull_tolerance(pull, self.columns.norms, self.y.size, self.tol, self.level)
        kept = self.merged.kept
        rows = np.ascontiguousarray(
            self.columns.data.T if kept.size == self.exponents.size else self.columns.take(kept)
        )
        work = Working(rows, kept, self.exponents[kept], self.columns.norms[kept], tolerance[kept])
        course = self._course(work)
        outcome = None
        try:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                while outcome is None:
                    outcome = course.step()
        except (PrecisionLost, np.linalg.LinAlgError):
            return self.plainly()
        if self.tie_break == "entropy" and course.skipped:
            return self.plainly()
        return self._path(course, outcome, "updated factor")

    def solve_in_batches(self, verify: bool) -> SaddlePath:
        """Walk on a working set that is verified against all columns."""
        columns, n = self.columns, self.y.size
        pull = columns.products(self.y) / n
        tolerance = pull_tolerance(pull, columns.norms, n, self.tol, self.level)
        eligible = columns.norms > 0
        eligible[np.setdiff1d(np.arange(eligible.size), self.merged.kept)] = False
        candidates = batches.Candidates(columns, self.exponents, tolerance, eligible, self.positive)
        course = self._course(batches.first_working(candidates, pull))
        try:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                outcome = batches.follow(course, candidates, verify)
        except (PrecisionLost, np.linalg.LinAlgError):
            outcome = Outcome.PRECISION_LOST
        inexact = outcome is Outcome.PRECISION_LOST or (self.tie_break == "entropy" and course.skipped)
        if inexact and n * eligible.size <= PLAIN_ENTRIES:
            return self.plainly()
        if self.tie_break == "entropy" and course.skipped:
            raise InputError("ties_too_large", entries=n * eligible.size, most=PLAIN_ENTRIES)
        return self._path(course, outcome, "verified batches" if verify else "batches checked at their ends")

    def plainly(self) -> SaddlePath:
        """Compute the path by the plain algorithm."""
        X = np.ascontiguousarray(self.columns.take(np.arange(self.exponents.size)).T)
        path = naive_path(
            X,
            self.y,
            init_exponents=self.exponents,
            positive=self.positive,
            max_saddles=self.max_saddles,
            max_time=self.max_time,
            tol=self.tol,
            tie_break=self.tie_break,
            reference_norm=self.level,
        )
        losses = path.losses + self.constant
        left = losses[-1] > self.negligible_loss
        ended = Outcome.CONVERGED if path.outcome is Outcome.INTERPOLATED and left else path.outcome
        return replace(path, losses=losses, outcome=ended)

    def _course(self, work: Working) -> Course:
        return Course(
            Walk(work, self.y, self.positive),
            constant_loss=self.constant,
            negligible_loss=self.negligible_loss,
            max_saddles=self.max_saddles,
            max_time=self.max_time,
        )

    def _path(self, course: Course, outcome: Outcome, algorithm: str) -> SaddlePath:
        return assemble(
            course.saddles,
            outcome,
            self.merged,
            self.columns,
            self.exponents,
            algorithm=algorithm,
            positive=self.positive,
            departure=course.departure,
            rank_skipped=course.skipped,
            smallest_pivot=course.walk.smallest_pivot,
            simultaneous=course.simultaneous,
        )
