"""What a survey draws while the data are at hand: the loss surface with the certified ellipsoid, and measured rates.

The surface shows the loss in the plane of two eigenvectors of the Hessian, the flattest and the steepest, around the
kept minimum; what is proved of it is the ellipse that the plane cuts out of the certified ellipsoid. The rates are
those of real first-order and Gauss-Newton iterations, started next to the minimum, beside what theory predicts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.data.problem import Problem
from thalweg.numerics.options import validated
from thalweg.records import Fit, Picture, Verdict
from thalweg.shallow.derivatives import Objective
from thalweg.shallow.first_order import first_order_methods
from thalweg.shallow.fit import network_of
from thalweg.shallow.focal import focal_spectrum
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.options import ShallowOptions
from thalweg.shallow.proof import prove
from thalweg.shallow.scaling import scaled
from thalweg.shallow.standardise import standardise

GRID = 33
"""Points of the loss surface along each direction."""

REACH = 4.0
"""How far the surface reaches, in radii of the ellipse along each direction."""

ROWS = 10_000
"""Most rows on which this is studied: 33 x 33 losses, and some thousand gradients, take seconds there."""

FACTORS = 20.0
"""A rate is measured over as many steps as shrink the error by `exp` of this: what momentum adds is 7 % then."""

ITERATIONS = 4000
"""Steps of a method at most; slower ones are not measured, except gradient descent, whose rate shows at once."""

VISIBLE = 1e-2
"""Share of the distance that a method must be predicted to gain while it is watched: less is lost in rounding."""

FEW = 300
"""Steps in which that of gradient descent is measured."""

GAUSS_NEWTON = 12
"""Steps of Gauss-Newton at most: it reaches the floor of rounding."""


@dataclass(frozen=True)
class Rate:
    """The factor by which one method shrinks the distance to the minimum a step: predicted and measured."""

    method: str
    predicted: float
    measured: float


@dataclass(frozen=True, eq=False)
class Surface:
    """The loss above its minimum at `minimum + a u + b w`, and the proved ellipse as points `(2, k)` in (a, b)."""

    a: Float[np.ndarray, " g"]
    b: Float[np.ndarray, " g"]
    rise: Float[np.ndarray, "g g"]
    ellipse: Float[np.ndarray, "2 k"]
    smallest: float
    largest: float


@dataclass(frozen=True, eq=False)
class ShallowStudy:
    """A kept minimum with its surroundings; None or empty where nothing is proved."""

    fitted: Fit
    surface: Surface | None
    rates: tuple[Rate, ...]

    def pictures(self, lang: str = "en") -> tuple[Picture, ...]:
        """Draw what was studied."""
        from thalweg.shallow.plot_study import certified_surface, measured_rates

        drawn = [] if self.surface is None else [certified_surface(self.surface, lang)]
        return (*drawn, *((measured_rates(self.rates, lang),) if self.rates else ()))


def study(problem: Problem, fitted: Fit) -> ShallowStudy:
    """Study the surroundings of the minimum of a fit.

    Parameters
    ----------
    problem
        The data of the fit.
    fitted
        A shallow fit.

    Returns
    -------
    ShallowStudy
        Empty where no certificate holds.
    """
    options, data = validated(ShallowOptions, fitted.options), standardise(problem.X, problem.y)
    anchor = fitted.solution["anchor"] if options.anchor == "random" else None
    objective = Objective(data.X, data.y, ridge=options.ridge, anchor=anchor)
    net = network_of(fitted)
    values, vectors = np.linalg.eigh(objective.hessian(net))
    if not (values[0] > 0 and values.size > 1):
        return ShallowStudy(fitted, None, ())
    if problem.y.size > ROWS:
        return ShallowStudy(fitted, None, ())
    return ShallowStudy(fitted, _surface(objective, net, values, vectors), measured(objective, net))


def _surface(objective: Objective, net: ShallowNet, values: np.ndarray, vectors: np.ndarray) -> Surface | None:
    proof = prove(net, objective)
    if proof.verdict is not Verdict.HOLDS or proof.whitening is None:
        return None
    # theta = minimum + Li' z, so |z| <= rho is x' (Li Li')^-1 ... : in the plane, a quadratic form of (a, b).
    plane = vectors[:, [0, -1]]
    form = np.linalg.solve(proof.whitening.T, plane)
    form = form.T @ form
    rho = float(proof.margins["rho"].value)
    angle = np.linspace(0, 2 * np.pi, 121)
    half = np.linalg.inv(np.linalg.cholesky(form)).T
    ellipse = rho * half @ np.vstack([np.cos(angle), np.sin(angle)])
    a, b = (np.linspace(-REACH, REACH, GRID) * np.abs(row).max() for row in ellipse)
    problem = scaled(objective, net.width, net.activation)
    points = net.theta + (a[:, None, None] * plane[:, 0] + b[None, :, None] * plane[:, 1]).reshape(-1, net.theta.size)
    loss = problem.cost.loss(points / problem.factor).reshape(GRID, GRID) * problem.unit**2
    rise = np.maximum(loss - loss[GRID // 2, GRID // 2], 0.0)
    return Surface(a, b, rise.T, ellipse, float(values[0]), float(values[-1]))


def measured(objective: Objective, net: ShallowNet) -> tuple[Rate, ...]:
    """Run each method next to a strict minimum and measure its rate.

    Parameters
    ----------
    objective
        Of the minimum.
    net
        The minimum.

    Returns
    -------
    tuple of Rate
        Gradient descent, heavy ball and Nesterov unless they are too slow to be seen; Gauss-Newton where it converges.
    """
    values, vectors = np.linalg.eigh(objective.hessian(net))
    size = 1e-4 * values[0] / values[-1] * (1 + np.linalg.norm(net.theta))
    away = net.theta + size * (vectors[:, 0] + vectors[:, -1])
    rates = []
    for method in first_order_methods(float(values[0]), float(values[-1])):
        needed = FEW if method.momentum == 0 else int(FACTORS / max(1 - method.rate, 1e-9))
        if needed > ITERATIONS or needed * (1 - method.rate) < VISIBLE:
            continue
        now = before = away
        distances = []
        for _ in range(needed):
            ahead = now + method.momentum * (now - before) if method.name == "nesterov" else now
            step = method.step * objective.gradient(net.with_theta(ahead))
            push = method.momentum * (now - before)
            now, before = ahead - step if method.name == "nesterov" else now - step + push, now
            distances.append(float(np.linalg.norm(now - net.theta)))
        rates.append(Rate(method.name, method.rate, _rate(np.array(distances))))
    return (*rates, *_gauss_newton(objective, net, vectors))


def _gauss_newton(objective: Objective, net: ShallowNet, vectors: np.ndarray) -> tuple[Rate, ...]:
    focal = focal_spectrum(net, objective)
    if not (focal.regular and 0 < focal.rate < 1):
        return ()
    theta = net.theta + 1e-4 * (vectors.sum(axis=1))
    distances = [np.linalg.norm(theta - net.theta)]
    penalties = 2 * objective.penalties(net)
    for _ in range(GAUSS_NEWTON):
        here = net.with_theta(theta)
        matrix = objective.gauss_newton(here)
        matrix[np.diag_indices_from(matrix)] += penalties
        theta = theta - np.linalg.solve(matrix, objective.gradient(here))
        distances.append(np.linalg.norm(theta - net.theta))
    return (Rate("gauss_newton", focal.rate, _rate(np.array(distances))),)


def _rate(distances: Float[np.ndarray, " t"]) -> float:
    """Return the mean factor a step over the last half of the steps that rounding has not reached."""
    seen = distances[distances > 1e-5 * distances[0]]
    half = seen[len(seen) // 2 :] if len(seen) > 3 else seen
    return float((half[-1] / half[0]) ** (1 / (half.size - 1))) if half.size > 1 and half[0] > 0 else float("nan")
