"""Data with more rows than columns in triangular form: the same path from a d x d problem.

With `[X y] = Q [C c]` (Q orthonormal, C upper triangular) the residuals `c - C b` and `y - X b` have the same products
with the columns; the part of `y` that no column sees is a constant of the loss. Multiplied by `sqrt(d/n)`, the small
data keep the clock, which depends on the factor 1/n of the loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

WORTH_COMPRESSING = 1.5
"""From this ratio of rows to columns on, the factorisation costs less than it saves."""


@dataclass(frozen=True, eq=False)
class Compressed:
    """`X (d, d)`, `y (d,)` with the same path, and the loss that no coefficient can change."""

    X: Float[np.ndarray, "m d"]
    y: Float[np.ndarray, " m"]
    constant_loss: float


def compress(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> Compressed:
    """Return the data in triangular form, or as they are where that saves nothing.

    Parameters
    ----------
    X, y
        The data.

    Returns
    -------
    Compressed
        With `m = d` rows, or with the `n` rows given.
    """
    n, d = X.shape
    if n < WORTH_COMPRESSING * (d + 1):
        return Compressed(X, y, 0.0)
    R = np.asarray(np.linalg.qr(np.column_stack([X, y]), mode="r"))
    scale = np.sqrt(d / n)
    return Compressed(scale * R[:d, :d], scale * R[:d, d], float(R[d, d]) ** 2 / (2 * n))
