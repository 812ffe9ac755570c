"""Far more columns than rows: events on a working set, verified against all columns in batches.

A batch of events is computed from the columns that are predicted to reach their walls next. Then one pass over the
data proves that no column left out would have come first: between two consecutive events the dual is linear in time,
so it is enough that `|s_i| < a_i` at every event, and there `s_i = x_i'R_j/n` (theory: specification, section 5 and
correction B4). The integrals `R_j` of a batch lie near a space of few dimensions: products with a basis of it bound
all duals, and only columns that the bound does not clear are computed exactly. A column that came first takes the
path back to the last event before it and joins the working set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from thalweg.diagonal.columns import Columns
from thalweg.diagonal.course import Course
from thalweg.diagonal.walk import State, Working
from thalweg.records import Outcome

SHORTEST, LONGEST = 16, 96
"""Events between two passes over the data: few while predictions fail, as at the start, else many."""

BASIS = 16
"""Right-hand sides of a pass: the last integral, the last residual, and the main directions of the others."""

NEAR_WALL = 1 - 1e-9
"""A column left out whose dual comes this near its threshold may have arrived together with others."""

FEWEST, FIRST = 256, 512
"""Working columns beside those at their walls: at least, and at the start."""

INTRUDERS = 64
"""Columns that join after a violation, beside those of the first wrong event: later ones follow a false path."""

EXACT_BLOCK = 2048
"""Columns computed exactly at a time."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """All columns with what belongs to each; those that are not `eligible` (zero, or a copy) never activate."""

    columns: Columns
    thresholds: Float[np.ndarray, " d"]
    tolerance: Float[np.ndarray, " d"]
    eligible: Bool[np.ndarray, " d"]
    positive: bool

    def working(self, labels: Int[np.ndarray, " w"]) -> Working:
        """Return the columns of these numbers (increasing) as working columns."""
        return Working(
            self.columns.take(labels),
            labels,
            self.thresholds[labels],
            self.columns.norms[labels],
            self.tolerance[labels],
        )

    def extended(self, work: Working, more: Int[np.ndarray, " k"]) -> Working:
        """Return the working columns with more of them."""
        added = self.working(np.setdiff1d(more, work.labels))
        labels = np.concatenate([work.labels, added.labels])
        order = np.argsort(labels)
        pairs = [
            (work.rows, added.rows), (work.thresholds, added.thresholds), (work.norms, added.norms),
            (work.tolerance, added.tolerance),
        ]  # fmt: skip
        rows, thresholds, norms, tolerance = (np.concatenate(pair)[order] for pair in pairs)
        return Working(rows, labels[order], thresholds, norms, tolerance)

    def outward(self, dual: np.ndarray) -> np.ndarray:
        """Return how far duals have gone towards a wall."""
        return dual if self.positive else np.abs(dual)


def first_working(candidates: Candidates, pull: Float[np.ndarray, " d"]) -> Working:
    """Return the working columns of the first batch."""
    return candidates.working(_soonest(candidates, np.zeros_like(pull), pull, FIRST, np.array([], dtype=np.int64)))


def follow(course: Course, candidates: Candidates, verify: bool) -> Outcome:
    """Walk to a minimiser or to a limit, one batch after another.

    Parameters
    ----------
    course
        At the zero saddle, with the working columns of `first_working`.
    candidates
        All columns.
    verify
        Whether every event of a batch is checked against all columns, or only the last one.

    Returns
    -------
    Outcome
        How the path ended.
    """
    walk = course.walk
    size, length = FIRST, SHORTEST
    while True:
        states, outcome = _batch(course, length)
        first = len(course.saddles) - len(states)
        integrals = [state.integral for state in states[1:]]
        if course.max_time is not None and outcome is Outcome.STOPPED_ON_REQUEST and _stopped_by_time(course):
            # Nothing in the working set moves up to max_time: what is left out must not either.
            integrals.append(walk.integral + (course.max_time - walk.time) * walk.residual)
        view = _look(candidates, (integrals if verify else integrals[-1:]) or [walk.integral], walk.residual)
        if integrals:
            wrong, intruders = _first_violation(candidates, view, np.array(integrals), walk.work.labels)
            if wrong is not None:
                course.forget_after(first + wrong)
                size, length = int(1.5 * size), max(SHORTEST, length // 2)
                walk.resume(
                    states[wrong], candidates.extended(walk.work, intruders), is_factor_valid=wrong + 1 == len(states)
                )
                continue
            size, length = max(FEWEST, int(0.9 * size)), min(LONGEST, 2 * length)
        dual, pull = view.dual, view.pull
        if outcome in (Outcome.CONVERGED, Outcome.NOTHING_TO_LEARN):
            pull = candidates.columns.products(walk.residual) / walk.n
            moving = candidates.outward(pull) > candidates.tolerance
            moving[walk.work.labels] = False
            outcome = None if (moving & candidates.eligible).any() else outcome
        if outcome is not None:
            return outcome
        near = walk.work.labels[candidates.outward(walk.dual) >= walk.a * NEAR_WALL]
        labels = _soonest(candidates, dual, pull, size, near)
        walk.resume(states[-1], candidates.working(labels), is_factor_valid=True)


def _batch(course: Course, length: int) -> tuple[list[State], Outcome | None]:
    """Take up to `length` events; return the state before and after each, and why there are no more."""
    states = [course.walk.state()]
    for _ in range(length):
        outcome = course.step()
        if outcome is not None:
            return states, outcome
        states.append(course.walk.state())
    return states, None


def _stopped_by_time(course: Course) -> bool:
    return course.max_saddles is None or len(course.saddles) <= course.max_saddles


@dataclass(frozen=True, eq=False)
class _View:
    """What one pass over the data tells of all duals in a batch.

    `products (d, q)` with a basis of n-vectors; `coordinates (q, b)` of the integrals in it;
    `slack`: what the bound misses at most, in units of the column norm; `dual`, `pull (d,)` at the end of the batch.
    """

    products: np.ndarray
    coordinates: np.ndarray
    slack: float
    dual: np.ndarray
    pull: np.ndarray


def _look(candidates: Candidates, integrals: list[np.ndarray], residual: Float[np.ndarray, " n"]) -> _View:
    """Pass over the data with a basis of the integrals and the residual."""
    T = np.array(integrals)
    n = residual.size
    basis = np.linalg.qr(np.column_stack([T[-1], residual]))[0]
    rest = T - (T @ basis) @ basis.T
    wanted = min(BASIS - 2, len(T) - 1)
    if wanted:
        directions = np.linalg.eigh(rest @ rest.T)[1][:, -wanted:].T @ rest
        basis = np.linalg.qr(np.column_stack([basis, directions.T]))[0]
    coordinates = T @ basis
    missed = np.linalg.norm(T - coordinates @ basis.T, axis=1)
    raw, unit = candidates.columns.quick_products(np.asfortranarray(basis))
    # A product of n terms, and one of as many as the basis has, err by at most so much for a basis of unit vectors.
    rounding = 1.01 * (n + BASIS + 4) * unit * np.abs(coordinates).sum(axis=1)
    slack = float((missed + rounding).max()) / n
    products = raw / raw.dtype.type(n)
    return _View(
        products,
        np.asfortranarray(coordinates.T.astype(products.dtype)),
        slack,
        products @ coordinates[-1].astype(products.dtype),
        products @ (basis.T @ residual).astype(products.dtype),
    )


def _first_violation(
    candidates: Candidates, view: _View, integrals: Float[np.ndarray, "b n"], working: Int[np.ndarray, " w"]
) -> tuple[int | None, Int[np.ndarray, " k"]]:
    """Return the first event of the batch that a column left out would have preceded, and such columns."""
    doubtful = np.setdiff1d(_doubtful(candidates, view), working)
    exact = np.empty((doubtful.size, len(integrals)))
    for start in range(0, doubtful.size, EXACT_BLOCK):
        block = slice(start, start + EXACT_BLOCK)
        exact[block] = candidates.columns.take(doubtful[block]) @ integrals.T / integrals.shape[1]
    arrived = candidates.outward(exact) >= NEAR_WALL * candidates.thresholds[doubtful, None]
    events = arrived.any(axis=0)
    if not events.any():
        return None, doubtful[:0]
    first = int(events.argmax())
    arrival = np.where(arrived.any(axis=1), arrived.argmax(axis=1), arrived.shape[1])
    soonest = np.argsort(arrival, kind="stable")[: (arrival == first).sum() + INTRUDERS]
    return first, doubtful[soonest[arrival[soonest] < arrived.shape[1]]]


def _doubtful(candidates: Candidates, view: _View) -> Int[np.ndarray, " k"]:
    """Return the eligible columns that the bound does not keep below their wall at every event."""
    d = candidates.thresholds.size
    limit = NEAR_WALL * candidates.thresholds - candidates.columns.sizes * view.slack
    farthest = np.empty(d)
    for start in range(0, d, 4 * EXACT_BLOCK):
        block = slice(start, start + 4 * EXACT_BLOCK)
        duals = view.products[block] @ view.coordinates
        farthest[block] = duals.max(axis=1) if candidates.positive else np.abs(duals, out=duals).max(axis=1)
    return np.flatnonzero((farthest >= limit) & candidates.eligible)


def _soonest(
    candidates: Candidates,
    dual: np.ndarray,
    pull: np.ndarray,
    size: int,
    always: Int[np.ndarray, " k"],
) -> Int[np.ndarray, " w"]:
    """Return the columns that may reach their walls next, as many as `size`, and those that are there."""
    norms, eligible = candidates.columns.norms, candidates.eligible
    per_norm = np.divide(pull, norms, out=np.zeros(norms.size), where=eligible)
    # The pulls change with every jump, by about their usual size: that much any column may come to be pulled.
    wait = _wait(candidates, dual, pull, norms * np.sqrt(np.mean(per_norm**2)))
    wait[always] = np.inf
    wanted = min(size, wait.size - 1)
    best = np.argpartition(wait, wanted)[: wanted + 1]
    # The very next one as things stand is among them, so that every batch gets on.
    wait_unchanged = _wait(candidates, dual, pull, np.zeros(norms.size))
    wait_unchanged[always] = np.inf
    return np.union1d(always, np.append(best[wait[best] < np.inf], wait_unchanged.argmin()))


def _wait(candidates: Candidates, dual: np.ndarray, pull: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return how long each column takes to a wall if its pull changes by so much in its favour."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        wait = (candidates.thresholds - dual) / (np.maximum(pull, 0) + change)
        if not candidates.positive:
            wait = np.fmin(wait, (candidates.thresholds + dual) / (np.maximum(-pull, 0) + change))
    wait[~(candidates.eligible & (wait >= 0))] = np.inf
    return wait
