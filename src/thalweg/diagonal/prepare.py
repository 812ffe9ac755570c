"""Data as the network sees them: centred (the intercept) and scaled to unit standard deviation if asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from thalweg.numerics.dependence import CONSTANT


@dataclass(frozen=True, eq=False)
class Prepared:
    """`X = (raw X - center) / scale`, `y = raw y - target_mean`; `target_norm` of the raw target."""

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
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], *, fit_intercept: bool, standardize: bool
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

    Returns
    -------
    Prepared
        Constant columns are exactly zero in it.
    """
    d = X.shape[1]
    center = X.mean(axis=0) if fit_intercept else np.zeros(d)
    target_mean = float(y.mean()) if fit_intercept else 0.0
    prepared = X - center
    spread = np.sqrt((prepared**2).mean(axis=0))
    prepared[:, spread <= CONSTANT * np.abs(X).max(axis=0)] = 0.0
    scale = np.where((spread > 0) & prepared.any(axis=0), spread, 1.0) if standardize else np.ones(d)
    target = y - target_mean
    if np.abs(target).max() <= CONSTANT * np.abs(y).max():
        target = np.zeros_like(target)
    return Prepared(prepared / scale, target, center, scale, target_mean, float(np.linalg.norm(y)))
