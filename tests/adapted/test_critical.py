"""Theorems T3 and T4: slope and efficiency of the flow, rest points and the dimension of their sets."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.adapted.critical import critical_submanifold, efficiency
from thalweg.adapted.mlp import Mlp, MlpModel
from thalweg.records import InputError

U, TARGETS = np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 2.0, 3.0])


def exponential(p, X):
    return p[0] * jnp.exp(p[1] * X[:, 0])


def problem(sizes, N, seed=0):
    net = Mlp(sizes)
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((N, sizes[0])), rng.standard_normal((N, sizes[-1]))
    params = net.initial(seed)
    model = MlpModel(net, params, X)
    return net, params, X, Y, model.outputs(model.theta), model.linearise(model.theta).jacobian()


def test_g5_efficiency_and_slope():
    found = efficiency(exponential, np.array([1.0, 0.1]), (U, TARGETS))
    assert found.cost == pytest.approx(0.6606878724229718, rel=1e-14)
    assert found.cos_squared == pytest.approx(0.9986420668410925, rel=1e-13)
    assert found.slope == pytest.approx(-0.43986046830221365, rel=1e-13)
    assert found.measured == pytest.approx(found.slope, rel=1e-10)


def test_g5_minimiser_is_isolated():
    found = critical_submanifold(exponential, np.array([1.1235901478825432, 0.49858365907129465]), (U, TARGETS))
    assert found.is_stationary and not found.is_zero_loss and found.cost == pytest.approx(0.006648990904200798)
    assert (found.rank, found.dimension, found.zero_loss_dimension) == (2, 0, None) and found.flat.shape == (0, 2)
    assert found.projected < 1e-12 and found.statement.code == "critical.isolated"


def test_zero_loss_set_has_the_dimension_of_the_kernel():
    net, params, X, _, x, D = problem((3, 8, 2), 6)
    found = critical_submanifold(net, params, (X, x), directions=1000)
    K = net.parameter_count
    assert found.is_zero_loss and found.is_stationary and found.zero_loss_dimension == found.dimension == K - 12
    assert found.flat.shape == (K - 12, K) and found.is_constant_rank
    np.testing.assert_allclose(found.flat @ found.flat.T, np.eye(K - 12), atol=1e-13)
    np.testing.assert_allclose(D @ found.flat.T, 0.0, atol=1e-13 * np.linalg.norm(D))
    assert found.statement.code == "critical.zero_loss"
    assert critical_submanifold(net, params, (X, x), directions=4).flat.shape == (4, K)


def test_rest_at_positive_loss_lies_on_a_submanifold_where_the_rank_is_lost_for_good():
    net, params, X, _, x, _ = problem((2, 5, 1), 5)
    X[4], Y = X[3], x.copy()
    Y[4] = Y[3]
    Y[3] += 0.25
    Y[4] -= 0.25  # outputs are the means of what equal inputs ask for
    found = critical_submanifold(net, params, (X, Y))
    assert found.is_stationary and not found.is_zero_loss and found.cost == pytest.approx(2 * 0.25**2 / 10)
    assert (found.rank, found.dimension, found.is_constant_rank) == (4, net.parameter_count - 4, True)
    assert found.statement.code == "critical.submanifold"
    slope = efficiency(net, params, (X, Y))
    assert slope.cos_squared < 1e-20 and abs(slope.measured) < 1e-12


def test_rest_where_the_rank_is_lost_at_one_point_only_is_said():
    found = critical_submanifold(lambda p, X: p[0] * p[1] * X, np.zeros(2), (np.ones((1, 1)), np.ones(1)))
    assert found.is_stationary and found.rank == 0 and found.rank_nearby == 1 and not found.is_constant_rank
    assert found.statement.code == "critical.rank_changes" and "dimension 2" in str(found)


def test_full_rank_moves_with_full_efficiency():
    net, params, X, Y, _, _ = problem((3, 8, 2), 6)
    found, slope = critical_submanifold(net, params, (X, Y)), efficiency(net, params, (X, Y))
    assert not found.is_stationary and found.cos_squared == pytest.approx(1.0, abs=1e-12)
    assert slope.slope == pytest.approx(-2 * slope.cost / 6, rel=1e-12)  # T1
    assert found.statement.code == "critical.moving"


@settings(max_examples=15)
@given(st.integers(1, 3), st.integers(1, 12), st.integers(1, 3), st.integers(0, 10**6))
def test_projection_against_the_pseudo_inverse(hidden, N, Q, seed):
    net, params, X, Y, x, D = problem((2, hidden, Q), N, seed)
    r = (x - Y).ravel()
    followed = D @ (np.linalg.pinv(D, rcond=max(D.shape) * 1e-15) @ r)
    found = efficiency(net, params, (X, Y))
    assert found.cos_squared == pytest.approx(followed @ followed / (r @ r), rel=1e-6, abs=1e-12)
    point = critical_submanifold(net, params, (X, Y), directions=100)
    assert point.flat.shape[0] == point.dimension == net.parameter_count - found.rank
    np.testing.assert_allclose(point.flat @ point.flat.T, np.eye(point.dimension), atol=1e-12)
    np.testing.assert_allclose(D @ point.flat.T, 0.0, atol=1e-11 * np.linalg.norm(D))


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 3.0, 1.0, 0.0]])
@pytest.mark.parametrize("loss", ["l2", "ce", "poisson", "huber"])
def test_slope_of_every_loss_is_what_forward_passes_measure(loss, weights):
    net, params, X, Y, _, _ = problem((2, 4, 3), 6)
    Y = {"ce": np.array([0, 1, 2, 2, 1, 0]), "poisson": np.floor(np.abs(3 * Y))}.get(loss, Y)
    delta = 0.5 if loss == "huber" else None
    found = efficiency(net, params, (X, Y), loss, weights=weights, huber_delta=delta)
    assert 0 < found.cos_squared <= 1 + 1e-12 and found.slope < 0
    assert found.measured == pytest.approx(found.slope, rel=1e-7)


def test_weights_are_repeated_samples():
    net, params, X, Y, _, _ = problem((2, 2, 1), 14)
    again = np.r_[np.arange(14), 0, 0, 5]
    weights = np.bincount(again).astype(float)
    repeated, weighted = efficiency(net, params, (X[again], Y[again])), efficiency(net, params, (X, Y), weights=weights)
    assert weighted.cos_squared == pytest.approx(repeated.cos_squared, rel=1e-10)
    assert weighted.cost == pytest.approx(repeated.cost, rel=1e-12) and repeated.cos_squared < 0.999


def test_triangles_are_built_in_batches(monkeypatch):
    import thalweg.adapted.critical as critical

    net, params, X, Y, _, _ = problem((2, 2, 1), 20)
    whole = efficiency(net, params, (X, Y))
    monkeypatch.setattr(critical, "BATCH_BYTES", 8 * net.parameter_count * 3)
    assert efficiency(net, params, (X, Y)).cos_squared == pytest.approx(whole.cos_squared, rel=1e-12)


def test_bad_arguments_are_named():
    net, params, X, Y, _, _ = problem((2, 4, 3), 6)
    for data, options, code in (
        ((X, Y[:5]), {}, "rows_differ"),
        ((X, Y[:, :2]), {}, "adapted_outputs_shape"),
        ((X[:, :1], Y), {}, "option_range"),
        ((X, Y), {"directions": -1}, "option_range"),
    ):
        with pytest.raises(InputError) as refused:
            critical_submanifold(net, params, data, **options)
        assert refused.value.code == code
