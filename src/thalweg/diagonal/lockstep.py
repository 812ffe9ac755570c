"""Many saddle paths on few features at once: every path makes its next jump in the same array operation.

The process is stated in `naive.py`. A path needs only the correlations of its columns with each other and with the
target; they stand in one symmetric matrix, in which a sweep (Beaton 1964) brings a column into the least-squares fit
or takes it out: the last column then holds the coefficients of the support and the pulls of all others.

Correlations square the condition of the data, and nearly simultaneous events need more care than array operations
can take. So this is done only where it is safe: a path whose events come closer together than rounding can tell
apart is given up with a reason, and whoever asked computes it by itself (`saddle_path`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from thalweg.diagonal.naive import PULL_TOLERANCE, VANISHED

CLOSE = 1e-7
"""Arrivals within this share of their thresholds are a near tie; `saddle_path` tells them apart down to 1e-10."""

CLEAR = 100.0
"""A pull below this multiple of its rounding error may be zero in truth."""

TIME_ACCURACY = 1e-7
"""Relative error of a jump time that is let pass: the error of a pull over the pull itself."""

SMALL_COEFFICIENT = 1e-8
"""A coefficient below this share of the largest one (unit columns) may be zero in truth."""

FITTED = 1e-12
"""A mean squared residual below this share of that of the target may be rounding."""

STEPS_A_FEATURE = 4
"""Partial steps, in multiples of the number of features, before a restricted minimum counts as not found."""

Recorder = Callable[[Int[np.ndarray, " k"], Float[np.ndarray, " k"], Float[np.ndarray, "k d"]], None]


class Lockstep:
    """The state of `m` paths on `d` unit columns each; paths that have ended are taken out.

    Parameters
    ----------
    gram
        Correlations of the columns, ones on the diagonal, `(m, d, d)`.
    products
        Products of the columns with the target over `n`, `(m, d)`.
    squares
        Mean square of the target, `(m,)`.
    thresholds
        Walls of the duals, `(m, d)`.
    errors
        Bounds of the rounding error of a pull, `(m,)`.
    positive
        Whether only upper walls exist.
    """

    def __init__(
        self,
        gram: Float[np.ndarray, "m d d"],
        products: Float[np.ndarray, "m d"],
        squares: Float[np.ndarray, " m"],
        thresholds: Float[np.ndarray, "m d"],
        errors: Float[np.ndarray, " m"],
        positive: bool,
    ) -> None:
        m, d = products.shape
        self.gram, self.products, self.walls, self.errors = gram, products, thresholds, errors
        self.squares, self.positive = squares, positive
        self.doubts = np.maximum(CLEAR * errors, 2 * PULL_TOLERANCE * np.abs(products).max(axis=1))
        self.swept = np.empty((m, d + 1, d + 1))
        self.swept[:, :d, :d], self.swept[:, d, d] = gram, squares
        self.swept[:, :d, d] = self.swept[:, d, :d] = products
        self.number = np.arange(m)
        self.time, self.dual, self.b = np.zeros(m), np.zeros((m, d)), np.zeros((m, d))
        self.pull, self.active = products.copy(), np.zeros((m, d), dtype=bool)
        self.finished = np.zeros(m, dtype=bool)
        self.stopped = np.zeros(m, dtype=bool)

    def run(self, record: Recorder, max_saddles: int | None, max_time: float | None) -> None:
        """Follow every path to its end, its limit, or to where it is given up.

        Parameters
        ----------
        record
            Called after every jump with the numbers of the paths that jumped, their times and coefficients.
        max_saddles, max_time
            As in `saddle_path`.
        """
        jumps = 0
        while self.number.size:
            moving, unclear = self._moving()
            on_the_way = moving.any(axis=1) & ~unclear
            self._end(~on_the_way & ~unclear)
            self._keep(on_the_way)
            hit, delta, unclear = self._next_hit(moving[on_the_way])
            over = np.full(unclear.shape, max_saddles is not None and jumps >= max_saddles)
            if max_time is not None:
                arrival = self.time + delta
                over |= arrival > max_time
                unclear |= np.abs(arrival - max_time) <= CLOSE * max_time
            self.stopped[self.number[over & ~unclear]] = True
            self._end(over & ~unclear)
            self._advance(hit, delta)
            going = ~over & ~unclear
            self._keep(going)
            self._keep(self._jump(hit[going]))
            jumps += 1
            record(self.number, self.time, self.b)

    def _end(self, ended: Bool[np.ndarray, " k"]) -> None:
        self.finished[self.number[ended]] = True

    def _keep(self, kept: Bool[np.ndarray, " k"]) -> None:
        """Take out the paths that are not kept."""
        if kept.all():
            return
        for name in (
            "gram", "products", "squares", "walls", "errors", "doubts", "swept", "number", "time", "dual", "b", "pull",
            "active",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name)[kept])

    def _moving(self) -> tuple[Bool[np.ndarray, "k d"], Bool[np.ndarray, " k"]]:
        """Return which coordinates travel to a wall, and in which paths this cannot be told or the fit is exact."""
        doubt = self.doubts[:, None]
        moving = ~self.active & ((self.pull if self.positive else np.abs(self.pull)) > doubt)
        unclear = (~self.active & (np.abs(self.pull) <= doubt)).any(axis=1)
        return moving, unclear | (self.swept[:, -1, -1] <= FITTED * self.squares)

    def _next_hit(self, moving: Bool[np.ndarray, "k d"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return which coordinate arrives next, after how long, and in which paths that cannot be told."""
        each = np.arange(len(moving))
        speed = np.abs(self.pull)
        distance = self.walls - np.sign(self.pull) * self.dual
        wait = np.divide(distance, speed, out=np.full_like(speed, np.inf), where=moving)
        hit = wait.argmin(axis=1)
        delta = wait[each, hit]
        close = moving & (distance - delta[:, None] * speed <= CLOSE * self.walls)
        close[each, hit] = False
        inexact = self.errors > TIME_ACCURACY * speed[each, hit]
        return hit, delta, close.any(axis=1) | inexact | ~(delta > 0)

    def _advance(self, hit: np.ndarray, delta: np.ndarray) -> None:
        each = np.arange(delta.size)
        self.time = self.time + delta
        self.dual = self.dual + delta[:, None] * self.pull
        self.dual[each, hit] = np.copysign(self.walls[each, hit], self.pull[each, hit])

    def _jump(self, hit: np.ndarray) -> Bool[np.ndarray, " k"]:
        """Move every path to its next saddle; return in which ones that is beyond doubt."""
        self._sweep(slice(None), hit)
        target = self._target(slice(None))
        wrong = np.asarray((np.sign(self.dual) * target < 0).any(axis=1))
        self.b = np.where(wrong[:, None], self.b, target)
        sure = ~wrong | self._settle(np.flatnonzero(wrong))
        self.pull = self.products - np.matmul(self.gram, self.b[:, :, None])[:, :, 0]
        left = np.where(self.active, np.abs(self.pull), 0.0).max(axis=1)
        self.pull[self.active] = 0.0
        size = np.abs(self.b)
        limit = np.maximum(SMALL_COEFFICIENT * size.max(axis=1), 2 * VANISHED * np.sqrt(self.squares))
        tiny = (self.active & (size <= limit[:, None])).any(axis=1)
        return sure & ~tiny & (left <= self.errors)

    def _settle(self, rows: Int[np.ndarray, " k"]) -> Bool[np.ndarray, " m"]:
        """Find the restricted minimum where the least-squares point has wrong signs (see `restricted.py`).

        Parameters
        ----------
        rows
            The paths concerned; their coefficients are still those of the saddle before.

        Returns
        -------
        array (m,)
            For all paths: whether this has found a minimum and every sign in it is beyond doubt.
        """
        sure = np.zeros(len(self.b), dtype=bool)
        dropped = np.zeros_like(self.active)
        for _ in range(STEPS_A_FEATURE * self.b.shape[1]):
            if not rows.size:
                break
            target = self._target(rows)
            wrong = np.sign(self.dual[rows]) * target < 0
            short = wrong.any(axis=1)
            self._step_to_zero(rows[short], target[short], wrong[short], dropped)
            whole = rows[~short]
            self.b[whole] = target[~short]
            rows = np.concatenate([rows[short], self._readmit(whole, dropped, sure)])
        return sure

    def _step_to_zero(self, rows: np.ndarray, target: np.ndarray, wrong: np.ndarray, dropped: np.ndarray) -> None:
        """Go towards the target until the first coordinate is zero, and take that one out."""
        each, old = np.arange(rows.size), self.b[rows]
        share = np.divide(old, old - target, out=np.full_like(old, np.inf), where=wrong)
        out = share.argmin(axis=1)
        new = old + share[each, out][:, None] * (target - old)
        new[each, out] = 0.0
        self.b[rows] = new
        self._sweep(rows, out)
        dropped[rows, out] = True

    def _readmit(self, rows: np.ndarray, dropped: np.ndarray, sure: np.ndarray) -> np.ndarray:
        """Bring back, in each of these paths, the dropped coordinate that is pulled outward hardest; return where."""
        d = self.b.shape[1]
        outward = np.where(dropped[rows], np.sign(self.dual[rows]) * self.swept[rows, :d, d], -np.inf)
        hardest, doubt = outward.max(axis=1), self.doubts[rows]
        sure[rows[hardest < -doubt]] = True
        again = hardest > doubt
        back = outward[again].argmax(axis=1)
        self._sweep(rows[again], back)
        dropped[rows[again], back] = False
        return rows[again]

    def _target(self, rows: np.ndarray | slice) -> Float[np.ndarray, "k d"]:
        """Return the least-squares coefficients of the supports."""
        d = self.b.shape[1]
        return np.where(self.active[rows], self.swept[rows, :d, d], 0.0)

    def _sweep(self, rows: np.ndarray | slice, k: np.ndarray) -> None:
        """Bring column `k` of each of these paths into the fit, or take it out if it is in."""
        A, active, each = self.swept[rows], self.active[rows], np.arange(k.size)
        column = A[each, :, k]
        pivot, inside = column[each, k], active[each, k]
        scaled = column / pivot[:, None]
        A -= column[:, :, None] * scaled[:, None, :]
        scaled[inside] *= -1.0
        A[each, :, k] = A[each, k, :] = scaled
        A[each, k, k] = -1.0 / pivot
        active[each, k] = ~inside
        if not isinstance(rows, slice):  # a slice is a view, a list of rows is a copy
            self.swept[rows], self.active[rows] = A, active
