"""Equal columns (up to sign) have equal duals for ever: they are merged, solved as one, and share equally."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.numerics.dependence import duplicate_groups


@dataclass(frozen=True, eq=False)
class Merged:
    """Which columns represent which.

    `kept (k,)` are the columns that stand for all; column `i` of the data is `sign[i]` times kept column
    `source[i]` and receives `share[i]` of its coefficient.
    """

    kept: np.ndarray
    source: np.ndarray
    sign: Float[np.ndarray, " d"]
    share: Float[np.ndarray, " d"]
    groups: list[tuple[tuple[int, int], ...]]

    def spread(self, indices: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the support (increasing) and coefficients in all columns of those in the kept ones."""
        if not self.groups:
            order = np.argsort(indices)
            return indices[order], values[order]
        dense = np.zeros(self.kept.size)
        dense[indices] = values
        full = dense[self.source] * self.sign * self.share
        support = np.flatnonzero(full)
        return support, full[support]


def merge_duplicates(X: Float[np.ndarray, "n d"], exponents: Float[np.ndarray, " d"], positive: bool) -> Merged:
    """Find the columns that can stand for all.

    Parameters
    ----------
    X
        The data.
    exponents
        Equal columns with different exponents have different walls and stay apart.
    positive
        In the one-sided network a column of opposite sign is another column.

    Returns
    -------
    Merged
        With empty `groups` where all columns differ.
    """
    d = exponents.size
    groups = [g for g in duplicate_groups(X, up_to_sign=not positive) if np.ptp(exponents[[i for i, _ in g]]) == 0]
    source, sign, share = np.arange(d), np.ones(d), np.ones(d)
    if not groups:
        return Merged(np.arange(d), source, sign, share, groups)
    copies = {i for group in groups for i, _ in group[1:]}
    kept = np.array([i for i in range(d) if i not in copies])
    source[kept] = np.arange(kept.size)
    for group in groups:
        for i, relative in group:
            share[i], sign[i], source[i] = 1 / len(group), relative, source[group[0][0]]
    return Merged(kept, source, sign, share, groups)
