"""The batched kernel against the derivatives of one network, and the closure models against complex steps."""

import numpy as np
import pytest

from thalweg.shallow.activations import activation
from thalweg.shallow.batched import BatchedCost, Layout
from thalweg.shallow.derivatives import Objective
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.scaling import scaled

KINDS = ("tanh", "logistic", "erf", "arctan", "gauss", "sin", "softplus", "silu", "gelu", "exp", "z^3+z")


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("K", [1, 2])
def test_agrees_with_one_network_at_a_time(name, K):
    rng = np.random.default_rng(3)
    n, d, m = 50, 2, 3
    X = rng.standard_normal((n, d)) * np.array([1.0, 300.0])
    y = rng.standard_normal((n, K)) * 7 if K > 1 else rng.standard_normal(n) * 7
    P = K + m * (K + d + 1)
    data = Objective(X, y, rng.random(n), rng.random(P), rng.standard_normal(P))
    problem = scaled(data, m, name)
    theta = 0.3 * rng.standard_normal((4, P))
    gradients, hessians = problem.cost.derivatives(theta)
    for row, loss, gradient, hessian in zip(theta, problem.cost.loss(theta), gradients, hessians, strict=True):
        one, g, H = data.second_order(problem.net(row))
        f = problem.factor / problem.unit
        np.testing.assert_allclose(loss * problem.unit**2, one, rtol=1e-12)
        np.testing.assert_allclose(gradient, g * f / problem.unit, atol=1e-11 * np.abs(gradient).max())
        np.testing.assert_allclose(hessian, H * np.outer(f, f), atol=1e-11 * np.abs(hessian).max())
    _, gauss_newton = problem.cost.derivatives(theta, exact=False)
    G = data.gauss_newton(problem.net(theta[0])) + 2 * np.diag(data.penalties(problem.template))
    np.testing.assert_allclose(gauss_newton[0], G * np.outer(f, f), atol=1e-11 * np.abs(G * np.outer(f, f)).max())


def test_scaling_by_powers_of_two_changes_no_bit():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 2)) * np.array([1e-5, 1e7]), 1e4 * rng.standard_normal(30)
    problem = scaled(Objective(X, y), 2, "tanh")
    net = problem.net(rng.standard_normal(problem.factor.size))
    np.testing.assert_array_equal(np.log2(problem.factor), np.round(np.log2(problem.factor)))
    np.testing.assert_array_equal(net.theta / problem.factor * problem.factor, net.theta)
    assert problem.cost.loss((net.theta / problem.factor)[None])[0] * problem.unit**2 == pytest.approx(
        Objective(X, y).cost(net), rel=1e-13
    )


@pytest.mark.parametrize(("steps", "pairs"), [(0, 1), (0, 2), (2, 0), (1, 1)])
def test_closure_models_agree_with_complex_steps_and_differences(steps, pairs):
    rng = np.random.default_rng(5)
    n, d, m = 40, 2, 3
    layout = Layout(m, d, 1, steps, pairs)
    xt = np.vstack([np.ones(n), rng.standard_normal((d, n))])
    y, w, s = rng.standard_normal(n), rng.random(n), rng.standard_normal((steps, n))
    w /= w.sum()
    zero = np.zeros(layout.size)
    cost = BatchedCost(activation("tanh"), layout, xt, y[None], w, s, zero, zero)
    theta = rng.standard_normal((3, layout.size))

    def loss(t):  # analytic, so the imaginary part at a small imaginary step is the derivative to the last digit
        outer, p = t[layout.v], t[layout.p].reshape(pairs, d + 1)
        a = np.tanh(t[layout.inner].reshape(m, d + 1) @ xt)
        f = t[0] + t[1 : 1 + steps] @ s + outer @ a + ((p @ xt) * (1 - a * a)[:pairs]).sum(axis=0)
        return w @ (f - y) ** 2

    unit = np.eye(layout.size)
    gradients, hessians = cost.derivatives(theta)
    for row, value, gradient, hessian in zip(theta, cost.loss(theta), gradients, hessians, strict=True):
        np.testing.assert_allclose(value, loss(row), rtol=1e-13)
        exact = [loss(row + 1e-30j * direction).imag / 1e-30 for direction in unit]
        np.testing.assert_allclose(gradient, exact, atol=1e-13)
        differences = cost.derivatives(row + 1e-5 * unit)[0] - cost.derivatives(row - 1e-5 * unit)[0]
        np.testing.assert_allclose(hessian, differences / 2e-5, atol=1e-7)


def test_blocks_of_rows_add_up():
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((3000, 3)), rng.standard_normal(3000)
    cost = scaled(Objective(X, y), 2, "tanh").cost
    theta = rng.standard_normal((40, cost.layout.size))
    assert len(cost._row_blocks(40)) > 1
    together, alone = cost.derivatives(theta)[1], np.array([cost.derivatives(row[None])[1][0] for row in theta])
    np.testing.assert_allclose(together, alone, atol=1e-13 * np.abs(alone).max())


def test_no_neurons_is_a_constant():
    y = np.array([1.0, 2.0, 6.0])
    problem = scaled(Objective(np.ones((3, 1)), y), 0, "tanh")
    gradient, hessian = problem.cost.derivatives(np.array([[3.0 / problem.unit]]))
    assert gradient[0, 0] == pytest.approx(0, abs=1e-15) and hessian[0, 0, 0] == pytest.approx(2)
    assert isinstance(problem.net(np.zeros(1)), ShallowNet)
