"""One form for all copies of a net, and equality of nets by assignment."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shallow.nets import ANALYTIC, blank, of_neurons, random_net
from thalweg.records import InputError, Verdict
from thalweg.shallow import assignment, canonical, copies, same_function
from thalweg.shallow.symmetry import MIRRORS, mirror

POINTS = np.random.default_rng(1).standard_normal((40, 2))


def copied(rng, net):
    """Return a random copy of a net under its symmetries."""
    order = rng.permutation(net.width)
    V, B = net.output_weights[order], net.B[order]
    if net.activation == "sin":
        half = rng.random(net.width) < 0.5
        V = np.where(half[:, None], -V, V)
        B[:, 0] += math.pi * (half + 2 * rng.integers(-2, 3, net.width))
    copy = of_neurons(net, net.output_bias, V, B)
    return mirror(copy, rng.random(net.width) < 0.5) if net.psi.symmetry in MIRRORS else copy


@given(st.integers(0, 10**6), st.sampled_from(ANALYTIC), st.integers(1, 2))
def test_copies_have_one_canonical_form_and_are_the_same_function(seed, activation, outputs):
    rng = np.random.default_rng(seed)
    net = random_net(rng, activation, 4, 2, outputs)
    copy = copied(rng, net)
    assert np.allclose(copy(POINTS), net(POINTS), rtol=1e-10, atol=1e-10)
    assert np.allclose(canonical(copy).theta, canonical(net).theta, atol=1e-12)
    assert np.allclose(canonical(net)(POINTS), net(POINTS), rtol=1e-10, atol=1e-10)
    paired = assignment(net, copy)
    assert max(paired.distance, paired.v0_difference) < 1e-12
    assert np.allclose(paired.aligned.theta, net.theta, atol=1e-12)
    assert same_function(net, copy)


@given(st.integers(0, 10**6), st.sampled_from(["tanh", "logistic", "gauss", "softplus", "sin"]))
def test_the_canonical_form_is_its_own(seed, activation):
    net = canonical(random_net(np.random.default_rng(seed), activation, 3, 2))
    assert np.array_equal(canonical(net).theta, net.theta)
    if activation in ("tanh", "sin"):
        assert (net.w[:, 0] > 0).all()
    if activation == "sin":
        assert (net.v > 0).all() and (net.b > -math.pi).all() and (net.b <= math.pi).all()


@given(st.integers(0, 10**6), st.floats(1e-9, 1e-3))
def test_the_distance_is_continuous_where_signs_jump(seed, size):
    """A first weight near zero changes the canonical sign, not the distance of two nets."""
    rng = np.random.default_rng(seed)
    net = random_net(rng, "tanh", 3, 2)
    B = net.B
    B[0, 1] = 1e-12
    net = of_neurons(net, net.output_bias, net.output_weights, B)
    move = rng.standard_normal(net.parameter_count)
    moved = net.with_theta(net.theta + size * move / np.linalg.norm(move))
    assert assignment(net, copied(rng, moved)).distance <= size * (1 + 1e-9) + 1e-12


def test_different_functions_are_told_apart_with_a_witness():
    net = random_net(np.random.default_rng(2), "tanh", 3, 2)
    other = net.with_theta(net.theta + 1e-3)
    found = same_function(net, other)
    assert found.verdict is Verdict.FAILS and not found
    assert abs(net(found.witness[None]) - other(found.witness[None]))[0] == pytest.approx(found.difference)


def test_wasteful_nets_are_compared_after_reduction():
    rng = np.random.default_rng(6)
    net = random_net(rng, "logistic", 2, 2)
    wide = of_neurons(net, net.output_bias, np.vstack([net.output_weights, [[0.0]]]), np.vstack([net.B, [1, 2, 3]]))
    assert same_function(net, wide)
    narrow = of_neurons(net, net.output_bias, net.output_weights[:1], net.B[:1])
    assert same_function(net, narrow).verdict is Verdict.FAILS


def test_undecided_where_rounding_hides_the_difference():
    """Parameters differ by more than the tolerance, the functions by less than can be seen."""
    net = of_neurons(blank("tanh", 2, 1), 0.0, [[1.0], [1e-14]], [[0.5, 1.0], [0.1, 2.0]])
    other = of_neurons(blank("tanh", 2, 1), 0.0, [[1.0], [1e-14]], [[0.5, 1.0], [0.1, -3.0]])
    assert same_function(net, other).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("activation", "number"),
    [("tanh", 2**3 * 6), ("logistic", 48), ("gauss", 48), ("softplus", 6), ("gelu", 6), ("sin", None)],
)
def test_number_of_copies(activation, number):
    assert copies(blank(activation, 3, 2)) == number


def test_nets_of_other_kind_are_refused():
    net = blank("tanh", 2, 2)
    for other in (blank("erf", 2, 2), blank("tanh", 2, 3), blank("tanh", 2, 2, 2)):
        with pytest.raises(InputError, match="differ in"):
            same_function(net, other)
    assert assignment(net, blank("tanh", 3, 2)).distance == math.inf
