"""From a net to the critical point at the bottom of its basin, in float64: Newton's method, guarded where it must be.

A trained net is near a minimum; pure Newton steps then fall quadratically, and their number is what remains of
training at best. Where the Hessian is not positive definite or a step lowers neither loss nor gradient, a trust region
with the exact Hessian (SciPy's, after Moré and Sorensen 1983) goes on first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import minimize

from thalweg.shallow.derivatives import Objective
from thalweg.shallow.net import ShallowNet

MOST_NEWTON_STEPS = 60
"""Newton steps at most; near a minimum about five are needed."""

MOST_STEPS = 1000
"""Steps of the trust region at most."""

AT_REST = 1e-14
"""Expected gain of a Newton step, as a share of the loss, below which rounding decides what the next one does."""


@dataclass(frozen=True, eq=False)
class Settled:
    """Where a net came to rest.

    Attributes
    ----------
    net : ShallowNet
        The critical point, up to rounding.
    loss, gradient_norm : float
        J and the norm of its gradient there.
    eigenvalues : array (P,)
        Of the Hessian there, increasing.
    newton_steps : int or None
        Pure Newton steps from the start; None where the trust region was needed.
    is_minimum : bool
        Whether it came to rest where the Hessian is positive definite in floating point.
    """

    net: ShallowNet
    loss: float
    gradient_norm: float
    eigenvalues: Float[np.ndarray, " P"]
    newton_steps: int | None
    is_minimum: bool


def settle(net: ShallowNet, data: Objective) -> Settled:
    """Follow the loss from a net down to a critical point.

    Parameters
    ----------
    net
        The start.
    data
        The objective.

    Returns
    -------
    Settled
        Not a minimum where none was reached, as when it lies at infinity.
    """
    found, steps, rests = _newton(net, data)
    if not rests:
        below = _descended(net, data)
        if below is not None:
            found, _, rests = _newton(below, data)
        steps = None
    loss, gradient, H = data.second_order(found)
    values = np.linalg.eigvalsh(H)
    is_definite = bool(values[0] > values.size * np.finfo(float).eps * values[-1])  # below that it is rounding
    return Settled(found, loss, float(np.linalg.norm(gradient)), values, steps, rests and is_definite)


def _descended(net: ShallowNet, data: Objective) -> ShallowNet | None:
    """Follow the trust region; None where numbers of extreme size end it."""
    try:
        result = minimize(
            lambda theta: data.cost(net.with_theta(theta)),
            net.theta,
            jac=lambda theta: data.gradient(net.with_theta(theta)),
            hess=lambda theta: data.hessian(net.with_theta(theta)),
            method="trust-exact",
            options={"gtol": 1e-9 * max(1.0, data.cost(net)), "maxiter": MOST_STEPS},
        )
        return net.with_theta(result.x)
    except (ValueError, ArithmeticError, LinAlgError):
        return None


def _newton(net: ShallowNet, data: Objective) -> tuple[ShallowNet, int, bool]:
    """Take pure Newton steps while loss or gradient fall; tell how many moved visibly and whether they came to rest."""
    visible, before = 0, (np.inf, np.inf)
    best, rests = net, False
    for _ in range(MOST_NEWTON_STEPS):
        loss, gradient, H = data.second_order(net)
        size = float(np.linalg.norm(gradient))
        if not (size < before[1] or (loss < before[0] and not rests)):
            break
        best, before = net, (loss, size)
        try:
            step = cho_solve(cho_factor(H), gradient)
        except LinAlgError:
            return best, visible, False
        rests = 0.5 * float(gradient @ step) <= AT_REST * loss
        visible += not rests
        moved = net.theta - step
        if not np.isfinite(moved).all():
            return best, visible, False
        net = net.with_theta(moved)
    return best, visible, rests
