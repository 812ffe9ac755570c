"""Theorem T3: the focal spectrum decides index, degeneracy and the rate of Gauss-Newton (golden G3, G7)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shallow.nets import G3_THETA, G3_X, G3_Y, blank, critical_problem, inertia, of_neurons, polished, random_net
from thalweg.shallow import Objective, focal_margin


def focal_target():
    """Return the net of golden G7, its outputs, and the direction normal to the surface of outputs."""
    net = blank("tanh", 1, 1).with_theta(np.array([0.2, 1.5, -0.3, 0.8]))
    x = G3_X[:, 0]
    bent = np.sin(3 * x) + 0.3 * x**2
    basis = np.linalg.qr(Objective(G3_X, net(G3_X)).jacobian(net))[0]
    bent = bent - basis @ (basis.T @ bent)
    bent -= basis @ (basis.T @ bent)
    return net, net(G3_X), bent / np.linalg.norm(bent)


def test_the_focal_points_of_the_golden_net():
    net, values, normal = focal_target()
    found = focal_margin(net, G3_X, values - normal)
    assert found.values[[0, 3]] == pytest.approx([-0.394511082, 0.851120562], abs=1e-9)
    assert np.abs(found.values[1:3]).max() < 1e-15
    assert found.degenerate_scales == pytest.approx([-1.174921678868646, 2.534783040632524], rel=1e-9)
    for s in found.degenerate_scales:
        H = Objective(G3_X, values - s * normal).hessian(net)
        assert np.abs(np.linalg.eigvalsh(H)).min() < 1e-14
    H = Objective(G3_X, values - 1.267391520316262 * normal).hessian(net)
    assert np.linalg.eigvalsh(H) == pytest.approx([0.06151298, 0.2206329, 1.75189244, 3.69000102], rel=1e-7)
    beyond = focal_margin(net, G3_X, values - 3.0 * normal)
    assert beyond.index == 1 and beyond.margin < 0 and beyond.rate > 1


def test_the_golden_minimum():
    net = polished(blank("tanh", 1, 1).with_theta(G3_THETA), G3_X, G3_Y)
    found = focal_margin(net, G3_X, G3_Y)
    assert found.margin == pytest.approx(0.921411964481, rel=1e-9)
    assert found.values[[0, 3]] == pytest.approx([-0.0785880355187, 0.1192834922043], rel=1e-8)
    assert found.rate == pytest.approx(0.1192834922043, rel=1e-8)
    assert found.index == 0 and found.gradient_norm < 1e-14 and found.expected_gain < 1e-25


@given(st.integers(0, 10**6), st.integers(1, 2), st.floats(0.1, 30))
def test_the_index_is_the_number_of_k_below_minus_one(seed, outputs, size):
    rng = np.random.default_rng(seed)
    net = random_net(rng, "tanh", 2, 2, outputs)
    X, y = critical_problem(rng, net, 40, size)
    found = focal_margin(net, X, y)
    H = Objective(X, y).hessian(net)
    assert found.index == inertia(H, 0)[0]
    assert (found.margin > 0) == (np.linalg.eigvalsh(H)[0] > 0)
    if outputs == 1:
        assert np.sum(np.abs(found.values) < 1e-9 * found.rate) >= net.width + 1
    assert found.values[0] <= 1e-12


@given(st.integers(0, 10**6))
def test_the_spectrum_does_not_depend_on_the_parametrisation(seed):
    """Other units of the features are a linear change of the parameters; mirrored neurons are another."""
    rng = np.random.default_rng(seed)
    net = random_net(rng, "tanh", 2, 2)
    X, y = critical_problem(rng, net, 30, 1.0)
    scale, shift = np.array([3.0, 0.2]), np.array([1.0, -2.0])
    w = net.w * scale
    moved = of_neurons(net, net.output_bias, -net.output_weights, -np.column_stack([net.b + net.w @ shift, w]))
    other = focal_margin(moved, (X - shift) / scale, y)
    assert other.values == pytest.approx(focal_margin(net, X, y).values, abs=1e-8)


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_gauss_newton_converges_at_the_predicted_rate(seed):
    rng = np.random.default_rng(seed)
    net = random_net(rng, "tanh", 2, 1)
    X, y = critical_problem(rng, net, 30, 0.3)
    found, data = focal_margin(net, X, y), Objective(X, y)
    if not 0.05 < found.rate < 0.9:
        return
    step, sizes = 1e-6 * rng.standard_normal(net.parameter_count), []
    for _ in range(30):
        at = net.with_theta(net.theta + step)
        step = step - np.linalg.solve(data.gauss_newton(at), data.gradient(at))
        sizes.append(np.linalg.norm(step))
        if sizes[-1] < 1e-11:
            break
        if sizes[-1] < 1e-8:
            step *= 1e-6 / sizes[-1]  # back to where rounding is small and the model still linear
            sizes.append(1e-6)
    ratios = [b / a for a, b in zip(sizes, sizes[1:], strict=False) if b < a]
    assert ratios[-1] == pytest.approx(found.rate, rel=0.1)


def test_with_ridge_the_index_is_that_of_the_whole_hessian():
    rng = np.random.default_rng(1)
    net = random_net(rng, "logistic", 3, 2)
    X, y = rng.standard_normal((50, 2)), rng.standard_normal(50)
    lam = rng.random(net.parameter_count) * 1e-3
    found = focal_margin(net, X, y, ridge=lam)
    data = Objective(X, y, ridge=lam)
    G = data.gauss_newton(net) + 2 * np.diag(lam)
    k = np.sort(np.linalg.eigvals(np.linalg.solve(G, data.hessian(net) - G)).real)
    assert found.values == pytest.approx(k, abs=1e-7 * np.abs(k).max())
    assert found.index == inertia(data.hessian(net), 0)[0]


def test_no_spectrum_without_full_rank():
    net = of_neurons(blank("tanh", 1, 1), 0.0, [[1.0], [2.0]], [[0.5, 1.0], [0.5, 1.0]])
    found = focal_margin(net, G3_X, G3_Y)
    assert not found.regular and found.index is None and np.isnan(found.margin) and found.values.size == 0
    few = focal_margin(blank("tanh", 1, 1).with_theta(G3_THETA), G3_X[:3], G3_Y[:3])
    assert not few.regular
