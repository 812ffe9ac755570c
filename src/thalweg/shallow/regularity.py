"""Whether data can make a network regular at all: rows that are equal count once (specification, section 7).

The Jacobian has a row for each output of each row of `X`, and equal rows of `X` have equal ones. With fewer distinct
rows than `P / K` it never has full rank: no minimum is known to be strict (theorem T2).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def distinct_rows(X: Float[np.ndarray, "n d"], enough: int) -> int:
    """Return how many rows differ, counted until there are enough."""
    looked_at = 2 * enough
    while True:
        found = len(np.unique(X[:looked_at] + 0.0, axis=0))  # -0.0 becomes 0.0
        if found >= enough or looked_at >= len(X):
            return found
        looked_at *= 4


def rows_needed(parameters: int, outputs: int = 1) -> int:
    """Return how many distinct rows a network of this size needs at least to be regular."""
    return -(-parameters // outputs)


def can_be_regular(X: Float[np.ndarray, "n d"], width: int) -> bool:
    """Tell whether the rows suffice for a network of this width with one output."""
    needed = rows_needed(1 + width * (X.shape[1] + 2))
    return len(X) >= needed and distinct_rows(X, needed) >= needed
