"""The direction from an orthogonal factorisation of the Jacobian itself: `D^T = U R`, `D^+ u = U R^-T u`.

The Gram matrix squares the condition number of `D`; where that is too much (specification, sections 2 and 3), or where
an integrator asks for every digit, the Jacobian is formed and factored. This costs `2 K (NQ)^2` operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float

from thalweg.adapted.factors import Linearisation
from thalweg.adapted.solve import Direction, Factor, RankLossError, factor

LARGEST = 2**29
"""Bytes of a Jacobian that is formed."""

SQUARED = 1e13
"""Condition number of the Gram matrix, as its pivots show it, beyond which the Jacobian is factored instead."""


@dataclass(frozen=True, eq=False)
class OrthogonalFactor:
    """`U (K, NQ)` and the triangle `R (NQ, NQ)`."""

    lin: Linearisation
    basis: Float[np.ndarray, "K NQ"]
    triangle: Float[np.ndarray, "NQ NQ"]

    def solve(self, u: Float[Any, "N Q"], tolerance: float) -> Direction:
        """Return the step for the wanted displacement `u`; it is direct whatever the tolerance."""
        z = scipy.linalg.solve_triangular(self.triangle, np.asarray(u).reshape(-1), trans=1, check_finite=False)
        return Direction(self.basis @ z, u)

    def smallest_singular_value(self) -> float:
        """Return `sigma_min(D)`."""
        return float(np.linalg.svd(self.triangle, compute_uv=False)[-1])


def orthogonal_factor(lin: Linearisation) -> OrthogonalFactor:
    """Factor the transposed Jacobian.

    Returns
    -------
    OrthogonalFactor
        Whose `solve` gives steps.

    Raises
    ------
    RankLossError
        If the rank condition fails to working precision.
    """
    basis, triangle = np.linalg.qr(lin.jacobian().T)
    pivots = np.abs(triangle.diagonal())
    if not pivots.min() > pivots.max() * max(basis.shape) * np.finfo(float).eps:
        raise RankLossError
    return OrthogonalFactor(lin, basis, triangle)


def fits(lin: Linearisation) -> bool:
    """Tell whether the Jacobian may be formed: it has full row rank in number, and fits."""
    N, Q = lin.outputs.shape
    return lin.parameter_count >= N * Q and 8 * N * Q * lin.parameter_count <= LARGEST


def accurate_factor(lin: Linearisation, route: str, precision: str) -> Factor | OrthogonalFactor:
    """Factor the Gram matrix, or the Jacobian where the condition of the Gram matrix asks for it and it fits.

    Returns
    -------
    Factor or OrthogonalFactor
        For undamped steps.

    Raises
    ------
    RankLossError
        If neither can be factored.
    """
    try:
        made = factor(lin, 0.0, route, precision)
    except RankLossError:
        if not fits(lin):
            raise
        return orthogonal_factor(lin)
    return orthogonal_factor(lin) if made.exact and made.condition > SQUARED and fits(lin) else made
