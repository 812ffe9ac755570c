"""Cross-entropy and Poisson: golden values, digits of tiny numbers, accuracy, and the laws of the plain flow."""

import math

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import softmax

from thalweg.adapted import laws
from thalweg.adapted.log_losses import CrossEntropy, Logistic, Poisson, exponential_excess, log_mixture
from thalweg.adapted.loss_base import L2


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
        assert loss.law(x0)(tau) == pytest.approx(law, rel=6 * math.exp(-tau) + 1e-12, abs=0)
        assert loss.excess(loss.line(x0, tau)) == pytest.approx(law, rel=6 * math.exp(-tau) + 1e-5, abs=0)


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
    assert loss.cost(x) == pytest.approx(exact, rel=1e-13, abs=0)
    wrong = np.array([[-(math.exp(-60) + math.exp(-59)), math.exp(-60), math.exp(-59)],
                      [math.exp(-55), math.exp(-57), -(math.exp(-55) + math.exp(-57))]])  # fmt: skip
    np.testing.assert_allclose(loss.residual(x), wrong, rtol=1e-12)
    poisson = Poisson(np.array([[3.0, 5.0]]))
    near = np.log(poisson.y) + np.array([[1e-9, -2e-9]])
    moved = near - np.log(poisson.y)  # what rounding left of it
    assert poisson.excess(near) == pytest.approx(float((poisson.y * moved**2 / 2).sum()), rel=1e-8, abs=0)


@settings(max_examples=40)
@given(size=st.floats(-15, 1.5), sign=st.sampled_from([-1.0, 1.0]), share=st.floats(1e-6, 1.0))
def test_small_differences_of_exponentials_keep_their_digits(size, sign, share):
    d = np.array([sign * 10.0**size])
    with ctx.workprec(300):
        power = arb(float(d[0])).exp()
        excess, mixed = float(power - 1 - arb(float(d[0]))), float((1 - arb(share) + arb(share) * power).log())
    assert exponential_excess(d)[0] == pytest.approx(excess, rel=2e-14, abs=0)
    clock = -math.log1p(-share) if share < 1 else math.inf
    assert log_mixture(share, clock, d)[0] == pytest.approx(mixed, rel=3e-14, abs=1e-16 * clock if clock > 1 else 0)


def test_confidently_wrong_samples_have_finite_steps_and_laws():
    x0 = np.array([[0.0, 12.0, 0.0], [-900.0, 0.0, 900.0]])
    loss = CrossEntropy(np.eye(3)[[0, 0]])
    assert np.isfinite(loss.wanted(x0, 1.0)).all() and loss.longest == 1.0
    assert np.isfinite(loss.predicted(x0, np.array([0.0, 1e-3, 50.0]))).all()
    assert loss.predicted(x0, 0.0) == pytest.approx((12 + 2 * math.exp(-12) + 1800) / 2, rel=1e-9)


def test_steps_that_are_tiny_keep_their_digits():
    loss = CrossEntropy(np.eye(4)[[0, 1]])
    x = np.array([[0.1, 2.0, -1.0, 0.0], [3.0, 0.0, 0.0, -2.0]])
    p, dtau = softmax(x, axis=1), 1e-12
    v = (loss.y - p) / p
    np.testing.assert_allclose(loss.wanted(x, dtau), dtau * v @ loss.head(), rtol=1e-9)
    close = 1e-9  # next to the target of a count of one, for whom the logit is zero
    way = Poisson(np.ones((1, 1))).wanted(np.array([[close]]), 1.0)[0, 0]
    assert way == pytest.approx(math.log1p(-math.expm1(-1.0) * math.expm1(-close)), rel=1e-13, abs=0)


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
