"""SaddlePath: the limiting saddle-to-saddle process of a diagonal linear network.

For infinitesimal initialisation the gradient flow of `b = u * v` on `L(b) = |y - X b|^2 / (2 n)` rests at a
sequence of saddles and jumps between them at the times `t_1 < t_2 < ...` of the clock `t / ln(1/alpha)`
(Pesme and Flammarion, NeurIPS 2023). Between jumps the scaled dual `s` moves linearly: `ds/dt = -grad L(b)`.
Letters and clock: docs/notation.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from thalweg.diagonal.columns import Columns
from thalweg.diagonal.merging import Merged
from thalweg.records import Certificate, InputError, Outcome

ENDED = (Outcome.CONVERGED, Outcome.INTERPOLATED, Outcome.NOTHING_TO_LEARN)
"""Outcomes of a path that has reached a minimiser."""


@dataclass(frozen=True)
class Event:
    """Feature `feature` enters or leaves (`kind`) the support at jump `jump` (1, 2, ...), time `time`."""

    jump: int
    time: float
    kind: str
    feature: int


@dataclass(frozen=True, eq=False)
class Escape:
    """The jump that never ends: from `time` on the coefficients grow for ever, because the loss has no minimiser.

    Attributes
    ----------
    time : float
        When the last coordinate that this needs reached its wall.
    integral : array (n,)
        The residual integral at this time.
    direction : array (d,)
        Coefficients along which the loss falls for ever; zero where a coordinate takes no part.
    unpenalised : array (q,)
        The free coefficients that belong to it.
    """

    time: float
    integral: Float[np.ndarray, " n"]
    direction: Float[np.ndarray, " d"]
    unpenalised: Float[np.ndarray, " q"]


@dataclass(frozen=True, eq=False)
class SaddlePath:
    """The saddles in order, the zero saddle first.

    Attributes
    ----------
    times : array (m,)
        Jump times, increasing, on the clock `t / ln(1/alpha)`.
    supports, values, signs : tuples of m + 1 arrays
        Indices (increasing), coefficients and signs of the non-zero coordinates of each saddle.
    losses : array (m + 1,)
        `L` at each saddle.
    integrals : array (m + 1, n)
        `R = int_0^t (y - X b)` at time 0 and at each jump: the dual is `s = X'R/n`.
    columns : Columns (n, d)
        The data in which the residual is integrated: those given, or their triangular compression.
    exponents : array (d,)
        Thresholds `a_i` of `|s_i|` (initialisation `alpha^a_i`).
    outcome : Outcome
        How the path ended.
    lasso_equivalent_until : int
        Number of the last jump up to which the running mean is the Lasso solution of penalty `1/t`: no
        coordinate has left its wall before it.
    rank_skipped : tuple of (jump, feature)
        Coordinates that rest at their wall with a column that the other columns of the face determine: the
        fit of that saddle is unique, the split of its coefficients is not.
    smallest_pivot : float
        Smallest relative distance of an entering column to the span of the support.
    simultaneous : tuple of int
        Jumps at which several columns (after merging duplicates) reached their walls together.
    duplicates : list
        Groups of equal columns up to sign, between which the coefficient was split equally.
    algorithm : str
        "plain", "updated factor", "verified batches", "batches checked at their ends" or "newton".
    positive : bool
        Whether the network is one-sided: `b >= 0`, and only `s_i = a_i` is a wall.
    unpenalised : array (m + 1, q), optional
        Free coefficients at each saddle, where there are any (`smooth_path`).
    flat : tuple of int
        Saddles at which the loss is flat along a direction of the face (Huber: only clipped rows would see it):
        times, losses and pulls are unique, the coefficients are not.
    escape : Escape, optional
        The end of a path whose loss has no minimiser from there on.
    """

    times: Float[np.ndarray, " m"]
    supports: tuple[np.ndarray, ...]
    values: tuple[np.ndarray, ...]
    signs: tuple[np.ndarray, ...]
    losses: Float[np.ndarray, " m+1"]
    integrals: Float[np.ndarray, "m+1 n"]
    columns: Columns
    exponents: Float[np.ndarray, " d"]
    outcome: Outcome
    lasso_equivalent_until: int
    rank_skipped: tuple[tuple[int, int], ...]
    smallest_pivot: float
    simultaneous: tuple[int, ...]
    duplicates: list[tuple[tuple[int, int], ...]]
    algorithm: str
    positive: bool = False
    unpenalised: Float[np.ndarray, "m+1 q"] | None = None
    flat: tuple[int, ...] = ()
    escape: Escape | None = None

    @property
    def X(self) -> Any:
        """The matrix behind `columns` as it is stored; where centring or weights are implied, computed as an array."""
        return self.columns.matrix()

    @property
    def count(self) -> int:
        """The number of jumps `m`."""
        return int(self.times.size)

    @property
    def events(self) -> tuple[Event, ...]:
        """Every entry and exit in the order of time."""
        listed: list[Event] = []
        for k in range(1, self.count + 1):
            before, after = set(self.supports[k - 1].tolist()), set(self.supports[k].tolist())
            for kind, features in (("leave", before - after), ("enter", after - before)):
                listed += [Event(k, float(self.times[k - 1]), kind, i) for i in sorted(features)]
        return tuple(listed)

    def coef(self, k: int) -> Float[np.ndarray, " d"]:
        """Return the dense saddle `(d,)` after jump `k`; `coef(0)` is zero.

        Returns
        -------
        array (d,)
            A new array.

        Raises
        ------
        InputError
            If there is no saddle `k`.
        """
        if not 0 <= k <= self.count:
            raise InputError("no_such_saddle", k=k, last=self.count)
        dense = np.zeros(self.exponents.size)
        dense[self.supports[k]] = self.values[k]
        return dense

    def dual(self, k: int) -> Float[np.ndarray, " d"]:
        """Return the scaled dual `s (d,)` at jump `k`; `dual(0)` is zero.

        Parameters
        ----------
        k
            Number of a jump.

        Returns
        -------
        array (d,)
            Computed from the residual integral; exactly at the wall on the support.

        Raises
        ------
        InputError
            If there is no jump `k`.
        """
        if not 0 <= k <= self.count:
            raise InputError("no_such_saddle", k=k, last=self.count)
        s = self.columns.products(self.integrals[k]) / self.columns.shape[0]
        s[self.supports[k]] = self.signs[k] * self.exponents[self.supports[k]]
        return s

    def saddle_at(self, t: float) -> int:
        """Return the number of the saddle at which the limit rests at time `t` (at a jump: the new one).

        Returns
        -------
        int
            From 0 to `count`.

        Raises
        ------
        InputError
            If `t` is negative or NaN, or lies beyond the last jump of a path that was stopped early, or beyond
            the time from which on the loss has no minimiser.
        """
        if not t >= 0:
            raise InputError("negative_time", t=t)
        k = int(np.searchsorted(self.times, t, side="right"))
        if self.escape is not None and t > self.horizon:
            raise InputError("time_beyond_escape", t=t, last=self.escape.time)
        if k == self.count and t > self.horizon:
            raise InputError("time_beyond_path", t=t, last=self.horizon)
        return k

    @property
    def horizon(self) -> float:
        """The time up to which the path is known: infinite once it has reached a minimiser."""
        if self.escape is not None:
            return float(np.nextafter(self.escape.time, 0.0))
        return np.inf if self.outcome in ENDED else float(self.times[-1] if self.count else 0.0)

    def coef_at(self, t: float) -> Float[np.ndarray, " d"]:
        """Return the saddle `(d,)` at which the limit rests at time `t`."""
        return self.coef(self.saddle_at(t))

    def dual_at(self, t: float) -> Float[np.ndarray, " d"]:
        """Return the scaled dual `s (d,)` at time `t`."""
        k = self.saddle_at(t)
        start = self.times[k - 1] if k else 0.0
        if k == self.count and self.escape is not None:
            share = (t - start) / (self.escape.time - start)
            return (1 - share) * self.dual(k) + share * (self.escape.integral @ self.X / self.X.shape[0])
        if k == self.count:
            return self.dual(k)  # at a minimiser nothing pulls; before one, saddle_at refused t
        share = (t - start) / (self.times[k] - start)
        return (1 - share) * self.dual(k) + share * self.dual(k + 1)

    def running_mean(self, t: float) -> Float[np.ndarray, " d"]:
        """Return `(1/t) int_0^t b (d,)`: the Lasso solution of penalty `1/t` while `lasso_equivalent_until`.

        Returns
        -------
        array (d,)
            The mean over `[0, t]`.

        Raises
        ------
        InputError
            If `t` is not positive or lies beyond the known path.
        """
        if not t > 0:
            raise InputError("negative_time", t=t)
        last = self.saddle_at(t)
        edges = np.concatenate([[0.0], self.times[:last], [t]])
        total = np.zeros(self.exponents.size)
        for k in range(last + 1):
            total[self.supports[k]] += (edges[k + 1] - edges[k]) * self.values[k]
        return total / t

    @property
    def lasso_equivalent_mask(self) -> Bool[np.ndarray, " m"]:
        """At which jumps the running mean is the Lasso solution: always before a wall is left, perhaps again later."""
        from thalweg.diagonal.lasso import lasso_equivalent

        return lasso_equivalent(self)

    def certificate(self) -> Certificate:
        """Prove by duality that every saddle is the least weighted l1 norm of its own fit.

        Returns
        -------
        Certificate
            Of the saddles, from what the path holds; `path_certificate` proves times and saddles from the data.
        """
        from thalweg.diagonal.duality import gap_certificate

        return gap_certificate(self)

    def __repr__(self) -> str:
        last = f", last jump at {self.times[-1]:.6g}" if self.count else ""
        return (
            f"<SaddlePath {self.count} jumps, {self.supports[-1].size} of {self.exponents.size} features "
            f"active{last}, loss {self.losses[0]:.6g} -> {self.losses[-1]:.6g}, {self.outcome.value}>"
        )


@dataclass(frozen=True, eq=False)
class Saddle:
    """One saddle as an algorithm found it, with columns that stand for others (see `merging`)."""

    time: float
    indices: np.ndarray
    values: np.ndarray
    integral: np.ndarray
    loss: float


def assemble(
    saddles: list[Saddle],
    outcome: Outcome,
    merged: Merged,
    columns: Columns,
    exponents: Float[np.ndarray, " d"],
    *,
    algorithm: str,
    positive: bool,
    departure: int | None,
    rank_skipped: list[tuple[int, int]],
    smallest_pivot: float,
    simultaneous: list[int],
) -> SaddlePath:
    """Make a path of saddles, the zero saddle first, giving every copy of a merged column its share."""
    numbers = np.repeat(np.arange(len(saddles)), [saddle.indices.size for saddle in saddles])
    indices = np.concatenate([saddle.indices for saddle in saddles])
    numbers, indices, values = merged.spread(numbers, indices, np.concatenate([saddle.values for saddle in saddles]))
    ends = np.searchsorted(numbers, np.arange(len(saddles) + 1)).tolist()
    parts = [slice(start, end) for start, end in pairwise(ends)]
    signs = np.sign(values)
    return SaddlePath(
        times=np.array([saddle.time for saddle in saddles[1:]]),
        supports=tuple(indices[part] for part in parts),
        values=tuple(values[part] for part in parts),
        signs=tuple(signs[part] for part in parts),
        losses=np.array([saddle.loss for saddle in saddles]),
        integrals=np.array([saddle.integral for saddle in saddles]),
        columns=columns,
        exponents=exponents,
        outcome=outcome,
        lasso_equivalent_until=len(saddles) - 1 if departure is None else departure,
        rank_skipped=tuple(rank_skipped),
        smallest_pivot=smallest_pivot,
        simultaneous=tuple(simultaneous),
        duplicates=merged.groups,
        algorithm=algorithm,
        positive=positive,
    )
