"""The fast path is the plain one, event by event."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from tests.problems import PATHS, diabetes
from thalweg.data.samples import SAMPLES
from thalweg.diagonal import naive_path
from thalweg.diagonal.active_set import ActiveSet
from thalweg.diagonal.prepare import prepare
from thalweg.diagonal.saddle_path import saddle_path
from thalweg.records import Outcome

seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(1, 25), st.integers(1, 12))


def assert_same(fast, plain, rtol=1e-7, dual=1e-6):
    assert fast.times == pytest.approx(plain.times, rel=rtol)
    assert fast.outcome is plain.outcome
    assert [s.tolist() for s in fast.supports] == [s.tolist() for s in plain.supports]
    assert [(e.jump, e.kind, e.feature) for e in fast.events] == [(e.jump, e.kind, e.feature) for e in plain.events]
    assert fast.losses == pytest.approx(plain.losses, rel=rtol, abs=1e-12 * plain.losses[0])
    assert (fast.lasso_equivalent_until, fast.simultaneous) == (plain.lasso_equivalent_until, plain.simultaneous)
    assert [k for k, _ in fast.rank_skipped] == [k for k, _ in plain.rank_skipped]
    scale = max((np.abs(v).max() for v in plain.values if v.size), default=1.0)
    for k in range(plain.count + 1):
        assert fast.coef(k) == pytest.approx(plain.coef(k), abs=1e-6 * scale)
        assert fast.dual(k) == pytest.approx(plain.dual(k), abs=dual)


@pytest.mark.parametrize("problem", PATHS, ids=lambda p: p.name)
def test_golden_problems(problem):
    assert_same(saddle_path(problem.X, problem.y), naive_path(problem.X, problem.y))


@settings(max_examples=150)
@given(seeds, shapes, st.booleans(), st.booleans())
def test_gaussian_problems(seed, shape, positive, with_exponents):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal(shape), rng.standard_normal(shape[0])
    exponents = rng.uniform(0.5, 2, shape[1]) if with_exponents else None
    options = {"positive": positive, "init_exponents": exponents}
    fast = saddle_path(X, y, **options)
    assert_same(fast, naive_path(X, y, **options))
    assert fast.algorithm == "updated factor"


@settings(max_examples=300)
@given(seeds, st.tuples(st.integers(1, 6), st.integers(1, 7)), st.booleans())
def test_small_integer_problems_with_ties_and_degenerate_walls(seed, shape, positive):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, shape).astype(float)
    y = rng.integers(-3, 4, shape[0]).astype(float)
    fast, plain = (path(X, y, positive=positive) for path in (saddle_path, naive_path))
    assert fast.times == pytest.approx(plain.times, rel=1e-9)
    assert fast.losses == pytest.approx(plain.losses, abs=1e-12)
    for k in range(plain.count + 1):  # the split between dependent columns may differ, the fit may not
        assert X @ fast.coef(k) == pytest.approx(X @ plain.coef(k), abs=1e-9)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_real_data(sample):
    problem = tw.read(sample.path, sample.target, drop=sample.drop)
    prepared = prepare(problem.X, problem.y, fit_intercept=True, standardize=True)
    options = {"reference_norm": prepared.target_norm}
    fast, plain = (path(prepared.X, prepared.y, **options) for path in (saddle_path, naive_path))
    # The spectra have condition 1e5: late duals of both algorithms agree to four digits.
    assert_same(fast, plain, rtol=1e-4, dual=1e-4)


def test_diabetes_and_limits():
    X, y, raw_norm = diabetes()
    whole = saddle_path(X, y, reference_norm=raw_norm)
    assert_same(whole, naive_path(X, y, reference_norm=raw_norm))
    for k in (0, 1, 5):
        assert saddle_path(X, y, max_saddles=k).count == k
    assert saddle_path(X, y, max_time=float(whole.times[3]) * 1.0000001).count == 4


@pytest.mark.parametrize("n", [8, 60])
@pytest.mark.parametrize("distance", [1e-5, 1e-6, 1e-8, 1e-10, 1e-12])
def test_nearly_dependent_columns_rest_at_their_walls(n, distance):
    rng = np.random.default_rng(0)
    base = rng.standard_normal((n, 3))
    X = np.column_stack([base, base + distance * rng.standard_normal((n, 3))])
    y = base @ np.array([3.0, 2, 1]) + rng.standard_normal(n)
    fast, plain = saddle_path(X, y), naive_path(X, y)
    assert fast.outcome is plain.outcome is Outcome.CONVERGED
    assert fast.losses[-1] == pytest.approx(plain.losses[-1], rel=1e-6)
    if distance < 1e-7:  # below the rank tolerance: the fit is that of the three columns, and it is said
        alone = y - base @ np.linalg.lstsq(base, y, rcond=None)[0]
        assert fast.losses[-1] == pytest.approx(alone @ alone / (2 * n), rel=1e-6)
        assert fast.rank_skipped and plain.rank_skipped
    else:
        assert fast.times == pytest.approx(plain.times, rel=1e-5)


@settings(max_examples=60)
@given(seeds, st.tuples(st.integers(1, 14), st.integers(1, 6)))
def test_the_entropy_split_is_that_of_the_plain_path(seed, shape):
    rng = np.random.default_rng(seed)
    X, y = rng.integers(-1, 2, shape).astype(float), rng.integers(-2, 3, shape[0]).astype(float)
    fast, plain = (path(X, y, tie_break="entropy") for path in (saddle_path, naive_path))
    assert fast.times == pytest.approx(plain.times, rel=1e-9) and fast.outcome is plain.outcome
    for k in range(plain.count + 1):
        assert fast.coef(k) == pytest.approx(plain.coef(k), abs=1e-6)


@given(seeds, st.integers(3, 20))
def test_the_factor_stays_right_through_entries_and_exits(seed, n):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, n))
    active = ActiveSet(n, 1)
    present: list[int] = []
    for i in range(n):
        active.append(i, X[:, i], 1.0)
        present.append(i)
        if len(present) > 1 and rng.random() < 0.4:
            place = int(rng.integers(len(present)))
            active.remove([place])
            del present[place]
    assert active.indices.tolist() == present
    A, residual = X[:, present], rng.standard_normal(n)
    step = active.step_to_minimiser(residual)
    exact = np.linalg.lstsq(A, residual, rcond=None)[0]
    assert step == pytest.approx(exact, rel=1e-3 * np.linalg.cond(A), abs=1e-9 * np.linalg.cond(A) ** 2)
    assert active.fit_of(step) == pytest.approx(A @ step)
