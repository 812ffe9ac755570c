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
@settings(max_examples=10)
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


def test_natural_cross_entropy_golden_values():
    p = np.array([0.2, 0.5, 0.9])
    two = CrossEntropy(np.tile([1.0, 0.0], (3, 1)))
    one = Logistic(np.ones((3, 1)))
    for loss, x0 in ((two, np.log(np.stack([p, 1 - p], axis=1))), (one, np.log(p / (1 - p))[:, None])):
        assert loss.cost(x0) == pytest.approx(0.8026485362172907, rel=1e-14)
        np.testing.assert_allclose(
            loss.predicted(x0, np.array([1.0, 5.0])), [0.19643961284923458, 0.003151207022220041], rtol=1e-13
        )
        assert loss.time_to(x0, 1e-3) == pytest.approx(6.146303988346917, rel=1e-13)
        assert loss.time_to(x0, 1e-6) == pytest.approx(13.053371194692872, rel=1e-13)


def test_soft_label_golden_values_and_rate():
    y, x0 = np.array([[0.7, 0.2, 0.1]]), np.array([[0.3, -0.1, 0.4]])
    loss = CrossEntropy(y)
    target = [1.2662243725168936, 0.013461404021525764, -0.6796857765384194]
    np.testing.assert_allclose(laws.softmax_limit(y, x0)[0], target, rtol=1e-14)
    np.testing.assert_allclose(loss.line(x0, math.inf)[0], target, rtol=1e-14)
    np.testing.assert_allclose(x0 + loss.wanted(x0, math.inf) @ loss.head().T, loss.line(x0, math.inf), rtol=1e-13)
    assert loss.floor == pytest.approx(0.8018185525433372, rel=1e-14)
    assert loss.longest == math.inf
    p0 = softmax(x0, axis=1)
    for tau in (6.0, 12.0, 20.0):  # rate two, to digits far below those of the cost itself
        law = math.exp(-2 * tau) * float(((p0 - y) ** 2 / (2 * y)).sum())
        assert loss.law(x0)(tau) == pytest.approx(law, rel=6 * math.exp(-tau))
        assert loss.excess(loss.line(x0, tau)) == pytest.approx(law, rel=6 * math.exp(-tau) + 1e-5)


def test_euclidean_laws_of_cross_entropy():
    m = laws.binary_margin(0.0, 10.0, 1)
    assert m == pytest.approx(2.17732510061402881, rel=1e-14)
    assert math.log1p(math.exp(-m)) == pytest.approx(0.10736837767293264, rel=1e-14)
    starts, s = np.array([-40.0, -1.0, 5.0, 15.0]), 7.0
    for logits in (1, 2):
        m = laws.binary_margin(starts, s, 3, logits)
        conserved = np.exp(m) + m - np.exp(starts) - starts
        np.testing.assert_allclose(conserved, logits * s / 3, rtol=1e-8)
    assert laws.binary_margin(500.0, 1.0, 1) == 500.0
    x = np.array([[0.3, -0.4]])  # two logits by integration

    def flow(_, x):
        return np.array([1.0, 0.0]) - softmax(x)

    run = solve_ivp(flow, (0, 4.0), x[0], rtol=1e-10, atol=1e-12)
    assert run.y[0, -1] - run.y[1, -1] == pytest.approx(laws.binary_margin(0.7, 4.0, 1, logits=2), rel=1e-8)
    y = np.array([[0.7, 0.2, 0.1]])
    late = [softmax(solve_ivp(lambda _, x: y[0] - softmax(x), (0, end), [0.3, -0.1, 0.4], rtol=1e-11, atol=1e-14)
                    .y[:, -1]) - y[0] for end in (60.0, 62.0)]  # fmt: skip
    rate = math.log(np.linalg.norm(late[0]) / np.linalg.norm(late[1])) / 2
    assert laws.softmax_rate(y) == pytest.approx(rate, rel=1e-3)


def test_convex_bounds_hold_on_the_euclidean_flow():
    x0, s = np.array([[2.0, -1.0]]), 1.7
    loss = loss_on(QUARTIC, np.zeros((1, 2)))
    run = solve_ivp(lambda _, x: -(x**3 + x), (0, s), x0[0], rtol=1e-9, atol=1e-12)
    reached = loss.cost(run.y[:, -1][None])
    assert reached <= laws.strongly_convex_bound(loss.cost(x0), 1.0, s)
    assert reached <= laws.convex_bound(float(np.linalg.norm(x0)), s)
    assert laws.strongly_convex_bound(2.0, 0.5, 3.0) == pytest.approx(2.0 * math.exp(-3.0))


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), Q=st.integers(2, 6), tau=st.floats(0, 30), size=st.floats(0.1, 200))
def test_probabilities_are_probabilities(seed, Q, tau, size):
    rng = np.random.default_rng(seed)
    x0 = size * rng.standard_normal((6, Q))
    loss = CrossEntropy(np.eye(Q)[rng.integers(0, Q, 6)])
    p = loss.probabilities(x0, tau)
    assert (p >= 0).all() and np.abs(p.sum(axis=1) - 1).max() < 1e-14
    line = loss.line(x0, tau)
    np.testing.assert_allclose(line.mean(axis=1), x0.mean(axis=1), atol=1e-11 * (1 + size))
    np.testing.assert_allclose(softmax(line, axis=1), p, atol=1e-11 * (1 + size))
    assert loss.excess(line) == pytest.approx(loss.law(x0)(tau), rel=1e-9 * (1 + size), abs=1e-12)


def test_tiny_costs_keep_their_digits():
    loss = CrossEntropy(np.eye(3)[[0, 2]])
    x = np.array([[60.0, 0.0, 1.0], [0.0, -2.0, 55.0]])
    exact = (math.exp(-60) + math.exp(-59) + math.exp(-55) + math.exp(-57)) / 2
    assert loss.cost(x) == pytest.approx(exact, rel=1e-13)
    wrong = np.array([[-(math.exp(-60) + math.exp(-59)), math.exp(-60), math.exp(-59)],
                      [math.exp(-55), math.exp(-57), -(math.exp(-55) + math.exp(-57))]])  # fmt: skip
    np.testing.assert_allclose(loss.residual(x), wrong, rtol=1e-12)
    poisson = Poisson(np.array([[3.0, 5.0]]))
    near = np.log(poisson.y) + np.array([[1e-9, -2e-9]])
    moved = near - np.log(poisson.y)  # what rounding left of it
    assert poisson.excess(near) == pytest.approx(float((poisson.y * moved**2 / 2).sum()), rel=1e-6)


def test_confidently_wrong_samples_have_finite_steps_and_laws():
    x0 = np.array([[0.0, 12.0, 0.0], [-900.0, 0.0, 900.0]])
    loss = CrossEntropy(np.eye(3)[[0, 0]])
    assert np.isfinite(loss.wanted(x0, 1.0)).all() and loss.longest == 1.0
    assert np.isfinite(loss.predicted(x0, np.array([0.0, 1e-3, 50.0]))).all()
    assert loss.predicted(x0, 0.0) == pytest.approx(definition(loss, x0), rel=1e-12)


def test_steps_that_are_tiny_keep_their_digits():
    loss = CrossEntropy(np.eye(4)[[0, 1]])
    x = np.array([[0.1, 2.0, -1.0, 0.0], [3.0, 0.0, 0.0, -2.0]])
    p, dtau = softmax(x, axis=1), 1e-12
    v = (loss.y - p) / p
    np.testing.assert_allclose(loss.wanted(x, dtau), dtau * v @ loss.head(), rtol=1e-9)


def test_head_is_an_orthonormal_basis_of_sum_zero():
    for Q in (2, 3, 10):
        head = CrossEntropy(np.eye(Q)).head()
        assert head.shape == (Q, Q - 1)
        np.testing.assert_allclose(head.T @ head, np.eye(Q - 1), atol=1e-15)
        np.testing.assert_allclose(head.sum(axis=0), 0, atol=1e-15)
    assert Logistic(np.ones((2, 1))).head() is None and L2(np.ones((2, 3))).head() is None


def test_one_logit_is_two_logits():
    rng = np.random.default_rng(5)
    x, y = 3 * rng.standard_normal((7, 1)), rng.uniform(0, 1, (7, 1))
    weights = rng.uniform(1, 2, 7)
    one, two = Logistic(y, weights), CrossEntropy(np.hstack([1 - y, y]), weights)
    pair = np.hstack([0 * x, x])
    assert one.cost(x) == pytest.approx(two.cost(pair), rel=1e-13)
    assert one.predicted(x, 1.3) == pytest.approx(two.predicted(pair, 1.3), rel=1e-13)
    line = two.line(pair, 0.4)
    np.testing.assert_allclose(one.line(x, 0.4)[:, 0], line[:, 1] - line[:, 0], rtol=1e-12)
    np.testing.assert_allclose(one.residual(x)[:, 0], two.residual(pair)[:, 1], rtol=1e-13)
    assert one.longest == math.inf and Logistic(np.array([[0.0], [0.5]])).longest == 1.0


def accuracy_by_definition(loss, x0, tau):
    p = loss.y + math.exp(-tau) * (softmax(x0, axis=1) - loss.y)
    return float(loss.weights @ loss.y[np.arange(len(p)), p.argmax(axis=1)]) / loss.weights.sum()


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), share=st.floats(0.05, 1.0), hard=st.booleans())
def test_accuracy_is_reached_when_promised_and_not_before(seed, share, hard):
    rng = np.random.default_rng(seed)
    x0 = 2 * rng.standard_normal((9, 4))
    y = np.eye(4)[rng.integers(0, 4, 9)] if hard else rng.dirichlet(np.ones(4), 9)
    loss = CrossEntropy(y, rng.uniform(0.5, 2, 9))
    tau = loss.accuracy_time(x0, share)
    if math.isinf(tau):
        assert share > loss.accuracy_limit
        return
    assert accuracy_by_definition(loss, x0, tau * (1 + 1e-9) + 1e-12) >= share - 1e-9
    assert loss.accuracy_at(x0, tau + 1e-9) == pytest.approx(accuracy_by_definition(loss, x0, tau + 1e-9))
    if tau > 0:
        assert accuracy_by_definition(loss, x0, tau * (1 - 1e-9)) < share


def test_accuracy_time_of_the_specification():
    p = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    loss = CrossEntropy(np.eye(3)[[0, 0]])
    assert loss.accuracy_time(np.log(p)) == pytest.approx(math.log(1 - 0.2 + 0.5), rel=1e-14)
    assert loss.accuracy_time(np.log(p), 0.5) == 0.0


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
