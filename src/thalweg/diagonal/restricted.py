"""The saddle after a jump: least squares restricted to the coordinates at their walls, with their signs.

`argmin { |y - X b|^2 : sigma_i b_i >= 0 for i at a wall, b_i = 0 otherwise }` by the active-set method of
Lawson and Hanson, started at the previous saddle, which is feasible. A column in the span of the passive set
cannot change the fit and is skipped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

RANK_TOLERANCE = 1e-13
"""A column whose squared relative distance to the passive span is below this is dependent (spec. 2.1)."""


@dataclass
class RestrictedSolution:
    """Coefficients, residual, the columns that were skipped, and the smallest relative distance of one taken in.

    The residual is the target freed of the span of the passive columns. It is computed so, not as `y - X b`:
    large coefficients that cancel would leave rounding in it that late, slow duals follow.
    """

    coefficients: np.ndarray
    residual: np.ndarray
    skipped: list[int] = field(default_factory=list)
    smallest_pivot: float = 1.0


def restricted_least_squares(
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    start: Float[np.ndarray, " d"],
    signs: Float[np.ndarray, " d"],
    pull_tolerance: Float[np.ndarray, " d"],
) -> RestrictedSolution:
    """Minimise the squared error over the signed orthant face of the wall coordinates.

    Parameters
    ----------
    X, y : arrays (n, d), (n,)
        The data.
    start : array (d,)
        A feasible point: the previous saddle.
    signs : array (d,)
        `+1` or `-1` for coordinates at that wall, 0 for those that must stay zero.
    pull_tolerance : array (d,)
        Pulls `x_i'(y - X b)/n` up to this size count as zero.

    Returns
    -------
    RestrictedSolution
        The minimiser; unique unless columns were skipped.
    """
    n = X.shape[0]
    solution = RestrictedSolution(start.copy(), y)
    b = solution.coefficients
    passive = [int(i) for i in np.flatnonzero(b)]
    barred: set[int] = set()
    while True:
        solution.residual = outside_span(X[:, passive], y)
        pulls = signs * (X.T @ solution.residual) / n
        eligible = pulls > pull_tolerance
        eligible[passive + solution.skipped + sorted(barred)] = False
        if not eligible.any():
            return solution
        new = int(np.argmax(np.where(eligible, pulls, -np.inf)))
        pivot = relative_distance(X[:, passive], X[:, new])
        if pivot**2 <= RANK_TOLERANCE:
            solution.skipped.append(new)
            continue
        solution.smallest_pivot = min(solution.smallest_pivot, pivot)
        passive.append(new)
        passive, blocked = _move_to_minimiser(X, y, b, signs, passive)
        # A coordinate that was dropped without any movement would be chosen again for ever (correction B15).
        barred = (barred | blocked) if blocked else set()


def _move_to_minimiser(
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    b: Float[np.ndarray, " d"],
    signs: Float[np.ndarray, " d"],
    passive: list[int],
) -> tuple[list[int], set[int]]:
    """Move `b` to the least-squares point of the passive set, dropping what reaches zero on the way."""
    blocked: set[int] = set()
    while passive:
        Q, R = np.linalg.qr(X[:, passive])
        step = np.linalg.solve(R, Q.T @ (y - X[:, passive] @ b[passive]))
        target = b[passive] + step
        blocks = signs[passive] * target <= 0
        if not blocks.any():
            b[passive] = target
            return passive, blocked
        old = b[passive][blocks]
        travel = old - target[blocks]
        ratios = np.divide(old, travel, out=np.zeros_like(old), where=travel != 0)
        theta = float(ratios.min())
        b[passive] += theta * step
        dropped = {i for i, r in zip(np.asarray(passive)[blocks].tolist(), ratios, strict=True) if r <= theta}
        b[list(dropped)] = 0.0
        passive = [i for i in passive if i not in dropped]
        blocked = blocked | dropped if theta == 0.0 else set()
    return passive, blocked


def relative_distance(basis: Float[np.ndarray, "n p"], column: Float[np.ndarray, " n"]) -> float:
    """Return the distance of a non-zero column to the span of independent columns, relative to its norm."""
    return float(np.linalg.norm(outside_span(basis, column)) / np.linalg.norm(column))


def outside_span(basis: Float[np.ndarray, "n p"], vector: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return what is left of a vector without its part in the span of independent columns."""
    if basis.shape[1]:
        Q = np.linalg.qr(basis)[0]
        for _ in range(2):  # the second pass removes what rounding left of the first
            vector = vector - Q @ (Q.T @ vector)
    return vector
