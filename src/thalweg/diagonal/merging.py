"""Equal columns (up to sign) have equal duals for ever: they are merged, solved as one, and share equally."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from thalweg.diagonal.columns import Columns
from thalweg.numerics.dependence import equal_columns, probe


@dataclass(frozen=True, eq=False)
class Merged:
    """Which columns represent which.

    `kept (k,)` are the columns that stand for all; column `i` of the data is `sign[i]` times column `source[i]`,
    one of them, and receives `share[i]` of its coefficient.
    """

    kept: np.ndarray
    source: np.ndarray
    sign: Float[np.ndarray, " d"]
    share: Float[np.ndarray, " d"]
    groups: list[tuple[tuple[int, int], ...]]

    def spread(
        self, saddles: Int[np.ndarray, " e"], indices: Int[np.ndarray, " e"], values: Float[np.ndarray, " e"]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give every copy its share of the coefficients.

        Parameters
        ----------
        saddles, indices, values
            Number of the saddle, kept column and coefficient of every non-zero entry.

        Returns
        -------
        tuple
            The same for all columns, ordered by saddle and column.
        """
        if self.groups:
            copies = np.bincount(self.source, minlength=self.source.size)
            members = np.argsort(self.source, kind="stable")
            first = np.cumsum(copies) - copies
            entry = np.repeat(np.arange(indices.size), copies[indices])
            place = np.arange(entry.size) - np.repeat(np.cumsum(copies[indices]) - copies[indices], copies[indices])
            indices = members[first[indices[entry]] + place]
            saddles, values = saddles[entry], values[entry] * self.sign[indices] * self.share[indices]
        order = np.argsort(saddles * self.source.size + indices)
        return saddles[order], indices[order], values[order]


def merge_duplicates(columns: Columns, exponents: Float[np.ndarray, " d"], positive: bool) -> Merged:
    """Find the columns that can stand for all.

    Parameters
    ----------
    columns
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
    marks = columns.products(probe(columns.shape[0]))
    equal = equal_columns(marks, columns.sizes, lambda j: columns.take(np.array([j]))[0], up_to_sign=not positive)
    groups = [g for g in equal if np.ptp(exponents[[i for i, _ in g]]) == 0]
    source, sign, share = np.arange(d), np.ones(d), np.ones(d)
    if not groups:
        return Merged(np.arange(d), source, sign, share, groups)
    copies = {i for group in groups for i, _ in group[1:]}
    kept = np.array([i for i in range(d) if i not in copies])
    for group in groups:
        for i, relative in group:
            share[i], sign[i], source[i] = 1 / len(group), relative, group[0][0]
    return Merged(kept, source, sign, share, groups)
