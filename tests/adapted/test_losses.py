"""The losses against their definitions, and their laws against an integrated flow of the outputs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import log_softmax, softmax

from thalweg.adapted import laws
from thalweg.adapted.losses import L2, ConvexLoss, CrossEntropy, Huber, Logistic, Poisson, label_rows, loss_on
from thalweg.records import InputError

LOGCOSH = ConvexLoss(
    cost=lambda x, y: np.logaddexp(x - y, y - x) - math.log(2.0),
    gradient=lambda x, y: np.tanh(x - y),
    hessian=lambda x, y: 1.0 - np.tanh(x - y) ** 2,
    is_strictly_convex=True,
)
QUARTIC = ConvexLoss(  # strictly convex with curvature one at least
    cost=lambda x, y: (x - y) ** 4 / 4 + (x - y) ** 2 / 2,
    gradient=lambda x, y: (x - y) ** 3 + (x - y),
    hessian=lambda x, y: 3 * (x - y) ** 2 + 1,
    is_strictly_convex=True,
)


def drawn(seed, N=5, Q=3):
    rng = np.random.default_rng(seed)
    return rng, rng.standard_normal((N, Q)), rng.uniform(0.2, 3.0, N)


def losses(seed=0, N=5, Q=3):
    """Every loss on random targets with weights, and a start."""
    rng, x0, weights = drawn(seed, N, Q)
    soft = rng.dirichlet(np.ones(Q), N)
    mixed = soft.copy()
    mixed[0] = np.eye(Q)[1]
    mixed[1] = [0.5, 0.5, 0.0]
    y = rng.standard_normal((N, Q))
    return x0, [
        L2(y, weights),
        CrossEntropy(np.eye(Q)[rng.integers(0, Q, N)], weights),
        CrossEntropy(soft, weights),
        CrossEntropy(mixed, weights),
        Poisson(rng.poisson(2.0, (N, Q)).astype(float), weights),
        Huber(3 * y, weights, delta=0.7),
        loss_on(LOGCOSH, y, weights),
        loss_on(QUARTIC, y, weights),
    ]


def definition(loss, x):
    """The cost from the textbook, row by row."""
    y, m = loss.y, loss.weights / loss.weights.sum()
    if isinstance(loss, Logistic):
        return float(m @ (y * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x)).sum(axis=1))
    if isinstance(loss, CrossEntropy):
        return float(m @ -(y * log_softmax(x, axis=1)).sum(axis=1))
    if isinstance(loss, Poisson):
        return float(m @ (np.exp(x) - y * x).sum(axis=1))
    if isinstance(loss, Huber):
        d = np.abs(x - y)
        return float(m @ np.where(d < loss.delta, d * d / 2, loss.delta * (d - loss.delta / 2)).sum(axis=1))
    if isinstance(loss, L2):
        return float(m @ ((x - y) ** 2).sum(axis=1)) / 2
    return float(m @ loss.functions.cost(x, y).sum(axis=1))


def sample_hessian(loss, x, j):
    """Second derivative of the loss of one sample by central differences of its gradient."""
    Q, h = x.shape[1], 1e-5

    def gradient(point):
        if isinstance(loss, CrossEntropy):
            return softmax(point) - loss.y[j]
        if isinstance(loss, Poisson):
            return np.exp(point) - loss.y[j]
        return loss.functions.gradient(point, loss.y[j])

    rows = [(gradient(x[j] + h * e) - gradient(x[j] - h * e)) / (2 * h) for e in np.eye(Q)]
    return np.array(rows), gradient(x[j])


def natural_velocity(loss, x):
    """`-H^+ grad`, sample by sample; for Huber the Euclidean `-grad`, for L2 both are the same."""
    if isinstance(loss, L2):
        return loss.y - x
    if isinstance(loss, Huber):
        return -np.clip(x - loss.y, -loss.delta, loss.delta)
    out = np.empty_like(x)
    for j in range(x.shape[0]):
        H, g = sample_hessian(loss, x, j)
        out[j] = -np.linalg.pinv(H, rcond=1e-9) @ g
    return out


@pytest.mark.parametrize("k", range(8))
def test_cost_is_the_definition(k):
    x0, made = losses(k)
    assert made[k].cost(x0) == pytest.approx(definition(made[k], x0), rel=1e-13)
    assert made[k].floor <= made[k].cost(x0)
    made[k].require_start(x0)


@pytest.mark.parametrize("k", range(8))
def test_line_and_law_are_the_integrated_flow(k):
    x0, made = losses(10 + k)
    loss, ends = made[k], np.array([0.5, 1.5])
    run = solve_ivp(
        lambda _, x: natural_velocity(loss, x.reshape(x0.shape)).ravel(), (0, 1.5), x0.ravel(),
        t_eval=ends, rtol=1e-8, atol=1e-9,
    )  # fmt: skip
    for tau, x in zip(ends, run.y.T, strict=True):
        x = x.reshape(x0.shape)
        np.testing.assert_allclose(loss.line(x0, tau), x, atol=3e-6)
        assert loss.predicted(x0, tau) == pytest.approx(definition(loss, x), rel=1e-5)
    assert loss.is_certified


@pytest.mark.parametrize("k", range(8))
@settings(max_examples=6)
@given(seed=st.integers(0, 10**6), a=st.floats(0, 3), b=st.floats(0, 3))
def test_clocks_add_and_the_law_falls(k, seed, a, b):
    x0, made = losses(seed)
    loss = made[k]
    on_the_way = loss.line(x0, a)
    np.testing.assert_allclose(loss.line(on_the_way, b), loss.line(x0, a + b), atol=1e-9)
    costs = loss.predicted(x0, np.array([[0.0, a], [a, a + b]]))
    assert costs.shape == (2, 2) and costs[0, 1] == costs[1, 0]
    assert costs[0, 0] == pytest.approx(loss.cost(x0), rel=1e-12)
    assert costs[1, 1] <= costs[0, 1] * (1 + 1e-14) + 1e-300 or costs[1, 1] - costs[0, 1] < 1e-14
    assert costs[1, 1] >= loss.floor - 1e-14
    assert loss.cost(on_the_way) == pytest.approx(costs[0, 1], rel=1e-9, abs=1e-12)
    # the displacement that training asks for is the way along the line, projected and scaled
    head = np.eye(x0.shape[1]) if loss.head() is None else loss.head()
    way = np.sqrt(loss.weights)[:, None] * ((loss.line(x0, a) - x0) @ head)
    np.testing.assert_allclose(loss.wanted(x0, a), way, atol=1e-11)


@pytest.mark.parametrize("k", range(8))
def test_weights_are_repeated_rows(k):
    rng = np.random.default_rng(k)
    x0, made = losses(k)
    loss, times = made[k], rng.integers(1, 4, x0.shape[0])
    repeated, weighted = _same(loss, np.repeat(loss.y, times, axis=0)), _same(loss, loss.y, times.astype(float))
    many = np.repeat(x0, times, axis=0)
    assert weighted.cost(x0) == pytest.approx(repeated.cost(many), rel=1e-13)
    assert weighted.floor == pytest.approx(repeated.floor, rel=1e-12, abs=1e-15)
    assert weighted.predicted(x0, 0.8) == pytest.approx(repeated.predicted(many, 0.8), rel=1e-12)
    # lengths agree up to the normalisation of the weights, so ratios of lengths are those of repeated rows
    ratios = [np.linalg.norm(own.residual(own.line(x, 0.5))) / np.linalg.norm(own.residual(x))
              for own, x in ((weighted, x0), (repeated, many))]  # fmt: skip
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-12)


def _same(loss, y, weights=None):
    if isinstance(loss, Huber):
        return Huber(y, weights, delta=loss.delta)
    return loss_on(loss.functions, y, weights) if hasattr(loss, "functions") else type(loss)(y, weights)


def test_residuals_of_natural_losses_shrink_at_rate_one():
    x0, made = losses(3)
    for loss in [made[i] for i in (0, 1, 2, 3, 4, 6, 7)]:
        np.testing.assert_allclose(loss.residual(loss.line(x0, 2.0)), math.exp(-2) * loss.residual(x0), atol=1e-13)


def test_underparametrised_golden_cost():
    u, y = np.array([0.0, 1.0, 2.0]), np.array([[1.0], [2.0], [3.0]])
    loss, x = L2(y), np.exp(0.1 * u)[:, None]
    assert loss.cost(x) == pytest.approx(0.6606878724229718, rel=1e-14)
    best = 1.1235901478825432 * np.exp(0.49858365907129465 * u)[:, None]
    assert loss.cost(best) == pytest.approx(0.006648990904200798, rel=1e-12)


def test_convex_bounds_hold_on_the_euclidean_flow():
    x0, s = np.array([[2.0, -1.0]]), 1.7
    loss = loss_on(QUARTIC, np.zeros((1, 2)))
    run = solve_ivp(lambda _, x: -(x**3 + x), (0, s), x0[0], rtol=1e-9, atol=1e-12)
    reached = loss.cost(run.y[:, -1][None])
    assert reached <= laws.strongly_convex_bound(loss.cost(x0), 1.0, s)
    assert reached <= laws.convex_bound(float(np.linalg.norm(x0)), s)
    assert laws.strongly_convex_bound(2.0, 0.5, 3.0) == pytest.approx(2.0 * math.exp(-3.0))


def test_huber_outliers_move_at_constant_speed_first():
    loss = Huber(np.zeros((1, 2)), delta=0.5)
    x0 = np.array([[2.0, -0.4]])
    np.testing.assert_allclose(loss.line(x0, 3.0), [[0.5, -0.4 * math.exp(-3)]], rtol=1e-14)
    np.testing.assert_allclose(loss.line(x0, 4.0), [[0.5 * math.exp(-1), -0.4 * math.exp(-4)]], rtol=1e-14)
    np.testing.assert_allclose(loss.wanted(x0, math.inf), -x0)


def test_a_convex_loss_without_strictness_moves_by_at_most_one_and_downhill():
    flat = ConvexLoss(
        cost=lambda x, y: np.maximum(np.abs(x - y) - 1, 0) ** 2,
        gradient=lambda x, y: 2 * np.sign(x - y) * np.maximum(np.abs(x - y) - 1, 0),
        hessian=lambda x, y: 2.0 * (np.abs(x - y) > 1),
    )
    loss = loss_on(flat, np.zeros((2, 2)))
    x = np.array([[9.0, 0.3], [1.5, -1.2]])
    loss.require_start(x)
    way = loss.wanted(x, 1.0)
    assert np.abs(way).max() <= 1 and way[0, 0] == -1 and way[0, 1] == 0
    assert loss.cost(x + way) < loss.cost(x)
    assert not loss.is_certified and loss.predicted(x, 1.0) is None and loss.line(x, 1.0) is None
    with pytest.raises(InputError, match="no loss curve"):
        loss.time_to(x, 0.1)


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6), share=st.floats(1e-6, 0.999))
def test_time_to_inverts_the_law(seed, share):
    x0, made = losses(seed)
    for loss in made:
        wanted = loss.floor + share * (loss.cost(x0) - loss.floor)
        tau = loss.time_to(x0, wanted)
        assert loss.predicted(x0, tau) - loss.floor == pytest.approx(wanted - loss.floor, rel=1e-8, abs=1e-14)
        assert loss.time_to(x0, loss.cost(x0) * (1 + 1e-9) + 1e-9) == 0.0
        assert loss.time_to(x0, loss.floor - 1e-9) == math.inf


def test_labels_become_rows():
    np.testing.assert_array_equal(label_rows("ce", [2, 0], 3), [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(label_rows("ce", [True, False], 1), [[1], [0]])
    np.testing.assert_array_equal(label_rows("ce", [0.3, 1.0], 1), [[0.3], [1]])
    np.testing.assert_array_equal(label_rows("l2", [1, 2], 1), [[1], [2]])
    assert isinstance(loss_on("ce", np.ones((2, 1))), Logistic)
    assert loss_on("l2", np.ones((2, 1)), floor=0.25).cost(np.ones((2, 1))) == 0.25


BAD = {
    "adapted_labels_classes": lambda: label_rows("ce", [0, 3], 3),
    "adapted_labels_probabilities": lambda: CrossEntropy([[0.5, 0.6], [1, 0]]),
    "adapted_outputs_shape": lambda: label_rows("l2", [[1, 2]], 3),
    "array_not_finite": lambda: L2([[np.nan]]),
    "counts_negative": lambda: Poisson([[1.0], [-1.0]]),
    "option_missing": lambda: loss_on("huber", np.ones((2, 1))),
    "option_range": lambda: loss_on("hinge", np.ones((2, 1))),
    "weights_differ": lambda: L2([[1.0]], [1.0, 2.0]),
    "adapted_cost_not_finite": lambda: Poisson([[1.0]]).require_start(np.array([[1e4]])),
    "adapted_loss_shape": lambda: _bad_function(cost=lambda x, y: x.sum()),
    "adapted_loss_values": lambda: _bad_function(hessian=lambda x, y: x + np.nan),
    "adapted_loss_derivative": lambda: _bad_function(gradient=lambda x, y: 2 * (x - y) + 1),
    "adapted_loss_not_convex": lambda: _bad_function(hessian=lambda x, y: -np.ones_like(x)),
}


def _bad_function(**part):
    fine = {
        "cost": lambda x, y: (x - y) ** 2,
        "gradient": lambda x, y: 2 * (x - y),
        "hessian": lambda x, y: 2 * np.ones_like(x),
    }
    loss_on(ConvexLoss(**(fine | part)), np.ones((3, 2))).require_start(np.full((3, 2), 2.0))


@pytest.mark.parametrize("code", BAD)
def test_bad_input_is_named(code):
    with pytest.raises(InputError) as caught:
        BAD[code]()
    assert caught.value.code == code and caught.value.message("ja")


def test_more_bad_input():
    for bad in (lambda: Huber([[1.0]], delta=-1.0), lambda: L2([[1.0]], [0.0]), lambda: L2([[1.0], [1.0]], [1.0, 0.0]),
                lambda: Logistic([[1.5]]), lambda: L2([[1.0]]).require_start(np.ones((2, 1))),
                lambda: label_rows("ce", [0.5, 2], 1), lambda: CrossEntropy([[1.0, -0.1, 0.1]])):  # fmt: skip
        with pytest.raises(InputError):
            bad()
    linear = ConvexLoss(lambda x, y: x + 9, lambda x, y: np.ones_like(x), lambda x, y: 0 * x, is_strictly_convex=True)
    with pytest.raises(InputError, match="not convex"):
        loss_on(linear, np.ones((1, 1))).wanted(np.ones((1, 1)), 1.0)
