"""The events of the limiting process on a fixed set of columns, fast: one pass over them an event.

The statement of the process is in `naive.py`; the restricted least squares is the same active-set method, with a
Cholesky factor that is updated instead of computed anew, and a residual that is corrected until it is orthogonal to
the support down to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from thalweg.diagonal.active_set import ActiveSet
from thalweg.diagonal.naive import HIT_TOLERANCE, VANISHED
from thalweg.diagonal.restricted import RANK_TOLERANCE, relative_distance

REFINEMENTS = 8
"""Corrections of the residual before the factor counts as too inexact."""

GOOD_ENOUGH = 0.25
"""Share of the pull tolerance that may be left on the support where corrections no longer help."""


class PrecisionLost(Exception):
    """The factor is too inexact to go on; what was found before it stands."""


@dataclass(frozen=True, eq=False)
class Working:
    """The columns a walk looks at: rows `(w, n)` of their entries, numbers (increasing), and what belongs to each."""

    rows: Float[np.ndarray, "w n"]
    labels: Int[np.ndarray, " w"]
    thresholds: Float[np.ndarray, " w"]
    norms: Float[np.ndarray, " w"]
    tolerance: Float[np.ndarray, " w"]


@dataclass(frozen=True, eq=False)
class State:
    """Where a walk stands at a saddle, in numbers of columns that do not depend on the working ones."""

    time: float
    residual: Float[np.ndarray, " n"]
    integral: Float[np.ndarray, " n"]
    loss: float
    active: Int[np.ndarray, " p"]
    b: Float[np.ndarray, " p"]
    signs: Float[np.ndarray, " p"]
    idle: Int[np.ndarray, " i"]
    idle_signs: Float[np.ndarray, " i"]


class Walk:
    """The process on working columns: time, their dual, active set, residual and its integral.

    Parameters
    ----------
    work
        The working columns.
    y
        Target `(n,)`.
    positive
        Whether only upper walls exist.
    """

    def __init__(self, work: Working, y: Float[np.ndarray, " n"], positive: bool) -> None:
        self.positive, self.n = positive, y.size
        self.time, self.residual, self.integral = 0.0, y.copy(), np.zeros(y.size)
        self.loss = float(y @ y)
        self.y_norm = self.loss**0.5
        self.idle: set[int] = set()  # at their wall, without coefficient and without pull
        self.set = ActiveSet(y.size, 16)
        self.smallest_pivot = 1.0
        self._look_at(work)
        self.refresh()

    def _look_at(self, work: Working) -> None:
        """Take these working columns, with their dual from the integral of the residual."""
        self.work, self.columns, self.a, self.norms = work, work.rows, work.thresholds, work.norms
        self.tolerance = self.n * work.tolerance  # of products, which are n times the pulls
        noise = work.norms * (4 * np.finfo(float).eps * self.y_norm)
        positive = self.tolerance > 0
        self.rounding = float(np.divide(noise, self.tolerance, out=np.ones_like(noise), where=positive).min())
        self.dual = self.columns @ self.integral
        self.dual /= self.n
        self.products: np.ndarray = np.empty(self.a.size)
        self._wait, self._least_wait, self._sizes = np.empty(self.a.size), np.inf, np.empty(self.a.size)
        self._nearly_there = self.a * (1 - HIT_TOLERANCE)

    def state(self) -> State:
        """Return a copy of where the walk stands."""
        labels, idle = self.work.labels, np.array(sorted(self.idle), dtype=np.int64)
        return State(
            self.time, self.residual.copy(), self.integral, self.loss, labels[self.set.indices],
            self.set.b.copy(), self.set.signs.copy(), labels[idle], np.sign(self.dual[idle]),
        )  # fmt: skip

    def resume(self, state: State, work: Working, *, is_factor_valid: bool) -> None:
        """Go on from a state with other working columns, among which are all its active and idle ones.

        Parameters
        ----------
        state
            Of this walk, now or earlier.
        work
            The columns to look at from now on.
        is_factor_valid
            Whether the state is the present one, so that the factor need not be computed anew.
        """
        self.time, self.residual, self.integral = state.time, state.residual.copy(), state.integral
        self.loss = state.loss
        self._look_at(work)
        active, idle = np.searchsorted(work.labels, state.active), np.searchsorted(work.labels, state.idle)
        if is_factor_valid:
            self.set.indices[:] = active
        else:
            self.set.rebuild(work.rows[active], active, state.b, state.signs)
        self.idle = set(idle.tolist())
        self.dual[active] = state.signs * self.a[active]
        self.dual[idle] = state.idle_signs * self.a[idle]
        self.refresh()

    def refresh(self) -> None:
        """Compute the pulls, correct the residual until the support is orthogonal to it, and clean rounding."""
        before = np.inf
        at = self.set.indices
        for _ in range(REFINEMENTS):
            np.dot(self.columns, self.residual, out=self.products)
            if not at.size:
                break
            # What is left here drives the other duals falsely over a long plateau: down to rounding with it.
            left = float(np.maximum.reduce(np.abs(self.products[at]) / self.tolerance[at]))
            if left <= self.rounding or (left <= GOOD_ENOUGH and left > 0.5 * before):
                break
            before = left
            step = self.set.step_to_minimiser(self.residual)
            self.set.b[:] += step
            self.residual -= self.set.fit_of(step)
        else:
            raise PrecisionLost
        self.products[np.abs(self.products, out=self._sizes) <= self.tolerance] = 0.0
        self.products[at] = 0.0

    def next_hit(self) -> float | None:
        """Return how long it takes until the next column reaches its wall; None if nothing moves."""
        # Columns at rest divide by zero: callers tell NumPy to accept that, once for all events.
        wait = self._wait
        if self.positive:
            np.subtract(self.a, self.dual, out=wait)
            np.divide(wait, np.maximum(self.products, 0.0), out=wait)
        else:
            np.copysign(self.a, self.products, out=wait)
            np.subtract(wait, self.dual, out=wait)
            np.divide(wait, self.products, out=wait)
        delta = float(np.fmin.reduce(wait))  # a column at rest at its wall is NaN, which fmin passes over
        if not delta > 0:  # rounding beyond a wall
            wait[~(wait > 0)] = np.inf
            delta = float(np.minimum.reduce(wait))
        self._least_wait = delta
        return delta * self.n if delta < np.inf else None

    def advance(self, delta: float) -> np.ndarray:
        """Let time pass until the next columns have arrived at their walls, and return these."""
        self.time += delta
        self.integral = self.integral + delta * self.residual
        self.dual += np.multiply(self.products, delta / self.n, out=self._sizes)
        near = self.dual if self.positive else np.abs(self.dual, out=self._sizes)
        # After a plateau so long that rounding exceeds the tolerance, the first column may seem short of its wall.
        near = ((near >= self._nearly_there) | (self._wait == self._least_wait)).nonzero()[0]
        arrived = (self._wait[near] < np.inf) & (self.products[near] * self.dual[near] > 0)
        hits = near[arrived]  # the others rest there or are leaving
        self.dual[hits] = np.copysign(self.a[hits], self.dual[hits])
        return hits

    def jump(self, hits: np.ndarray) -> bool:
        """Move to the next saddle.

        Parameters
        ----------
        hits
            The columns that have reached their walls.

        Returns
        -------
        bool
            Whether a coordinate leaves its wall on the plateau that begins.

        Raises
        ------
        PrecisionLost
            If the loss does not fall, which it must.
        """
        waiting = self.idle.union(hits.tolist())
        new: int | None = int(hits[0] if hits.size == 1 else hits[np.abs(self.products[hits]).argmax()])
        product = float(self.products[new])
        barred: set[int] = set()
        skipped: set[int] = set()
        while new is not None:
            waiting.discard(new)
            pivot = self.set.append(new, self.columns[new], 1.0 if self.dual[new] > 0 else -1.0)
            if pivot == 0.0:
                skipped.add(new)
            else:
                self.smallest_pivot = min(self.smallest_pivot, pivot)
                out, blocked = self._move(self.set.step_of_newest(product))
                waiting |= out
                barred = barred | blocked if blocked else set()
            new, product = self._next_entry(waiting - barred - skipped) if waiting else (None, 0.0)
        loss = float(self.residual @ self.residual)
        if not loss < self.loss:
            raise PrecisionLost
        self.loss = loss
        self.refresh()
        inactive = waiting | skipped | self._drop_vanished()
        self.idle = {i for i in inactive if self.products[i] == 0.0}
        return len(self.idle) < len(inactive)

    def dependent_on_face(self) -> list[int]:
        """Return the idle columns at their walls that the rest of the face determines (see `naive.py`)."""
        if not self.idle:
            return []
        basis = self.set.indices.tolist()
        dependent: list[int] = []
        for i in sorted(self.idle):
            if relative_distance(self.columns[basis].T, self.columns[i]) ** 2 <= RANK_TOLERANCE:
                dependent.append(i)
            else:
                basis.append(i)
        return dependent

    def _next_entry(self, waiting: set[int]) -> tuple[int | None, float]:
        """Return the wall coordinate that is pulled hardest along its sign, and its product with the residual."""
        places = sorted(waiting)
        products = self.columns[places] @ self.residual
        outward = np.where(self.dual[places] > 0, products, -products)
        outward[outward <= self.tolerance[places]] = 0.0
        best = int(outward.argmax())
        return (places[best], float(products[best])) if outward[best] > 0 else (None, 0.0)

    def _move(self, step: np.ndarray) -> tuple[set[int], set[int]]:
        """Move to the least-squares point of the active columns, dropping what reaches zero on the way."""
        out: set[int] = set()
        blocked: set[int] = set()
        while self.set.size:
            b, signs = self.set.b, self.set.signs
            target = b + step
            wrong = signs * target <= 0
            if not np.logical_or.reduce(wrong):
                b[:] = target
                self.residual -= self.set.fit_of(step)
                return out, blocked
            old = b[wrong]
            travel = old - target[wrong]
            ratios = np.divide(old, travel, out=np.zeros_like(old), where=travel != 0)
            theta = float(ratios.min())
            if theta > 0:
                b += theta * step
                self.residual -= self.set.fit_of(theta * step)
            places = wrong.nonzero()[0][ratios <= theta].tolist()
            gone = set(self.set.indices[places].tolist())
            self.set.remove(places)
            out |= gone
            blocked = blocked | gone if theta == 0.0 else set()
            step = self.set.step_to_minimiser(self.residual)
        return out, blocked

    def _drop_vanished(self) -> set[int]:
        """Take out coefficients whose share of the fit is rounding; their duals stay at the wall."""
        if not self.set.size:
            return set()
        shares = np.abs(self.set.b) * self.norms[self.set.indices]
        limit = VANISHED * max(self.y_norm, float(np.maximum.reduce(shares)))
        if np.minimum.reduce(shares) > limit:
            return set()
        places = (shares <= limit).nonzero()[0].tolist()
        vanished = set(self.set.indices[places].tolist())
        self.set.remove(places)
        return vanished
