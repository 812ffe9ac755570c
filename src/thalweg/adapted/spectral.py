"""Directions through the eigenvectors of the Gram matrix: the filter family of theorem T7, and steps at lost rank.

`theta' = -D^T f(G) r` moves the eigenmode `(mu, v)` with rate `mu f(mu)`. `f = mu^-a` runs from gradient flow (`a = 0`)
to the adapted flow (`a = 1`); it is scaled by `mu_max^(a-1)`, so that the fastest mode has rate 1. Eigenvalues below
rounding carry no direction: `f = 0` there, which for `a = 1` is the pseudo-inverse `D^+`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from thalweg.adapted.factors import Linearisation
from thalweg.adapted.solve import Direction


@dataclass(frozen=True, eq=False)
class SpectralFactor:
    """The Gram matrix in its eigenvectors: `values (NQ,)` ascending, `vectors`, and the filter `f (NQ,)`."""

    lin: Linearisation
    values: Float[np.ndarray, " NQ"]
    vectors: Float[np.ndarray, "NQ NQ"]
    filter: Float[np.ndarray, " NQ"]

    @property
    def rank(self) -> int:
        """Number of eigenvalues above rounding."""
        return int((self.values > rounding_of(self.values)).sum())

    def solve(self, u: Float[Any, "N Q"], tolerance: float) -> Direction:
        """Return the step for the wanted displacement `u`; it is exact whatever the tolerance."""
        modes = self.vectors.T @ np.asarray(u).reshape(-1)
        w = (self.vectors @ (self.filter * modes)).reshape(u.shape)
        reached = (self.vectors @ (self.values * self.filter * modes)).reshape(u.shape)
        return Direction(self.lin.pull(w), reached)

    def smallest_singular_value(self) -> float:
        """Return `sigma_min(D)`; rounding of the Gram matrix hides what is below its seventh digit."""
        return float(np.sqrt(max(self.values[0], 0.0)))


def spectral_factor(lin: Linearisation, damping: float = 0.0, power: float = 1.0) -> SpectralFactor:
    """Return the eigenvectors of the Gram matrix with the filter `mu^-power`, damped like the Cholesky routes.

    Parameters
    ----------
    lin
        The network at the current point.
    damping
        `lambda` in units of the mean eigenvalue.
    power
        Between 0 (gradient flow) and 1 (adapted flow).

    Returns
    -------
    SpectralFactor
        Whose `solve` gives steps.
    """
    values, vectors = np.linalg.eigh(np.asarray(lin.gram(), dtype=np.float64))
    good = values > rounding_of(values)
    shifted = np.where(good, values + damping * max(values.mean(), 0.0), 1.0)
    top = max(values[-1], np.finfo(float).tiny)
    return SpectralFactor(lin, values, vectors, np.where(good, shifted**-power * top ** (power - 1), 0.0))


def rounding_of(values: Float[np.ndarray, " n"]) -> float:
    """Return the size below which eigenvalues of a Gram matrix are rounding."""
    return float(values[-1]) * values.size * np.finfo(float).eps
