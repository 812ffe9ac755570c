"""Directions by every route against the pseudo-inverse of the Jacobian, and what routes cost and refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.adapted.mlp import Mlp, MlpModel
from thalweg.adapted.orthogonal import accurate_factor, orthogonal_factor
from thalweg.adapted.routes import choose_route, estimates, first_damping
from thalweg.adapted.solve import RankLossError, factor
from thalweg.adapted.spectral import spectral_factor
from thalweg.records import InputError
from thalweg.texts import LANGUAGES


def linearised(N=8, Q=2, hidden=(20,), seed=0, d=3):
    net, rng = Mlp((d, *hidden, Q)), np.random.default_rng(seed)
    model = MlpModel(net, net.initial(seed), rng.standard_normal((N, d)))
    return model.linearise(model.theta), rng.standard_normal((N, Q))


@given(seed=st.integers(0, 10**6), Q=st.integers(1, 3), damping=st.sampled_from([0.0, 1e-3, 0.1]))
@settings(max_examples=15, deadline=None)
def test_every_route_gives_the_filtered_least_norm_step(seed, Q, damping):
    lin, u = linearised(Q=Q, seed=seed)
    D = lin.jacobian()
    G = D @ D.T
    shift = damping * G.trace() / len(G)
    wanted = D.T @ np.linalg.solve(G + shift * np.eye(len(G)), u.ravel())
    scale = np.linalg.norm(wanted) * np.linalg.cond(D)
    for route, precision in (
        ("exact", "float64"),
        ("gram_mean", "float64"),
        ("exact", "mixed"),
        ("gram_mean", "mixed"),
    ):
        step = factor(lin, damping, route, precision).solve(u, 1e-13)
        # where the factor is in single precision, so is the trace, the unit of the damping
        known = 1e-6 if damping and (precision == "mixed" or route == "gram_mean") else 1e-9
        assert np.linalg.norm(step.delta - wanted) <= known * scale, (route, precision)
        assert np.allclose(step.reached.ravel(), D @ step.delta, atol=1e-9 * np.linalg.norm(u) * np.linalg.cond(D))
    step = spectral_factor(lin, damping).solve(u, 0.0)
    assert np.linalg.norm(step.delta - wanted) <= 1e-6 * scale
    if damping == 0.0:
        assert np.linalg.norm(orthogonal_factor(lin).solve(u, 0.0).delta - wanted) <= 1e-11 * scale


def test_the_jacobian_is_factored_where_the_gram_matrix_has_too_few_digits():
    """Two inputs at distance 1e-7 make `kappa(G)` about 1e15: a step through `G` is noise, one through `D` is not."""
    net, rng = Mlp((3, 30, 1)), np.random.default_rng(0)
    X = rng.standard_normal((8, 3))
    X[1] = X[0] + np.array([1e-7, 0, 0])
    model = MlpModel(net, net.initial(0), X)
    lin, u = model.linearise(model.theta), rng.standard_normal((8, 1))
    wanted = np.linalg.pinv(lin.jacobian(), rcond=1e-14) @ u.ravel()
    made = accurate_factor(lin, "exact", "float64").solve(u, 1e-3)
    assert np.linalg.norm(made.delta - wanted) < 1e-6 * np.linalg.norm(wanted)
    assert np.linalg.norm(lin.push(made.delta) - u) < 1e-6


def test_equal_inputs_have_no_factor_without_damping():
    net, rng = Mlp((3, 30, 1)), np.random.default_rng(0)
    X = rng.standard_normal((8, 3))
    X[1] = X[0]
    model = MlpModel(net, net.initial(0), X)
    lin = model.linearise(model.theta)
    with pytest.raises(RankLossError):
        accurate_factor(lin, "exact", "float64")
    made = spectral_factor(lin)
    assert made.rank == 7
    u = rng.standard_normal((8, 1))
    aim = u.copy()
    aim[:2] = u[:2].mean()  # what the range of D holds of it
    assert np.allclose(made.solve(u, 0.0).reached, aim, atol=1e-6)


def test_the_smallest_singular_value_is_an_upper_estimate():
    for seed in range(5):
        lin, _ = linearised(seed=seed)
        least = np.linalg.svd(lin.jacobian(), compute_uv=False)[-1]
        estimate = factor(lin, 0.0, "exact").smallest_singular_value()
        assert least * (1 - 1e-6) <= estimate <= 1.3 * least
        assert orthogonal_factor(lin).smallest_singular_value() == pytest.approx(least, rel=1e-9)
        assert np.isnan(factor(lin, 0.0, "gram_mean").smallest_singular_value())


class TestRoutes:
    def test_auto_takes_what_costs_less_and_says_so(self):
        assert choose_route("auto", 1000, 1, 10_000, 200).name == "exact"
        assert choose_route("auto", 300, 10, 30_000, 474).name == "gram_mean"
        assert choose_route("auto", 20, 2, 500, 40).name == "exact"
        assert choose_route("auto", 200, 10, 2_100, 100).name == "exact"  # scarce: 1.05 parameters an output
        assert choose_route("auto", 100, 1, 50, 20, damped=True).name == "normal"
        for lang in LANGUAGES:
            assert "gram_mean" in choose_route("auto", 300, 10, 30_000, 474).say(lang)

    def test_fewer_parameters_than_outputs_are_refused_with_the_numbers(self):
        with pytest.raises(InputError, match=r"50 parameters and must fit 100"):
            choose_route("auto", 100, 1, 50, 20)

    def test_too_little_memory_names_the_route_that_fits(self):
        with pytest.raises(InputError, match="gram_mean"):
            choose_route("exact", 3000, 10, 100_000, 300, available=2**31)
        with pytest.raises(InputError, match="route"):
            choose_route("quick", 10, 1, 100, 10)

    def test_scarce_parameters_start_damped(self):
        assert first_damping("gram_mean", 1000, 30, 40_350) > 0
        assert first_damping("gram_mean", 300, 10, 30_250) == 0 == first_damping("exact", 1000, 30, 40_350)

    def test_single_precision_halves_the_matrix(self):
        double, single = (estimates(1000, 1, 10_000, 0, single=flag)["exact"].bytes for flag in (False, True))
        assert double == 2 * single
