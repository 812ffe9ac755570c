"""The events of the limiting process on a fixed set of columns, fast: one pass over them an event.

The statement of the process is in `naive.py`; the restricted least squares is the same active-set method, with a
Cholesky factor that is updated instead of computed anew, and a residual that is corrected until it is orthogonal to
the support down to rounding.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.active_set import ActiveSet
from thalweg.diagonal.naive import HIT_TOLERANCE, VANISHED
from thalweg.diagonal.restricted import RANK_TOLERANCE, relative_distance

REFINEMENTS = 8
"""Corrections of the residual before the factor counts as too inexact."""

GOOD_ENOUGH = 0.25
"""Share of the pull tolerance that may be left on the support where corrections no longer help."""


class PrecisionLost(Exception):
    """The factor is too inexact to go on; what was found before it stands."""


class Walk:
    """State of the process: time, dual of the working columns, active set, residual and its integral.

    Parameters
    ----------
    columns
        The working columns as rows, `(w, n)`.
    y
        Target `(n,)`.
    thresholds, norms, tolerance
        Of the working columns, `(w,)` each.
    positive
        Whether only upper walls exist.
    """

    def __init__(
        self,
        columns: Float[np.ndarray, "w n"],
        y: Float[np.ndarray, " n"],
        thresholds: Float[np.ndarray, " w"],
        norms: Float[np.ndarray, " w"],
        tolerance: Float[np.ndarray, " w"],
        positive: bool,
    ) -> None:
        self.columns, self.y, self.a, self.norms = columns, y, thresholds, norms
        self.tolerance, self.positive = tolerance, positive
        self.n = y.size
        self.time, self.residual, self.integral = 0.0, y.copy(), np.zeros(y.size)
        self.dual = np.zeros(thresholds.size)
        self.idle: set[int] = set()  # at their wall, without coefficient and without pull
        self.set = ActiveSet(y.size, 8)
        self.loss = float(y @ y)
        self.smallest_pivot = 1.0
        self.y_norm = self.loss**0.5
        noise = norms * (4 * np.finfo(float).eps * self.y_norm / self.n)
        self.rounding = float(np.divide(noise, tolerance, out=np.ones_like(noise), where=tolerance > 0).min())
        self.pull: np.ndarray = np.empty(thresholds.size)
        self._distance, self._wait = np.empty(thresholds.size), np.empty(thresholds.size)
        self._hit_tolerance = HIT_TOLERANCE * thresholds
        self.refresh_pull()

    def refresh_pull(self) -> None:
        """Compute the pull, correct the residual until the support is orthogonal to it, and clean rounding."""
        before = np.inf
        for _ in range(REFINEMENTS):
            np.dot(self.columns, self.residual, out=self.pull)
            np.divide(self.pull, self.n, out=self.pull)
            if not self.set.size:
                break
            at = self.set.indices
            # What is left here drives the other duals falsely over a long plateau: down to rounding with it.
            left = float((np.abs(self.pull[at]) / self.tolerance[at]).max())
            if left <= self.rounding or (left <= GOOD_ENOUGH and left > 0.5 * before):
                break
            before = left
            step = self.set.step_to_minimiser(self.residual)
            self.set.b[:] += step
            self.residual -= self.set.fit_of(step)
        else:
            raise PrecisionLost
        self.pull[np.abs(self.pull) <= self.tolerance] = 0.0
        self.pull[self.set.indices] = 0.0

    def next_hits(self) -> tuple[np.ndarray, float] | None:
        """Return the columns that reach their wall first and after how long; None if nothing moves."""
        speed, distance, wait = np.abs(self.pull), self._distance, self._wait
        if self.positive:
            np.subtract(self.a, self.dual, out=distance)
            speed[self.pull < 0] = 0.0
        else:
            np.multiply(np.copysign(1.0, self.pull, out=distance), self.dual, out=distance)
            np.subtract(self.a, distance, out=distance)
        with np.errstate(divide="ignore", invalid="ignore"):
            np.divide(distance, speed, out=wait)
        wait[self.set.indices] = np.inf
        for i in self.idle:
            wait[i] = np.inf
        delta = float(wait.min())
        if not delta > 0:  # zeros, which only rounding beyond a wall makes, or columns at a wall without speed
            wait[~(distance > 0)] = np.inf
            delta = float(wait.min())
        if not delta < np.inf:
            return None
        arrived = distance - delta * speed <= self._hit_tolerance
        arrived &= wait < np.inf
        return arrived.nonzero()[0], delta

    def advance(self, hits: np.ndarray, delta: float) -> None:
        """Let time pass until the hits have arrived."""
        self.time += delta
        self.integral += delta * self.residual
        self.dual += delta * self.pull
        self.dual[hits] = np.copysign(self.a[hits], self.pull[hits])
        np.minimum(self.dual, self.a, out=self.dual)
        if not self.positive:
            np.maximum(self.dual, -self.a, out=self.dual)

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
        waiting = set(hits.tolist()) | self.idle
        new: int | None = int(hits[0] if hits.size == 1 else hits[np.abs(self.pull[hits]).argmax()])
        product = float(self.pull[new]) * self.n
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
            new, product = self._next_entry(waiting - barred - skipped)
        loss = float(self.residual @ self.residual)
        if not loss < self.loss:
            raise PrecisionLost
        self.loss = loss
        self.refresh_pull()
        inactive = waiting | skipped | self._drop_vanished()
        self.idle = {i for i in inactive if self.pull[i] == 0.0}
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
        if not waiting:
            return None, 0.0
        places = sorted(waiting)
        products = self.columns[places] @ self.residual
        outward = np.where(self.dual[places] > 0, products, -products)
        outward[outward <= self.n * self.tolerance[places]] = 0.0
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
            if not wrong.any():
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
        limit = VANISHED * max(self.y_norm, float(shares.max()))
        if shares.min() > limit:
            return set()
        places = (shares <= limit).nonzero()[0].tolist()
        vanished = set(self.set.indices[places].tolist())
        self.set.remove(places)
        return vanished
