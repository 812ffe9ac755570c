"""Columns that say the same: exact duplicates up to sign, and exact linear dependence.

Dependence is found by Gram-Schmidt with reorthogonalisation in column order: a column is dependent when its
distance to the span of the constant and the independent columns before it vanishes relative to its own
spread. Dependent columns stay out of the span, so one relation never hides another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

EXACT_DEPENDENCE = 1e-9
"""Relative distance below which a column counts as exactly dependent: decimals in files carry about 1e-12."""

CONSTANT = 1e-13
"""A spread below this share of a column's size is rounding: the column is constant."""

DEPENDENCE_OPERATIONS = 2e9
"""Above this many multiplications (n d^2), about two seconds, the search is left out, and said to be."""


@dataclass(frozen=True)
class Dependence:
    """Column `column` equals a combination of the columns `others` with `weights`, plus a constant."""

    column: int
    others: tuple[int, ...]
    weights: tuple[float, ...]


def duplicate_groups(X: Float[np.ndarray, "n d"], up_to_sign: bool = True) -> list[tuple[tuple[int, int], ...]]:
    """Group the columns of `X (n, d)` that are equal bit for bit, up to sign if asked.

    Returns
    -------
    list
        One tuple a group of `(column, sign)`, the sign relative to the first; zero columns are left out.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        sizes = np.sqrt(X.shape[0]) * np.maximum(X.max(axis=0), -X.min(axis=0))
        return equal_columns(probe(X.shape[0]) @ X, sizes, lambda j: X[:, j], up_to_sign)


@lru_cache(maxsize=8)
def probe(n: int) -> Float[np.ndarray, " n"]:
    """Return the fixed vector whose products with columns tell which may be equal."""
    return np.cos(np.arange(1.0, n + 1.0))


def equal_columns(
    marks: Float[np.ndarray, " d"],
    sizes: Float[np.ndarray, " d"],
    column: Callable[[int], np.ndarray],
    up_to_sign: bool = True,
) -> list[tuple[tuple[int, int], ...]]:
    """Group columns that are equal bit for bit, looking only at those whose marks agree.

    Parameters
    ----------
    marks
        Products of the columns with `probe`.
    sizes
        Upper bounds of the norms of the columns.
    column
        Returns a column by its number.
    up_to_sign
        Whether a column of opposite sign is equal too.

    Returns
    -------
    list
        One tuple a group of `(column, sign)`, the sign relative to the first; zero columns are left out.
    """
    groups: dict[bytes, list[tuple[int, int]]] = {}
    for j in _suspects(np.abs(marks), sizes, column):
        entries = column(j) + 0.0  # -0.0 becomes 0.0
        support = np.flatnonzero(entries)
        if not support.size:
            continue
        sign = -1 if up_to_sign and entries[support[0]] < 0 else 1
        groups.setdefault((sign * entries + 0.0).tobytes(), []).append((j, sign))
    return [tuple((j, sign * members[0][1]) for j, sign in members) for members in groups.values() if len(members) > 1]


def _suspects(
    marks: Float[np.ndarray, " d"], sizes: Float[np.ndarray, " d"], column: Callable[[int], np.ndarray]
) -> list[int]:
    """Return the columns, in order, whose product with the probe another column shares."""
    n = column(0).size
    n = column(0).size
    order = np.argsort(marks, kind="stable")
    # Equal columns may differ in the rounding of their products, never by more than this.
    slack = 4 * n * np.finfo(float).eps * np.sqrt(n) * sizes[order]
    far = np.diff(marks[order]) > np.maximum(slack[1:], slack[:-1])
    shared = np.zeros(order.size, dtype=bool)
    shared[1:] |= ~far
    shared[:-1] |= ~far
    return np.sort(order[shared & (sizes[order] > 0)]).tolist()


def exact_dependences(X: Float[np.ndarray, "n d"]) -> tuple[list[Dependence], float]:
    """Find the columns of `X (n, d)` that the constant and earlier columns determine.

    Returns
    -------
    tuple
        The dependences in column order, and the smallest relative distance among the independent columns.
    """
    centred = X - X.mean(axis=0)
    norms = np.linalg.norm(centred, axis=0)
    norms[np.ptp(X, axis=0) <= CONSTANT * np.abs(X).max(axis=0)] = 0.0
    independent, smallest = independent_columns(centred, norms)
    rest = np.setdiff1d(np.flatnonzero(norms > 0), independent).tolist()
    # Each relation is written in the independent columns before it.
    found = [_relation(centred, norms, j, [i for i in independent if i < j]) for j in rest]
    return found, smallest


def independent_columns(A: Float[np.ndarray, "n d"], norms: Float[np.ndarray, " d"]) -> tuple[list[int], float]:
    """Return the columns of `A` that no columns before them determine, and their smallest relative distance.

    Parameters
    ----------
    A : array (n, d)
        The columns as they are: to count the constant among them, centre them first.
    norms : array (d,)
        Their norms; a column of norm 0 is left out.

    Returns
    -------
    tuple
        Indices, increasing, and the smallest distance of such a column to the span of those before it.
    """
    n, d = A.shape
    basis = np.zeros((n, min(n, d)))
    independent: list[int] = []
    smallest = 1.0
    for j in np.flatnonzero(norms > 0).tolist():
        p = len(independent)
        direction = A[:, j] / norms[j]
        for _ in range(2):  # the second pass removes what rounding left of the first
            direction = direction - basis[:, :p] @ (basis[:, :p].T @ direction)
        distance = float(np.linalg.norm(direction))
        if p < basis.shape[1] and distance > EXACT_DEPENDENCE:
            basis[:, p] = direction / distance
            independent.append(j)
            smallest = min(smallest, distance)
    return independent, smallest


def _relation(
    centred: Float[np.ndarray, "n d"], norms: Float[np.ndarray, " d"], j: int, independent: list[int]
) -> Dependence:
    scaled = centred[:, independent] / norms[independent]
    weights = np.linalg.lstsq(scaled, centred[:, j], rcond=None)[0]
    kept = [k for k in range(len(independent)) if abs(weights[k]) > 1e-8 * norms[j]]
    return Dependence(
        column=j,
        others=tuple(independent[k] for k in kept),
        weights=tuple(float(weights[k] / norms[independent[k]]) for k in kept),
    )
