"""The saddle after a jump for any smooth convex loss: Newton's method on the coordinates at their walls.

`argmin { L(b, c) : sigma_i b_i >= 0 for i at a wall, b_i = 0 otherwise, c free }` by the active-set method of
`restricted.py` with Newton steps in place of least squares: a step ends where a coordinate reaches zero, which then
leaves, or where the loss has fallen enough (Armijo). Gradients end at the rounding level: what is left of them would
drive the duals falsely over long plateaus (specification of the family, section 6.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.losses import Loss
from thalweg.diagonal.naive import VANISHED
from thalweg.diagonal.newton_system import Columns, Factor
from thalweg.diagonal.separation import FEASIBLE, NoMinimiser, endless_descent
from thalweg.diagonal.walk import GOOD_ENOUGH, REFINEMENTS, PrecisionLost

ARMIJO = 1e-4
"""Least share of the descent that the gradient promises."""

HALVINGS = 120
"""Most halvings of a step; a damped singular system makes steps up to 1e14 times too long, and overflow more."""

MOST_STEPS = 500
"""Steps before rounding is taken to stand in the way; ordinary minimisations take about ten."""

SUSPICIOUS = 12
"""Steps after which predictors that still change make us ask whether a minimiser exists."""

FAR = 0.1
"""On the way to infinity each step of Newton's method changes some predictor by about one, however small the gradient:
a step that changes one by more than this makes us ask."""

NEAR = 1e-6
"""A small gradient is that of a minimiser if the next step changes no predictor by more: losses may flatten out."""

REUSED = 0.03
"""While no row's curvature has changed by this share the old factor serves: it gains a digit and a half a step."""

OVERSHOT = 0.5
"""Largest slope at the end of a step, as a share of that at its start: a step across a kink of the Huber loss may come
out as high as it went in, with the same curvature on both sides, and would be taken back for ever."""


@dataclass(frozen=True, eq=False)
class Objective:
    """`L(b, c) = sum_k w_k loss_k(x_k'b + z_k'c) / n` with weights of mean one; the coefficients `c` have no walls."""

    X: Float[np.ndarray, "n d"]
    free: Float[np.ndarray, "n q"]
    loss: Loss
    weights: Float[np.ndarray, " n"]

    def value(self, eta: Float[np.ndarray, " n"]) -> float:
        """Return the loss at the predictor `eta`."""
        return float(self.weights @ self.loss.value(eta)) / eta.size


class RestrictedNewton:
    """The minimiser on the current face, and what moves it to that of the next.

    Parameters
    ----------
    objective
        The loss on the data.
    level
        Norm of the numbers whose rounding the residual carries.

    Attributes
    ----------
    eta, residual, curvature : arrays (n,)
        Predictor, weighted residual (so that the pull is `X'residual/n`) and weighted curvature.
    tolerance, free_tolerance : arrays (d,), (q,)
        Sizes up to which pulls are zero.
    gain : float
        By how much the last minimisation has lowered the loss.
    smallest_pivot : float
        Smallest relative distance of an entering column to the span of those before it.
    """

    def __init__(self, objective: Objective, level: float) -> None:
        self.objective, self.n = objective, objective.X.shape[0]
        self.recession = objective.loss.recession
        self.columns = Columns(objective.free)
        self.x = np.zeros(objective.free.shape[1])  # free coefficients first, then those of the active columns
        self.signs = np.zeros_like(self.x)
        self.noise = 4 * float(np.finfo(float).eps) * level / self.n
        self.gain, self.smallest_pivot, self.moved = 0.0, 1.0, 0.0
        self.factor: Factor | None = None
        self._see(np.zeros(self.n))

    @property
    def free(self) -> Float[np.ndarray, " q"]:
        """The free coefficients."""
        return self.x[: self.columns.free]

    @property
    def coefficients(self) -> Float[np.ndarray, " d"]:
        """The coefficients of all columns with walls."""
        b = np.zeros(self.objective.X.shape[1])
        b[self.columns.indices] = self.x[self.columns.free :]
        return b

    def use_tolerance(self, tolerance: Float[np.ndarray, " d"], free: Float[np.ndarray, " q"]) -> None:
        """Set the sizes up to which pulls are zero."""
        self.tolerance, self.free_tolerance = tolerance, free

    def move_free_columns(self) -> None:
        """Minimise over the free coefficients alone.

        Raises
        ------
        NoMinimiser
            If the loss falls for ever along them.
        """
        self._begin(np.zeros(self.objective.X.shape[1]))
        self._minimise()
        self._polish()

    def move_to_face(self, signs: Float[np.ndarray, " d"]) -> list[int]:
        """Minimise over a face that holds the current point.

        Parameters
        ----------
        signs
            `+1` or `-1` for coordinates at that wall, 0 for those that must stay zero.

        Returns
        -------
        list of int
            Columns that were skipped because they depend on others.

        Raises
        ------
        NoMinimiser
            If the loss falls for ever on the face.
        PrecisionLost
            If rounding stands in the way.
        """
        self._begin(signs)
        skipped: list[int] = []
        barred: set[int] = set()
        for _ in range(MOST_STEPS + 2 * signs.size):
            new = self._next_entry(barred.union(skipped))
            if new is None:
                self._polish()
                self._drop_vanished()
                return skipped
            pivot = self.columns.append(new, self.objective.X[:, new])
            if pivot == 0.0:
                skipped.append(new)
                continue
            self.smallest_pivot = min(self.smallest_pivot, pivot)
            self.x, self.signs = np.append(self.x, 0.0), np.append(self.signs, signs[new])
            self.factor = None
            # A coordinate that was dropped without any movement would be chosen again for ever (correction B15).
            blocked = self._minimise()
            barred = (barred | blocked) if blocked else set()
        raise PrecisionLost

    def _begin(self, signs: Float[np.ndarray, " d"]) -> None:
        self.gain, self._face, self._exists = 0.0, signs, False

    def _next_entry(self, excluded: set[int]) -> int | None:
        """Return the idle wall coordinate that is pulled hardest along its sign."""
        idle = np.setdiff1d(np.flatnonzero(self._face), [*self.columns.indices, *excluded])
        outward = self._face[idle] * (self.residual @ self.objective.X[:, idle]) / self.n
        outward[outward <= self.tolerance[idle]] = 0.0
        return int(idle[outward.argmax()]) if outward.any() else None

    def _minimise(self) -> set[int]:
        """Move to the minimiser over the active columns; return those that left without any movement at last."""
        blocked: set[int] = set()
        limits = self._limits()
        for number in range(MOST_STEPS):
            gradient = self.residual @ self.columns.matrix / self.n
            if not gradient.size:
                return blocked
            step, towards = self._newton_step(gradient)
            arrived = bool((np.abs(gradient) <= limits).all())
            if self._is_final(arrived, towards, number):
                return blocked
            bound, leaving = self._first_zero(step)
            length = self._descend(step, towards, bound)
            if length == 0.0 < bound:
                if arrived:
                    return blocked
                raise PrecisionLost
            if leaving and length == bound:
                gone = self._remove(leaving)
                blocked = blocked | gone if length == 0.0 else set()
                limits = self._limits()
            else:
                blocked = set()
        raise PrecisionLost

    def _is_final(self, arrived: bool, towards: Float[np.ndarray, " n"], number: int) -> bool:
        """Tell whether a small gradient is that of a minimiser; in doubt ask for one."""
        damped = self.factor is not None and self.factor.damped
        far = float(np.abs(towards).max()) if self.recession.any() else 0.0
        if arrived and far <= NEAR and not damped:
            return True
        long_way = number >= SUSPICIOUS and self.moved > FAR
        self._ask_for_a_minimiser(far > FAR or damped if arrived else long_way)
        return arrived and damped

    def _newton_step(self, gradient: Float[np.ndarray, " p"]) -> tuple[np.ndarray, np.ndarray]:
        """Return the change of the coefficients and of the predictor."""
        if self.factor is None or _relative_change(self.factor.h, self.curvature) > REUSED:
            self.factor = Factor(self.columns.matrix, self.curvature)
        return self.factor.step(self.residual, gradient * self.n)

    def _first_zero(self, step: Float[np.ndarray, " p"]) -> tuple[float, list[int]]:
        """Return the share of the step, at most 1, at which a coordinate reaches zero, and which ones do."""
        target = self.x + step
        wrong = (self.signs != 0) & (self.signs * target <= 0)
        if not wrong.any():
            return 1.0, []
        old = self.x[wrong]
        travel = old - target[wrong]
        ratios = np.divide(old, travel, out=np.zeros_like(old), where=travel != 0)
        bound = float(ratios.min())
        return bound, np.flatnonzero(wrong)[ratios <= bound].tolist()

    def _descend(self, step: Float[np.ndarray, " p"], towards: Float[np.ndarray, " n"], bound: float) -> float:
        """Move along a step until the loss has fallen enough; return the share of it that was gone, perhaps 0."""
        if bound == 0.0:
            return 0.0
        loss, weights, length = self.objective.loss, self.objective.weights, bound
        promised = float(self.residual @ towards) / self.n
        for _ in range(HALVINGS):
            change = length * towards
            gain = -float(weights @ loss.change(self.eta, change)) / self.n
            if gain >= ARMIJO * length * promised:
                slope = -float((weights * loss.residual(self.eta + change)) @ towards) / self.n
                if slope <= OVERSHOT * promised:
                    self.x, self.gain = self.x + length * step, self.gain + gain
                    self.moved = float(np.abs(change).max())
                    self._see(self.eta + change)
                    return length
            length /= 2
        return 0.0

    def _see(self, eta: Float[np.ndarray, " n"]) -> None:
        """Evaluate the loss at a predictor."""
        self.eta = eta
        self.residual = self.objective.weights * self.objective.loss.residual(eta)
        self.curvature = self.objective.weights * self.objective.loss.curvature(eta)

    def _remove(self, places: list[int]) -> set[int]:
        """Take active columns out, with coefficient zero."""
        gone = {self.columns.indices[k - self.columns.free] for k in places}
        self.columns.remove(places)
        self.x, self.signs = np.delete(self.x, places), np.delete(self.signs, places)
        self.factor = None
        return gone

    def _limits(self) -> Float[np.ndarray, " p"]:
        return np.concatenate([self.free_tolerance, self.tolerance[self.columns.indices]])

    def _polish(self) -> None:
        """Free the residual of what is left of it in the active columns, down to rounding."""
        A, before = self.columns.matrix, np.inf
        limits = self._limits()
        noise = np.minimum(self.noise * np.sqrt(np.diag(self.columns.gram)), limits) + np.finfo(float).tiny
        for _ in range(REFINEMENTS):
            gradient = self.residual @ A / self.n
            left = float((np.abs(gradient) / noise).max(initial=0.0))
            enough = bool((np.abs(gradient) <= GOOD_ENOUGH * limits).all())
            if left <= 1.0 or (enough and left > before / 2):
                return
            before = left
            step, towards = self._newton_step(gradient)
            if self.factor is not None and self.factor.damped:
                return  # where the loss is flat the step is noise, and the gradient is within its tolerance
            self.x, self.eta = self.x + step, self.eta + towards
            self.residual = self.residual - self.curvature * towards
        raise PrecisionLost

    def _drop_vanished(self) -> None:
        """Take out coefficients whose share of the predictor is rounding."""
        # Where several vanish together, all but the first land within rounding of zero.
        shares = np.abs(self.x) * np.sqrt(np.diag(self.columns.gram))
        limit = VANISHED * max(float(shares.max(initial=0.0)), float(np.linalg.norm(self.eta)))
        if places := np.flatnonzero((self.signs != 0) & ((shares <= limit) | (self.signs * self.x <= 0))).tolist():
            self._remove(places)

    def _ask_for_a_minimiser(self, doubtful: bool) -> None:
        """Refuse to go on where the loss falls for ever: seen at once, or in doubt by a linear programme."""
        recession, margins = self.recession, self.recession * self.eta
        if recession.all() and margins.min() > FEASIBLE * margins.max():
            raise NoMinimiser(self.coefficients, self.free)  # the point itself separates: the loss falls along it
        if self._exists or not doubtful or not recession.any():
            return
        walls = np.flatnonzero(self._face)
        columns = np.column_stack([self.objective.free, self.objective.X[:, walls]])
        signs = np.concatenate([np.zeros(self.columns.free), self._face[walls]])
        direction = endless_descent(columns, signs, recession)
        self._exists = direction is None
        if direction is not None:
            b = np.zeros(self.objective.X.shape[1])
            b[walls] = direction[self.columns.free :]
            raise NoMinimiser(b, direction[: self.columns.free])


def _relative_change(before: Float[np.ndarray, " n"], after: Float[np.ndarray, " n"]) -> float:
    """Return the largest change of an entry relative to the larger of its two values; infinite on overflow."""
    larger = np.maximum(before, after)
    if not np.isfinite(larger).all():
        return np.inf
    return float(np.divide(np.abs(after - before), larger, out=np.zeros_like(larger), where=larger > 0).max())
