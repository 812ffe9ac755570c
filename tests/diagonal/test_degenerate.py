"""Degenerate cases of section 2.1, sizes one, limits, and bad input."""

import numpy as np
import pytest

from tests.diagonal.flow import flow_at
from thalweg.diagonal import naive_path
from thalweg.records import InputError, Outcome

SYMMETRIC = np.array([[1, 0, 0.5], [0, 1, 0.5]])  # column 3 is the mean of the others: all three arrive together


def test_rank_loss_keeps_the_fit_and_says_what_was_skipped():
    path = naive_path(SYMMETRIC, np.array([1.0, 1.0]))
    assert path.times == pytest.approx([2.0]) and path.losses[-1] == pytest.approx(0)
    assert len(path.rank_skipped) == 1 and path.simultaneous == (1,)


def test_the_entropy_split_is_what_the_flow_approaches():
    y = np.array([1.0, 1.0])
    path = naive_path(SYMMETRIC, y, tie_break="entropy")
    assert path.coef(1) == pytest.approx([2 / 3] * 3)
    assert flow_at(SYMMETRIC, y, [6.0])[0] == pytest.approx(path.coef(1), abs=1e-6)


def test_both_tie_breaks_have_the_same_times_and_fits():
    rng = np.random.default_rng(3)
    for _ in range(40):
        X = rng.integers(-1, 2, (3, 6)).astype(float)
        y = rng.integers(-2, 3, 3).astype(float)
        one, other = (naive_path(X, y, tie_break=name) for name in ("support", "entropy"))
        assert other.times == pytest.approx(one.times)
        for k in range(one.count + 1):
            assert X @ one.coef(k) == pytest.approx(X @ other.coef(k), abs=1e-7)
            assert np.abs(one.coef(k)).sum() == pytest.approx(np.abs(other.coef(k)).sum(), abs=1e-7)


def test_duplicates_with_other_exponents_are_no_tie():
    X = np.array([[1.0, 1.0], [2.0, 2.0]])
    path = naive_path(X, np.array([1.0, 2.0]), init_exponents=np.array([2.0, 1.0]))
    assert path.duplicates == [] and path.coef(1) == pytest.approx([0, 1])


def test_a_target_orthogonal_up_to_rounding_gives_no_jump():
    X = np.array([[1.0, 1], [1, -1], [1, 1], [1, -1]])
    path = naive_path(X, np.array([0.1, 0.1, -0.1, -0.1]) + 1e-17)
    assert path.count == 0 and path.outcome is Outcome.NOTHING_TO_LEARN
    # a centred constant: only its rounding is left, and the raw norm says so
    assert naive_path(X, np.array([2e-17, 0, 0, 0]), reference_norm=1.0).count == 0


def test_a_zero_target_or_zero_columns_give_no_jump():
    assert naive_path(np.ones((3, 2)), np.zeros(3)).count == 0
    assert naive_path(np.zeros((3, 2)), np.ones(3)).outcome is Outcome.NOTHING_TO_LEARN


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (5, 5)])
def test_small_sizes(shape):
    rng = np.random.default_rng(1)
    path = naive_path(rng.standard_normal(shape), rng.standard_normal(shape[0]))
    assert path.count >= 1 and path.outcome in (Outcome.CONVERGED, Outcome.INTERPOLATED)


def test_long_plateaus_do_not_drift_off_the_wall():
    # Section 11: without pins, support coordinates leave their walls over long plateaus and jumps repeat.
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 30)) @ (np.eye(30) + 0.98) * 10.0 ** rng.uniform(-2, 0, 30)
    y = X @ rng.standard_normal(30) + rng.standard_normal(400)
    path = naive_path(X, y)
    visited = {tuple(support) for support in path.supports}
    assert len(visited) == path.count + 1 and path.outcome is Outcome.CONVERGED


def test_limits_cut_the_same_path():
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((20, 10)), rng.standard_normal(20)
    whole = naive_path(X, y)
    for k in range(whole.count + 1):
        cut = naive_path(X, y, max_saddles=k)
        assert cut.count == k and np.array_equal(cut.times, whole.times[:k])
    t = float(whole.times[3])
    assert naive_path(X, y, max_time=t).count == 4
    assert naive_path(X, y, max_time=np.nextafter(t, 0)).count == 3
    assert naive_path(X, y, max_time=0).outcome is Outcome.STOPPED_ON_REQUEST


def test_times_between_jumps():
    path = naive_path(np.eye(2), np.array([2.0, 1.0]))  # jumps at 1 and 2
    assert path.saddle_at(0) == 0 and path.saddle_at(1) == 1 and path.saddle_at(1e9) == 2
    assert path.dual_at(0.5) == pytest.approx([0.5, 0.25])
    assert path.dual_at(1.5) == pytest.approx([1, 0.75]) and path.dual_at(5.0) == pytest.approx([1, 1])
    assert path.coef_at(1.2) == pytest.approx([2, 0])
    assert path.running_mean(2.0) == pytest.approx([1.0, 0.0])
    assert path.running_mean(4.0) == pytest.approx([1.5, 0.5])


def test_a_cut_path_does_not_guess():
    path = naive_path(np.eye(2), np.array([2.0, 1.0]), max_saddles=1)
    for ask in (path.coef_at, path.dual_at, path.running_mean):
        with pytest.raises(InputError, match="beyond the known path"):
            ask(1.5)
    for ask in (path.coef_at, path.dual_at, path.running_mean):
        with pytest.raises(InputError, match="not possible"):
            ask(float("nan"))
    with pytest.raises(InputError, match="no saddle 2"):
        path.coef(2)


def test_input_is_not_changed_and_other_types_are_computed_in_float64():
    X, y = np.array([[1, 2], [3, 4], [5, 7]]), np.array([1, 2, 4])
    kept = X.copy(), y.copy()
    path = naive_path(X, y)
    assert np.array_equal(X, kept[0]) and np.array_equal(y, kept[1])
    assert np.array_equal(naive_path(X.astype(np.float32), y.astype(np.float32)).times, path.times)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"X": np.full((3, 2), np.nan)}, "not finite"),
        ({"y": np.array([1, np.inf, 0])}, "first rows 1"),
        ({"X": np.ones((3, 2)) * 1j}, "complex"),
        ({"X": np.ones((0, 2)), "y": np.ones(0)}, "empty"),
        ({"y": np.ones(2)}, "3 rows, y has 2"),
        ({"init_exponents": np.ones(3)}, "3 entries; 2 are needed"),
        ({"init_exponents": np.array([1.0, 0.0])}, "> 0"),
        ({"max_saddles": -1}, "max_saddles"),
        ({"max_time": float("nan")}, "max_time"),
        ({"tol": 0}, "tol"),
        ({"tie_break": "random"}, r"support \| entropy"),
    ],
)
def test_bad_input_is_named(change, words):
    arguments = {"X": np.arange(6.0).reshape(3, 2), "y": np.arange(3.0), **change}
    with pytest.raises(InputError, match=words):
        naive_path(arguments.pop("X"), arguments.pop("y"), **arguments)
