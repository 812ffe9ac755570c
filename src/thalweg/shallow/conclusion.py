"""From bounds to a theorem: exactly one critical point in an ellipsoid (specification, section 5.5, steps 3, 4, 6).

With `eps >= |Li H Li' - S|`, `gz >= |Li grad J|` and `M` a Lipschitz constant of the whitened Hessian on `|z| <= rho`:

    mu_z = 1 - eps - M rho > 0   and   gz < rho (1 - eps - M rho / 2)

imply that there is exactly one critical point with `|z| <= rho`, non-degenerate, with as many negative eigenvalues as
`S` has: `z - S grad(z)` maps the ball into itself and contracts it. Without negative ones J is strongly convex on the
ellipsoid. The two inequalities are decided in exact rational arithmetic; what is derived from them is rounded outward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from thalweg.numerics.whitening import upward
from thalweg.shallow.fast_bounds import Bounds
from thalweg.shallow.third_derivative import FRACTION, largest_radius

UP = upward(8)


@dataclass(frozen=True)
class Conclusion:
    """What follows from some bounds; all numbers are proved if `is_proved`.

    Attributes
    ----------
    is_proved
        Whether both inequalities hold.
    index
        Number of negative eigenvalues of the Hessian on the ellipsoid.
    defect, pull, lipschitz, rho
        `eps`, `gz`, `M` and `rho`.
    curvature
        `mu_z`, the least absolute whitened eigenvalue on the ellipsoid.
    enclosure
        `|z*|` at most.
    radius
        Of the Euclidean ball around the given parameters that lies in the ellipsoid.
    distance
        Of the critical point from the given parameters, at most.
    modulus, smoothness
        Least and largest absolute eigenvalue of the Hessian on the ellipsoid, in the coordinates of the user.
    loss_gap
        How much the loss at the given parameters exceeds that of the minimum, at most.
    """

    is_proved: bool
    index: int
    defect: float
    pull: float
    lipschitz: float
    rho: float
    curvature: float
    enclosure: float = math.nan
    radius: float = math.nan
    distance: float = math.nan
    modulus: float = math.nan
    smoothness: float = math.nan
    loss_gap: float = math.nan


def conclude(bounds: Bounds) -> Conclusion:
    """Decide the inequalities and derive the statements."""
    eps, gz, index = bounds.defect, bounds.pull, bounds.whitening.index
    if not (eps < 1 and math.isfinite(gz)):
        return Conclusion(False, index, eps, gz, math.nan, 0.0, math.nan)
    rho, M = largest_radius(bounds.sizes, FRACTION * (1 - eps))
    if not (math.isfinite(M) and rho > 0):
        return Conclusion(False, index, eps, gz, M, rho, math.nan)
    left, radius, third = 1 - Fraction(eps), Fraction(rho), Fraction(M)
    curvature = left - third * radius
    if not (curvature > 0 and Fraction(gz) < radius * (left - third * radius / 2)):
        return Conclusion(False, index, eps, gz, M, rho, _below(curvature))
    root = math.sqrt(max(_below(left * left - 2 * third * Fraction(gz)), 0.0)) / UP
    enclosure = 2 * gz / ((_below(left) + root) / UP) * UP
    reach, spread, stretch = eps + M * rho, np.float64(bounds.spread), bounds.stretch
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ball = float(rho / np.sqrt(spread) / UP)
        modulus = float(np.float64(_below(curvature)) / np.float64(stretch) ** 2 / UP)
        smoothness = float((1 + reach) * UP * spread * UP)
        gap = float(np.float64(gz) ** 2 / (2 * _below(curvature)) * UP) + 2.0**-1000
    return Conclusion(
        is_proved=True,
        index=index,
        defect=eps,
        pull=gz,
        lipschitz=M,
        rho=rho,
        curvature=_below(curvature),
        enclosure=enclosure,
        radius=ball if math.isfinite(ball) else 0.0,
        distance=stretch * enclosure * UP,
        modulus=modulus if math.isfinite(modulus) else 0.0,
        smoothness=smoothness if math.isfinite(smoothness) else math.inf,
        loss_gap=gap if index == 0 else math.nan,
    )


def _below(value: Fraction) -> float:
    """Return a float not above the value."""
    found = float(value)
    return found if Fraction(found) <= value else math.nextafter(found, -math.inf)
