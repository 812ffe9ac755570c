"""Bounds of second and third derivatives in whitened coordinates, against finite differences and power iteration."""

import dataclasses
import functools

import numpy as np
import pytest

from tests.shallow.nets import random_net
from thalweg.shallow import central_tensor, centre, second_derivative
from thalweg.shallow.averaging import third_derivative_along
from thalweg.shallow.derivatives import Objective
from thalweg.shallow.fast_bounds import fast_bounds, scaled
from thalweg.shallow.third_derivative import largest_radius

SHAPES = ((40, 1, 2, 1), (60, 2, 3, 1), (30, 3, 2, 2), (50, 2, 2, 3))


@functools.cache
def problem(n, d, m, outputs):
    rng = np.random.default_rng([n, d, m, outputs])
    net = random_net(rng, "tanh" if outputs < 3 else "logistic", m, d, outputs)
    X = rng.normal(size=(n, d))
    noise = rng.normal(size=(n, outputs)) if outputs > 1 else rng.normal(size=n)
    return scaled(net, Objective(X, net(X) + 0.3 * noise, rng.random(n)))


def largest(pull, P, seed=0):
    """Maximise a form on the sphere by power iteration from several starts; the result is a lower bound."""
    rng = np.random.default_rng(seed)
    best = 0.0
    for _ in range(6):
        z = rng.normal(size=P)
        for _ in range(80):
            z /= np.linalg.norm(z)
            value, direction = pull(z)
            best, z = max(best, value), direction
    return best


def third(case, Li, z):
    u = Li.T @ z
    direction = Li @ third_derivative_along(case.net, case.objective, np.outer(u, u))
    return abs(float(z @ direction)), direction


def second(case, Li, z, step=1e-3):
    """Return the norm over the rows of D2 Psi[z, z], and its gradient, by central differences of the Jacobian."""
    u, data, net = Li.T @ z, case.objective, case.net
    values = [data.jacobian(net.with_theta(net.theta + h * u)).reshape(data.n, net.outputs, -1) for h in (-step, step)]
    slope = (values[1] - values[0]) / (2 * step) @ Li.T
    bend = slope @ z
    return float(np.sqrt(2 * data.weights @ np.square(bend).sum(axis=1))), np.einsum(
        "i,ik,ikp->p", data.weights, bend, slope
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("method", ["sharpest", "matrix", "neurons"])
def test_bounds_at_the_centre_are_above_what_power_iteration_finds_and_not_far(shape, method, monkeypatch):
    if method != "sharpest":
        monkeypatch.setattr(centre, "TENSOR_PARAMETERS", 0)
    if method == "neurons":
        monkeypatch.setattr(second_derivative, "PAIR_ENTRIES", -1)
    case = problem(*shape)
    bounds = fast_bounds(case)
    Li, sizes = bounds.whitening.Li / case.units, bounds.sizes
    T = largest(lambda z: third(case, Li, z), len(Li))
    s = largest(lambda z: second(case, Li, z), len(Li))
    assert T <= sizes.central <= {"sharpest": 3, "matrix": 12, "neurons": 30}[method] * T
    assert s * (1 - 1e-4) <= sizes.second <= (6 if method == "neurons" else 2) * s


@pytest.mark.parametrize("shape", SHAPES)
def test_tensor_is_the_derivative_of_the_hessian(shape, monkeypatch):
    """The norm of the P x P^2 matrix, with the tensor taken from differences of whitened Hessians."""
    case = problem(*shape)
    bounds = fast_bounds(case)
    Li, net, step = bounds.whitening.Li / case.units, case.net, 1e-5
    slabs = []
    for u in Li:
        H = [case.objective.hessian(net.with_theta(net.theta + h * u)) for h in (-step, step)]
        slabs.append((Li @ (H[1] - H[0]) @ Li.T / (2 * step)).ravel())
    assert bounds.sizes.central == pytest.approx(np.linalg.norm(np.array(slabs), 2), rel=1e-5)
    assert net.parameter_count <= central_tensor.TENSOR_PARAMETERS


def test_growth_from_the_centre_bounds_the_third_derivative_everywhere_in_the_ellipsoid():
    rng = np.random.default_rng(2)
    for shape in SHAPES[:3]:
        case = problem(*shape)
        bounds = fast_bounds(case)
        Li, net = bounds.whitening.Li / case.units, case.net
        for rho in (1e-3, 0.1, 1.0):
            M = bounds.sizes.lipschitz(rho)
            for _ in range(4):
                z, direction = rng.normal(size=(2, len(Li)))
                moved = net.with_theta(net.theta + Li.T @ (rho * z / np.linalg.norm(z)))
                there = dataclasses.replace(case, net=moved)
                for _ in range(30):
                    direction /= np.linalg.norm(direction)
                    value, direction = third(there, Li, direction)
                assert value <= M


def test_lipschitz_constant_grows_with_the_radius_and_the_radius_is_the_largest():
    sizes = fast_bounds(problem(*SHAPES[1])).sizes
    values = [sizes.lipschitz(rho) for rho in np.geomspace(1e-6, 10, 30)]
    assert (np.diff(values) >= -1e-12 * np.array(values[1:])).all()
    for available in (1e-6, 0.1, 0.5, 0.9):
        rho, M = largest_radius(sizes, available)
        assert rho * sizes.lipschitz(rho) <= rho * M <= available
        assert rho * (1 + 2.0**-11) * sizes.lipschitz(rho * (1 + 2.0**-11)) > available
