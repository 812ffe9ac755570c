"""Samples that cannot be told apart, or hardly: equal, close and opposite inputs.

Equal inputs have equal outputs, so their rows of the Jacobian coincide and the rank condition fails; with unequal
labels the loss has a floor, `sum_g sum_{j in g} m_j |y_j - ybar_g|^2 / (2 sum m)`, which no function of the inputs
passes. One row with the mean label and the summed weight in place of each group keeps the loss up to that floor and
restores the condition (specification, section 3.2, correction A3). Inputs at distance `e` make the least singular value
about proportional to `e` (section 3.3). Opposite inputs are dependent in a network without bias parameters whose
activation is odd (section 3.4).

All pairs are never formed: rows are sorted by their projections, and only neighbours within the distance asked for are
compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from thalweg.numerics.resampling import stream
from thalweg.numerics.validation import weights_of_rows

NEAR = 1e-3
"""Inputs closer than this share of the scale count as near duplicates: they cost three digits of conditioning."""

OPPOSITE = 1e-9
"""Sums of two inputs below this share of the scale count as zero: rounding of a standardisation is smaller."""

PROJECTIONS, NEIGHBOURS = 8, 4
"""Directions along which rows are sorted for a first bound, and following rows that each is compared with."""

PAIR_OPERATIONS, TABLE_OPERATIONS = 2e8, 4e9
"""Numbers that an exact search for close pairs may touch, in chosen pairs and in products of all rows: about two
seconds each. Decided before the start.
"""

TABLE_DIGITS = 1e-6
"""Distances below this share of the scale are lost in the rounding of products of rows."""

BLOCK = 2**20
"""Numbers compared at a time."""


@dataclass(frozen=True, eq=False)
class Merged:
    """Samples with equal inputs replaced by one.

    Attributes
    ----------
    X, Y : arrays (G, ...), (G, Q)
        One row a group, in order of first appearance; `Y` are the weighted means of the labels.
    weights : array (G,)
        Summed weights; numbers of samples if no weights were given.
    groups : array (N,)
        Group of every sample; -1 for samples of weight zero, which are dropped.
    floor : float
        Cost of "l2" that the groups force.
    repeated : int
        Samples that are copies of an earlier one.
    conflicts : array (c,)
        Groups whose labels differ.
    """

    X: np.ndarray
    Y: Float[np.ndarray, "G Q"]
    weights: Float[np.ndarray, " G"]
    groups: Int[np.ndarray, " N"]
    floor: float
    repeated: int
    conflicts: Int[np.ndarray, " c"]

    def members(self, group: int) -> Int[np.ndarray, " k"]:
        """Return the samples of a group, counted from 0."""
        return np.flatnonzero(self.groups == group)


def merge_duplicates(
    X: np.ndarray, Y: Float[np.ndarray, "N Q"], weights: object = None, *, equal_labels: bool = False
) -> Merged:
    """Replace samples of equal inputs by one with their mean label, and tell the loss that they force.

    Parameters
    ----------
    X
        Inputs `(N, ...)` of any numeric type; equal means equal in every bit, but for the sign of zero.
    Y
        Labels.
    weights
        Not negative; samples of weight zero are dropped. Ones if not given.
    equal_labels
        Merge only samples whose labels are equal as well: for losses that no mean label serves.

    Returns
    -------
    Merged
        With the groups, the floor and the groups in conflict. With `equal_labels` there are no conflicts.

    Raises
    ------
    InputError
        If the weights are unusable.
    """
    N = X.shape[0]
    given = np.ones(N) if weights is None else weights_of_rows(weights, N)
    kept = np.flatnonzero(given > 0)
    m, labels = given[kept], np.asarray(Y, dtype=float)[kept]
    first, group = _groups(_bytes(X[kept], labels) if equal_labels else _bytes(X[kept]))
    total = np.bincount(group, m)
    start = labels[first]
    means = start + _sums(group, m[:, None] * (labels - start[group])) / total[:, None]
    apart = labels - means[group]
    differs = np.zeros(first.size, dtype=bool)
    differs[group[(labels != start[group]).any(axis=1)]] = True
    groups = np.full(N, -1)
    groups[kept] = group
    floor = float(m @ (apart**2).sum(axis=1)) / (2.0 * float(m.sum()))
    return Merged(X[kept[first]], means, total, groups, floor, kept.size - first.size, np.flatnonzero(differs))


def _sums(group: Int[np.ndarray, " N"], rows: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "G Q"]:
    return np.stack([np.bincount(group, column) for column in rows.T], axis=1)


def _bytes(*parts: np.ndarray) -> np.ndarray:
    """Return one key a row: its bytes, with the zeros of both signs equal."""
    blocks = [np.ascontiguousarray(part.reshape(part.shape[0], -1) + part.dtype.type(0)) for part in parts]
    joined = np.hstack([block.view(np.uint8).reshape(block.shape[0], -1) for block in blocks])
    return np.ascontiguousarray(joined).view(np.dtype((np.void, joined.shape[1]))).ravel()


def _groups(keys: np.ndarray) -> tuple[Int[np.ndarray, " G"], Int[np.ndarray, " N"]]:
    """Return the first row of every group of equal keys, in order of appearance, and the group of every row."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    return first[order], place[inverse.ravel()]


@dataclass(frozen=True, eq=False)
class Closeness:
    """How near distinct inputs come to each other.

    Attributes
    ----------
    scale : float
        Root of the mean squared length of the inputs as the network sees them: what `NEAR` and `OPPOSITE` refer to.
    closest : tuple of int or None
        The closest pair of rows found, counted from 0; nothing for a single row.
    distance : float
        Its distance.
    is_exact : bool
        Whether no pair is closer. Otherwise the search was too long and this is the closest pair met.
    near_rows : int
        Rows with another within `NEAR` times the scale.
    near_is_exact : bool
        Whether there are no more of them.
    opposite : tuple of int or None
        Two rows whose sum is zero to rounding, if any were found.
    opposite_pairs : int
        Number of such pairs found.
    """

    scale: float
    closest: tuple[int, int] | None
    distance: float
    is_exact: bool
    near_rows: int
    near_is_exact: bool
    opposite: tuple[int, int] | None
    opposite_pairs: int

    @property
    def relative_distance(self) -> float:
        """Distance of the closest pair as a share of the scale."""
        return self.distance / self.scale if self.scale > 0 else math.nan


def closeness(X: np.ndarray) -> Closeness:
    """Measure how near distinct inputs come to each other, and to each other's opposites.

    Parameters
    ----------
    X
        Inputs `(N, ...)`, numeric, without equal rows: merge duplicates first.

    Returns
    -------
    Closeness
        Closest pair, near duplicates and opposite inputs.
    """
    rows = np.ascontiguousarray(X.reshape(X.shape[0], -1), dtype=float)
    N = rows.shape[0]
    scale = math.sqrt(float(np.einsum("ij,ij->", rows, rows)) / N)
    if N < 2:
        return Closeness(scale, None, math.inf, True, 0, True, None, 0)
    search = _Search(rows - rows.mean(axis=0))
    search.look_around()
    near, found = NEAR * scale, float(search.distances.min())
    near_is_exact = search.sweep(max(near, found)) or search.sweep(near)
    found = float(search.distances.min())
    is_exact = search.swept >= found or search.sweep(found)
    if not is_exact and search.all_pairs():
        found, near_is_exact = float(search.distances.min()), True
        is_exact = found > TABLE_DIGITS * scale
    near_rows = int((search.distances <= near).sum())
    i = int(search.distances.argmin())
    pairs = _opposite_pairs(rows, OPPOSITE * scale)
    return Closeness(
        scale, (min(i, int(search.partners[i])), max(i, int(search.partners[i]))), float(search.distances[i]), is_exact,
        near_rows, near_is_exact or near_rows == N,
        pairs[0] if pairs else None, len(pairs),
    )  # fmt: skip


class _Search:
    """The nearest other row of every row, as far as it is known."""

    def __init__(self, rows: Float[np.ndarray, "N d"]) -> None:
        self.rows = rows
        N = rows.shape[0]
        self.distances: Float[np.ndarray, " N"] = np.full(N, np.inf)
        self.partners: Int[np.ndarray, " N"] = np.arange(N)
        self.swept = 0.0
        """All pairs up to this distance have been compared."""
        widest = rows[np.argmax(np.abs(rows).max(axis=1))]
        length = float(np.linalg.norm(widest))
        self.axis = widest / length if length > 0 else np.eye(rows.shape[1])[0]

    def compare(self, i: Int[np.ndarray, " p"], j: Int[np.ndarray, " p"]) -> None:
        """Measure pairs of rows, and keep what is nearer than known."""
        step = max(1, BLOCK // self.rows.shape[1])
        for start in range(0, i.size, step):
            a, b = i[start : start + step], j[start : start + step]
            apart = self.rows[a] - self.rows[b]
            distances = np.sqrt(np.einsum("ij,ij->i", apart, apart))
            for own, other in ((a, b), (b, a)):
                nearer = np.flatnonzero(distances < self.distances[own])
                nearer = nearer[np.argsort(-distances[nearer], kind="stable")]  # the nearest is written last
                self.distances[own[nearer]] = distances[nearer]
                self.partners[own[nearer]] = other[nearer]

    def look_around(self) -> None:
        """Compare every row with those that follow it: as they were given, and along random directions."""
        N, d = self.rows.shape
        directions = stream(0, "closest pair", 0).standard_normal((d, PROJECTIONS - 1))
        projections = self.rows @ np.column_stack([self.axis, directions])
        for order in [np.arange(N), *np.argsort(projections, axis=0).T]:
            for lag in range(1, min(NEIGHBOURS, N - 1) + 1):
                self.compare(order[:-lag], order[lag:])

    def sweep(self, radius: float) -> bool:
        """Compare all pairs up to a distance, if they are few enough; tell whether it was done."""
        projection = self.rows @ self.axis
        order = np.argsort(projection, kind="stable")
        along = projection[order]
        slack = 1e-12 * float(np.abs(along).max())  # of rounding in the projections
        after = np.searchsorted(along, along + radius + slack, side="right") - np.arange(along.size) - 1
        if float(after.sum()) * self.rows.shape[1] > PAIR_OPERATIONS:
            return False
        for lag in range(1, int(after.max(initial=0)) + 1):
            i = np.flatnonzero(after >= lag)
            self.compare(order[i], order[i + lag])
        self.swept = max(self.swept, radius)
        return True

    def all_pairs(self) -> bool:
        """Compare all pairs by products of blocks, if they are few enough; tell whether it was done."""
        N, d = self.rows.shape
        if float(N) * N * d > TABLE_OPERATIONS:
            return False
        squares = np.einsum("ij,ij->i", self.rows, self.rows)
        for start in range(0, N, max(1, BLOCK // N)):
            part = np.arange(start, min(start + max(1, BLOCK // N), N))
            table = squares[part, None] + squares - 2.0 * (self.rows[part] @ self.rows.T)
            table[np.arange(part.size), part] = np.inf
            self.compare(part, table.argmin(axis=1))
        return True


def _opposite_pairs(rows: Float[np.ndarray, "N d"], radius: float) -> list[tuple[int, int]]:
    """Return pairs of rows whose sum is at most `radius`; of more than one partner, the next in order."""
    N, d = rows.shape
    projection = rows @ stream(0, "opposite inputs", 0).standard_normal(d)
    signs = np.where(projection < 0, -1.0, 1.0)
    order = np.argsort(np.abs(projection), kind="stable")
    turned = (rows * signs[:, None])[order]
    pairs: list[tuple[int, int]] = []
    used: Bool[np.ndarray, " N"] = np.zeros(N, dtype=bool)
    for lag in range(1, min(NEIGHBOURS, N - 1) + 1):
        apart = np.abs(turned[lag:] - turned[:-lag]).max(axis=1)
        for k in np.flatnonzero((apart <= radius) & (signs[order[lag:]] != signs[order[:-lag]])):
            i, j = int(order[k]), int(order[k + lag])
            if not (used[i] or used[j]):
                used[i] = used[j] = True
                pairs.append((min(i, j), max(i, j)))
    return sorted(pairs)
