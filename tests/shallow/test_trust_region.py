"""The step of the trust region against its optimality conditions, and descents to the floor."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shallow.landscapes import NINE, NINE_MINIMISER, NINE_Y, teacher
from thalweg.shallow.derivatives import Objective
from thalweg.shallow.multistart import draw_starts, run_descents
from thalweg.shallow.scaling import scaled
from thalweg.shallow.trust_region import AT_FLOOR, SPENT, WATCHED, model_step, short_descent, trust_region


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 6), st.floats(1e-3, 1e3), st.booleans())
def test_step_is_the_global_minimiser_in_the_ball(seed, size, radius, hard):
    rng = np.random.default_rng(seed)
    values = np.sort(rng.standard_normal(size) * 10.0 ** rng.integers(-3, 3))[None]
    turned = rng.standard_normal((1, size))
    if hard:
        turned[0, 0] = 0.0
    t = model_step(values, turned, np.array([radius]))[0]
    length = np.linalg.norm(t)
    assert length <= radius * 1.011
    best = turned[0] @ t + 0.5 * values[0] @ t**2
    others = rng.standard_normal((4000, size))
    others *= (radius * rng.random((4000, 1)) ** (1 / size)) / np.linalg.norm(others, axis=1, keepdims=True)
    found = others @ turned[0] + 0.5 * others**2 @ values[0]
    assert best <= found.min() + 0.05 * abs(found.min())
    if values[0, 0] > 0 and np.linalg.norm(turned[0] / values[0]) <= radius:
        np.testing.assert_allclose(t, -turned[0] / values[0], rtol=1e-12)


def test_descends_to_golden_value_g3():
    problem = scaled(Objective(NINE, NINE_Y), 1, "tanh")
    near = (NINE_MINIMISER + 0.05) / problem.factor
    entered, _ = short_descent(problem.cost, near[None])
    done = trust_region(problem.cost, entered, limit=100, noise=problem.noise)
    assert done.ended[0] == AT_FLOOR and done.gradient[0] < 1e-14
    np.testing.assert_allclose(problem.net(done.theta[0]).theta, NINE_MINIMISER, rtol=1e-9)
    assert done.loss[0] * problem.unit**2 == pytest.approx(0.00778381504072398, rel=1e-12)


def test_more_networks_than_places_all_come_back_in_order():
    problem = scaled(Objective(*teacher(2, 2, 60, 0)), 2, "tanh")
    theta = draw_starts(problem, 130, 0)
    entered, steps = short_descent(problem.cost, theta)
    assert (steps > 0).all() and (problem.cost.loss(entered) <= problem.cost.loss(theta)).all()
    done = trust_region(problem.cost, entered, limit=3, noise=problem.noise)
    assert (done.ended > 0).all() and (done.steps <= 3).all()
    assert (done.loss <= problem.cost.loss(entered)).all()
    np.testing.assert_allclose(done.loss, problem.cost.loss(done.theta), rtol=1e-12)


def test_leaves_a_saddle_along_its_negative_direction():
    # Two equal neurons are a critical point of the pair whenever one neuron is; here a split with a negative direction.
    X = np.array([-1.5, -1, -0.5, 0, 0.5, 1, 1.5, -1.2, 0.3, 0.9, -0.4, 1.7])
    Z = np.array([0.4, -1.1, 0.8, -0.3, 1.3, -0.7, 0.2, 1.5, -1.6, 1.1, -0.9, -1.4])
    y = np.array([-0.62, -0.55, 0.21, 0.02, 0.87, 0.31, 0.95, 0.18, -0.44, 1.12, -0.38, 0.49])
    v, B = 0.983812904279, [-0.146973017498, 0.657284564109, 0.541323028797]
    theta = np.array([0.253547178395, -0.5 * v, 1.5 * v, *B, *B])  # golden value G4, lambda = -1/2
    data = Objective(np.column_stack([X, Z]), y)
    problem = scaled(data, 2, "tanh")
    at = (theta / problem.factor)[None]
    assert np.linalg.norm(problem.cost.derivatives(at)[0]) < 1e-10
    done = trust_region(problem.cost, at, limit=200, noise=problem.noise)
    assert done.loss[0] * problem.unit**2 < 0.0055  # below the loss of the saddle, 0.005521


def test_a_watch_stops_and_a_limit_ends():
    problem = scaled(Objective(*teacher(2, 2, 60, 0)), 2, "tanh")
    theta = draw_starts(problem, 5, 0)
    done = trust_region(problem.cost, theta, limit=1, noise=problem.noise)
    assert set(done.ended) == {SPENT}
    stopped = trust_region(problem.cost, theta, limit=9, noise=1.0, watch=lambda t, *_: np.ones(len(t), bool))
    assert set(stopped.ended) == {WATCHED}


def test_descents_do_not_depend_on_their_neighbours():
    problem = scaled(Objective(*teacher(2, 2, 60, 0)), 2, "tanh")
    theta = draw_starts(problem, 12, 0)
    together, alone = run_descents(problem, theta), run_descents(problem, theta[:1])
    assert together.loss[0] == pytest.approx(alone.loss[0], rel=1e-10)
