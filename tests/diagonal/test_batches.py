"""The working set with verification finds the path of the plain algorithm, event by event, whatever is stored how."""

import importlib

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.diagonal.test_saddle_path import assert_same
from thalweg.diagonal import batches, naive_path, saddle_path
from thalweg.diagonal.columns import Columns
from thalweg.records import InputError, Outcome

module = importlib.import_module("thalweg.diagonal.saddle_path")
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True)
def tiny_batches():
    """Make working sets so small that predictions often fail and the path has to go back."""
    sizes = {"SHORTEST": 1, "LONGEST": 4, "FEWEST": 1, "FIRST": 1, "INTRUDERS": 1, "BASIS": 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WORTH_BATCHES", 1)
        for name, value in sizes.items():
            patch.setattr(batches, name, value)
        yield


@settings(max_examples=60)
@given(seeds, st.integers(2, 12), st.booleans(), st.booleans())
def test_gaussian_problems(seed, n, positive, with_exponents):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, 5 * n)), rng.standard_normal(n)
    exponents = rng.uniform(0.5, 2, 5 * n) if with_exponents else None
    options = {"positive": positive, "init_exponents": exponents}
    fast = saddle_path(X, y, **options)
    assert fast.algorithm == "verified batches"
    assert_same(fast, naive_path(X, y, **options))


@settings(max_examples=150)
@given(seeds, st.integers(1, 4), st.integers(2, 4), st.booleans())
def test_ties_and_degenerate_walls(seed, n, ratio, positive):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, (n, ratio * n)).astype(float)
    y = rng.integers(-3, 4, n).astype(float)
    fast, plain = (path(X, y, positive=positive) for path in (saddle_path, naive_path))
    assert fast.times == pytest.approx(plain.times, rel=1e-9)
    assert fast.losses == pytest.approx(plain.losses, abs=1e-12)
    assert fast.outcome is plain.outcome and fast.simultaneous == plain.simultaneous


def test_a_tie_with_a_column_left_out_is_seen():
    # Correction B4: at t = 1 the column left out has |s| = 1 exactly, not more.
    X, y = np.hstack([np.eye(3), 0.01 * np.eye(3)]), np.array([3.0, 3.0, 1.0])
    assert saddle_path(X, y).coef(1)[:3].tolist() == [3, 3, 0]


def test_a_violation_takes_the_path_back(monkeypatch):
    seen = []
    found = batches._first_violation
    monkeypatch.setattr(batches, "_first_violation", lambda *given: seen.append(found(*given)) or seen[-1])
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((20, 200)), rng.standard_normal(20)
    assert_same(saddle_path(X, y), naive_path(X, y))
    assert sum(first is not None for first, _ in seen) >= 3


def test_without_verification_only_the_ends_of_batches_are_checked_and_the_path_says_so():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X, y = rng.standard_normal((20, 200)), rng.standard_normal(20)
        unverified = saddle_path(X, y, verify=False)
        assert unverified.algorithm == "batches checked at their ends"
        # What crosses and returns between two checks is missed: the end is still that of all columns.
        assert np.abs(unverified.dual(unverified.count)).max() < 1 + 1e-9


@pytest.mark.parametrize("limit", [{"max_saddles": 0}, {"max_saddles": 7}, {"max_time": 0.01}, {"max_time": 6.0}])
def test_limits(limit):
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((15, 90)), rng.standard_normal(15)
    fast = saddle_path(X, y, **limit)
    assert_same(fast, naive_path(X, y, **limit))
    assert fast.outcome is Outcome.STOPPED_ON_REQUEST


def stored(X, kind, folder):
    if kind == "float32 in memory":
        return X.astype(np.float32)
    if kind == "sparse":
        return scipy.sparse.csr_array(X)
    dtype = np.float32 if "float32" in kind else np.float64
    mapped = np.lib.format.open_memmap(folder / "X.npy", mode="w+", dtype=dtype, shape=X.shape)
    mapped[:] = X
    mapped.flush()
    return np.load(folder / "X.npy", mmap_mode="r")


@pytest.mark.parametrize("kind", ["float32 in memory", "sparse", "mapped float32", "mapped float64"])
def test_stored_data_are_taken_as_they_are(kind, tmp_path):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((20, 150)).astype(np.float32).astype(float) * (rng.random((20, 150)) < 0.5)
    y = rng.standard_normal(20)
    given = stored(X, kind, tmp_path)
    path = saddle_path(given, y)
    assert_same(path, naive_path(X, y))
    assert path.X.dtype == given.dtype and isinstance(path.X, np.memmap) == ("mapped" in kind)


@pytest.mark.parametrize("kind", ["float32 in memory", "sparse", "mapped float32", "mapped float64"])
@pytest.mark.parametrize("shape", [(60, 8), (9, 8), (12, 60)])
def test_every_shape_of_stored_data_with_weights(kind, shape, tmp_path):
    rng = np.random.default_rng(4)
    X = rng.standard_normal(shape).astype(np.float32).astype(float)
    y, weight = rng.standard_normal(shape[0]), rng.integers(0, 3, shape[0])
    fast = saddle_path(stored(X, kind, tmp_path), y, sample_weight=weight)
    repeated = np.repeat(np.arange(shape[0]), weight)
    assert_same(fast, naive_path(X[repeated], y[repeated]))


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("shape", [(60, 8), (12, 60)])
def test_implied_centring_scaling_and_weights(is_sparse, shape):
    rng = np.random.default_rng(5)
    X = rng.standard_normal(shape) * (rng.random(shape) < 0.6) + (0 if is_sparse else 5)
    y, weight = rng.standard_normal(shape[0]), rng.uniform(0.5, 2, shape[0])
    center, scale = X.mean(axis=0), X.std(axis=0)
    data = scipy.sparse.csc_array(X) if is_sparse else X
    implied = saddle_path(Columns(data, center=center, scale=scale), y - y.mean(), sample_weight=weight)
    root = np.sqrt(weight / weight.mean())
    plain = naive_path((X - center) / scale * root[:, None], (y - y.mean()) * root)
    assert_same(implied, plain)


def test_copies_among_many_columns_share():
    rng = np.random.default_rng(6)
    X, y = rng.standard_normal((10, 60)), rng.standard_normal(10)
    X[:, 40:] = -X[:, :20]
    fast, plain = saddle_path(X, y), naive_path(X, y)
    assert_same(fast, plain)
    assert fast.duplicates == plain.duplicates and len(fast.duplicates) == 20


def test_converged_paths_look_at_every_column():
    # Rank 3 in 6 rows: the end is no interpolation, and noise must not be taken for a pull.
    rng = np.random.default_rng(7)
    X, y = rng.standard_normal((6, 3)) @ rng.standard_normal((3, 40)), rng.standard_normal(6)
    fast = saddle_path(X, y)
    assert fast.outcome is Outcome.CONVERGED
    assert np.abs(X.T @ (y - X @ fast.coef(fast.count))).max() < 1e-10
    assert fast.times == pytest.approx(naive_path(X, y).times, rel=1e-8)


def test_a_split_that_cannot_be_computed_is_refused(monkeypatch):
    # Three columns at their walls together, one the sum of the others: the face has many points.
    X = np.array([[1.0, 0, 1], [0, 1, 1], [0, 0, 0]])
    X = np.hstack([X / np.array([1, 1, 1]), 0.01 * np.random.default_rng(0).standard_normal((3, 6))])
    y, exponents = np.array([1.0, 1, 0]), np.array([1.0, 1, 2] + [1] * 6)
    options = {"init_exponents": exponents, "tie_break": "entropy"}
    split = saddle_path(X, y, **options)
    assert split.rank_skipped and np.array_equal(split.supports[1], [0, 1, 2])
    monkeypatch.setattr(module, "PLAIN_ENTRIES", 1)
    with pytest.raises(InputError, match="entropy"):
        saddle_path(X, y, **options)
    assert saddle_path(X, y, init_exponents=exponents).rank_skipped == split.rank_skipped
