"""A better network from a trained one, and its certificate.

Newton's method squares the error at every step until float64 ends it; the gradient is then enclosed in balls, so that
the last steps go to the floats nearest to the critical point. Averaging (Polyak and Juditsky 1992) is what is left
where only gradients of batches can be had: steps `eta_0 t^-0.6`, the mean of the second half of the iterates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from thalweg.numerics.options import require, whole_number
from thalweg.numerics.resampling import stream
from thalweg.records import Verdict
from thalweg.shallow.averaging import DECAY
from thalweg.shallow.certificate import ShallowCertificate, certify_objective
from thalweg.shallow.derivatives import Objective, objective
from thalweg.shallow.fast_bounds import scaled
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.settling import settle

METHODS = ("newton", "average")

SHARPER_STEPS = 4
"""Newton steps with the gradient from balls: two suffice from where float64 ends."""

BALL_ENTRIES = 4_000_000
"""Above this many activations the gradient is not enclosed in balls, which takes seconds."""


@dataclass(frozen=True, eq=False)
class Refined:
    """A network after refinement.

    Attributes
    ----------
    net
        The better one, or the given one where none was found.
    certificate
        Of `net`, in floating point if that suffices, else in balls.
    loss_before, loss_after : float
        J.
    moved : float
        Distance between the two in parameters.
    """

    net: ShallowNet
    certificate: ShallowCertificate
    loss_before: float
    loss_after: float
    moved: float


def refine(
    net: ShallowNet,
    X: ArrayLike,
    y: ArrayLike,
    method: str = "newton",
    *,
    ridge: ArrayLike = 0.0,
    anchor: ArrayLike | ShallowNet | None = None,
    weights: ArrayLike | None = None,
    passes: int = 200,
    batch: int = 32,
    seed: int = 0,
) -> Refined:
    """Bring a trained network to the critical point of its basin, as nearly as floats can, and certify it.

    Parameters
    ----------
    net
        Trained here or elsewhere.
    X, y, ridge, anchor, weights
        Of the loss (`certify`).
    method
        "newton", or "average": stochastic gradient descent with averaging.
    passes, batch, seed
        Of "average": passes over the data, rows of a batch, and the seed of their order.

    Returns
    -------
    Refined
        With the certificate of the network it holds.

    Raises
    ------
    InputError
        If an argument is unusable.
    """
    problem = objective(X, y, weights, ridge, anchor)
    problem.require_fits(net)
    require(method in METHODS, "method", repr(method), " | ".join(METHODS))
    passes, batch = whole_number(passes, "passes", 1), whole_number(batch, "batch", 1)
    seed = whole_number(seed, "seed", 0)
    if not net.psi.is_analytic:
        found = net
    elif method == "newton":
        found = _polished(settle(net, problem).net, problem)
    else:
        found = _averaged(net, problem, passes, min(batch, problem.n), stream(seed, "refine", 0))
    before, after = problem.cost(net), problem.cost(found)
    if not after <= before * (1 + 1e-12):  # a saddle, or a step that was too long
        found, after = net, before
    certificate = certify_objective(found, problem)
    if certificate.verdict is Verdict.UNDECIDED:
        sharper = certify_objective(found, problem, "balls")
        certificate = sharper if sharper.verdict is not Verdict.UNDECIDED else certificate
    return Refined(found, certificate, before, after, float(np.linalg.norm(found.theta - net.theta)))


def _polished(net: ShallowNet, problem: Objective) -> ShallowNet:
    """Take Newton steps whose gradient is known to many digits, while it falls."""
    if problem.n * net.width > BALL_ENTRIES:
        return net
    try:
        factor = cho_factor(problem.hessian(net))
    except (LinAlgError, ValueError):
        return net
    best, least = net, np.inf
    for _ in range(SHARPER_STEPS):
        gradient = _sharp_gradient(net, problem)
        if gradient is None:
            break
        step = cho_solve(factor, gradient)
        decrement = float(gradient @ step)
        if not decrement < least:
            break
        best, least = net, decrement
        net = net.with_theta(net.theta - step)
    return best


def _sharp_gradient(net: ShallowNet, problem: Objective) -> Float[np.ndarray, " P"] | None:
    """Return the gradient, correct to float64, from balls; None where sizes are extreme."""
    from flint import ctx

    from thalweg.shallow.balls import BITS, BallDerivatives, middles

    ready = scaled(net, problem)
    if ready is None:
        return None
    with ctx.workprec(BITS):
        return middles(BallDerivatives(ready).gradient)[:, 0] / ready.units


def _averaged(net: ShallowNet, problem: Objective, passes: int, batch: int, rng: np.random.Generator) -> ShallowNet:
    """Run stochastic gradient descent with decaying steps and return the mean of the second half of its iterates."""
    first = _stable_step(net, problem, batch)
    count = max(1, passes * problem.n // batch)
    theta, mean = net.theta, np.zeros(net.parameter_count)
    for t in range(1, count + 1):
        rows = rng.choice(problem.n, batch, p=problem.weights)
        sample = Objective(problem.X[rows], problem.y[rows], ridge=problem.ridge, anchor=problem.anchor)
        theta = theta - first * t**-DECAY * sample.gradient(net.with_theta(theta))
        if not np.isfinite(theta).all():
            return net
        if t > count // 2:
            mean += (theta - mean) / (t - count // 2)
    return net.with_theta(mean)


def _stable_step(net: ShallowNet, problem: Objective, batch: int) -> float:
    """Return half the largest stable step, `b / (R^2 + (b - 1) L)`, R^2 the largest curvature of one row."""
    a, slope = net.psi.derivatives(problem.augmented @ net.B.T, 1)
    size = np.square(problem.augmented).sum(axis=1)
    hidden = (np.square(slope) @ np.square(net.output_weights).sum(axis=1)) * size
    curvature = 2 * float((net.outputs * (1 + np.square(a).sum(axis=1)) + hidden).max())
    curvature += 2 * float(problem.penalties(net).max(initial=0.0))
    largest = float(np.linalg.eigvalsh(problem.gauss_newton(net))[-1])
    return batch / (curvature + (batch - 1) * largest)
