"""The conditions that characterise the limiting process, evaluated at every jump of a recorded path.

With the residuals of the recorded saddles `b_k`, pulls `g_k = X'(y - X b_k)/n` and duals `s_k = X'R(t_k)/n`, a path
with increasing times is the process up to its last jump exactly if

1. `|s_k| <= a` at every jump (`s` is linear in between, so it never leaves its box),
2. `s_i = sigma_i a_i` for every feature `i` that is active before or after the jump,
3. `g_i = 0` on the support, and `sigma_i g_i <= 0` for the other features at a wall: the restricted problem is solved,
4. at every jump a feature that is pulled outward arrives at its wall: no jump comes early, and the loss decreases.

For if the process is at `b_k` after jump `k`, a next jump that comes late breaks 1 and one that comes early breaks 4;
at the right time 2 and 3 are the optimality conditions of the restricted problem, whose fit is unique (specification
of the family, section 2 and correction B9). All rounding errors are bounded: what is found to hold is proved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.certified import CertifiedData
from thalweg.diagonal.residuals import Stretch
from thalweg.numerics.column_blocks import upper_norms
from thalweg.numerics.rounding import UNIT_ROUNDOFF, gamma
from thalweg.records import Cell, Statement

if TYPE_CHECKING:
    from scipy.sparse import csc_array

DUAL_TOLERANCE, WIDEST_TOLERANCE = 1e-8, 1e-6
"""Largest excess of a dual over its threshold, relative to it, and to what it may widen where the proved rounding
errors of the duals are larger: Gaussian data need 1e-12, the near-infrared sample, which ends at t = 2e8, 2e-8."""

ROUNDING_SHARE = 4.0
"""The tolerance in multiples of these errors: the path's own rounding is of their size."""

STATIONARY = 10.0
"""Pulls up to this multiple of the path's own tolerance are rounding."""

BACKWARD = 1e-11
"""Largest relative change of columns and target that counts as rounding of the recorded coefficients."""


class Condition:
    """How far one condition is exceeded at each jump (saddle 0 first), as bounds from above and from below.

    Parameters
    ----------
    name
        Of the margin.
    reason
        Code of the sentence that says what is wrong.
    limit
        Up to which excess it holds.
    count
        Number of jumps.
    refutes
        Whether exceeding the limit contradicts the record; otherwise it only proves nothing.
    """

    def __init__(self, name: str, reason: str, limit: float, count: int, refutes: bool = True) -> None:
        self.name, self.reason, self.limit, self.refutes = name, reason, limit, refutes
        self.upper, self.lower = np.full((2, count + 1), -np.inf)
        self.column = np.full(count + 1, -1)

    def see(self, excess: np.ndarray, error: np.ndarray | float, first_jump: int, first_column: int = -1) -> None:
        """Take in excesses, a row a jump and a column a feature (or one in all); where none applies, `-inf`."""
        if not excess.size:
            return
        upper = excess + error
        upper[np.isnan(upper)] = np.inf
        at = upper.argmax(axis=1)
        highest = upper[np.arange(len(at)), at]
        rows = slice(first_jump, first_jump + len(at))
        self.column[rows] = np.where(highest > self.upper[rows], first_column + at, self.column[rows])
        self.upper[rows] = np.maximum(self.upper[rows], highest)
        self.lower[rows] = np.fmax(self.lower[rows], np.fmax.reduce(excess - error, axis=1))

    @property
    def worst(self) -> tuple[float, int, int]:
        """The largest bound from above, with its jump and column (-1 where a saddle as a whole is meant)."""
        jump = int(self.upper.argmax())
        return float(self.upper[jump]), jump, int(self.column[jump])

    @property
    def unproved(self) -> int | None:
        """The first jump at which the condition is not proved."""
        return _first(self.upper > self.limit)

    @property
    def violated(self) -> int | None:
        """The first jump at which the record is contradicted."""
        return _first(self.lower > self.limit) if self.refutes else None

    def statement(self, jump: int) -> Statement:
        """Say what is wrong at a jump."""
        values: dict[str, Cell] = {
            "before": max(jump - 1, 0),
            "jump": jump,
            "column": int(self.column[jump]),
            "size": float(self.upper[jump]),
            "limit": self.limit,
            "name": self.name,
        }
        return Statement(self.reason if self.lower[jump] > self.limit else "reason.diagonal.path_open", values)


def _first(exceeds: np.ndarray) -> int | None:
    return int(exceeds.argmax()) if exceeds.any() else None


class Conditions:
    """The conditions on a path of `count` jumps, seen stretch by stretch.

    Parameters
    ----------
    data
        With the thresholds.
    pull_tolerance
        Sizes up to which the path's own algorithm takes pulls for zero.
    tol
        Largest excess of a dual, relative to its threshold; None for what `DUAL_TOLERANCE` says.
    count
        Number of jumps.
    """

    def __init__(
        self, data: CertifiedData, pull_tolerance: Float[np.ndarray, " d"], tol: float | None, count: int
    ) -> None:
        self.data, self.tol = data, DUAL_TOLERANCE if tol is None else tol
        self._widens = tol is None
        self.unseen_pull = np.zeros(data.columns.d)
        self.pull_tolerance = np.where(pull_tolerance > 0, pull_tolerance, 1.0)  # a zero column has no pull
        self.dual = Condition("dual_excess", "reason.diagonal.path_dual", self.tol, count)
        self.wall = Condition("wall_distance", "reason.diagonal.path_wall", self.tol, count)
        self.coefficients = Condition("coefficient_pull", "reason.diagonal.path_coefficients", BACKWARD, count)
        self.descent = Condition("loss_increase", "reason.diagonal.path_descent", 0.0, count, refutes=False)
        self.end = Condition("last_pull", "reason.diagonal.path_end", STATIONARY, count)
        self.backward = Condition("backward_error", "reason.diagonal.path_backward", BACKWARD, count, refutes=False)
        self.support = Condition("support_pull", "reason.diagonal.path_open", STATIONARY, count, refutes=False)
        self.skipped = Condition("outward_pull", "reason.diagonal.path_skipped", STATIONARY, count, refutes=False)
        self.arrival = Condition("missed_wall", "reason.diagonal.path_arrival", self.tol, count, refutes=False)

    @property
    def on_jumps(self) -> tuple[Condition, ...]:
        """All conditions but that of the end, in the order in which they are named where several are exceeded."""
        return (
            self.coefficients, self.dual, self.wall, self.descent, self.skipped, self.arrival, self.support,
            self.backward,
        )  # fmt: skip

    def see_unseen(self, unseen: Float[np.ndarray, " n"]) -> None:
        """Bound what the columns see of the part of the target that is taken out."""
        if unseen.any():
            columns, sizes = self.data.columns, upper_norms(unseen[None])
            seen = np.abs(columns.all_products(unseen[None]))
            seen += np.outer(columns.product_error(sizes), columns.norms)
            norms = np.where(columns.norms > 0, columns.norms, 1.0)
            self.backward.see(seen / (norms * sizes), 0.0, 0)
            self.unseen_pull = seen[0] / unseen.size

    def see(self, stretch: Stretch, signs: csc_array, is_last: bool) -> None:
        """Evaluate everything on one stretch; `signs` of its saddles are the rows of a sparse matrix."""
        columns = self.data.columns
        p, n = stretch.integrals.shape
        pull_error = columns.product_error(upper_norms(stretch.driving)) / n
        dual_error = (columns.product_error(upper_norms(stretch.integrals)) + stretch.integral_errors) / n
        if self._widens:
            self._widen(float(dual_error.max(initial=0.0) * (columns.norms / self.data.exponents).max()))
        arrivals = np.zeros(p)
        for block, products in columns.products(np.concatenate([stretch.integrals, stretch.driving])):
            products /= n
            norms = columns.norms[block]
            errors = np.outer(dual_error, norms) * (1 + 4 * UNIT_ROUNDOFF), np.outer(pull_error, norms)
            highest = self._see_block(stretch.first, block, products, errors, signs[:, block].toarray(), is_last)
            arrivals = np.maximum(arrivals, highest)
        self.arrival.see(1 - arrivals[:, None], 0.0, stretch.first)
        self._see_saddles(stretch)

    def _widen(self, error: float) -> None:
        """Widen the tolerance of the duals to what their rounding needs, as far as is allowed."""
        self.tol = min(max(self.tol, ROUNDING_SHARE * error), WIDEST_TOLERANCE)
        self.dual.limit = self.wall.limit = self.arrival.limit = self.tol

    def _see_block(
        self,
        first: int,
        block: slice,
        products: np.ndarray,
        errors: tuple[np.ndarray, np.ndarray],
        signs: np.ndarray,
        is_last: bool,
    ) -> np.ndarray:
        """Look at some columns; return for each jump how near to its wall one comes that is pulled outward."""
        p, a, tolerance = len(errors[0]), self.data.exponents[block], self.pull_tolerance[block]
        duals, pulls = products[:p] / a, products[p:]
        dual_error, pull_error = errors[0] / a, errors[1]
        heights = duals if self.data.positive else np.abs(duals)
        self.dual.see(heights - 1, dual_error, first, block.start)
        for side in (signs[:-1], signs[1:]):
            self.wall.see(np.where(side != 0, np.abs(side * duals - 1), -np.inf), dual_error, first, block.start)
        sizes, size_errors = np.abs(pulls) / tolerance, pull_error / tolerance
        self.support.see(np.where(signs != 0, sizes, -np.inf), size_errors, first - 1, block.start)
        side = np.ones_like(duals) if self.data.positive else np.sign(duals)
        at_wall = heights + dual_error >= 1 - self.tol
        outward = np.where(at_wall & (signs[1:] == 0), side * pulls[1:] / tolerance, -np.inf)
        self.skipped.see(outward, size_errors[1:], first, block.start)
        if is_last:
            moving = pulls[-1:] / tolerance if self.data.positive else sizes[-1:]
            left = size_errors[-1:] + self.unseen_pull[block] / tolerance
            self.end.see(moving, left, first - 1 + p, block.start)
        return np.where(side * pulls[:-1] > pull_error[:-1], heights - dual_error, 0.0).max(axis=1)

    @property
    def trusted(self) -> int:
        """The number of saddles, from the first, whose residuals are proved to be those of their supports."""
        doubts = [c.unproved for c in (self.support, self.backward) if c.unproved is not None]
        return min(doubts, default=self.support.upper.size)

    def _see_saddles(self, stretch: Stretch) -> None:
        """Look at what concerns whole saddles: their coefficients and losses."""
        first, n = stretch.first, stretch.driving.shape[1]
        self.coefficients.see(stretch.coefficient_pulls[:, None], 0.0, first - 1)
        self.backward.see(stretch.defects[:, None], 0.0, first - 1)
        change = stretch.driving[1:] - stretch.driving[:-1]
        total = stretch.driving[1:] + stretch.driving[:-1]
        # The change of 2 n L, relative to what its rounding is relative to.
        sizes = upper_norms(change) * upper_norms(total)
        moves = change.any(axis=1)
        increase = np.divide(np.einsum("ij,ij->i", change, total), sizes, out=np.ones(len(sizes)), where=moves)
        self.descent.see(increase[:, None], gamma(n + 8), first)
