"""Heteroclinic orbits and the arc-length clock."""

import numpy as np
import pytest

from tests.problems import PATHS
from thalweg.diagonal import arc_length, diagonal_flow, film, heteroclinic_orbit, saddle_path
from thalweg.diagonal.motion import Motion, PrecisionLost
from thalweg.records import InputError, Outcome

A = PATHS[0]


def dense(features, values, d):
    b = np.zeros(d)
    b[features] = values
    return b


@pytest.mark.parametrize("problem", PATHS, ids=lambda p: p.name)
def test_orbits_lead_from_saddle_to_saddle_downhill(problem):
    path, d = saddle_path(problem.X, problem.y, tie_break="entropy"), problem.X.shape[1]
    for k in range(1, path.count + 1):
        orbit = heteroclinic_orbit(path, k)
        assert np.array_equal(dense(orbit.features, orbit.points[0], d), path.coef(k - 1))
        assert dense(orbit.features, orbit.points[-1], d) == pytest.approx(path.coef(k), abs=1e-6)
        assert orbit.losses[[0, -1]] == pytest.approx(path.losses[[k - 1, k]], abs=1e-9)
        assert (np.diff(orbit.losses) < 0).all() and orbit.outcome is Outcome.CONVERGED
        assert orbit.length >= np.linalg.norm(path.coef(k) - path.coef(k - 1)) - 1e-6
        steps = np.linalg.norm(np.diff(orbit.points, axis=0), axis=1)
        assert steps.max() <= 1.000001 * orbit.length / 100 and steps.sum() >= 0.99 * orbit.length


def test_one_coordinate_moves_straight_and_two_curve():
    path = saddle_path(A.X, A.y)
    assert heteroclinic_orbit(path, 1).length == pytest.approx(1.2, rel=1e-6)
    assert heteroclinic_orbit(path, 3).length > 1.00001 * np.linalg.norm(path.coef(3) - path.coef(2))


@pytest.mark.parametrize("depth", [2, 3])
def test_the_flow_is_on_the_orbit_during_the_jump(depth):
    path = saddle_path(A.X, A.y)
    orbit = heteroclinic_orbit(path, 2, points=4001, depth=depth)
    log10_alpha = -300 if depth == 2 else -12
    unit = 300 * np.log(10) if depth == 2 else 3e12
    around = 1.75 + np.linspace(-8, 8, 161) / unit
    seen = diagonal_flow(A.X, A.y, log10_alpha=log10_alpha, times=around, depth=depth).coefficients
    on_the_way = seen[(seen[:, 2] > 0.01) & (seen[:, 2] < 0.5)][:, orbit.features]
    assert len(on_the_way) > 5
    for point in on_the_way:
        assert np.linalg.norm(orbit.points - point, axis=1).min() < 2e-4


def test_orbits_depend_on_the_depth_and_their_ends_do_not():
    path = saddle_path(A.X, A.y)
    two, four = heteroclinic_orbit(path, 2), heteroclinic_orbit(path, 2, depth=4)
    assert four.points[-1] == pytest.approx(two.points[-1], abs=1e-5)
    assert np.abs(four.points - two.points).max() > 5e-3


def test_the_one_sided_network_has_no_lower_walls():
    X, y = np.eye(2), np.array([1.0, -1.0])  # at the jump the second dual is -1, which is no wall
    path = saddle_path(X, y, positive=True)
    assert heteroclinic_orbit(path, 1, positive=True).features.tolist() == [0]


def test_compressed_rows_keep_the_loss():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 3)), rng.standard_normal(60)
    path = saddle_path(X, y)
    orbit = heteroclinic_orbit(path, 1)
    b = dense(orbit.features, orbit.points[50], 3)
    assert orbit.losses[50] == pytest.approx(((y - X @ b) ** 2).sum() / 120)


def test_arc_length_moves_with_unit_speed():
    times = np.array([0.0, 1.0, 1.0, 1.0, 3.0])
    b = np.array([[0.0, 0], [0, 0], [3, 4], [3, 0], [3, 0]])
    assert arc_length(times, b).tolist() == [0, 1, 6, 10, 12]
    assert arc_length(times, b, weight=0.5).tolist() == [0, 1, 3.5, 5.5, 7.5]


def test_a_film_joins_plateaus_and_orbits():
    path = saddle_path(A.X, A.y)
    reel = film(path, until=10.0, points=41)
    assert reel.coefficients.shape == (3 * 41 + 2, 3) and reel.times[-1] == 10.0
    for k, (start, end) in enumerate(reel.plateaus):
        assert reel.coefficients[start] == pytest.approx(path.coef(k), abs=1e-6)
        assert reel.coefficients[end] == pytest.approx(path.coef(k), abs=1e-6)
        assert reel.times[start] == (path.times[k - 1] if k else 0) and reel.times[end] == ([*path.times, 10.0][k])
    clock = arc_length(reel.times, reel.coefficients)
    assert (np.diff(clock) > 0).all() and (np.diff(reel.losses) <= 1e-12).all()
    lengths = sum(heteroclinic_orbit(path, k).length for k in (1, 2, 3))
    assert clock[-1] == pytest.approx(10 + lengths, rel=1e-3)
    assert film(path, jumps=1).times[-1] == pytest.approx(0.6)


def test_an_orbit_that_cannot_be_followed_says_so(monkeypatch):
    path = saddle_path(A.X, A.y)

    def refuse(self, until=np.inf):
        raise PrecisionLost

    monkeypatch.setattr(Motion, "step", refuse)
    assert heteroclinic_orbit(path, 1).outcome is Outcome.PRECISION_LOST
    monkeypatch.setattr(Motion, "step", lambda self, until=np.inf: setattr(self, "steps", 10**9))
    assert heteroclinic_orbit(path, 1).outcome is Outcome.BUDGET_SPENT


def test_bad_input_is_named():
    path = saddle_path(A.X, A.y)
    for k in (0, 4):
        with pytest.raises(InputError, match=f"no jump {k}; the path has 3"):
            heteroclinic_orbit(path, k)
    with pytest.raises(InputError, match="points = 1"):
        heteroclinic_orbit(path, 1, points=1)
    with pytest.raises(InputError, match="until = 6"):
        film(path, until=6.0)
    for jumps in (0, 4):
        with pytest.raises(InputError, match="no jump"):
            film(path, jumps=jumps)
    with pytest.raises(InputError, match="no jump"):
        film(saddle_path(np.eye(2), np.zeros(2)))
