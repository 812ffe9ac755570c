"""Invariants 1 to 13 of the specification as property tests of the naive path."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import linprog, nnls
from sklearn.linear_model import lars_path

from thalweg.diagonal import naive_path
from thalweg.records import Outcome

shapes = st.tuples(st.integers(1, 7), st.integers(1, 7))
seeds = st.integers(0, 2**32 - 1)


def gaussian(seed, shape):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape), rng.standard_normal(shape[0])


def integers(seed, shape):
    rng = np.random.default_rng(seed)
    return rng.integers(-3, 4, shape).astype(float), rng.integers(-3, 4, shape[0]).astype(float)


def assert_same_path(path, other, dense=lambda b: b, time=1.0):
    assert path.times == pytest.approx(other.times * time, rel=1e-7)
    for k in range(path.count + 1):
        assert path.coef(k) == pytest.approx(dense(other.coef(k)), rel=1e-6, abs=1e-9)


@given(seeds, shapes)
def test_columns_permute_and_flip(seed, shape):
    X, y = gaussian(seed, shape)
    rng = np.random.default_rng(seed)
    order, flip = rng.permutation(shape[1]), rng.choice([-1.0, 1.0], shape[1])
    changed = naive_path((X * flip)[:, order], y)
    assert_same_path(changed, naive_path(X, y), dense=lambda b: (b * flip)[order])


@given(seeds, shapes, st.floats(1e-6, 1e6))
def test_scaling_the_target_or_all_columns(seed, shape, c):
    X, y = gaussian(seed, shape)
    path = naive_path(X, y)
    assert_same_path(naive_path(X, c * y), path, dense=lambda b: c * b, time=1 / c)
    assert_same_path(naive_path(c * X, y), path, dense=lambda b: b / c, time=1 / c)


@given(seeds, shapes, st.floats(1e-10, 1e10))
def test_scaling_a_column_with_its_exponent(seed, shape, c):
    X, y = gaussian(seed, shape)
    scale = np.ones(shape[1])
    scale[seed % shape[1]] = c
    path, changed = naive_path(X, y), naive_path(X * scale, y, init_exponents=scale)
    assert changed.times == pytest.approx(path.times, rel=1e-7)
    for k in range(path.count + 1):
        assert changed.coef(k) * scale == pytest.approx(path.coef(k), rel=1e-6, abs=1e-9)


@given(seeds, shapes)
def test_rotated_rows_and_a_zero_column_change_nothing(seed, shape):
    X, y = gaussian(seed, shape)
    path = naive_path(X, y)
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((shape[0], shape[0])))[0]
    assert_same_path(naive_path(Q @ X, Q @ y), path)
    wider = naive_path(np.column_stack([X, np.zeros(shape[0])]), y)
    assert_same_path(wider, path, dense=lambda b: np.append(b, 0.0))


@given(seeds, shapes, st.integers(2, 3), st.booleans())
def test_copies_share_equally(seed, shape, copies, opposite):
    X, y = gaussian(seed, shape)
    sign = -1.0 if opposite else 1.0
    path = naive_path(X, y)
    wider = naive_path(np.column_stack([X] + [sign * X[:, :1]] * (copies - 1)), y)

    def shared(b):
        head = b[:1] / copies
        return np.concatenate([head, b[1:], np.tile(sign * head, copies - 1)])

    assert_same_path(wider, path, dense=shared)


@given(seeds, shapes, st.booleans())
def test_every_saddle_is_the_least_l1_representation_of_its_fit(seed, shape, whole_numbers):
    X, y = (integers if whole_numbers else gaussian)(seed, shape)
    path = naive_path(X, y)
    assume(path.count)
    n, d = shape
    level = np.linalg.norm(X, axis=0) * np.abs(X.T @ y / n).max()
    integral = np.zeros(n)
    for k in range(1, path.count + 1):
        start = path.times[k - 2] if k > 1 else 0.0
        integral += (path.times[k - 1] - start) * (y - X @ path.coef(k - 1))
        dual = X.T @ integral / n
        assert np.abs(dual).max() <= 1 + 1e-8
        b = path.coef(k)
        assert np.abs(b).sum() == pytest.approx((X @ b) @ integral / n, rel=1e-7)
        pull = X.T @ (y - X @ b) / n
        assert (np.abs(pull[path.supports[k]]) <= 1e-8 * level[path.supports[k]]).all()
        at_wall = np.abs(path.dual(k)) > 1 - 1e-9
        assert (path.dual(k) * pull <= 1e-8 * level)[at_wall].all()
    assert (np.diff(path.losses) < 0).all() and (np.diff(path.times) > 0).all()
    assert path.times[0] == pytest.approx(n / np.abs(X.T @ y).max())


@given(seeds, shapes)
def test_the_end_is_the_least_l1_minimiser(seed, shape):
    X, y = integers(seed, shape)
    path = naive_path(X, y)
    end = path.coef(path.count)
    fitted = X @ np.linalg.lstsq(X, y, rcond=None)[0]
    assert X @ end == pytest.approx(fitted, abs=1e-8)
    d = shape[1]
    best = linprog(np.ones(2 * d), A_eq=np.hstack([X, -X]), b_eq=fitted, bounds=(0, None), method="highs")
    assert np.abs(end).sum() == pytest.approx(best.fun, abs=1e-7)


@given(seeds, st.integers(2, 6))
def test_the_one_sided_network_ends_at_nonnegative_least_squares(seed, d):
    X, y = gaussian(seed, (d + 2, d))
    path = naive_path(X, y, positive=True)
    assert path.coef(path.count) == pytest.approx(nnls(X, y)[0], abs=1e-9)
    assert all((values > 0).all() for values in path.values)


@given(seeds, st.integers(1, 8))
def test_orthogonal_designs_switch_on_in_the_order_of_the_pulls(seed, d):
    rng = np.random.default_rng(seed)
    scale, y = rng.uniform(0.5, 2, d), rng.choice([-1.0, 1], d) * rng.uniform(0.1, 3, d)
    X = np.diag(scale)
    path = naive_path(X, y)
    pulls = np.abs(scale * y) / d
    assert path.times == pytest.approx(np.sort(1 / pulls))
    assert path.coef(path.count) == pytest.approx(y / scale)


@given(seeds, st.integers(3, 9), st.integers(2, 6))
def test_the_running_mean_is_the_lasso_until_a_wall_is_left(seed, n, d):
    X, y = gaussian(seed, (n, d))
    path = naive_path(X, y)
    knots = lars_path(X, y, method="lasso")[0]
    until = path.lasso_equivalent_until
    assert 1 / knots[:until] == pytest.approx(path.times[:until], rel=1e-7)
    for t in (path.times[:until] * 1.0001)[: until if until < path.count else None]:
        mean = path.running_mean(t)
        pull = X.T @ (y - X @ mean) / n
        assert (np.abs(pull) <= 1 / t + 1e-9).all() or t > path.times[until - 1]
        active = np.abs(mean) > 1e-9
        if t <= path.times[until - 1]:
            assert pull[active] == pytest.approx(np.sign(mean[active]) / t, abs=1e-8)


@given(seeds, shapes)
def test_paths_end_for_every_integer_problem(seed, shape):
    path = naive_path(*integers(seed, shape))
    assert path.outcome in (Outcome.CONVERGED, Outcome.INTERPOLATED, Outcome.NOTHING_TO_LEARN)
