"""`saddle_path`: the limiting saddle-to-saddle process, exactly and fast.

The process is stated in `naive.py`. Here many rows are compressed to as many as there are columns (`compression.py`)
and the events run on an active set that is updated instead of computed anew (`walk.py`). Where columns are so nearly
dependent that the updated factor is too inexact, the plain algorithm takes over, and the path says so (`algorithm`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from thalweg.diagonal.compression import compress
from thalweg.diagonal.merging import Merged, merge_duplicates
from thalweg.diagonal.naive import PULL_TOLERANCE, naive_path, pull_tolerance, refuse_bad_options
from thalweg.diagonal.path import Saddle, SaddlePath, assemble
from thalweg.diagonal.walk import PrecisionLost, Walk
from thalweg.numerics.validation import real_array, regression_arrays
from thalweg.records import Outcome


def saddle_path(
    X: np.ndarray,
    y: np.ndarray,
    *,
    positive: bool = False,
    init_exponents: np.ndarray | None = None,
    max_saddles: int | None = None,
    max_time: float | None = None,
    tol: float = PULL_TOLERANCE,
    tie_break: str = "support",
    reference_norm: float | None = None,
) -> SaddlePath:
    """Compute the saddle path of the squared loss.

    Parameters
    ----------
    X, y : arrays (n, d), (n,)
        The data, used as they are: neither centred nor scaled.
    positive
        The one-sided network `b = u^2`: only `s_i = +a_i` switches a feature on.
    init_exponents : array (d,), optional
        `a_i > 0` of the initialisation `alpha^a_i`; 1 for all unless given.
    max_saddles, max_time
        Stop after so many jumps, or before the first jump later than this.
    tol
        Relative size below which pulls and residuals are zero.
    tie_break
        Coefficients of dependent columns: "support" keeps the first that explain the fit, "entropy" takes
        the split that the flow approaches. Times, losses and fits are the same.
    reference_norm
        Norm of the target before centring, for the rounding level; of `y` unless given.

    Returns
    -------
    SaddlePath
        All saddles up to the end or the limits.

    Notes
    -----
    Source: S. Pesme, N. Flammarion, NeurIPS 2023, algorithm 1.
    """
    X, y = regression_arrays(X, y)
    a = np.ones(X.shape[1]) if init_exponents is None else real_array(init_exponents, "init_exponents", 1)
    refuse_bad_options(X, a, max_saddles, max_time, tol, tie_break)
    merged = merge_duplicates(X, a, positive)
    run = _Run(X, y, a, merged, positive, tol, reference_norm)
    try:
        outcome = run.to_end(max_saddles, max_time)
    except (PrecisionLost, np.linalg.LinAlgError):
        outcome = None
    if outcome is None or (tie_break == "entropy" and run.skipped):
        options = {"init_exponents": a, "positive": positive, "tol": tol, "tie_break": tie_break}
        plain = naive_path(
            run.shown, run.y, max_saddles=max_saddles, max_time=max_time, reference_norm=run.level, **options
        )
        return run.with_constant(plain)
    return assemble(
        run.saddles,
        outcome,
        merged,
        run.shown,
        a,
        algorithm="updated factor",
        positive=positive,
        departure=run.departure,
        rank_skipped=run.skipped,
        smallest_pivot=run.walk.smallest_pivot,
        simultaneous=run.simultaneous,
    )


class _Run:
    """A walk over all merged columns, with what the path reports beside its saddles."""

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        exponents: np.ndarray,
        merged: Merged,
        positive: bool,
        tol: float,
        reference_norm: float | None,
    ) -> None:
        kept = X[:, merged.kept] if merged.groups else X
        small = compress(kept, y)
        self.shown = small.X[:, merged.source] * merged.sign if merged.groups else small.X
        # Rounding is relative to the raw target: the compressed one is as much smaller as its clock factor says.
        raw = float(np.linalg.norm(y)) if reference_norm is None else reference_norm
        self.y, self.level = small.y, raw * np.sqrt(small.y.size / y.size)
        self.walk = Walk(
            np.ascontiguousarray(small.X.T),
            small.y,
            exponents[merged.kept],
            np.linalg.norm(small.X, axis=0),
            pull_tolerance(small.X, small.y, tol, self.level),
            positive,
        )
        self.constant, self.tol = small.constant_loss, tol
        self.target_norm = float(np.linalg.norm(y)) * np.sqrt(small.y.size / y.size)
        self.saddles = [
            Saddle(0.0, np.array([], dtype=np.int64), np.array([]), self.walk.integral.copy(), self._loss())
        ]
        self.skipped: list[tuple[int, int]] = []
        self.simultaneous: list[int] = []
        self.departure: int | None = None

    def to_end(self, max_saddles: int | None, max_time: float | None) -> Outcome:
        """Walk to a minimiser or to a limit and say how it ended."""
        walk = self.walk
        while True:
            if len(self.saddles) > 1 and self._interpolates():
                return Outcome.INTERPOLATED
            found = walk.next_hits()
            if found is None:
                return Outcome.CONVERGED if len(self.saddles) > 1 else Outcome.NOTHING_TO_LEARN
            if max_saddles is not None and len(self.saddles) > max_saddles:
                return Outcome.STOPPED_ON_REQUEST
            hits, delta = found
            if max_time is not None and walk.time + delta > max_time:
                return Outcome.STOPPED_ON_REQUEST
            walk.advance(hits, delta)
            self._record(walk.jump(hits), hits)

    def _record(self, left: bool, hits: np.ndarray) -> None:
        walk, number = self.walk, len(self.saddles)
        self.saddles.append(
            Saddle(walk.time, walk.set.indices.copy(), walk.set.b.copy(), walk.integral.copy(), self._loss())
        )
        self.skipped += [(number, i) for i in walk.dependent_on_face()]
        if hits.size > 1:
            self.simultaneous.append(number)
        if left and self.departure is None:
            self.departure = number

    def with_constant(self, path: SaddlePath) -> SaddlePath:
        """Add to a path of the compressed data the loss that no coefficient can change."""
        losses = path.losses + self.constant
        left = (2 * losses[-1] * self.walk.n) ** 0.5 > self.tol * self.target_norm
        ended = Outcome.CONVERGED if path.outcome is Outcome.INTERPOLATED and left else path.outcome
        return replace(path, losses=losses, outcome=ended)

    def _loss(self) -> float:
        return self.walk.loss / (2 * self.walk.n) + self.constant

    def _interpolates(self) -> bool:
        """Tell whether the whole residual, with what no column sees, is rounding."""
        total = (2 * self._loss() * self.walk.n) ** 0.5
        return bool(total <= self.tol * self.target_norm)
