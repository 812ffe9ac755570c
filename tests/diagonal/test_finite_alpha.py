"""The correction of the first jump, and the initialisation that a plateau needs."""

import numpy as np
import pytest

from tests.problems import PATHS
from thalweg.diagonal import alpha_needed, diagonal_flow, first_jump, saddle_path, visible_plateaus
from thalweg.records import InputError

A = PATHS[0]


def test_the_constants_of_the_specification():
    jump, l = first_jump(saddle_path(A.X, A.y), log10_alpha=-100), 100 * np.log(10)
    assert jump.limit == pytest.approx(0.5)
    assert (jump.half_height - 0.5) * l == pytest.approx(np.log(2 * 1.2) / (2 * 2))
    assert (jump.half_loss - jump.half_height) * l == pytest.approx(-0.881374 / (2 * 2), abs=1e-6)
    assert (jump.half_loss - 0.5) * l == pytest.approx(-0.00148, abs=5e-6)


@pytest.mark.parametrize(
    ("form", "log10_alpha"),
    [
        (("uv", 2), -8),
        (("w2", 2), -5),
        (("square", 2), -8),
        (("uv", 3), -3),
        (("w2half", 4), -2),
        (("square", 6), -1),
        (("uv", 6), -1),
    ],  # fmt: skip
    ids=str,
)
def test_half_heights_and_half_losses_are_where_the_flow_has_them(form, log10_alpha):
    # At depth 6 the idle coefficients of coupled columns would be felt: the formula is that of one coordinate.
    X, y = (A.X, A.y) if form[1] < 6 else (np.diag([2.0, 1.0]), np.array([2.4, 0.3]))
    path = saddle_path(X, y, positive=form[0] == "square")
    options = {"log10_alpha": log10_alpha, "depth": form[1], "parametrisation": form[0]}
    jump = first_jump(path, **options)
    flow = diagonal_flow(X, y, times=[jump.half_loss, jump.half_height], tol=1e-8, **options)
    assert flow.coefficients[:, 0] == pytest.approx([1.2 * (1 - np.sqrt(0.5)), 0.6], rel=1e-4)
    assert flow.losses[0] == pytest.approx((path.losses[0] + path.losses[1]) / 2, rel=1e-4)


def test_copies_and_exponents_have_their_own_correction():
    X, y = np.array([[1.0, 1, 0.1], [2, 2, -0.1], [0, 0, 1]]), np.array([1.0, 3, 0.2])
    path = saddle_path(X, y)
    jump = first_jump(path, log10_alpha=-12)
    seen = diagonal_flow(X, y, log10_alpha=-12, times=[jump.half_height], tol=1e-8).coefficients[0]
    assert seen[:2] == pytest.approx(path.coef(1)[:2] / 2, rel=1e-4)
    a = np.array([0.7, 3.0, 3.0])
    path = saddle_path(A.X, A.y, init_exponents=a)
    jump = first_jump(path, log10_alpha=-12)
    seen = diagonal_flow(A.X, A.y, log10_alpha=-12, times=[jump.half_height], init_exponents=a, tol=1e-8)
    assert jump.limit == pytest.approx(0.35) and seen.coefficients[0, 0] == pytest.approx(0.6, rel=1e-4)


def mid_plateau_deviation(X, y, path, k, log10_alpha, depth=2):
    middle = (path.times[k - 1] + path.times[k]) / 2
    seen = diagonal_flow(X, y, log10_alpha=log10_alpha, times=[middle], depth=depth).coefficients[0]
    return np.abs(seen - path.coef(k)).max() / np.abs(path.values[k]).max()


@pytest.mark.parametrize(("depth", "tolerance"), [(2, 1e-2), (2, 1e-6), (3, 1e-4)])
def test_a_plateau_is_visible_at_the_alpha_it_needs_and_not_at_a_much_larger_one(depth, tolerance):
    unseen, total = 0, 0
    for seed in (4, 5) if depth == 2 else (4,):
        rng = np.random.default_rng(seed)
        X, y = rng.standard_normal((5, 7)), rng.standard_normal(5)
        path = saddle_path(X, y)
        for k in range(1, path.count):
            needed = alpha_needed(path, k, tolerance=tolerance, depth=depth)
            assert mid_plateau_deviation(X, y, path, k, needed, depth) <= tolerance
            unseen += mid_plateau_deviation(X, y, path, k, needed / 20, depth) > tolerance
            total += 1
    assert total >= 4 and unseen >= 0.8 * total


def test_the_end_is_seen_as_far_as_the_idle_duals_are_from_their_walls():
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((4, 6)), rng.standard_normal(4)
    path = saddle_path(X, y)
    needed = alpha_needed(path, path.count, tolerance=1e-5)
    at_end = diagonal_flow(X, y, log10_alpha=needed, times=[1e4 * path.times[-1]]).coefficients[0]
    assert np.abs(at_end - path.coef(path.count)).max() <= 1e-5 * np.abs(at_end).max()


def test_degenerate_saddles_are_seen_at_no_alpha():
    assert alpha_needed(saddle_path(A.X, A.y), 3) == -np.inf  # two coordinates rest at their walls without pull
    assert alpha_needed(saddle_path(A.X, A.y), 3, depth=3) == -np.inf


def test_the_worked_example_of_the_readme():
    assert alpha_needed(saddle_path(A.X, A.y), 2) == pytest.approx(-14.5, abs=0.05)


def test_visible_plateaus_are_those_that_need_no_smaller_alpha():
    path = saddle_path(A.X, A.y)
    assert visible_plateaus(path, log10_alpha=-1e4) == (0, 1, 2)
    assert visible_plateaus(path, log10_alpha=-1e-3) == ()
    needed = alpha_needed(path, 2)
    assert 2 in visible_plateaus(path, log10_alpha=needed) and 2 not in visible_plateaus(
        path, log10_alpha=needed * 0.99
    )
    assert alpha_needed(path, 2, tolerance=1e-9) < needed < alpha_needed(path, 2, tolerance=1e-1)
    assert alpha_needed(saddle_path(np.eye(2), np.zeros(2)), 0) == 0


def test_bad_input_is_named():
    path, none = saddle_path(A.X, A.y), saddle_path(np.eye(2), np.zeros(2))
    with pytest.raises(InputError, match="no saddle 4"):
        alpha_needed(path, 4)
    with pytest.raises(InputError, match="tolerance = 0"):
        alpha_needed(path, 1, tolerance=0)
    with pytest.raises(InputError, match="log10_alpha = 1"):
        first_jump(path, log10_alpha=1)
    with pytest.raises(InputError, match="no jump 1"):
        first_jump(none, log10_alpha=-3)
    with pytest.raises(InputError, match=r"Several features \(0, 1, 2\)"):
        first_jump(saddle_path(np.eye(3), np.full(3, 3.0)), log10_alpha=-3)
