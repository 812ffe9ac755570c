"""How fast the Hessian of a shallow network can change, in whitened coordinates (specification, section 5.5, step 2).

With `theta = theta_hat + Li' z` the map `z -> Li H(z) Li'` has on `|z| <= rho` a Lipschitz constant of at most

    M = 2 sum_i w_i R_i D3_i + 3 (sqrt(lambda_max(Li G Li')) + rho s) s,   s = sqrt(2 sum_i w_i D2_i^2),

since the third derivative of the loss along `u` is `2 sum w (r D3 Psi + 3 D Psi D2 Psi)`, and the norm of a
symmetric trilinear form is reached on its diagonal. `D2_i, D3_i` bound the derivatives of the output at row i, `R_i`
its residual:

    D2_i = sum_j (2 alpha_j q1 tau_ij + V_j q2 tau_ij^2),   D3_i = sum_j (3 alpha_j q2 tau_ij^2 + V_j q3 tau_ij^3),
    tau_ij = |Li_Bj xt_i|,  alpha_j = |Li_vj|,  V_j = |v_j| + rho alpha_j,  R_i = |r_i| + rho (|Li DF_i| + rho D2_i),

and `q_k(ij)` bounds `|psi^(k)|` wherever `z_ij` can go. The ridge is quadratic and does not appear. A second bound
starts from the third derivative at the centre (`central_third.py`) and adds how fast it can change, `rho` times

    2 sum_i w_i R_i D4_i + 4 sqrt(lambda) s3 + 3 s^2,   D4_i = sum_j (4 alpha_j q3 tau_ij^3 + V_j q4 tau_ij^4),

`s3^2 = 2 sum_i w_i D3_i^2`. The smaller of the two is taken; likewise of `s` and of its value at the centre
(`second_derivative.py`) plus `rho s3`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.numerics.whitening import TINY, upward
from thalweg.shallow.activations import Activation, largest_derivative

FRACTION = 0.5
"""Share of the positive curvature that may be spent on its change within the ellipsoid."""

PRECISION = 2.0**-12
"""Relative width to which the radius is found; the lower end is kept."""

ROUNDS = 60

NOTHING = 2.0**-400
"""Below this there is no third derivative but what allows for underflow: any radius will do, and 1 is taken."""


@dataclass(frozen=True, eq=False)
class Sizes:
    """Upper bounds of everything that the third derivative depends on.

    Attributes
    ----------
    psi
        The activation.
    w : array (n,)
        Weights of the rows, exact.
    z, z_error : arrays (n, m)
        Arguments of the neurons, computed, and how far they may be off.
    derivatives : tuple of three arrays (n, m)
        `|psi'|, |psi''|, |psi'''|` at the rows.
    residual, first : arrays (n,)
        `|r_i|` and `|Li DF_i|`.
    tau : array (n, m)
        `|Li_Bj xt_i|`.
    alpha, v : arrays (m,)
        `|Li_vj|` and `|v_j|`.
    gauss_newton : float
        The largest eigenvalue of `Li G Li'`.
    second : float
        The norm of the second derivative of the outputs over the rows, at the centre (`second_derivative.py`).
    central : float
        The norm of the third derivative at the centre (`central_third.py`).
    """

    psi: Activation
    w: Float[np.ndarray, " n"]
    z: Float[np.ndarray, "n m"]
    z_error: Float[np.ndarray, "n m"]
    derivatives: tuple[np.ndarray, np.ndarray, np.ndarray]
    residual: Float[np.ndarray, " n"]
    first: Float[np.ndarray, " n"]
    tau: Float[np.ndarray, "n m"]
    alpha: Float[np.ndarray, " m"]
    v: Float[np.ndarray, " m"]
    gauss_newton: float
    second: float
    central: float

    def lipschitz(self, rho: float) -> float:
        """Return `M` on the ellipsoid of radius `rho`; infinite or NaN where there is no bound."""
        tau, V = self.tau, self.v + rho * self.alpha
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            q1, q2, q3, q4 = self._derivatives_within(rho)
            square = tau * tau
            second = np.vecdot(tau, 2 * self.alpha * q1 + V * (q2 * tau))
            third = np.vecdot(square, 3 * self.alpha * q2 + V * (q3 * tau))
            fourth = np.vecdot(square, tau * (4 * self.alpha * q3 + V * (q4 * tau)))
            first = self.first + rho * second
            residual = self.residual + rho * first
            s3 = math.sqrt(2 * float(self.w @ np.square(third)))
            s = _smaller(math.sqrt(2 * float(self.w @ np.square(second))), self.second + rho * s3) + TINY
            root = math.sqrt(self.gauss_newton) + rho * s
            everywhere = 2 * float(self.w @ (residual * third)) + 3 * root * s
            growth = 2 * float(self.w @ (residual * fourth)) + 4 * root * s3 + 3 * s * s
            from_centre = self.central + rho * growth
        n, m = tau.shape
        M = _smaller(everywhere, from_centre)
        return M * upward(n + m + 50) + TINY if math.isfinite(M) else math.inf

    def _derivatives_within(self, rho: float) -> tuple[np.ndarray, ...]:
        """Bound the first four derivatives of psi wherever the arguments can go."""
        step = rho * self.tau
        limits = self.psi.bounds
        if all(math.isfinite(bound) for bound in limits[1:]):
            near = [
                np.minimum(step * limits[k + 1] + here, limits[k])
                for k, here in zip((1, 2, 3), self.derivatives, strict=True)
            ]
            return *near, np.full_like(step, limits[4])
        reach = (step + self.z_error) * upward(4)
        ends = self.z - reach, self.z + reach
        return tuple(largest_derivative(self.psi, k, *ends) for k in (1, 2, 3, 4))


def _smaller(a: float, b: float) -> float:
    """Return the smaller of two bounds; NaN if one of them is, which min() may hide."""
    return min(a, b) if a == a and b == b else math.nan


def largest_radius(sizes: Sizes, available: float) -> tuple[float, float]:
    """Return the largest `rho` with `rho M(rho) <= available`, from below, and a bound of `M` there.

    Parameters
    ----------
    sizes
        What `M` depends on.
    available
        Positive: a share of the least curvature.

    Returns
    -------
    tuple
        `rho` and a bound of `M(rho)`; `(0, inf)` where no radius was found.
    """
    upper = 1.0
    here = sizes.lipschitz(upper)
    if here <= NOTHING:
        return upper, here
    start = sizes.lipschitz(0.0)
    if start > 0 and math.isfinite(start):
        upper = available / start
        here = sizes.lipschitz(upper)
    for _ in range(ROUNDS):
        if math.isfinite(here):
            break
        upper *= 2.0**-8
        here = sizes.lipschitz(upper)
    if not math.isfinite(here):
        return 0.0, math.inf
    if upper * here <= available:
        return upper, here
    return _narrow(sizes, available, upper, here)


def _narrow(sizes: Sizes, available: float, upper: float, M: float) -> tuple[float, float]:
    """Close in on the root of `rho M(rho) = available` from a point above it."""
    # M grows with rho, so at a point above the root available / M is below it, and the other way round: every
    # evaluation narrows the bracket from both sides. Between them the secant of the logarithms leads.
    lower = available / M * (1 - 2.0**-50)
    x, f = math.log(upper), math.log(upper * M / available)
    middle = lower
    for _ in range(ROUNDS):
        here = sizes.lipschitz(middle)
        if middle * here <= available:
            lower, M = middle, here
            upper = min(upper, available / here)
        else:
            upper, below = middle, available / here * (1 - 2.0**-50)
            lower, M = (below, here) if below > lower else (lower, M)
        if not upper > lower * (1 + PRECISION):
            break
        x_before, f_before, x, f = x, f, math.log(middle), math.log(middle * here / available)
        step = f * (x - x_before) / (f - f_before) if f != f_before else 0.0
        middle = math.exp(x - step)
        if not lower * (1 + PRECISION / 8) < middle < upper:
            middle = math.sqrt(lower) * math.sqrt(upper)
    return lower, M
