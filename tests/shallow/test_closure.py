"""Limits at infinity: pairs tend to them as the theory says, and runs that stall are on their way to them."""

import numpy as np
import pytest

from tests.shallow.landscapes import STEP, STEP_Y, teacher
from thalweg.shallow.closure import is_approached, merged, stepped
from thalweg.shallow.derivatives import Objective
from thalweg.shallow.ends import MERGING, REST, TAIL
from thalweg.shallow.escape import closest_pairs, saturated
from thalweg.shallow.minima import find_minima
from thalweg.shallow.multistart import draw_starts, run_descents
from thalweg.shallow.scaling import scaled
from thalweg.shallow.tails import tail_neurons
from thalweg.shallow.trust_region import trust_region


@pytest.fixture(scope="module")
def merging():
    """Descents of a problem with merging starts, and its limits."""
    problem = scaled(Objective(*teacher(3, 2, 100, 1)), 3, "tanh")
    found = run_descents(problem, draw_starts(problem, 12, 0))
    limits = [limit for limit in found.limits if limit.kind == "merging"]
    assert len(limits) >= 3
    return problem, found, limits


def approaching_pair(limit, e):
    """Return the parameters of the pair network at distance `e` of a merging limit, pair first (specification, 4)."""
    v0, _, v, p, B = limit.cost.layout.split(limit.theta[None])
    outer = np.concatenate([[v[0, 0, 0] / 2 + 0.5 / e, v[0, 0, 0] / 2 - 0.5 / e], v[0, 1:, 0]])
    inner = np.concatenate([[B[0, 0] + e * p[0, 0], B[0, 0] - e * p[0, 0]], B[0, 1:]])
    return np.concatenate([v0[0], outer, inner.ravel()])


def test_pairs_tend_to_the_limit_as_the_drift_says(merging):
    problem, _, limits = merging
    for limit in limits:
        assert limit.attracts and limit.gradient < 1e-12 and limit.smallest > 0
        for e in (1e-2, 1e-3, 1e-4):
            rise = problem.cost.loss(approaching_pair(limit, e)[None])[0] - limit.loss
            # Rounding: the weights of the pair are 1/e, so differences of e^-1 eps are left.
            assert rise == pytest.approx(limit.drift * e**2, rel=0.1, abs=4e-15 / e)


def test_stalled_runs_are_above_their_limit_and_keep_falling_towards_it(merging):
    problem, found, _ = merging
    for k in np.flatnonzero(found.state == MERGING)[:3]:
        limit = found.limits[found.limit[k]]
        assert found.loss[k] > limit.loss
        on = trust_region(problem.cost, found.theta[k : k + 1], limit=150, noise=problem.noise)
        assert limit.loss < on.loss[0] < found.loss[k]
        assert on.loss[0] - limit.loss < 0.2 * (found.loss[k] - limit.loss)
        apart = [closest_pairs(problem.cost.layout, t[None], "odd").distance[0] for t in (found.theta[k], on.theta[0])]
        assert apart[1] < 0.5 * apart[0]


def test_the_closure_of_a_pair_far_from_merging_is_not_mistaken_for_its_limit(merging):
    problem, found, _ = merging
    k = int(np.flatnonzero(found.state == REST)[0])
    pairs = closest_pairs(problem.cost.layout, found.theta[k : k + 1], "odd")
    pairs.distance[:] = 1.0
    (limit,) = merged(problem.cost, found.theta[k : k + 1], pairs, problem.noise)
    assert not is_approached(problem.cost, found.theta[k], float(found.loss[k]), pairs, 0, limit)


def test_golden_value_g5_saturates_and_is_never_certified():
    catalogue = find_minima(STEP, STEP_Y, 1, starts=8)
    assert catalogue.share("saturation") > 0.5
    problem = scaled(Objective(STEP, STEP_Y), 1, "tanh")
    at = (np.array([0.5, 0.5, -20, 40]) / problem.factor)[None]
    assert saturated(problem.cost, at).all()
    limit = stepped(problem.cost, at[0], problem.noise)
    assert limit is not None and limit.loss == pytest.approx(0, abs=1e-30)
    for i, point in enumerate(catalogue.points):
        assert not (catalogue.is_certified(i) and point.loss < 1e-6)


def test_a_row_in_transition_is_fitted_exactly_at_the_limit():
    x = np.array([-2.0, -1, 0, 1, 2])[:, None]
    y = np.array([-1.0, -1, 0.3, 1, 1])
    problem = scaled(Objective(x, y), 1, "tanh")
    theta = np.array([0, 1, np.arctanh(0.3), 60.0])  # the step passes through the middle row
    limit = stepped(problem.cost, theta / problem.factor, problem.noise)
    assert limit is not None and limit.loss == pytest.approx(0, abs=1e-30) and limit.cost.weights[2] == 0
    out_of_reach = scaled(Objective(x, np.array([-1.0, -1, 3.0, 1, 1])), 1, "tanh")
    assert stepped(out_of_reach.cost, theta / out_of_reach.factor, out_of_reach.noise) is None


def test_pairs_are_found_in_mirror_images_and_only_if_they_cancel():
    problem = scaled(Objective(*teacher(2, 1, 30, 0)), 2, "tanh")
    layout = problem.cost.layout
    near = np.array([[0, 5.0, 4.9, 1, 1, -1.01, -1.01], [0, 5.0, -4.9, 1, 1, -1.01, -1.01]])
    pairs = closest_pairs(layout, near, "odd")
    assert pairs.distance[0] == pytest.approx(0.01 * np.sqrt(2)) and pairs.mirrored[0]
    assert pairs.distance[1] == np.inf or not pairs.mirrored[1]
    assert closest_pairs(layout, near, "softplus").distance[0] == np.inf


@pytest.fixture(scope="module")
def retired():
    """Descents of a problem in which a neuron becomes an exponential."""
    problem = scaled(Objective(*teacher(2, 2, 80, 1)), 2, "tanh")
    found = run_descents(problem, draw_starts(problem, 8, 0))
    return problem, found, np.flatnonzero(found.state == TAIL)


class TestTails:
    def test_are_found_and_share_one_limit(self, retired):
        _, found, which = retired
        limits = [found.limits[k] for k in found.limit[which]]
        assert len(limits) >= 4 and all(limit.attracts for limit in limits)
        assert np.ptp([limit.loss for limit in limits]) < 1e-12

    def test_networks_tend_to_the_limit_as_the_drift_says(self, retired):
        problem, found, which = retired
        limit = found.limits[found.limit[which[0]]]
        v0, _, v, _, B = (part[0] for part in limit.cost.layout.split(limit.theta[None]))
        remainders = []
        for bias in (4.0, 4.5, 5.0):
            u = np.exp(-2 * bias)
            outer = -v[0, 0] / (2 * u)
            theta = np.concatenate([v0 - outer, [outer], v[1:, 0], [bias], B[0, 1:], B[1:].ravel()])
            rise = problem.cost.loss(theta[None])[0] - limit.loss
            remainders.append((rise - limit.drift * u) / u**2)
        np.testing.assert_allclose(remainders, remainders[0], rtol=0.02)  # what the drift leaves is of second order

    def test_further_descent_stays_above_the_limit(self, retired):
        problem, found, which = retired
        for k in which[:2]:
            limit = found.limits[found.limit[k]]
            on = trust_region(problem.cost, found.theta[k : k + 1], limit=100, noise=problem.noise)
            assert limit.loss < on.loss[0] < found.loss[k]

    def test_only_heavy_neurons_beyond_all_rows_are_suspected(self):
        problem = scaled(Objective(*teacher(2, 1, 30, 0)), 2, "tanh")
        theta = np.array([
            [0, 9, 1, 4, 0.1, 0, 1],
            [0, 1, 1, 4, 0.1, 0, 1],
            [0, 9, 1, 1, 1, 0, 1],
            [0, 1, -9, 0, 1, -4, 0.1],
        ])
        np.testing.assert_array_equal(tail_neurons(problem.cost, theta.astype(float), 2.5), [0, -1, -1, 1])
        other = scaled(Objective(*teacher(2, 1, 30, 0)), 2, "gauss")
        assert (tail_neurons(other.cost, theta.astype(float), 2.5) == -1).all()

    def test_the_logistic_function_has_them_too(self):
        problem = scaled(Objective(*teacher(2, 2, 80, 1)), 2, "logistic")
        found = run_descents(problem, draw_starts(problem, 8, 0))
        which = np.flatnonzero(found.state == TAIL)
        assert which.size
        limit = found.limits[found.limit[which[0]]]
        assert limit.attracts and limit.loss == pytest.approx(0.0080402, abs=1e-6)  # the same limit as with tanh
