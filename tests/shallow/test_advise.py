"""What remains of training: counts against real runs, mini-batches against simulation, stopping with proof."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shallow.nets import G3_THETA, G3_X, G3_Y, blank, of_neurons, polished, random_net
from thalweg.records import InputError, Verdict
from thalweg.shallow import Objective, ShallowNet, advise, focal_margin, grow, retries, split_advice
from thalweg.shallow.averaging import plan_averaging, third_derivative_along
from thalweg.shallow.first_order import first_order_methods, steps_needed
from thalweg.shallow.settling import settle

G3 = polished(blank("tanh", 1, 1).with_theta(G3_THETA), G3_X, G3_Y)
DATA = Objective(G3_X, G3_Y)


def test_the_golden_rates():
    found = advise(G3, G3_X, G3_Y)
    rates = {method.name: method.rate for method in found.methods}
    assert rates["gradient_descent"] == pytest.approx(0.992677444658, rel=1e-10)
    assert rates["heavy_ball"] == pytest.approx(0.885690272474, rel=1e-10)
    assert rates["gauss_newton"] == pytest.approx(0.1192834922043, rel=1e-8)
    assert rates["nesterov"] == pytest.approx(1 - 1 / math.sqrt(3.7977353286079 / 0.0139556591021), rel=1e-9)


def test_at_the_minimum_it_is_proved_that_one_may_stop():
    found = advise(G3, G3_X, G3_Y)
    assert found.certificate.verdict is Verdict.HOLDS
    assert found.proved_gap < 1e-25 and found.may_stop and found.recommended is None
    assert str(found).startswith("Stop: it is proved")


def test_the_proved_gap_is_an_upper_bound_of_the_true_one():
    for size in (1e-9, 1e-7, 1e-6):
        moved = G3.with_theta(G3.theta + size * np.array([1, -1, 0.5, 2]))
        found = advise(moved, G3_X, G3_Y)
        true = 0.5 * (moved.theta - G3.theta) @ DATA.hessian(G3) @ (moved.theta - G3.theta)
        assert true * (1 - 1e-3) <= found.proved_gap <= 2.1 * true
        assert found.remaining == pytest.approx(true, rel=1e-2, abs=1e-17)


@pytest.mark.parametrize("name", ["gradient_descent", "heavy_ball", "nesterov"])
def test_counts_are_those_of_real_runs(name):
    """The quadratic model, so near the minimum, predicts the step at which the loss gap is reached."""
    start = G3.with_theta(G3.theta + 1e-5 * np.array([1.0, -2.0, 1.0, 0.5]))
    found = advise(start, G3_X, G3_Y, tolerance=1e-14)
    method = next(m for m in found.methods if m.name == name)
    x = before = start.theta
    reached, floor = None, DATA.cost(G3)
    for t in range(1, 20 * method.steps):
        ahead = x + method.momentum * (x - before)
        at = ahead if name == "nesterov" else x
        x, before = ahead - method.step * DATA.gradient(G3.with_theta(at)), x
        if DATA.cost(G3.with_theta(x)) - floor <= found.tolerance:
            reached = t
            break
    assert reached is not None
    assert method.steps == pytest.approx(reached, rel=0.02, abs=6)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([0, 1, 2]), st.floats(1e-12, 1e-2))
def test_repeated_squaring_counts_every_step(seed, which, share):
    rng = np.random.default_rng(seed)
    values = np.sort(10.0 ** rng.uniform(-2, 0, 4))
    method = first_order_methods(values[0], values[-1])[which]
    x = before = rng.standard_normal(4)
    gap = share * 0.5 * float(values @ x**2)
    count = steps_needed(method, values, x, gap)
    energies = [0.5 * float(values @ x**2)]
    for _ in range(count):
        ahead = x + method.momentum * (x - before)
        at = ahead if method.name == "nesterov" else x
        x, before = ahead - method.step * values * at, x
        energies.append(0.5 * float(values @ x**2))
    assert energies[-1] <= gap * (1 + 1e-9)
    assert method.momentum or energies[-2] > gap * (1 - 1e-9)


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.sampled_from(["tanh", "gauss", "softplus"]), st.integers(1, 2))
def test_the_third_derivative_against_differences(seed, activation, outputs):
    rng = np.random.default_rng(seed)
    net = random_net(rng, activation, 2, 2, outputs)
    X = rng.standard_normal((20, 2))
    y = net(X) + rng.standard_normal(net(X).shape)
    data, P, h = Objective(X, y, rng.random(20)), net.parameter_count, 1e-5
    root = rng.standard_normal((P, P))
    C = root @ root.T

    def trace(theta):
        return float(np.sum(C * data.hessian(net.with_theta(theta))))

    differences = [(trace(net.theta + h * e) - trace(net.theta - h * e)) / (2 * h) for e in np.eye(P)]
    found = third_derivative_along(net, data, C)
    assert np.abs(found - differences).max() < 1e-7 * np.abs(found).max()


def simulate(net, X, y, plan, chains, seed, constant=False):
    """Run stochastic gradient descent in many chains; return what average and last iterate exceed the minimum by."""
    rng, data = np.random.default_rng(seed), Objective(X, y)
    theta = np.tile(net.theta, (chains, 1))
    mean, steps, start = np.zeros_like(theta), int(plan.steps), int(plan.averaging_start)
    for t in range(1, steps + 1):
        rows = rng.integers(0, len(X), (chains, plan.batch))
        x, target = X[rows][..., 0], y[rows]
        v0, v, b, w = (theta[:, [i]] for i in range(4))
        a = np.tanh(b + w * x)
        r = v0 + v * a - target
        pull = r * v * (1 - a * a)
        gradient = 2 * np.stack([r, r * a, pull, pull * x], axis=2).mean(axis=1)
        theta = theta - plan.first_step * (1.0 if constant else t**-0.6) * gradient
        if t > start:
            mean += (theta - mean) / (t - start)
    floor = data.cost(net)
    return [np.mean([data.cost(net.with_theta(row)) - floor for row in rows]) for rows in (mean, theta)]


def easy_problem():
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (60, 1))
    teacher = blank("tanh", 1, 1).with_theta(np.array([0.2, 1.0, 0.3, 1.2]))
    y = teacher(X) + 0.2 * rng.standard_normal(60)
    return polished(teacher, X, y), X, y


def test_averaging_against_simulation():
    net, X, y = easy_problem()
    data = Objective(X, y)
    spectrum = np.linalg.eigh(data.hessian(net))
    plan = plan_averaging(net, data, spectrum, np.zeros(4), 4e-5)
    assert plan.batch == plan.critical_batch and plan.averaging_start == 1 and 500 < plan.steps < 20000
    average, last = simulate(net, X, y, plan, 60, 1)
    assert average == pytest.approx(plan.excess_average, rel=0.6)
    assert last == pytest.approx(plan.excess_last, rel=0.6)
    assert last > 3 * average


def test_a_constant_step_leaves_the_predicted_bias():
    net, X, y = easy_problem()
    data = Objective(X, y)
    plan = plan_averaging(net, data, np.linalg.eigh(data.hessian(net)), np.zeros(4), 1e-6, batch=2)
    assert plan.excess_constant > 3 * plan.excess_average
    few = plan_averaging(net, data, np.linalg.eigh(data.hessian(net)), np.zeros(4), 1e-4, batch=2)
    average, _ = simulate(net, X, y, few, 60, 2, constant=True)
    assert average == pytest.approx(few.excess_constant, rel=0.7)


def test_without_noise_no_averaging_is_needed():
    rng = np.random.default_rng(5)
    net = random_net(rng, "tanh", 1, 1)
    X = rng.standard_normal((30, 1))
    found = advise(net, X, net(X))
    assert found.averaging.noise < 1e-25 and found.averaging.excess_constant < 1e-20


def test_the_batch_is_an_option():
    found = advise(G3, G3_X, G3_Y, batch=3)
    assert found.averaging.batch == 3
    more = advise(G3, G3_X, G3_Y, batch=300)
    assert more.averaging.first_step > found.averaging.first_step


def test_newton_steps_are_those_really_taken():
    start = G3.with_theta(G3.theta + 2e-3)
    found = advise(start, G3_X, G3_Y)
    newton = next(m for m in found.methods if m.name == "newton")
    at, count = start, 0
    while DATA.cost(at) - DATA.cost(G3) > 1e-15:
        at = at.with_theta(at.theta - np.linalg.solve(DATA.hessian(at), DATA.gradient(at)))
        count += 1
    assert abs(newton.steps - count) <= 1
    assert found.recommended.name in ("newton", "gauss_newton")
    assert np.allclose(found.minimiser.theta, G3.theta, atol=1e-10)


def test_no_advice_where_no_minimum_is_reached():
    """Golden G5: the minimum lies at infinity, and the gradient underflows."""
    X, y = np.array([[-2.0], [-1], [0], [1], [2]]), np.array([0.0, 0, 0, 1, 1])
    net = of_neurons(blank("tanh", 1, 1), 0.5, [[0.5]], [[-20.0, 40.0]])
    found = advise(net, X, y)
    assert found.minimiser is None and found.proved_gap == math.inf and not found.may_stop
    assert "No strict minimum" in str(found) and found.recommended is None


def test_settling_goes_through_a_saddle_region():
    rng = np.random.default_rng(11)
    X = rng.standard_normal((60, 2))
    y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(60)
    found = settle(random_net(rng, "tanh", 2, 2), Objective(X, y, ridge=1e-3))
    assert found.is_minimum and found.newton_steps is None and found.gradient_norm < 1e-12


@pytest.mark.parametrize("call", [advise, focal_margin, grow, split_advice])
def test_kinks_have_no_curvature_to_advise_on(call):
    with pytest.raises(InputError, match="relu is outside the theorem"):
        call(ShallowNet("relu", 0.0, [1.0], [0.0], [[1.0]]), G3_X, G3_Y)


def test_sentences_in_both_languages():
    start = G3.with_theta(G3.theta + 1e-2)
    found = advise(start, G3_X, G3_Y)
    for statement in found.statements():
        assert statement.say("en") and statement.say("ja")


def test_restarts_until_success():
    found = retries(56, 100, seconds_per_start=2.0, price_per_hour=9.0)
    assert found.restarts == math.ceil(math.log(0.01) / math.log(0.44)) == 6
    assert found.share_low < 0.56 < found.share_high
    assert 1 - (1 - found.share_low) ** found.restarts_high >= 0.99
    assert found.seconds == (2.0 * found.restarts_low, 2.0 * found.restarts_high)
    assert found.money == pytest.approx((found.seconds[0] / 400, found.seconds[1] / 400))
    assert retries(0, 10).restarts is None and retries(0, 10, seconds_per_start=1).seconds[1] == math.inf
    assert retries(10, 10).restarts == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: advise(G3, G3_X, G3_Y, tolerance=0.0),
        lambda: advise(G3, G3_X, G3_Y, batch=0),
        lambda: advise(G3, G3_X[:, [0, 0]], G3_Y),
        lambda: retries(3, 2),
        lambda: retries(1, 2, price_per_hour=9.0),
        lambda: retries(1, 2, confidence=1.0),
        lambda: retries(1, 2, seconds_per_start=-1.0),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(InputError):
        call()
