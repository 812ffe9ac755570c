"""Data as the network sees them: centred (the intercept), scaled to unit standard deviation and weighted if asked.

The loss of weighted rows, `sum_j w_j (y_j - x_j b)^2 / (2 sum_j w_j)`, is the plain one of rows multiplied by
`sqrt(w_j n / sum w)` after centring at the weighted means; rows of weight zero are left out of `n`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from thalweg.numerics.dependence import CONSTANT
from thalweg.numerics.validation import weights_of_rows


@dataclass(frozen=True, eq=False)
class Prepared:
    """`X = (raw X - center) / scale`, `y = raw y - target_mean`; `target_norm` of the raw target.

    With weights the rows of `X` and `y` are multiplied by the roots of theirs, and so is the target in `target_norm`.
    """

    X: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]
    center: Float[np.ndarray, " d"]
    scale: Float[np.ndarray, " d"]
    target_mean: float
    target_norm: float

    def apply(self, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m d"]:
        """Prepare other rows in the same way."""
        prepared = (X - self.center) / self.scale
        prepared[:, self.constant] = 0.0
        return prepared

    @property
    def constant(self) -> Bool[np.ndarray, " d"]:
        """Which columns carry nothing."""
        return np.asarray(~self.X.any(axis=0))


def prepare(
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    *,
    fit_intercept: bool,
    standardize: bool,
    sample_weight: np.ndarray | None = None,
) -> Prepared:
    """Centre and scale `X (n, d)` and centre `y (n,)`.

    Parameters
    ----------
    X, y
        Finite data.
    fit_intercept
        Subtract the means; without it nothing is centred.
    standardize
        Divide each column by its root mean square deviation from the centre.
    sample_weight : array (n,), optional
        A weight of 2 is the same as the row twice, a weight of 0 as no row.

    Returns
    -------
    Prepared
        Constant columns are exactly zero in it.
    """
    root = None
    if sample_weight is not None:
        weights = weights_of_rows(sample_weight, y.size)
        used = weights > 0
        X, y, weights = X[used], y[used], weights[used]
        root = np.sqrt(weights * (y.size / weights.sum()))
    d = X.shape[1]
    center = _mean(X, root) if fit_intercept else np.zeros(d)
    target_mean = float(_mean(y, root)) if fit_intercept else 0.0
    prepared = X - center
    spread = np.sqrt(_mean(prepared**2, root))
    prepared[:, spread <= CONSTANT * np.abs(X).max(axis=0)] = 0.0
    scale = np.where((spread > 0) & prepared.any(axis=0), spread, 1.0) if standardize else np.ones(d)
    prepared /= scale
    target = y - target_mean
    if np.abs(target).max() <= CONSTANT * np.abs(y).max():
        target = np.zeros_like(target)
    if root is not None:
        prepared, target, y = prepared * root[:, np.newaxis], target * root, y * root
    return Prepared(prepared, target, center, scale, target_mean, float(np.linalg.norm(y)))


def _mean(values: np.ndarray, root: np.ndarray | None) -> np.ndarray:
    """Return the mean over the rows, weighted by the squares of `root`, whose mean is 1."""
    return np.asarray(values.mean(axis=0) if root is None else root**2 @ values / values.shape[0])
