"""The rank condition: golden values, every cause of a lost rank, and honesty about what is unknown."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from thalweg.adapted import singular_values
from thalweg.adapted.mlp import Mlp, MlpModel
from thalweg.adapted.probability import is_analytic, sizes_with
from thalweg.adapted.rank import gram, rank_check, spectrum
from thalweg.numerics.lanczos import lanczos, start_vector
from thalweg.numerics.proportions import proportion_interval
from thalweg.records import InputError, from_document, same, to_document

NET = Mlp((3, 16, 16, 2))
METHODS = ("auto", "svd", "gram", "bounds")


def golden_problem():
    """Return the parameters, inputs and targets of G3."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((12, 3)), rng.standard_normal((12, 2))
    rng = np.random.default_rng(1)
    params = tuple(
        (rng.standard_normal((out, in_)) / np.sqrt(in_), 0.1 * rng.standard_normal(out))
        for in_, out in ((3, 16), (16, 16), (16, 2))
    )
    return params, X, Y


def near_copies(distance):
    params, X, Y = golden_problem()
    X[1] = X[0] + np.array([distance, 0.0, 0.0])
    return params, X, Y


def codes(report):
    return {sentence.code.removeprefix("advice.adapted.") for sentence in report.advice}


def test_g1_gram_matrix():
    A = np.array([[1.0, 0.0, 1.0], [0.0, 2.0, 1.0]])
    np.testing.assert_allclose(gram(lambda theta, X: X @ theta, np.zeros(3), A), [[2, 1], [1, 5]], rtol=1e-15)


def test_g2_singular_values_and_trace():
    params = (
        (np.array([[0.5], [-1.0], [2.0]]), np.array([0.1, 0.2, -0.3])),
        (np.array([[1.0, -0.5, 0.8]]), np.array([0.1])),
    )
    X, Y = np.array([[-1.0], [0.5], [2.0]]), np.array([[0.3], [-0.2], [1.0]])
    report = rank_check(Mlp((1, 3, 1)), params, X, Y)
    assert (report.parameters, report.outputs, report.rank, report.grade) == (10, 3, 3, "green")
    assert report.sigma_min == pytest.approx(0.6139612695595298, rel=1e-13)
    assert report.sigma_max == pytest.approx(2.6102663181050403, rel=1e-13)
    assert np.trace(gram(Mlp((1, 3, 1)), params, X)) == pytest.approx(11.636453619814795, rel=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_g3_singular_values_by_every_method(method):
    report = rank_check(NET, *golden_problem(), method=method, trials=0)
    assert (report.parameters, report.rank, report.holds, report.grade) == (370, 24, True, "green")
    digits = 1e-12 if method in ("auto", "svd") else 1e-8
    assert report.sigma_min == pytest.approx(0.03757692276623767, rel=digits)
    assert report.sigma_max == pytest.approx(7.522942091065727, rel=digits)


@pytest.mark.parametrize("method", [*METHODS, "products"])
def test_g4_equal_inputs_lower_the_rank_and_force_a_loss(method):
    report = rank_check(NET, *near_copies(0.0), method=method, trials=3)
    assert (report.rank, report.holds, report.grade, report.condition) == (22, False, "red", np.inf)
    assert (report.repeated, report.conflicts) == (1, 1)
    assert report.floor == pytest.approx(0.09794906094430933, rel=1e-13)
    assert report.probability.proved == 0.0 and {"equal_inputs", "floor"} <= codes(report)
    assert report.nested[-1].rows == 22
    if method in ("auto", "svd", "gram"):
        assert report.found.smallest_nonzero == pytest.approx(0.04067187818672954, rel=1e-10)
    if method != "products":
        assert report.nested[-1].is_full


@pytest.mark.parametrize(("distance", "smallest"), [(1e-2, 0.0024840353030245893), (1e-4, 2.4858425096496474e-05)])
def test_near_copies_shrink_the_smallest_singular_value(distance, smallest):
    report = rank_check(NET, *near_copies(distance), trials=0)
    assert report.rank == 24 and report.sigma_min == pytest.approx(smallest, rel=1e-9)
    assert report.closest == (0, 1) and report.distance == pytest.approx(distance, rel=1e-9)
    assert ("near_inputs" in codes(report)) == (distance < 1e-3)


@pytest.mark.parametrize("method", ["gram", "bounds"])
def test_what_the_gram_matrix_cannot_tell_is_not_said(method):
    params, X, Y = near_copies(1e-9)
    report = rank_check(NET, params, X, Y, method=method, trials=0)
    assert report.rank is None and report.holds is None and report.undetermined
    assert report.found.least_rank <= 24 == report.found.most_rank and "unresolved" in codes(report)
    exact = rank_check(NET, params, X, Y, trials=0)
    assert exact.method == "svd" and exact.rank == 24 and exact.grade == "red" and "red" in codes(exact)
    assert exact.sigma_min <= report.sigma_min  # a bound from above
    assert exact.sigma_min == pytest.approx(2.4858e-10, rel=1e-3)  # proportional to the distance


def test_escalation_goes_on_to_the_jacobian_only_where_needed_and_affordable(monkeypatch):
    params, X, Y = near_copies(1e-9)
    monkeypatch.setattr(singular_values, "SVD_OPERATIONS", 0.0)
    assert rank_check(NET, *golden_problem(), trials=0).method == "bounds"
    assert rank_check(NET, params, X, Y, trials=0).method == "svd"
    monkeypatch.setattr(singular_values, "ESCALATION_OPERATIONS", 0.0)
    report = rank_check(NET, params, X, Y, trials=0)
    assert report.method == "gram" and report.undetermined and report.found.least_rank >= 22
    assert "between" in str(report) and "22 から 24 の間" in report.say("ja")


def test_without_memory_for_a_factor_only_an_upper_bound_is_given(monkeypatch):
    params, X, Y = golden_problem()
    monkeypatch.setattr(singular_values, "fits", lambda needed: False)
    monkeypatch.setattr(singular_values, "PRODUCT_STEPS", 8)
    report = rank_check(NET, params, X, Y, trials=0)
    assert report.method == "products" and report.found.is_bound and report.undetermined
    assert report.sigma_min >= 0.03757692276623767 and report.sigma_max <= 7.522942091065727 * (1 + 1e-12)
    assert report.found.least_rank == 8 and "only_bound" in codes(report)
    for asked in ("svd", "gram", "bounds"):
        with pytest.raises(InputError) as refused:
            rank_check(NET, params, X, Y, method=asked)
        assert refused.value.code == "adapted_rank_memory"


def test_opposite_inputs_need_bias_parameters():
    params, X, Y = golden_problem()
    X[1] = -X[0]
    weights = [W for W, _ in params]

    def odd(weights, X):
        for W in weights[:-1]:
            X = jnp.tanh(X @ W.T)
        return X @ weights[-1].T

    report = rank_check(odd, weights, X, Y)
    assert report.rank == 22 and report.opposite == (0, 1) and "opposite_inputs" in codes(report)
    zero_biases = tuple((W, 0 * b) for W, b in params)
    assert rank_check(NET, zero_biases, X, Y, trials=0).rank == 24  # correction A15


def test_starts_at_zero():
    params, X, Y = golden_problem()
    zeros = tuple((0 * W, 0 * b) for W, b in params)
    report = rank_check(NET, zeros, X, Y, trials=2)
    assert report.rank == 2 and "flat_start" in codes(report) and report.probability.full == 2
    last = (*params[:-1], zeros[-1])
    assert rank_check(NET, last, X, Y, trials=0).rank == 24  # of at most (16 + 1) 2


def test_linear_networks_have_the_rank_of_one_layer():
    net = Mlp((3, 20, 20, 2), "identity")
    report = rank_check(net, net.initial(0), golden_problem()[1], trials=2)
    assert report.rank == 2 * (3 + 1) and "saturated" in codes(report) and report.probability.full == 0


def test_polynomial_activations_have_the_rank_of_their_polynomials():
    rng = np.random.default_rng(0)
    X, W, v = rng.standard_normal((60, 3)), rng.standard_normal((64, 3)), rng.standard_normal(64)
    b = rng.standard_normal(64)
    report = rank_check(lambda p, X: (X @ p[0].T + p[1]) ** 2 @ p[2], (W, b, v), X)
    assert report.rank == 10 and "saturated" in codes(report)  # quadratic polynomials


def test_too_few_parameters():
    net = Mlp((3, 2, 2))
    report = rank_check(net, net.initial(0), golden_problem()[1])
    assert report.parameters == 14 and report.rank == 14 and report.grade == "red" and report.sigma_min == 0
    assert {"few_parameters", "width"} <= codes(report) and report.probability.draws == 0
    assert report.needed_sizes == (3, 4, 2) and report.comfortable_sizes == (3, 7, 2)


def test_several_classes_need_one_row_less_each():
    net, rng = Mlp((1, 2, 3)), np.random.default_rng(0)
    X, classes = rng.standard_normal((5, 1)), np.array([0, 1, 2, 0, 1])
    assert rank_check(net, net.initial(0), X, trials=0).holds is False  # 13 parameters for 15 logits
    report = rank_check(net, net.initial(0), X, classes, loss="ce", trials=0)
    assert (report.outputs, report.rank, report.floor) == (10, 10, 0.0)


@settings(max_examples=12)
@given(st.integers(1, 9), st.integers(1, 3), st.integers(1, 4), st.integers(0, 10**6))
def test_all_methods_agree_with_the_explicit_jacobian(N, Q, hidden, seed):
    net = Mlp((2, hidden, Q))
    X = np.random.default_rng(seed).standard_normal((N, 2))
    params = net.initial(seed)
    model = MlpModel(net, params, X)
    D = model.linearise(model.theta).jacobian()
    values = np.linalg.svd(D, compute_uv=False)
    report = rank_check(net, params, X, trials=0, seed=seed)
    assert report.rank == np.linalg.matrix_rank(D) == numerical_rank_of(values, D)
    squares = np.concatenate([np.zeros(N * Q - values.size), values[::-1] ** 2])
    np.testing.assert_allclose(spectrum(net, params, X), squares, atol=1e-12 * squares[-1])
    np.testing.assert_allclose(gram(net, params, X), D @ D.T, atol=1e-12 * squares[-1])
    k = min(2, N * Q)
    largest = spectrum(net, params, X, which="largest", count=2)
    smallest = spectrum(net, params, X, which="smallest", count=1)
    np.testing.assert_allclose(largest[-1], squares[-1], rtol=1e-8)
    assert largest.size == k and squares[0] - 1e-10 <= smallest[0] <= squares[0] + 1e-8 * squares[-1]
    for one, more in zip(report.nested, report.nested[1:], strict=False):  # interlacing
        assert one.largest <= more.largest * (1 + 1e-12) and one.rank <= more.rank
        assert one.smallest >= more.smallest - 1e-12 * more.largest
    for method in ("gram", "bounds", "products"):
        found = rank_check(net, params, X, trials=0, method=method, seed=seed).found
        assert found.least_rank <= report.rank <= found.most_rank
        assert found.smallest >= report.sigma_min - 1e-7 * report.sigma_max


def numerical_rank_of(values, D):
    return int((values > values[0] * max(D.shape) * np.finfo(float).eps).sum())


def test_smallest_eigenvalues_by_inverse_lanczos():
    params, X, _ = golden_problem()
    np.testing.assert_allclose(
        spectrum(NET, params, X, which="smallest", count=3), spectrum(NET, params, X)[:3], rtol=1e-6
    )


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10**6))
@settings(max_examples=20)
def test_ritz_values_lie_between_the_extreme_eigenvalues(n, steps, seed):
    matrix = np.random.default_rng(seed).standard_normal((n, n))
    matrix = matrix @ matrix.T
    exact = np.linalg.eigvalsh(matrix)
    values = lanczos(lambda v: matrix @ v, start_vector(n), steps, 0.0)
    slack = 1e-12 * exact[-1]
    assert values[0] >= exact[0] - slack and values[-1] <= exact[-1] + slack
    if steps >= n:
        np.testing.assert_allclose(values[-1], exact[-1], rtol=1e-10)


@given(st.integers(1, 40), st.data())
@settings(max_examples=20)
def test_clopper_pearson_ends_have_the_tail_probabilities_that_define_them(draws, data):
    k = data.draw(st.integers(0, draws))
    low, high = proportion_interval(k, draws)
    if k > 0:
        assert binom.sf(k - 1, draws, low) == pytest.approx(0.025, rel=1e-8)
    if k < draws:
        assert binom.cdf(k, draws, high) == pytest.approx(0.025, rel=1e-8)
    assert low <= k / draws <= high and (low == 0) == (k == 0) and (high == 1) == (k == draws)


def test_one_analytic_draw_proves_what_relu_draws_only_suggest():
    X = golden_problem()[1]
    smooth = rank_check(Mlp((3, 6, 2)), Mlp((3, 6, 2)).initial(0), X, trials=5)
    assert (smooth.probability.draws, smooth.probability.proved) == (5, 1.0) and "proved_generic" in codes(smooth)
    kinked = rank_check(Mlp((3, 5, 2), "relu"), Mlp((3, 5, 2), "relu").initial(0), X, trials=20)
    drawn = kinked.probability
    assert drawn.proved is None and drawn.low < drawn.full / drawn.draws < drawn.high
    assert 0 < drawn.full < 20 and "chance" in codes(kinked)


def test_draws_of_a_function_come_from_its_own_initialise():
    X = np.linspace(-1, 1, 4)[:, None]

    def apply(theta, X):
        return jnp.sin(X * theta[:4]) @ theta[4:]

    def initialise(seed):
        return np.random.default_rng(seed).standard_normal(8)

    report = rank_check(apply, initialise(0), X, initialise=initialise, trials=4)
    assert report.probability.draws == 4
    # opposite inputs and an odd function: no start has full rank
    assert report.probability.full == 0 and report.rank == 2
    with pytest.raises(InputError) as refused:
        rank_check(apply, initialise(0), X, initialise=lambda seed: np.ones(3))
    assert refused.value.code == "option_range"


@pytest.mark.parametrize(
    ("function", "analytic"),
    [
        (lambda p, X: jnp.tanh(X @ p).mean(axis=1), True),
        (lambda p, X: jnp.exp(jnp.sin(X @ p)) @ p[:, 0] ** 2, True),
        (lambda p, X: jnp.maximum(X @ p, 0.0), False),
        (lambda p, X: jnp.abs(X @ p), False),
        (lambda p, X: X @ (p / (1.0 + p**2)), False),  # has poles in the complex plane: not known
        (lambda p, X: jnp.where(p[0, 0] > 0, 1.0, 2.0) * X @ p, False),
    ],
)
def test_analytic_functions_are_recognised_conservatively(function, analytic):
    assert is_analytic(function, np.ones((3, 3)), np.ones((2, 3))) is analytic


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(1, 3000))
@settings(max_examples=25)
def test_sizes_are_the_least_of_their_shape(hidden, wanted):
    net = Mlp((3, *hidden, 2))
    found = sizes_with(net, wanted)
    widest = max(found[1:-1])
    assert Mlp(found).parameter_count >= wanted
    if widest > 1:
        narrower = [max(1, round(width * (widest - 1) / max(hidden))) for width in hidden]
        assert Mlp((3, *narrower, 2)).parameter_count < wanted
    assert sizes_with(Mlp((3, 2)), wanted) is None


def test_report_speaks_and_is_kept():
    report = rank_check(NET, *near_copies(1e-4), trials=3)
    assert "rank 24 of 24" in str(report) and "near duplicate" in str(report)
    assert "フルランク" in report.say("ja") and report._repr_html_().startswith("<p style=")
    assert same(from_document(to_document(report)), report)


@pytest.mark.parametrize("method", ["svd", "gram"])
def test_derivatives_that_are_not_finite_are_refused(method):
    with pytest.raises(InputError) as refused:
        rank_check(lambda p, X: jnp.sqrt(jnp.abs(X @ p)), np.zeros((2, 1)), np.ones((3, 2)), method=method)
    assert refused.value.code == "adapted_jacobian_not_finite"


def test_codes_are_not_compared_as_distances():
    table = np.random.default_rng(0).standard_normal((5000, 4))
    report = rank_check(lambda p, X: p[X[:, 0]], table, np.array([[4998], [4999], [7]]))
    assert report.rank == 12 and report.closest == () and report.near_rows == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"X": np.ones((12, 4))}, "option_range"),
        ({"X": np.where(np.arange(36).reshape(12, 3) == 5, np.nan, 1.0)}, "array_not_finite"),
        ({"Y": np.ones((11, 2))}, "rows_differ"),
        ({"Y": np.ones((12, 3))}, "adapted_outputs_shape"),
        ({"trials": -1}, "option_range"),
        ({"method": "guess"}, "option_range"),
        ({"loss": "l3"}, "option_range"),
    ],
)
def test_bad_arguments_are_named(change, code):
    params, X, Y = golden_problem()
    with pytest.raises(InputError) as refused:
        rank_check(**{"apply_fn": NET, "params": params, "X": X, "Y": Y, **change})
    assert refused.value.code == code
    with pytest.raises(InputError):
        spectrum(NET, params, X, which="middle")
