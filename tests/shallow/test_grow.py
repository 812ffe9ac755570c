"""Theorem T6: what splitting a neuron does (golden G4), and growth that goes down."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shallow.nets import (
    G3_THETA,
    G3_X,
    G3_Y,
    G4_THETA,
    G4_X,
    G4_Y,
    blank,
    critical_problem,
    inertia,
    of_neurons,
    polished,
    random_net,
)  # fmt: skip
from thalweg.records import InputError
from thalweg.shallow import Objective, grow, split, split_advice
from thalweg.shallow.grow import split_matrix

G4 = polished(blank("tanh", 1, 2).with_theta(G4_THETA), G4_X, G4_Y)
DATA = Objective(G4_X, G4_Y)


def test_the_golden_minimum():
    assert DATA.cost(G4) == pytest.approx(0.00552070201662757, rel=1e-12)
    eigenvalues = [0.00979808477962, 0.09662542524868, 0.94948920889580, 1.85502439976380, 2.93732970024956]
    assert np.linalg.eigvalsh(DATA.hessian(G4)) == pytest.approx(eigenvalues, rel=1e-8)
    advice = split_advice(G4, G4_X, G4_Y)
    assert advice.splits[0].eigenvalues == pytest.approx(
        [-0.0129740215820, -0.0064169361843, 0.0476055763423], rel=1e-8
    )
    assert (advice.splits[0].inside, advice.splits[0].outside, advice.negative) == ("saddle", "saddle", 0)
    assert "Splitting neuron 0 leads down" in str(advice)


@pytest.mark.parametrize(("fraction", "negative", "zero"), [(-0.5, 1, 1), (0.3, 2, 1), (1.0, 0, 4), (0.0, 0, 4)])
def test_inertia_of_the_golden_splits(fraction, negative, zero):
    H = DATA.hessian(split(G4, 0, fraction))
    found = inertia(H, 1e-12 * np.linalg.norm(H, 2))
    assert found[:2] == (negative, zero)
    if fraction == -0.5:
        assert np.linalg.eigvalsh(H)[0] == pytest.approx(-0.0173436339745, rel=1e-8)


def test_a_split_keeps_the_function():
    net = random_net(np.random.default_rng(0), "logistic", 3, 2, 2)
    X = np.random.default_rng(1).standard_normal((20, 2))
    for fraction in (0.3, -2.0, 0.0, 1.0):
        assert np.allclose(split(net, 1, fraction)(X), net(X), atol=1e-14)


@given(
    st.integers(0, 10**6),
    st.integers(1, 2),
    st.sampled_from(["tanh", "logistic", "gauss", "softplus"]),
    st.sampled_from([0.5, 0.2, -0.7, 1.6]),
    st.floats(0.2, 10),
)
def test_the_inertia_of_a_split_is_the_sum(seed, outputs, activation, fraction, size):
    """inertia(H_split) = inertia(H) + inertia(N), at minima and at saddles, for one output and for two."""
    rng = np.random.default_rng(seed)
    net = random_net(rng, activation, 2, 2, outputs)
    X, y = critical_problem(rng, net, 40, size)
    data = Objective(X, y)
    _, gradient, G, R = data.curvatures(net)
    assert np.linalg.norm(gradient) < 1e-12 * (1 + np.linalg.norm(G))
    N = split_matrix(net, R, 1, fraction)
    larger = data.hessian(split(net, 1, fraction))
    zero = 1e-10 * np.linalg.norm(larger, 2)
    expected = np.add(inertia(G + R, zero), inertia(N, zero))
    assert inertia(larger, zero) == tuple(expected)
    assert inertia(N, zero)[1] >= (1 if outputs == 1 else 0)


@given(st.integers(0, 10**6), st.integers(1, 2))
def test_growth_goes_down_along_the_predicted_curvature(seed, outputs):
    rng = np.random.default_rng(seed)
    net = random_net(rng, "tanh", 2, 2, outputs)
    X, y = critical_problem(rng, net, 40, 1.0)
    found = grow(net, X, y)
    data = Objective(X, y)
    assert found.how == "split" and found.net.width == 3
    assert found.loss_before == pytest.approx(data.cost(net)) and found.loss_after == pytest.approx(
        data.cost(found.net)
    )
    assert found.loss_after < found.loss_before
    start = split(net, found.neuron, found.fraction)
    u = found.net.theta - start.theta
    _, _, G, R = data.curvatures(start)
    # The step follows an eigenvector of N of length one; its curvature is that of the loss along it.
    t = np.linalg.norm(u[1 * outputs :][: 3 * outputs].reshape(3, outputs)[2]) ** 2
    D = u[outputs * 4 :].reshape(3, 3)
    length = np.sqrt(t + np.linalg.norm(D[found.neuron] - D[2]) ** 2)
    assert u @ (G + R) @ u / length**2 == pytest.approx(found.curvature, rel=1e-6, abs=1e-9)


def test_several_outputs_that_couple_make_every_split_a_saddle():
    rng = np.random.default_rng(8)
    net = random_net(rng, "tanh", 2, 2, 2)
    X, y = critical_problem(rng, net, 60, 0.3)
    assert inertia(Objective(X, y).hessian(net), 0)[0] == 0
    advice = split_advice(net, X, y)
    assert advice.negative == 0
    for found in advice.splits:
        assert found.coupling > 1e-4 and (found.inside, found.outside) == ("saddle", "saddle")
        for fraction in (0.5, -0.5):
            assert np.linalg.eigvalsh(Objective(X, y).hessian(split(net, found.neuron, fraction)))[0] < 0


def test_definite_bending_makes_one_kind_of_split_a_minimum():
    """From a strict minimum with a definite S: a minimum for fractions on one side, a saddle on the other."""
    for seed in range(200):
        rng = np.random.default_rng(seed)
        net = random_net(rng, "tanh", 1, 1)
        X, y = critical_problem(rng, net, 12, 0.05)
        found = split_advice(net, X, y).splits[0]
        if {found.inside, found.outside} == {"minimum", "saddle"}:
            break
    else:
        pytest.fail("no definite S among 200 problems")
    good, bad = (0.5, -0.5) if found.inside == "minimum" else (-0.5, 0.5)
    data = Objective(X, y)
    assert inertia(data.hessian(split(net, 0, good)), 1e-13)[:2] == (0, 1)  # a minimum, flat along the share
    assert inertia(data.hessian(split(net, 0, bad)), 1e-13)[0] > 0


def test_a_silent_half_is_a_saddle_that_second_order_cannot_see():
    net = polished(blank("tanh", 1, 1).with_theta(G3_THETA), G3_X, G3_Y)
    data = Objective(G3_X, G3_Y)
    start = split(net, 0, 1.0)
    assert inertia(data.hessian(start), 1e-12) == (0, 3, 4)
    rng, lower = np.random.default_rng(0), False
    for _ in range(200):
        step = np.zeros(start.parameter_count)
        step[2] = 1e-3 * rng.standard_normal()
        step[5:7] = 0.3 * rng.standard_normal(2)
        lower |= data.cost(start.with_theta(start.theta + step)) < data.cost(net) * (1 - 1e-9)
    assert lower


def test_a_new_neuron_where_no_split_descends():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 2))
    y = np.sin(X[:, 0])
    empty = of_neurons(blank("tanh", 1, 2), [y.mean()], np.zeros((0, 1)), np.zeros((0, 3)))
    found = grow(empty, X, y)
    assert found.how == "inserted" and found.net.width == 1
    assert found.loss_after < 0.5 * found.loss_before
    silent = of_neurons(blank("tanh", 1, 2), [y.mean()], [[0.0]], [[0.1, 0.2, 0.3]])
    assert split_advice(silent, X, y).splits[0].inside == "redundant"


@settings(max_examples=5)
@given(st.integers(0, 100))
def test_interpolation_leaves_nothing_to_gain(seed):
    rng = np.random.default_rng(seed)
    net = random_net(rng, "tanh", 2, 1)
    X = rng.standard_normal((20, 1))
    found = grow(net, X, net(X))
    assert found.loss_after <= found.loss_before < 1e-25


def test_bad_input_is_named():
    for arguments in ({"neuron": 1}, {"neuron": -1}, {"neuron": 0, "fraction": np.inf}):
        with pytest.raises(InputError):
            grow(G4, G4_X, G4_Y, **arguments)
