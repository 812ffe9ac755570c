"""Agreement of two orders."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


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
