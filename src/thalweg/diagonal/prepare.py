"""Data as the network sees them: centred (the intercept), weighted, free of kept columns, scaled, as asked.

The loss of weighted rows, `sum_j w_j (y_j - x_j b)^2 / (2 sum_j w_j)`, is the plain one of rows multiplied by
`sqrt(w_j n / sum w)` after centring at the weighted means; rows of weight zero are left out of `n`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from thalweg.diagonal.keeping import DETERMINED, FREE, STILL, Kept, free_of_kept
from thalweg.numerics.dependence import CONSTANT
from thalweg.numerics.validation import weights_of_rows


@dataclass(frozen=True, eq=False)
class Prepared:
    """`X = (raw X - center - what kept columns explain) / scale`, `y` likewise; `target_norm` of the raw target.

    `lost (d,)` says why a column is zero in it: see `keeping.FREE`, `STILL`, `DETERMINED`. Kept columns are zero too,
    and free unless they carry nothing of their own. With weights the rows of `X` and `y` are multiplied by the roots
    of theirs, and so is the target in `target_norm`.
    """

    X: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]
    center: Float[np.ndarray, " d"]
    scale: Float[np.ndarray, " d"]
    target_mean: float
    target_norm: float
    kept: Kept
    lost: Int[np.ndarray, " d"]

    def apply(self, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m d"]:
        """Prepare other rows in the same way."""
        prepared = X - self.center
        if self.kept.columns.size:
            prepared = prepared - prepared[:, self.kept.columns] @ self.kept.weights
        prepared = prepared / self.scale
        prepared[:, self.constant] = 0.0
        return prepared

    def apply_to_target(self, X: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """Return what the mean and the kept columns leave of the target of other rows."""
        columns = self.kept.columns
        return y - self.target_mean - (X[:, columns] - self.center[columns]) @ self.kept.target

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
    kept: Int[np.ndarray, " p"] | None = None,
) -> Prepared:
    """Centre and scale `X (n, d)`, centre `y (n,)`, and free both of what kept columns explain.

    Parameters
    ----------
    X, y
        Finite data.
    fit_intercept
        Subtract the means; without it nothing is centred.
    standardize
        Divide each column, freed of the kept ones, by its root mean square.
    sample_weight : array (n,), optional
        A weight of 2 is the same as the row twice, a weight of 0 as no row.
    kept
        Places of the columns that are forced in; none unless given.

    Returns
    -------
    Prepared
        Constant columns, kept ones and those that these determine are exactly zero in it.
    """
    root = np.ones(y.size)
    if sample_weight is not None:
        weights = weights_of_rows(sample_weight, y.size)
        used = weights > 0
        X, y, weights = X[used], y[used], weights[used]
        root = np.sqrt(weights * (y.size / weights.sum()))
    d = X.shape[1]
    columns = np.array([], dtype=np.int64) if kept is None else kept
    center = _mean(X, root) if fit_intercept else np.zeros(d)
    target_mean = float(_mean(y, root)) if fit_intercept else 0.0
    prepared = (X - center) * root[:, np.newaxis]
    spread = np.sqrt((prepared**2).mean(axis=0))
    prepared[:, spread <= CONSTANT * np.abs(X).max(axis=0)] = 0.0
    target = (y - target_mean) * root
    if np.abs(y - target_mean).max() <= CONSTANT * np.abs(y).max():
        target = np.zeros_like(target)
    lost = np.where(prepared.any(axis=0), FREE, STILL)
    raw_norm = float(np.linalg.norm(y * root))
    prepared, target, coefficients = free_of_kept(prepared, target, columns, raw_norm)
    if columns.size:
        lost[(lost == FREE) & ~prepared.any(axis=0) & ~coefficients.has_own(d)] = DETERMINED
        spread = np.sqrt((prepared**2).mean(axis=0))
    scale = np.where((spread > 0) & prepared.any(axis=0), spread, 1.0) if standardize else np.ones(d)
    return Prepared(prepared / scale, target, center, scale, target_mean, raw_norm, coefficients, lost)


def _mean(values: np.ndarray, root: Float[np.ndarray, " n"]) -> np.ndarray:
    """Return the mean over the rows, weighted by the squares of `root`, whose mean is 1."""
    return np.asarray(values.mean(axis=0) if (root == 1).all() else root**2 @ values / values.shape[0])
