"""Smaller nets for the same function (golden G2), with proved bounds, exact and approximate."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shallow.nets import ANALYTIC, blank, of_neurons, random_net
from thalweg.records import InputError
from thalweg.shallow import Objective, ShallowNet, canonical, reduce, redundant_set

G2 = blank("tanh", 6, 1).with_theta(
    np.array([0.1, 0.5, 0.3, 2, 0, 1, -0.4, 0.2, 1, -0.2, -1, 0.4, 0, 1, 2, 0.3, -0.5, 0.3, -0.5])
)

POINTS = np.random.default_rng(9).standard_normal((30, 2))


def test_the_golden_net():
    found = reduce(G2)
    small = canonical(found.net)
    assert small.v0 == pytest.approx(0.8598979245104498, rel=1e-15)
    neurons = np.column_stack([small.b, small.w, small.v])
    assert np.allclose(neurons, [[-0.3, 0.5, -0.6], [0.2, 1, 0.2]], atol=1e-15)
    assert found.minimal and found.measured <= 1e-13 * (0.1 + 4.2)
    assert [step.kind for step in found.steps] == ["no_output", "constant", "joined", "joined"]


def test_nothing_to_reduce():
    net = random_net(np.random.default_rng(0), "logistic", 4, 3)
    found = reduce(net)
    assert found.steps == () and found.bound == 0 and np.array_equal(found.net.theta, net.theta)


def doubled(rng, activation, outputs):
    """Return a net of three neurons and a redundant one of eight with the same function, up to rounding."""
    net = random_net(rng, activation, 3, 2, outputs)
    V, B = net.output_weights, net.B
    share = rng.random((3, 1))
    rows = np.vstack([share * V, (1 - share) * V, rng.standard_normal((2, outputs))])
    hidden = np.vstack([B, B, B[:2]])
    rows[7] = 0
    hidden[6, 1:] = 0
    order = rng.permutation(8)
    return of_neurons(net, net.output_bias, rows[order], hidden[order])


@given(st.integers(0, 10**6), st.sampled_from(ANALYTIC), st.integers(1, 2))
def test_reduction_keeps_the_function_within_the_proved_bound(seed, activation, outputs):
    rng = np.random.default_rng(seed)
    net = doubled(rng, activation, outputs)
    X = rng.standard_normal((20, 2))
    found = reduce(net, X)
    assert found.net.width == 3
    assert redundant_set(found.net).distance > 0
    again = reduce(found.net, X)
    assert again.steps == () and np.array_equal(again.net.theta, found.net.theta)
    size = np.abs(net.v0).max() + np.abs(net.v).sum() * max(1, np.abs(net.psi(X @ net.w.T + net.b)).max())
    assert found.bound <= 1e-13 * size
    assert found.measured <= 1e-12 * size


def exact(net, x):
    """Return the value of a one-output net in 60 digits."""
    with mpmath.workdps(60):
        psi = {
            "tanh": mpmath.tanh, "logistic": lambda z: 1 / (1 + mpmath.exp(-z)), "sin": mpmath.sin, "exp": mpmath.exp,
            "gauss": lambda z: mpmath.exp(-z * z), "softplus": lambda z: mpmath.log(1 + mpmath.exp(z)),
        }[net.activation]  # fmt: skip
        total = mpmath.mpf(float(net.v0))
        for v, b, w in zip(net.v, net.b, net.w, strict=True):
            z = mpmath.mpf(float(b)) + mpmath.fsum(
                mpmath.mpf(float(a)) * mpmath.mpf(float(c)) for a, c in zip(w, x, strict=True)
            )
            total += mpmath.mpf(float(v)) * psi(z)
        return total


@settings(max_examples=12)
@given(st.integers(0, 10**6), st.sampled_from(["tanh", "logistic", "sin", "exp", "gauss", "softplus"]))
def test_the_bound_against_sixty_digits(seed, activation):
    """The bound is far below the rounding of an evaluation, so only long arithmetic can test it."""
    rng = np.random.default_rng(seed)
    net = doubled(rng, activation, 1)
    X = rng.standard_normal((4, 2))
    found = reduce(net, X)
    assert 0 < found.bound < 1e-12
    for x in X:
        assert abs(exact(net, x) - exact(found.net, x)) <= found.bound


def test_exact_cancellation_is_seen():
    """Three weights whose floating sum is not zero may cancel exactly, and the other way round."""
    net = of_neurons(blank("tanh", 3, 1), 0.0, [[0.1], [0.2], [-0.3]], [[0.5, 1.0]] * 3)
    assert reduce(net).net.width == 1  # the doubles 0.1 + 0.2 - 0.3 are not zero
    net = of_neurons(blank("tanh", 3, 1), 0.0, [[2.0**60], [1.0], [-(2.0**60)]], [[0.5, 1.0]] * 3)
    small = reduce(net)
    assert small.net.v == [1.0] and small.bound == 0
    net = of_neurons(blank("tanh", 4, 1), 0.0, [[2.0**60], [1.0], [-(2.0**60)], [-1.0]], [[0.5, 1.0]] * 4)
    small = reduce(net)
    assert small.net.width == 0 and small.steps[0].kind == "cancelled"


def test_negative_zero_is_zero():
    net = of_neurons(blank("gauss", 2, 2), 0.0, [[1.0], [2.0]], [[0.5, 0.0, 1.0], [-0.5, -0.0, -1.0]])
    assert reduce(net).net.width == 1


def test_logistic_mirror_images_shift_the_output_bias():
    net = of_neurons(blank("logistic", 2, 1), 0.25, [[0.5], [0.125]], [[0.5, 1.0], [-0.5, -1.0]])
    small = reduce(net).net
    assert (float(small.v0), small.v.tolist()) == (0.375, [0.375])


def test_sines_of_equal_slope_are_one_or_two():
    rng = np.random.default_rng(3)
    B = np.array([[0.1, 1.0], [0.7, -1.0], [1.9, 1.0]])
    one = reduce(of_neurons(blank("sin", 3, 1), 0.0, rng.standard_normal((3, 1)), B))
    assert one.net.width == 1 and one.measured < 1e-14 and one.bound < 1e-14
    two = reduce(of_neurons(blank("sin", 3, 1, 2), np.zeros(2), rng.standard_normal((3, 2)), B))
    assert two.net.width == 2 and two.measured < 1e-14 and two.bound < 1e-14
    parallel = reduce(of_neurons(blank("sin", 3, 1, 2), np.zeros(2), np.outer([1, -2, 3], [1.0, 0.5]), B))
    assert parallel.net.width == 1 and parallel.bound < 1e-14


@pytest.mark.parametrize("activation", ["softplus", "silu", "gelu"])
@pytest.mark.parametrize(("outputs", "pairs", "left"), [(1, 1, 2), (1, 2, 4), (1, 3, 5), (2, 4, 8), (2, 5, 9)])
def test_mirrored_pairs_hold_one_affine_function(activation, outputs, pairs, left):
    rng = np.random.default_rng(pairs)
    B = rng.standard_normal((pairs, 4))
    V = rng.standard_normal((2 * pairs + 1, outputs))
    net = of_neurons(blank(activation, 1, 3, outputs), np.zeros(outputs), V, np.vstack([B, -B, [[0.1, 2, 0, 1]]]))
    X = rng.standard_normal((30, 3))
    found = reduce(net, X)
    assert found.net.width == left + 1
    assert found.measured <= 1e-13 * (1 + np.abs(V).sum()) and found.bound < 1e-13
    assert reduce(found.net, X).net.width == left + 1
    assert ("affine" in [step.kind for step in found.steps]) == (left < 2 * pairs)


def test_mirrored_pairs_that_cancel():
    """Pairs (v, -v) are linear functions: three of them are one, and none where their slopes add up to zero."""
    B = np.array([[0.5, 1.0, 2.0], [0.25, -0.5, 1.0], [0.0, 3.0, 0.5]])
    V = np.array([1.0, 2.0, -1.0])
    net = of_neurons(blank("softplus", 1, 2), 0.0, np.r_[V, -V][:, None], np.vstack([B, -B]))
    assert reduce(net, POINTS).net.width == 2
    B[2] = [0.0, 0.0, 4.0]  # 1 (1, 2) + 2 (-1/2, 1) - 1 (0, 4) = 0
    net = of_neurons(blank("softplus", 1, 2), 0.0, np.r_[V, -V][:, None], np.vstack([B, -B]))
    found = reduce(net)
    assert found.net.width == 0 and found.net.v0 == 1.0 and found.bound == 0


@given(st.integers(0, 10**6), st.sampled_from(ANALYTIC), st.integers(1, 2))
def test_approximate_reduction_stays_within_its_bound(seed, activation, outputs):
    rng = np.random.default_rng(seed)
    exactly = doubled(rng, activation, outputs)
    X = rng.standard_normal((50, 2))
    near = exactly.with_theta(exactly.theta + 1e-4 * rng.standard_normal(exactly.parameter_count))
    found = reduce(near, X, tolerance=1e-3)
    assert found.net.width <= 3 and not found.minimal
    assert 0 < found.measured <= found.bound
    assert np.isfinite(found.bound)


def test_the_bound_without_data():
    near = of_neurons(blank("tanh", 2, 1), 0.0, [[1.0], [2.0]], [[0.5, 1.0], [0.5, 1.0 + 1e-6]])
    assert reduce(near, tolerance=1e-5).bound == pytest.approx(2.0, rel=1e-9)  # far out the two may be of other sign
    unbounded = of_neurons(blank("softplus", 2, 1), 0.0, [[1.0], [2.0]], [[0.5, 1.0], [0.5, 1.0 + 1e-6]])
    assert reduce(unbounded, tolerance=1e-5).bound == np.inf


def test_no_chains():
    """Neurons at distances 0, 0.8, 1.6 tolerances are not all one."""
    step = 0.8 * np.sqrt(2) * 0.01
    net = of_neurons(
        blank("tanh", 3, 1), 0.0, [[1.0], [3.0], [2.0]], [[0.5, 1.0], [0.5, 1 + step], [0.5, 1 + 2 * step]]
    )
    assert reduce(net, tolerance=0.01).net.width == 1  # the heaviest is the middle one
    net = of_neurons(net, 0.0, [[3.0], [1.0], [2.0]], net.B)
    assert reduce(net, tolerance=0.01).net.width == 2


def test_losses_and_the_refined_net():
    rng = np.random.default_rng(4)
    X = rng.standard_normal((80, 2))
    teacher = of_neurons(blank("tanh", 2, 2), 0.1, [[1.0], [-1.5]], [[0.3, 1.0, 0.5], [-0.2, 0.4, -1.2]])
    y = teacher(X) + 0.05 * rng.standard_normal(80)
    wide = of_neurons(teacher, 0.1, [[1.0], [-1.5], [1e-3]], np.vstack([teacher.B, [0.7, 0.2, 0.9]]))
    found = reduce(wide, X, y, tolerance=1e-2)
    data = Objective(X, y)
    assert found.net.width == 2
    assert found.loss_increase == pytest.approx(data.cost(teacher) - data.cost(wide), rel=1e-6)
    assert found.refined_loss == pytest.approx(data.cost(found.refined), rel=1e-12)
    assert found.refined_loss <= found.loss_after
    assert np.linalg.norm(data.gradient(found.refined)) < 1e-10


def test_without_neurons():
    net = ShallowNet("tanh", 0.5, np.zeros(0), np.zeros(0), np.zeros((0, 2)))
    found = reduce(net)
    assert found.net.width == 0 and found.minimal and found.measured == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"tolerance": -1.0}, "option_range"),
        ({"tolerance": np.nan}, "option_range"),
        ({"X": np.full((2, 1), np.inf)}, "array_not_finite"),
        ({"y": np.zeros(3)}, "option_range"),
    ],
)
def test_bad_input_is_named(arguments, code):
    with pytest.raises(InputError) as caught:
        reduce(G2, **arguments)
    assert caught.value.code == code
