"""Centre and scale features and targets: distances, starts and ridges of this family assume sizes near one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

RESOLVED = 1e-12
"""A deviation below this share of the mean is rounding: such a column is constant."""


@dataclass(frozen=True, eq=False)
class Standardised:
    """Features `X (n, d)` and targets `y (n,)` or `(n, K)` with mean 0 and deviation 1; constant columns are 0."""

    X: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, "n ..."]
    center: Float[np.ndarray, " d"]
    scale: Float[np.ndarray, " d"]
    target_mean: Float[np.ndarray, " K"]
    target_scale: Float[np.ndarray, " K"]

    def features(self, X: Float[np.ndarray, "r d"]) -> Float[np.ndarray, "r d"]:
        """Return further rows in the same units."""
        return (X - self.center) / self.scale

    def targets(self, outputs: Float[np.ndarray, "r ..."]) -> Float[np.ndarray, "r ..."]:
        """Return outputs in the units of the data."""
        if outputs.ndim == 1:
            return outputs * self.target_scale[0] + self.target_mean[0]
        return outputs * self.target_scale + self.target_mean


def standardise(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n ..."], weights: Float[np.ndarray, " n"] | None = None
) -> Standardised:
    """Centre and scale all columns by their weighted mean and deviation.

    Parameters
    ----------
    X
        Features.
    y
        Targets.
    weights
        Of the rows, any scale; all equal by default.

    Returns
    -------
    Standardised
        With what is needed for further rows.
    """
    share = np.full(len(X), 1 / len(X)) if weights is None else weights / weights.sum()
    center, scale = _moments(X, share)
    target_mean, target_scale = _moments(y.reshape(len(y), -1), share)
    made = (y.reshape(len(y), -1) - target_mean) / target_scale
    features = (X - center) / scale
    features[:, np.ptp(X, axis=0) == 0] = 0.0
    return Standardised(features, made.reshape(y.shape), center, scale, target_mean, target_scale)


def _moments(columns: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = share @ columns
    deviation = np.sqrt(share @ (columns - mean) ** 2)
    resolved = deviation > RESOLVED * np.abs(mean)
    return mean, np.where(resolved & (deviation > 0), deviation, 1.0)
