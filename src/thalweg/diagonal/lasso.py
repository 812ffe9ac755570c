"""At which jumps the running mean of a saddle path is the Lasso solution of penalty `1/t`.

With `bbar(t) = (1/t) int_0^t b`, always `-grad L(bbar) = s(t)/t`. These are the optimality conditions of the weighted
Lasso exactly if `s_i(t) = sign(bbar_i) a_i` wherever `bbar_i != 0`, for `|s_i| <= a_i` holds anyway. While no feature
leaves its wall this is so; a departure ends it, and it can come back (specification of the family, section 4 and
correction B13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from thalweg.diagonal.naive import HIT_TOLERANCE
from thalweg.diagonal.residuals import sparse_saddles
from thalweg.numerics.column_blocks import PRODUCT_ENTRIES, ColumnBlocks
from thalweg.numerics.rounding import gamma

if TYPE_CHECKING:
    from thalweg.diagonal.path import SaddlePath


def lasso_equivalent(path: SaddlePath) -> Bool[np.ndarray, " m"]:
    """Tell for each jump whether the mean up to it is the Lasso solution of penalty `1/t`.

    Parameters
    ----------
    path
        Features that are active before or after a jump are at their wall exactly; for others the dual is computed,
        and at its wall within the tolerance of an arrival.

    Returns
    -------
    array (m,)
        Entry `k - 1` speaks of jump `k`.
    """
    equivalent = np.ones(path.count, dtype=bool)
    ever = np.unique(np.concatenate(path.supports)).astype(np.int64)
    saddles = sparse_saddles(path.supports, path.values, path.exponents.size)[:, ever]
    columns, lengths = ColumnBlocks(path.X), np.diff(path.times, prepend=0.0)[:, None]
    width = max(1, PRODUCT_ENTRIES // max(path.count, 1))
    for start in range(0, ever.size, width):
        chosen = slice(start, start + width)
        b, a = saddles[:, chosen].toarray(), path.exponents[ever[chosen]]
        total = np.cumsum(lengths * b[:-1], axis=0)
        # Where spells of both signs cancel, what is left is rounding.
        size = np.cumsum(lengths * np.abs(b[:-1]), axis=0)
        sides = np.where(np.abs(total) <= gamma(path.count + 2) * size, 0.0, np.sign(total))
        duals = path.integrals[1:] @ columns.dense(ever[chosen]) / columns.n
        near = sides * duals >= (1 - HIT_TOLERANCE) * a
        pinned = np.where(b[1:] != 0, np.sign(b[1:]), np.sign(b[:-1]))
        at_wall = np.where(pinned != 0, pinned == sides, near)
        equivalent &= (at_wall | (sides == 0)).all(axis=1)
    return equivalent
