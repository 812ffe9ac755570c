"""Certificates of models made elsewhere: as they are, polished, reduced, scaled, or not covered."""

import numpy as np
import pytest
from scipy.optimize import least_squares

import thalweg as tw
from thalweg.interop import ForeignModel, Layer, check, facts, outside_theorem, shallow_net
from thalweg.interop.check import weight_penalties
from thalweg.records import InputError, Verdict
from thalweg.shallow import Objective, ShallowNet

RNG = np.random.default_rng(4)
X = RNG.standard_normal((120, 2))
Y = np.tanh(X @ [1.0, 0.4] + 0.2) - 0.7 * np.tanh(X @ [-0.5, 1.1]) + 0.1 * RNG.standard_normal(120)
TEMPLATE = ShallowNet("tanh", 0.0, np.ones(2), np.zeros(2), np.array([[1.0, 0.4], [-0.5, 1.1]]))


def trained(X=X, Y=Y):
    """A net at a minimum, found by SciPy alone."""
    found = least_squares(lambda theta: TEMPLATE.with_theta(theta)(X) - Y, TEMPLATE.theta, xtol=1e-15, ftol=1e-15)
    return TEMPLATE.with_theta(found.x)


NET = trained()
PAIRS = [(NET.w, NET.b), (NET.v[None], np.array([NET.v0]))]
ARRAYS = {"activation": "tanh", "layout": "out_in"}


def test_the_public_verb_takes_models_of_all_kinds():
    problem = tw.read(X, Y)
    one, other = tw.certify(NET, problem), tw.certify(PAIRS, problem, **ARRAYS)
    assert one.verdict is other.verdict is Verdict.HOLDS and one.digest == other.digest
    assert tw.certify(NET, tw.read(X, Y[::-1])).verdict is not Verdict.HOLDS
    assert tw.certify(NET, problem, method="balls").verdict is Verdict.HOLDS
    with pytest.raises(InputError, match="slow"):
        tw.certify(NET, problem, method="slow")
    with pytest.raises(InputError, match="not a model"):
        tw.certify(3.5, problem)


def test_a_fit_holds_its_own_options():
    problem = tw.read(X, Y)
    fit = tw.train(problem, "diagonal")
    assert tw.certify(fit, problem).verdict is Verdict.HOLDS
    with pytest.raises(InputError, match="method"):
        tw.certify(fit, problem, method="balls")


def test_a_model_on_its_way_is_not_certified_but_polished():
    moved = NET.with_theta(NET.theta + 0.05)
    as_it_is, polished = check(moved, X, Y, polish=False), check(moved, X, Y)
    assert as_it_is.certificate.verdict is Verdict.UNDECIDED and as_it_is.refined is None
    assert polished.certificate.verdict is Verdict.HOLDS
    assert np.abs(polished.refined.net.theta - NET.theta).max() < 1e-6
    assert polished.error == pytest.approx(np.mean((moved(X) - Y) ** 2))
    assert polished.explained == pytest.approx(1 - polished.error / Y.var())


def test_narrow_weights_are_always_polished():
    narrow = [(W.astype(np.float32), b.astype(np.float32)) for W, b in PAIRS]
    found = check(narrow, X, Y, polish=False, **ARRAYS)
    assert found.refined is not None and found.certificate is found.refined.certificate
    assert found.certificate.verdict is Verdict.HOLDS


def test_a_redundant_model_is_reduced_before_it_is_polished():
    share = np.array([[0.5, 0.0], [0.0, 1.0], [0.5, 0.0]])
    wide = ShallowNet("tanh", NET.v0, share @ NET.v, NET.b[[0, 1, 0]], NET.w[[0, 1, 0]])
    found = check(wide, X, Y)
    assert found.classification.verdict == "redundant" and found.reduction.net.width == 2
    assert found.refined.net.width == 2 and found.certificate.verdict is Verdict.HOLDS
    assert check(wide, X, Y, polish=False).certificate.verdict is not Verdict.HOLDS
    assert "No net with fewer neurons" in str(found) and "the smaller one polished" in str(found)
    kinds = {(d["kind"], d["reason"]) for d in facts(found)["classification"]["null_directions"]}
    assert kinds == {("flat", "equal"), ("splitting", "equal")}


def test_penalties_of_weights_or_of_everything():
    for ridge in (0.01, np.full(NET.parameter_count, 0.01)):
        found = check(NET, X, Y, ridge=ridge)
        penalties = weight_penalties(NET, 0.01) if np.ndim(ridge) == 0 else ridge
        assert found.certificate.verdict is Verdict.HOLDS and found.refined.moved > 1e-3
        assert np.linalg.norm(Objective(X, Y, ridge=penalties).gradient(found.refined.net)) < 1e-14
    for wrong in (-0.1, np.nan, np.ones(3)):
        with pytest.raises(InputError):
            check(NET, X, Y, ridge=wrong)


@pytest.mark.parametrize("scale", ["features", "all"])
def test_scaling_is_that_of_scikit_learn(scale):
    from sklearn.preprocessing import StandardScaler

    raw, target = X * [50.0, 0.01] + [300.0, -2.0], 8 * Y + 5
    Z = StandardScaler().fit_transform(raw)
    t = StandardScaler().fit_transform(target[:, None])[:, 0] if scale == "all" else target
    net = trained(Z, t)
    found = check(net, raw, target, scale=scale, polish=False)
    assert found.certificate.verdict is Verdict.HOLDS
    assert found.error == pytest.approx(np.mean((net(Z) - t) ** 2), rel=1e-9)
    unscaled = check(net, raw, target, polish=False)
    assert unscaled.certificate.verdict is not Verdict.HOLDS and "no better than the mean" in str(unscaled)
    with pytest.raises(InputError, match="scale"):
        check(net, raw, target, scale="rows")


def relu(extra=()):
    hidden = Layer("hidden", np.array([[1.0, 0.2], [0.3, 1.0]]), np.array([0.1, -0.2]))
    output = Layer("output", np.array([[1.0, -0.5]]), np.array([0.2]))
    return ForeignModel("arrays", (hidden, *extra, output), ("relu",) * (1 + len(extra)))


@pytest.mark.parametrize("extra", [(), (Layer("middle", np.eye(2), np.zeros(2)),)])
def test_outside_the_theorem_nothing_is_certified(extra):
    found = check(relu(extra), X, Y)
    assert found.certificate.verdict is Verdict.NOT_COVERED and found.outside is not None
    assert tw.certify(relu(extra), tw.read(X, Y)).verdict is Verdict.NOT_COVERED
    document = facts(found)
    assert document["classification"] is None and document["outside"]["dead"] == 0


def test_the_ridge_counts_outside_the_theorem_too():
    net, data = shallow_net(relu()), Objective(X, Y)
    penalties = weight_penalties(net, 0.3)
    found = outside_theorem(relu(), X, Y, ridge=0.3)
    assert found.loss == pytest.approx(data.cost(net) + penalties @ net.theta**2)
    wanted = np.linalg.eigvalsh(data.hessian(net) + 2 * np.diag(penalties))
    assert found.eigenvalues == pytest.approx(wanted, abs=1e-12)
    slope = data.gradient(net) + 2 * penalties * net.theta
    assert found.gradient_norm == pytest.approx(np.linalg.norm(slope)) and found.flat_directions == 0


def test_constant_targets_explain_nothing():
    found = check(NET, X, np.full(120, 2.0), polish=False)
    assert np.isnan(found.explained) and facts(found)["explained"] == "NaN"
