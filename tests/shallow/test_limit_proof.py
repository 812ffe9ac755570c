"""Proofs of limits at infinity: what they bound, when they hold, and when they must not."""

import dataclasses

import numpy as np
import pytest
from flint import arb, arb_mat, ctx

from tests.shallow.landscapes import teacher
from thalweg.numerics.whitening import whiten
from thalweg.records import InputError, Verdict
from thalweg.shallow import Objective, find_minima
from thalweg.shallow.balls import middles
from thalweg.shallow.batched import Layout
from thalweg.shallow.catalogue import LimitPoint
from thalweg.shallow.closure import merged
from thalweg.shallow.escape import ClosestPairs
from thalweg.shallow.limit_proof import _Closure, certify_limit, prove_limit
from thalweg.shallow.minima import _limit
from thalweg.shallow.multistart import draw_starts
from thalweg.shallow.scaling import scaled

DATA = teacher(3, 2, 100, 1)


@pytest.fixture(scope="module")
def found():
    return find_minima(*DATA, 3, starts=12)


@pytest.fixture(scope="module")
def closures():
    """All limits of merging the first two neurons of random networks, approached or not."""
    problem = scaled(Objective(*DATA), 3, "tanh")
    theta = draw_starts(problem, 30, 5)
    pairs = ClosestPairs(*(np.full(30, k) for k in (0, 1)), np.zeros(30, dtype=bool), np.full(30, 0.1))
    return problem, [limit for limit in merged(problem.cost, theta, pairs, problem.noise) if np.isfinite(limit.drift)]


def merging(found):
    return next(i for i, limit in enumerate(found.limits) if limit.kind == "merging")


def test_the_limit_of_merging_starts_is_proved(found):
    i = merging(found)
    proof = found.limits[i].certificate
    assert proof.verdict is Verdict.HOLDS and certify_limit(found, i, *DATA).verdict is Verdict.HOLDS
    low, high = proof.margins["low"].value, proof.margins["high"].value
    assert low <= found.limits[i].loss * (1 + 1e-14) and high >= found.limits[i].loss * (1 - 1e-14)
    assert high - low < 1e-12 * high
    assert proof.margins["drift_low"].value <= found.limits[i].drift <= proof.margins["drift_high"].value
    assert proof.applies_to({"X": DATA[0]}) is Verdict.UNDECIDED


def test_nothing_holds_away_from_the_limit_or_for_other_data(found):
    limit = found.limits[merging(found)]
    moved = dataclasses.replace(limit, parameters=limit.parameters + 0.01)
    assert prove_limit(moved, Objective(*DATA), "tanh").verdict is Verdict.UNDECIDED
    assert prove_limit(limit, Objective(DATA[0], 1.01 * DATA[1]), "tanh").verdict is Verdict.UNDECIDED
    assert prove_limit(limit, Objective(*DATA), "logistic").verdict is Verdict.UNDECIDED


def test_limits_that_networks_leave_are_refuted(closures):
    problem, limits = closures
    verdicts = set()
    for limit in limits:
        if limit.smallest > 1e-9 * limit.largest:
            proof = prove_limit(_limit(problem, limit, 1), problem.objective, "tanh")
            assert proof.verdict in (Verdict.UNDECIDED, Verdict.HOLDS if limit.drift > 0 else Verdict.FAILS)
            verdicts.add(proof.verdict)
    assert Verdict.FAILS in verdicts


def test_derivatives_in_balls_are_those_of_the_batched_kernel(closures):
    problem, limits = closures
    point = _limit(problem, limits[0], 1)
    theta = point.parameters + 0.1 * np.random.default_rng(0).standard_normal(point.parameters.size)
    factor = theta * 0 + point.parameters / np.where(limits[0].theta != 0, limits[0].theta, 1.0)
    with ctx.workprec(128):
        closure = _Closure(
            problem.objective, "tanh", Layout(2, 2, 1, 0, 1), dataclasses.replace(point, parameters=theta)
        )
        jacobian = arb_mat(closure._jacobian())
        weighted = arb_mat([[w * e for e in row] for w, row in zip(closure.w, jacobian.tolist(), strict=True)])
        H = middles(closure._with_curvature(jacobian.transpose() * weighted))
        gradient = middles(weighted.transpose() * arb_mat([[r] for r in closure.residual]))[:, 0]
        loss = float(closure.loss)
    g, exact = limits[0].cost.derivatives((theta / factor)[None])
    unit = problem.unit
    assert loss == pytest.approx(limits[0].cost.loss((theta / factor)[None])[0] * unit**2, rel=1e-12)
    np.testing.assert_allclose(gradient, g[0] * unit**2 / factor, atol=1e-12 * np.abs(gradient).max())
    np.testing.assert_allclose(H, exact[0] * unit**2 / np.outer(factor, factor), atol=1e-12 * np.abs(H).max())


def test_the_lipschitz_bound_is_one(closures):
    problem, limits = closures
    limit = min(limits, key=lambda each: each.loss)
    point = _limit(problem, limit, 1)
    factor = point.parameters / limit.theta
    rng = np.random.default_rng(1)

    def hessian(theta):
        return limit.cost.derivatives((theta / factor)[None])[1][0] * problem.unit**2 / np.outer(factor, factor)

    with ctx.workprec(128):
        closure = _Closure(problem.objective, "tanh", Layout(2, 2, 1, 0, 1), point)
        centre = hessian(point.parameters)
        Li = whiten(centre).Li
        sizes = closure._sizes(Li, middles(arb_mat(closure._jacobian())), float(len(Li)))
    for rho in (1e-3, 1e-2, 1e-1):
        M = sizes.lipschitz(rho)
        for _ in range(40):
            z = rng.standard_normal(len(Li))
            z *= rho * rng.random() / np.linalg.norm(z)
            change = np.linalg.norm(Li @ (hessian(point.parameters + Li.T @ z) - centre) @ Li.T, 2)
            assert change <= M * np.linalg.norm(z)


def test_the_drift_is_enclosed(closures):
    problem, limits = closures
    point = _limit(problem, limits[0], 1)
    with ctx.workprec(128):
        closure = _Closure(problem.objective, "tanh", Layout(2, 2, 1, 0, 1), point)
        assert closure.drift(1e-6).contains(arb(point.drift)) and closure.drift(1e-12).contains(arb(point.drift))


def test_names_what_is_no_merging_limit(found):
    with pytest.raises(InputError, match="no number"):
        certify_limit(found, 99, *DATA)
    step = LimitPoint("saturation", 0.1, 1, 1.0, 1.0, 1.0, 0.0, True, np.zeros(3))
    with pytest.raises(InputError, match="saturation"):
        certify_limit(dataclasses.replace(found, limits=(step,)), 0, *DATA)
