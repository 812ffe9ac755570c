"""Agreement of two orders."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float

PAIRS_AT_ONCE = 2**20
"""Pairs of items compared in one array operation: eight megabytes an array."""


def kendall_tau(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Return Kendall's tau of two orders over the items that stand in both.

    Parameters
    ----------
    first, second
        Items in order, none twice.

    Returns
    -------
    float
        1 for the same order, -1 for the reverse; NaN for fewer than two common items.
    """
    place = {item: i for i, item in enumerate(second)}
    ranks = [place[item] for item in first if item in place]
    pairs = len(ranks) * (len(ranks) - 1) // 2
    if pairs == 0:
        return float("nan")
    agreeing = sum(a < b for i, a in enumerate(ranks) for b in ranks[i + 1 :])
    return (2 * agreeing - pairs) / pairs


def arrival_tau(reference: Float[np.ndarray, " d"], arrivals: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
    """Return Kendall's tau-b of times of arrival with those of a reference, items that never arrive being last.

    Only items that arrive in at least one of the two count, so that an order that merely goes on longer agrees;
    those that never arrive in one of the two are tied behind its last, as in the comparison of lists of different
    length by Fagin, Kumar and Sivakumar (2003).

    Parameters
    ----------
    reference
        Times of arrival of `d` items; infinite: never.
    arrivals
        Further times, one row an order.

    Returns
    -------
    array (m,)
        From -1 to 1; NaN where an order ties all items that count, or fewer than two count.
    """
    m, d = arrivals.shape
    block = max(1, PAIRS_AT_ONCE // d**2)
    return np.concatenate([_arrival_tau(reference, arrivals[i : i + block]) for i in range(0, m, block)])


def _arrival_tau(reference: np.ndarray, arrivals: np.ndarray) -> np.ndarray:
    used = np.isfinite(reference) | np.isfinite(arrivals).any(axis=0)
    last = np.finfo(float).max  # differences of infinities would be NaN; these are zero
    first, others = np.minimum(reference[used], last), np.minimum(arrivals[:, used], last)
    before, after = np.triu_indices(first.size, k=1)
    counts = (first < last) | (others < last)
    both = counts[:, before] & counts[:, after]
    a = np.sign(first[after] - first[before]) * both
    b = np.sign(others[:, after] - others[:, before]) * both
    untied = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.divide((a * b).sum(axis=1), untied, out=np.full(len(others), np.nan), where=untied > 0)


def leading_agreement(
    reference: Float[np.ndarray, " d"], arrivals: Float[np.ndarray, "m d"]
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Return the shares of orders whose first `k` items are those of the reference, as a set and in order.

    Parameters
    ----------
    reference, arrivals
        Times as in `arrival_tau`; items that arrive together stand in the order of their numbers.

    Returns
    -------
    tuple of arrays (k,)
        As a set, and in order, for 1, 2, ... up to the number of items that arrive in the reference.
    """
    k = int(np.isfinite(reference).sum())
    order = np.argsort(reference, kind="stable")[:k]
    others = np.argsort(arrivals, axis=1, kind="stable")[:, :k]
    present = np.isfinite(np.take_along_axis(arrivals, others, axis=1))
    place = np.full(reference.size, reference.size)
    place[order] = np.arange(k)
    in_order = np.logical_and.accumulate((others == order) & present, axis=1)
    furthest = np.maximum.accumulate(np.where(present, place[others], reference.size), axis=1)
    return (furthest == np.arange(k)).mean(axis=0), in_order.mean(axis=0)


def arrival_ranks(arrivals: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m d"]:
    """Return the rank of each item in each row: one more than the number of earlier ones; infinite: never arrives."""
    order = np.argsort(arrivals, axis=1, kind="stable")
    ordered = np.take_along_axis(arrivals, order, axis=1)
    later = np.ones(ordered.shape, dtype=bool)
    later[:, 1:] = ordered[:, 1:] > ordered[:, :-1]
    places = np.where(later, np.arange(1, ordered.shape[1] + 1), 1)
    ranks = np.empty(ordered.shape)
    np.put_along_axis(ranks, order, np.maximum.accumulate(places, axis=1).astype(float), axis=1)
    return np.where(np.isfinite(arrivals), ranks, np.inf)
