"""Efficient, near-redundant, redundant: distances, ranks (golden G1, G6) and explained null directions."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shallow.nets import ANALYTIC, G1_THETA, blank, of_neurons, random_net
from thalweg.records import InputError
from thalweg.shallow import Objective, ShallowNet, classify, redundant_set

A, B = [0.3, 1.0, -0.5], [-0.2, 0.4, 0.9]
MIRRORED = [-0.3, -1.0, 0.5]
POINTS = np.random.default_rng(5).standard_normal((200, 2))


def net_of(activation, rows, outputs=1, seed=0):
    V = np.random.default_rng(seed).standard_normal((len(rows), outputs))
    return of_neurons(blank(activation, 1, 2, outputs), np.full(outputs, 0.2), V, rows)


def test_distances_of_the_golden_net():
    net = blank("tanh", 2, 1).with_theta(G1_THETA)
    pieces = {(p.kind, p.neurons): p.distance for p in redundant_set(net).pieces}
    assert pieces["output", (0,)] == 0.5
    assert pieces["input", (1,)] == 0.6
    assert pieces["equal", (0, 1)] == pytest.approx(0.5099019513592785, rel=1e-15)
    found = classify(net)
    assert found.distance == 0.5 and found.verdict == "efficient"
    assert (found.reasons[0].kind, found.reasons[0].neurons) == ("output", (0,))
    assert redundant_set(net).dimension == net.parameter_count - 1


@pytest.mark.parametrize(
    ("activation", "rows", "rank", "of"),
    [
        ("tanh", [A, B], 9, 9),
        ("tanh", [A, MIRRORED], 5, 9),
        ("softplus", [A, MIRRORED], 7, 9),
        ("sin", [A, [0.9, 1.0, -0.5]], 7, 9),
        ("tanh", [A, [0.9, 1.0, -0.5]], 9, 9),
        ("exp", [A], 4, 5),
        ("z^2", [A], 4, 5),
    ],
)
def test_ranks_of_the_first_order_set(activation, rows, rank, of):
    net = net_of(activation, rows)
    found = classify(net, POINTS)
    assert (net.parameter_count - len(found.null_directions), net.parameter_count) == (rank, of)
    assert found.regular == (rank == of)


def test_several_mirrored_pairs_of_softplus_neurons():
    """The rank falls by 2 + (q - 1)(d + 2) for q pairs."""
    found = classify(net_of("gelu", [A, MIRRORED, B, [-b for b in B]]), POINTS)
    assert Counter(d.reason for d in found.null_directions) == {"mirrored_affine": 2 + 4}
    assert found.mirrored_pairs == ((0, 1), (2, 3))


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("activation", ["tanh", "logistic", "gauss", "sin", "exp", "softplus"])
def test_null_directions_are_explained_and_orthonormal(activation, outputs):
    """A neuron without output (d + 1), a constant one (K + 1), equal ones (K flat, splitting where v is parallel)."""
    rows = [A, A, [0.4, 0, 0], B]
    net = net_of(activation, rows, outputs)
    V = net.output_weights.copy()
    V[3], V[1] = 0, 2 * V[0]
    net = of_neurons(net, net.output_bias, V, rows)
    found = classify(net, POINTS)
    counts = Counter((d.kind, d.reason) for d in found.null_directions)
    assert counts["flat", "no_output"] == 3
    assert counts["flat", "constant"] == outputs + 1
    assert counts["flat", "equal"] == outputs
    assert counts["splitting", "equal"] == 3 - (activation == "exp")
    assert counts["first_order", "unexplained"] == 0
    N = np.array([d.direction for d in found.null_directions])
    assert np.allclose(N @ N.T, np.eye(len(N)), atol=1e-12)
    jacobian = Objective(POINTS, net(POINTS)).jacobian(net).reshape(-1, net.parameter_count)
    assert np.abs(jacobian @ N.T).max() < 1e-9 * np.abs(jacobian).max()
    scale = np.linalg.norm(jacobian, axis=0)
    values = np.linalg.svd(jacobian / np.where(scale > 0, scale, 1), compute_uv=False)
    zeros = int(np.sum(values < 1e-12 * values[0])) + net.parameter_count - values.size
    assert len(N) == zeros
    assert found.verdict == "redundant" and found.distance == 0


@settings(max_examples=12)
@given(st.integers(0, 10**6), st.sampled_from(["no_output", "constant", "equal"]), st.integers(1, 2))
def test_flat_directions_are_flat(seed, reason, outputs):
    """Theorem T5: along the curve of each the function stays; here to second order along the direction itself."""
    rng = np.random.default_rng(seed)
    net = random_net(rng, "tanh", 3, 2, outputs)
    V, H = net.output_weights.copy(), net.B
    if reason == "no_output":
        V[1] = 0
    elif reason == "constant":
        H[1, 1:] = 0
    else:
        H[1] = -H[0]
    net = of_neurons(net, net.output_bias, V, H)
    found = [d for d in classify(net, POINTS).null_directions if d.kind == "flat" and d.reason == reason]
    assert len(found) == {"no_output": 3, "constant": outputs + 1, "equal": outputs}[reason]
    y = net(POINTS) + rng.standard_normal(net(POINTS).shape)
    data = Objective(POINTS, y)
    if reason == "constant":
        return  # its curve is not straight: the identity below holds for the straight ones
    for d in found:
        for t in (-0.5, 2.0):
            moved = net.with_theta(net.theta + t * d.direction)
            assert data.cost(moved) == pytest.approx(data.cost(net), rel=1e-10)


def test_a_constant_neuron_moves_along_a_curve():
    """v0 + v psi(b) stays: the two-dimensional family of theorem T5."""
    net = of_neurons(blank("tanh", 1, 2), 0.3, [[0.7]], [[0.5, 0, 0]])
    for b, v in ((1.5, 0.7), (-0.2, 3.0)):
        v0 = 0.3 + 0.7 * np.tanh(0.5) - v * np.tanh(b)
        assert np.allclose(of_neurons(net, v0, [[v]], [[b, 0, 0]])(POINTS), net(POINTS), atol=1e-15)


@given(st.integers(0, 10**6), st.sampled_from(ANALYTIC), st.integers(1, 3))
def test_the_distance_is_reached_by_no_nearer_redundant_net(seed, activation, outputs):
    """Moving to the nearest piece costs exactly its distance and makes the distance zero."""
    rng = np.random.default_rng(seed)
    net = random_net(rng, activation, 3, 2, outputs)
    nearest = redundant_set(net).pieces[0]
    V, H = net.output_weights.copy(), net.B
    if nearest.kind == "output":
        V[nearest.neurons[0]] = 0
    elif nearest.kind == "input":
        H[nearest.neurons[0], 1:] = 0
    elif activation not in ("sin", "exp"):
        i, j = nearest.neurons
        sign = 1.0 if nearest.kind == "equal" else -1.0
        middle = (H[i] + sign * H[j]) / 2
        H[i], H[j] = middle, sign * middle
    else:
        return  # pieces of equal slope are tested below
    moved = of_neurons(net, net.output_bias, V, H)
    assert np.linalg.norm(moved.theta - net.theta) == pytest.approx(nearest.distance, rel=1e-12)
    assert redundant_set(moved).distance == 0


@pytest.mark.parametrize("activation", ["sin", "exp"])
def test_neurons_of_equal_slope(activation):
    net = net_of(activation, [A, [0.9, 1.0, -0.5]])
    assert redundant_set(net).distance == 0
    several = net_of(activation, [A, [0.9, 1.0, -0.5]], outputs=2)
    assert (redundant_set(several).distance == 0) == (activation == "exp")


def test_tiny_differences_are_not_zero():
    """Squares of 1e-200 vanish; the distance must not."""
    net = of_neurons(blank("tanh", 2, 1), 0.0, [[1.0], [1e-200]], [[0.5, 1.0], [0.5, 2.0]])
    found = classify(net)
    assert found.distance == 1e-200 and found.verdict == "near_redundant"


def test_waste_against_refits_by_brute_force():
    rng = np.random.default_rng(2)
    net = random_net(rng, "tanh", 3, 2)
    y, w = np.sin(POINTS[:, 0]) + 0.1 * rng.standard_normal(200), rng.random(200)
    found = classify(net, POINTS, y, weights=w)
    design = np.column_stack([np.ones(200), np.tanh(POINTS @ net.w.T + net.b)])

    def loss(columns):
        root = np.sqrt(w / w.sum())[:, None]
        fit = np.linalg.lstsq(root * design[:, columns], root[:, 0] * y, rcond=None)[0]
        return np.sum(w / w.sum() * (design[:, columns] @ fit - y) ** 2)

    full = loss([0, 1, 2, 3])
    expected = [loss([c for c in range(4) if c != j + 1]) / full - 1 for j in range(3)]
    assert found.waste_is_relative and np.allclose(found.waste, expected, rtol=1e-8)


def test_waste_at_perfect_fit_is_absolute():
    net = net_of("tanh", [A, B, A])
    found = classify(net, POINTS)
    assert not found.waste_is_relative
    assert found.waste[0] < 1e-25 and found.waste[2] < 1e-25 < found.waste[1]


def test_too_few_rows_and_dependent_features_are_named():
    net = net_of("tanh", [A, B])
    few = classify(net, np.vstack([POINTS[:4], POINTS[:4]]))
    assert few.missing_rows == 5 and few.regular is False and few.sigma == 0
    assert "5 more distinct rows" in str(few)
    collinear = classify(net, np.column_stack([POINTS[:, 0], 2 * POINTS[:, 0] + 1]))
    assert collinear.input_rank == 2 and collinear.regular is False
    assert sum(d.reason == "collinear" for d in collinear.null_directions) == 2
    constant = classify(net, np.column_stack([POINTS[:, 0], np.full(200, 3.0)]))
    assert constant.input_rank == 2 and sum(d.reason == "collinear" for d in constant.null_directions) == 2


def test_a_net_without_neurons():
    net = ShallowNet("tanh", 0.5, np.zeros(0), np.zeros(0), np.zeros((0, 2)))
    found = classify(net, POINTS)
    assert found.verdict == "efficient" and found.distance == np.inf and found.regular
    assert found.redundant_set.dimension is None and found.waste.size == 0 and "constant" in str(found)


def test_coverage_is_said():
    assert "outside the theorem" in str(classify(net_of("relu", [A, B])))
    assert "does not cover" in str(classify(net_of("erf", [A, B])))
    assert classify(net_of("exp", [A, B]), POINTS).regular is False


def test_neurons_on_small_arguments_are_not_regular_in_floating_point():
    net = of_neurons(blank("tanh", 2, 1), 0.0, [[1.0], [1.0]], [[0.01, 0.02], [-0.02, 0.03]])
    found = classify(net, np.linspace(-1, 1, 50)[:, None])
    assert found.distance > 0.01 and found.regular is False and found.verdict == "near_redundant"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"X": [[np.nan, 1.0]]}, "array_not_finite"),
        ({"X": np.zeros((3, 3))}, "net_features"),
        ({"tolerance": -1.0}, "option_range"),
        ({"X": POINTS, "y": np.zeros(3)}, "rows_differ"),
    ],
)
def test_bad_input_is_named(arguments, code):
    with pytest.raises(InputError) as caught:
        classify(net_of("tanh", [A, B]), **arguments)
    assert caught.value.code == code
