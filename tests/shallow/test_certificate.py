"""Certificates: golden values, what they must refuse, and every number of theirs against 512-bit truth."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from tests.shallow.nets import G1_THETA, G1_X, G1_Y, G3_THETA, G3_X, G3_Y, blank, random_net
from tests.shallow.traps import KINDS, minimum, trap
from tests.shallow.truth import contradictions
from thalweg.numerics import platform
from thalweg.records import InputError, Quantity, Verdict, from_document, same, to_document
from thalweg.shallow import certificate as module
from thalweg.shallow.balls import ball_bounds
from thalweg.shallow.certificate import certified_inputs, certify, certify_objective
from thalweg.shallow.conclusion import conclude
from thalweg.shallow.derivatives import Objective
from thalweg.shallow.fast_bounds import fast_bounds, scaled
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.refine import refine
from thalweg.shallow.third_derivative import largest_radius


def newton(net, data, steps=6):
    for _ in range(steps):
        _, gradient, H = data.second_order(net)
        net = net.with_theta(net.theta - np.linalg.solve(H, gradient))
    return net


@pytest.fixture(scope="module")
def g3():
    data = Objective(G3_X, G3_Y)
    return newton(blank("tanh", 1, 1).with_theta(G3_THETA), data), data


@pytest.mark.parametrize("method", ["fast", "balls"])
def test_golden_minimum_g3_is_proved(g3, method):
    net, data = g3
    assert data.cost(net) == pytest.approx(0.00778381504072398, rel=1e-12)
    found = certify(net, G3_X, G3_Y, method=method)
    margin = {name: quantity.value for name, quantity in found.margins.items()}
    assert found.verdict is Verdict.HOLDS and found.index == 0
    assert margin["lipschitz"] <= 525 and margin["rho"] >= 9.52e-4
    assert margin["rho"] * margin["lipschitz"] <= 0.5 <= 1.001 * margin["rho"] * margin["lipschitz"]
    assert margin["modulus"] <= 0.0139556591021 and margin["smoothness"] >= 3.7977353286079
    assert contradictions(net, data, found) == []


def test_golden_lipschitz_constant_g3_without_what_is_known_of_the_centre(g3):
    """The specification's own bound, M = 520.29724 at rho = 9.609891e-4; what is used is at most that."""
    sizes = fast_bounds(scaled(*g3)).sizes
    plain = dataclasses.replace(sizes, second=np.inf, central=np.inf)
    assert plain.lipschitz(9.609891e-4) == pytest.approx(520.29724, rel=1e-6)
    assert sizes.lipschitz(9.609891e-4) < 520.29724
    rho, M = largest_radius(plain, 0.5)
    assert rho * M <= 0.5 and (rho, M) == pytest.approx((9.609891e-4, 520.29724), rel=3e-4)


def test_golden_saturation_g5_is_never_certified():
    X, y = np.array([[-2.0], [-1], [0], [1], [2]]), np.array([0.0, 0, 0, 1, 1])
    net = ShallowNet("tanh", 0.5, [0.5], [-20.0], [[40.0]])
    assert Objective(X, y).cost(net) == 0 and not Objective(X, y).gradient(net).any()
    for method in ("fast", "balls"):
        for claim in ("minimum", "critical"):
            found = certify(net, X, y, method=method, claim=claim)
            assert found.verdict is Verdict.UNDECIDED and found.index is None
            assert found.reason.code == "reason.shallow.saturated"


def focal(s):
    """Return the network of G7 and data with a residual of length `s` off its tangent space."""
    X = np.linspace(-2, 2, 9)[:, None]
    net = ShallowNet("tanh", 0.2, [1.5], [-0.3], [[0.8]])
    e = np.sin(3 * X[:, 0]) + 0.3 * X[:, 0] ** 2
    Q = np.linalg.qr(Objective(X, e).jacobian(net))[0]
    normal = e - Q @ (Q.T @ e)
    normal -= Q @ (Q.T @ normal)
    return net, Objective(X, net(X) - s * normal / np.linalg.norm(normal))


@pytest.mark.parametrize(
    ("s", "index"), [(0.0, 0), (1.267391520316262, 0), (2.4, 0), (-1.1, 0), (2.7, 1), (-1.3, 1), (6.0, 1)]
)
def test_golden_focal_points_g7_decide_between_minimum_and_saddle(s, index):
    net, data = focal(s)
    if s == 1.267391520316262:
        expected = [0.06151298, 0.2206329, 1.75189244, 3.69000102]
        assert np.linalg.eigvalsh(data.hessian(net)) == pytest.approx(expected, rel=1e-7)
    for method in ("fast", "balls"):
        point = certify_objective(net, data, method, "critical")
        assert point.verdict is Verdict.HOLDS and point.index == index
        # The ball lies in the ellipsoid, and the eigenvalues between their bounds, for saddles as well.
        margin = {name: quantity.value for name, quantity in point.margins.items()}
        assert margin["radius"] * np.linalg.norm(np.linalg.inv(point.whitening), 2) <= margin["rho"]
        values = np.abs(np.linalg.eigvalsh(data.hessian(net)))
        assert margin["modulus"] <= values.min() and values.max() <= margin["smoothness"]
        strict = certify_objective(net, data, method)
        assert strict.verdict is (Verdict.HOLDS if index == 0 else Verdict.FAILS)


@pytest.mark.parametrize("s", [2.534783040632524, -1.174921678868646])
def test_golden_degenerate_points_of_g7_are_left_undecided(s):
    net, data = focal(s)
    assert np.abs(np.linalg.eigvalsh(data.hessian(net))).min() < 1e-14
    for method in ("fast", "balls"):
        assert certify_objective(net, data, method, "critical").verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("kind", KINDS)
def test_no_trap_is_certified_falsely(kind):
    for seed in range(4):
        net, data, possible = trap(kind, seed)
        for method in ("fast", "balls"):
            found = certify_objective(net, data, method)
            if found.verdict is Verdict.HOLDS:
                assert possible and contradictions(net, data, found) == []


def test_traps_do_not_refuse_everything():
    """Plain minima, weighted ones and those with ridge are mostly proved: the certificate is no constant."""
    proved = 0
    for kind in ("minimum", "weighted", "ridge", "two_outputs"):
        for seed in range(6):
            net, data, _ = trap(kind, seed)
            proved += certify_objective(net, data).verdict is Verdict.HOLDS
    assert proved >= 16


def test_the_truth_contradicts_every_false_number(g3):
    net, data = g3
    found = certify_objective(net, data)
    lies = {"rho": 1e-20, "enclosure": 1e-20, "distance": 1e-20, "modulus": 0.02, "smoothness": 3.7}
    names = {"rho": "ellipsoid"}
    for name, value in lies.items():
        false = dataclasses.replace(found, margins={**found.margins, name: Quantity(value)})
        assert contradictions(net, data, false) == [names.get(name, name)]
    far = net.with_theta(net.theta + 0.01)
    assert "ellipsoid" in contradictions(far, data, found)
    flat = Objective(np.column_stack([G3_X, G3_X]), G3_Y)
    wide = ShallowNet("tanh", net.v0, net.v, net.b, [[net.w[0, 0], 0.0]])
    assert contradictions(wide, flat, found) == ["existence"]


@pytest.mark.parametrize("activation", ["tanh", "logistic"])
def test_error_bounds_hold_what_balls_of_256_bits_find(activation):
    """The bounds of the fast mode are above, and not absurdly above, those of a precision that makes no errors."""
    rng = np.random.default_rng(11)
    for n, d, m, outputs in ((30, 2, 2, 1), (700, 3, 3, 1), (40, 1, 2, 2)):
        net = random_net(rng, activation, m, d, outputs)
        X = rng.normal(size=(n, d)) * [1e-5, 1.0, 1e7][:d]
        net = ShallowNet(activation, net.v0, net.v, net.b, net.w / np.abs(X).max(axis=0))
        data = Objective(X, net(X) + 0.05 * rng.normal(size=(n, outputs)).squeeze(), rng.random(n))
        problem = scaled(net, data)
        fast, sharp = fast_bounds(problem), ball_bounds(problem, 256)
        assert np.array_equal(fast.whitening.signs, sharp.whitening.signs)
        assert sharp.pull <= fast.pull <= sharp.pull * (1 + 1e-3) + 1e-8
        assert fast.sizes.gauss_newton == pytest.approx(sharp.sizes.gauss_newton, rel=1e-3)
        for name in ("tau", "alpha", "v", "first", "residual"):
            ours, theirs = getattr(fast.sizes, name), getattr(sharp.sizes, name)
            assert ours == pytest.approx(theirs, rel=1e-6)


def test_lipschitz_constant_bounds_the_change_of_the_whitened_hessian(g3):
    rng = np.random.default_rng(5)
    for outputs, activation in ((1, "tanh"), (2, "logistic"), (1, "gelu"), (1, "sin")):
        net, data = minimum(rng, n=30, d=2, m=2, outputs=outputs)
        net = ShallowNet(activation, net.v0, net.v, net.b, net.w)
        bounds = ball_bounds(scaled(net, data))
        Li, P = bounds.whitening.Li, net.parameter_count
        for rho in (1e-4, 1e-2, 1.0):
            M = bounds.sizes.lipschitz(rho)
            for _ in range(8):
                start, step = rng.normal(size=(2, P))
                start *= rho * rng.random() / np.linalg.norm(start)
                step *= 1e-4 * rho / np.linalg.norm(step)
                if np.linalg.norm(start + step) > rho:
                    continue
                H = [data.hessian(net.with_theta(net.theta + Li.T @ z)) for z in (start, start + step)]
                change = np.linalg.norm(Li @ (H[1] - H[0]) @ Li.T, 2)
                assert change <= M * np.linalg.norm(step) + 1e-9


def test_powers_of_two_in_the_features_change_nothing():
    rng = np.random.default_rng(6)
    net, data = minimum(rng, n=40, d=2, m=2)
    there = certify_objective(net, data)
    units = np.array([2.0**-300, 2.0**40])
    moved = ShallowNet(net.activation, net.v0, net.v, net.b, net.w / units)
    here = certify_objective(moved, Objective(data.X * units, data.y))
    for name in ("defect", "pull", "lipschitz", "rho", "enclosure"):
        assert here.margins[name].value == there.margins[name].value


@pytest.mark.parametrize("activation", ["erf", "arctan", "gauss", "sin", "softplus", "silu", "gelu"])
def test_other_activations_are_proved_by_balls(activation):
    X = np.linspace(-2, 2, 30)[:, None]
    teacher = ShallowNet(activation, 0.1, [1.3], [0.2], [[1.1]])
    y = teacher(X) + 0.02 * np.cos(7 * X[:, 0])
    net = newton(teacher, Objective(X, y), 8)
    found = certify(net, X, y)
    assert found.verdict is Verdict.HOLDS
    assert found.margins["distance"].value < 1e-9
    assert certify(net.with_theta(net.theta + 0.05), X, y).verdict is not Verdict.HOLDS


@pytest.mark.parametrize("activation", ["exp", "z^2", "z^3"])
def test_flat_families_fail_without_ridge_and_may_hold_with_one(activation):
    X = np.linspace(-1, 1, 20)[:, None]
    net = ShallowNet(activation, 0.1, [0.5], [0.4], [[0.7]])
    y = net(X) + 0.05 * np.sin(9 * X[:, 0])
    assert certify(net, X, y).verdict is Verdict.FAILS
    anchor = net.theta + 0.01
    data = Objective(X, y, None, 1e-2, anchor)
    assert certify_objective(newton(net, data, 12), data).verdict is Verdict.HOLDS


def test_relu_is_not_covered_and_no_neurons_are_the_mean():
    X, y = np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 2.0, 6.0])
    assert certify(ShallowNet("relu", 0.0, [1.0], [0.0], [[1.0]]), X, y).verdict is Verdict.NOT_COVERED
    mean = ShallowNet("tanh", 3.0, [], [], np.zeros((0, 1)))
    found = certify(mean, X, y)
    assert found.verdict is Verdict.HOLDS and found.margins["modulus"].value == pytest.approx(2.0, rel=1e-9)
    assert certify(ShallowNet("tanh", 9.0, [], [], np.zeros((0, 1))), X, y).verdict is Verdict.UNDECIDED


def reason(net, X, y, **options):
    found = certify(net, X, y, **options)
    assert found.verdict is Verdict.UNDECIDED
    return found.reason.code.removeprefix("reason.shallow.")


def test_reasons_name_the_obstacle():
    rng = np.random.default_rng(8)
    net, data = minimum(rng, n=40, d=2, m=2)
    X, y = data.X, data.y
    assert reason(net, X[:4], net(X[:4])) == "rows_missing"
    assert reason(net, np.repeat(X[:5], 6, axis=0), net(np.repeat(X[:5], 6, axis=0))) == "duplicate_rows"
    # Equal rows count once whatever their targets, and rows without weight do not count.
    repeated = np.repeat(X[:5], 6, axis=0)
    noisy = net(repeated) + np.tile([1e-9, -1e-9], 15)
    assert reason(net, repeated, noisy) == "duplicate_rows"
    assert reason(net, X, net(X), weights=np.arange(40) < 5) == "rows_missing"
    wide = ShallowNet(net.activation, net.v0, net.v, net.b, np.hstack([net.w, np.ones((2, 1))]))
    assert reason(wide, np.column_stack([X, np.full(40, 3.0)]), y) == "collinear"
    assert reason(wide, np.column_stack([X, X[:, 0] - X[:, 1]]), y) == "collinear"
    dead = ShallowNet(net.activation, net.v0, net.v * [1, 0], net.b, net.w)
    assert reason(dead, X, dead(X)) == "redundant"
    assert reason(net.with_theta(net.theta + 1e-3), X, y) in ("pull", "not_positive")
    assert reason(ShallowNet("tanh", 2.0**101, net.v, net.b, net.w), X, y) == "sizes"
    lower = random_net(np.random.default_rng(0), "tanh", 2, 2)
    assert reason(lower, X, 5 * np.sin(9 * X[:, 0])) == "not_positive"


def test_a_machine_that_fails_its_self_test_certifies_nothing(g3, monkeypatch):
    net, data = g3
    monkeypatch.setattr(module, "unsound_arithmetic", lambda: (platform.PRODUCTS,))
    assert certify_objective(net, data).reason.code == "reason.shallow.platform"
    monkeypatch.setattr(module, "unsound_arithmetic", lambda: (platform.FUNCTIONS,))
    monkeypatch.setattr(module, "fast_bounds", None)  # must not be called
    assert certify_objective(net, data).verdict is Verdict.HOLDS


def test_bounds_that_are_not_finite_prove_nothing(g3):
    bounds = fast_bounds(scaled(*g3))
    for change in ({"defect": np.nan}, {"defect": 1.0}, {"pull": np.nan}, {"pull": np.inf}):
        assert not conclude(dataclasses.replace(bounds, **change)).is_proved
    for name in ("second", "central"):
        broken = dataclasses.replace(bounds.sizes, **{name: np.nan})
        assert not conclude(dataclasses.replace(bounds, sizes=broken)).is_proved
    for name in ("tau", "alpha", "residual", "first", "v"):
        value = getattr(bounds.sizes, name).copy()
        value.flat[0] = np.nan
        broken = dataclasses.replace(bounds.sizes, **{name: value})
        assert not conclude(dataclasses.replace(bounds, sizes=broken)).is_proved


def test_conclusions_are_exact_at_their_boundary(g3):
    """The largest gradient that the second inequality admits, found in rational numbers, is admitted, and no more."""
    bounds = fast_bounds(scaled(*g3))
    here = conclude(bounds)
    eps, rho, M = (Fraction(value) for value in (here.defect, here.rho, here.lipschitz))
    limit = rho * (1 - eps - M * rho / 2)
    below = float(limit)
    while not Fraction(below) < limit:
        below = np.nextafter(below, 0)
    assert conclude(dataclasses.replace(bounds, pull=float(below))).is_proved
    assert not conclude(dataclasses.replace(bounds, pull=float(np.nextafter(below, 1)))).is_proved


def test_certificates_are_bound_to_every_bit_and_survive_their_file(g3):
    net, data = g3
    found = certify_objective(net, data)
    inputs = certified_inputs(net, data)
    assert found.applies_to(inputs) is Verdict.HOLDS
    for name, value in inputs.items():
        other = value.copy()
        other.flat[0] = other.flat[0] + 1 if value.dtype.kind == "u" else np.nextafter(other.flat[0], 9)
        assert found.applies_to({**inputs, name: other}) is Verdict.UNDECIDED
    arrays = {}
    again = from_document(to_document(found, arrays), arrays)
    assert same(again, found) and again.whitening is None
    assert "<Certificate shallow: holds" in repr(found)


@pytest.mark.parametrize(("name", "value"), [("method", "fast"), ("passes", 0), ("batch", 0), ("seed", -1)])
def test_refinement_refuses_options_out_of_range(g3, name, value):
    with pytest.raises(InputError, match=f"{name} = "):
        refine(g3[0], G3_X, G3_Y, **{"method": "average", name: value})


@pytest.mark.parametrize(("name", "value"), [("method", "slow"), ("claim", "maximum")])
def test_unknown_options_are_refused(g3, name, value):
    with pytest.raises(InputError) as caught:
        certify(g3[0], G3_X, G3_Y, **{name: value})
    assert caught.value.code == "option_range"


def test_refined_networks_are_certified_where_the_given_ones_are_not(g3):
    net, data = g3
    single = net.with_theta(net.theta.astype(np.float32).astype(float) * (1 + 1e-3))
    before = certify(single, data.X, data.y)
    after = refine(single, data.X, data.y)
    assert before.verdict is Verdict.UNDECIDED and after.certificate.verdict is Verdict.HOLDS
    assert after.loss_after < after.loss_before and after.moved == np.linalg.norm(after.net.theta - single.theta)
    assert refine(after.net, data.X, data.y).moved <= 1e-15
    # The floats nearest to the minimum, known from balls: half a unit in the last place of each parameter.
    sharp = certify(after.net, data.X, data.y, method="balls")
    assert sharp.margins["distance"].value <= 1e-14


def test_networks_of_extreme_size_are_refined_or_left_but_never_break():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2)) * [1.0, 2.0**-530]
    net = ShallowNet("tanh", 0.0, [1.0, 0.5], [0.1, -0.3], rng.normal(size=(2, 2)) * [1.0, 2.0**100])
    found = refine(net, X, np.sin(X[:, 0]))
    assert found.loss_after <= found.loss_before and np.isfinite(found.net.theta).all()


def test_averaging_comes_nearer_than_its_last_step_would():
    rng = np.random.default_rng(13)
    net, data = minimum(rng, n=300, d=1, m=1, noise=0.3)
    start = net.with_theta(net.theta + 0.05 * rng.normal(size=4))
    found = refine(start, data.X, data.y, "average", passes=60, seed=3)
    best = data.cost(net)
    assert found.loss_after - best < 0.1 * (found.loss_before - best)
    again = refine(start, data.X, data.y, "average", passes=60, seed=3)
    assert np.array_equal(found.net.theta, again.net.theta)


def test_outcomes_of_g1_are_no_critical_point():
    found = certify(blank("tanh", 2, 1).with_theta(G1_THETA), G1_X, G1_Y, claim="critical")
    assert found.verdict is Verdict.UNDECIDED and found.reason.code != "reason.shallow.saturated"
