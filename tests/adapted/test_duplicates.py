"""Equal, close and opposite inputs, against all pairs one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from thalweg.adapted import duplicates
from thalweg.adapted.duplicates import NEAR, closeness, merge_duplicates
from thalweg.adapted.losses import L2, CrossEntropy, Poisson
from thalweg.records import InputError


def windows(signal, length):
    return np.lib.stride_tricks.sliding_window_view(signal, length)


def test_the_floor_of_the_specification():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 3))
    Y = rng.standard_normal((12, 2))
    X[1] = X[0]
    merged = merge_duplicates(X, Y)
    assert merged.floor == pytest.approx(0.09794906094430934, rel=1e-14)
    assert merged.repeated == 1 and list(merged.conflicts) == [0] and list(merged.members(0)) == [0, 1]
    assert merged.X.shape == (11, 3) and list(merged.groups) == [0, *range(11)]
    np.testing.assert_allclose(merged.Y[0], Y[:2].mean(axis=0), rtol=1e-15)
    assert list(merged.weights) == [2.0] + [1.0] * 10


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), weighted=st.booleans())
def test_merging_keeps_every_cost(seed, weighted):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 3, (14, 2)).astype(float)
    weights = rng.integers(0, 4, 14).astype(float) + (np.arange(14) == 3) if weighted else None
    Y, labels, counts = rng.standard_normal((14, 2)), rng.dirichlet(np.ones(2), 14), rng.poisson(3.0, (14, 2)) * 1.0
    own = rng.standard_normal((9, 2))
    outputs = own[(3 * X[:, 0] + X[:, 1]).astype(int)]  # any function of the inputs
    kept = np.arange(14) if weights is None else np.flatnonzero(weights)
    used = None if weights is None else weights[kept]
    for kind, y in ((L2, Y), (CrossEntropy, labels), (Poisson, counts)):
        merged = merge_duplicates(X, y, weights)
        floor = {"floor": merged.floor} if kind is L2 else {}
        all_rows, few = kind(y[kept], used), kind(merged.Y, merged.weights, **floor)
        x = own[(3 * merged.X[:, 0] + merged.X[:, 1]).astype(int)]
        assert few.cost(x) == pytest.approx(all_rows.cost(outputs[kept]), rel=1e-12)
        assert few.floor >= all_rows.floor - 1e-14
    np.testing.assert_array_equal(np.unique(merged.X, axis=0).shape, merged.X.shape)
    inside = merged.groups >= 0
    assert list(np.flatnonzero(inside)) == list(kept)
    np.testing.assert_array_equal(merged.X[merged.groups[inside]], X[inside])


def test_equal_labels_force_no_floor_to_the_last_bit():
    X, Y = np.repeat(np.eye(3), 7, axis=0), np.repeat([[0.1], [0.3], [0.7]], 7, axis=0)
    merged = merge_duplicates(X, Y, np.linspace(0.1, 1, 21))
    assert merged.floor == 0.0 and merged.conflicts.size == 0 and merged.repeated == 18
    np.testing.assert_array_equal(merged.Y, [[0.1], [0.3], [0.7]])


def test_only_equal_labels_merge_where_no_mean_serves():
    X, Y = np.zeros((4, 1)), np.array([[1.0], [2.0], [1.0], [3.0]])
    merged = merge_duplicates(X, Y, equal_labels=True)
    assert list(merged.groups) == [0, 1, 0, 2] and merged.floor == 0.0 and merged.conflicts.size == 0


def test_tokens_images_and_zeros_of_both_signs_are_inputs():
    tokens = np.array([[1, 2], [3, 4], [1, 2]])
    assert merge_duplicates(tokens, np.ones((3, 1))).X.dtype == tokens.dtype
    assert list(merge_duplicates(tokens, np.ones((3, 1))).groups) == [0, 1, 0]
    images = np.zeros((3, 2, 2, 1))
    images[1, 0, 1] = -0.0
    images[2, 1, 1] = 1.0
    assert list(merge_duplicates(images, np.ones((3, 1))).groups) == [0, 0, 1]
    flags = np.array([[True], [False], [True]])
    assert list(merge_duplicates(flags, np.ones((3, 1))).groups) == [0, 1, 0]


def brute_force(X):
    table = squareform(pdist(X.reshape(len(X), -1)))
    np.fill_diagonal(table, np.inf)
    return table


@pytest.mark.parametrize("kind", ["few columns", "many columns", "noise on a constant", "windows", "clusters"])
def test_closest_pair_and_near_rows_are_those_of_all_pairs(kind):
    rng = np.random.default_rng(2)
    X = {
        "few columns": lambda: rng.standard_normal((300, 2)),
        "many columns": lambda: rng.standard_normal((200, 40)),
        "noise on a constant": lambda: 5 + 1e-9 * rng.standard_normal((200, 12)),
        "windows": lambda: windows(
            np.r_[np.sin(np.arange(150) / 7), np.ones(90)] + 1e-6 * rng.standard_normal(240), 16
        ),
        "clusters": lambda: np.repeat(rng.standard_normal((60, 4)), 4, axis=0) + 1e-4 * rng.standard_normal((240, 4)),
    }[kind]()
    found, table = closeness(X), brute_force(X)
    assert found.is_exact and found.near_is_exact
    assert found.distance == pytest.approx(table.min(), rel=1e-9)
    i, j = found.closest
    assert i < j and table[i, j] == pytest.approx(table.min(), rel=1e-9)
    assert found.scale == pytest.approx(np.sqrt((X**2).sum(axis=1).mean()))
    assert found.near_rows == (table.min(axis=1) <= NEAR * found.scale).sum()
    assert found.relative_distance == pytest.approx(found.distance / found.scale)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 3), radius=st.floats(0.01, 2.0))
def test_a_sweep_meets_all_pairs_within_its_radius(seed, d, radius):
    X = np.random.default_rng(seed).standard_normal((30, d))
    search, least = duplicates._Search(X), brute_force(X).min(axis=1)
    assert search.sweep(radius)
    within = least <= radius
    np.testing.assert_allclose(search.distances[within], least[within], rtol=1e-12)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 6), N=st.integers(2, 40))
def test_closest_pair_of_any_small_set(seed, d, N):
    X = np.random.default_rng(seed).standard_normal((N, d))
    assert closeness(X).distance == pytest.approx(brute_force(X).min(), rel=1e-9)


@pytest.mark.parametrize("budget", [(0, 4e9), (0, 0), (1e3, 0)])
def test_a_search_that_is_too_long_says_so(monkeypatch, budget):
    monkeypatch.setattr(duplicates, "PAIR_OPERATIONS", budget[0])
    monkeypatch.setattr(duplicates, "TABLE_OPERATIONS", budget[1])
    X = np.random.default_rng(4).standard_normal((300, 5))
    found, least = closeness(X), brute_force(X).min()
    assert found.is_exact == (budget[1] > 0)
    assert found.distance == pytest.approx(least, rel=1e-9) if found.is_exact else found.distance >= least
    close = closeness(1.0 + 1e-9 * X)  # here the table has no digits left, and says so
    assert not close.is_exact and close.near_rows == 300 and close.near_is_exact


def test_overlapping_windows_of_a_constant_signal_are_caught():
    signal = np.r_[np.sin(np.arange(60) / 5), np.full(50, 0.4)]
    Y = np.arange(signal.size - 31, dtype=float)[:, None]
    merged = merge_duplicates(windows(signal, 32), Y)
    assert merged.repeated == 18 and merged.conflicts.size == 1 and merged.floor > 0
    noisy = windows(signal + 1e-5 * np.random.default_rng(0).standard_normal(signal.size), 32)
    assert merge_duplicates(noisy, Y).repeated == 0
    found = closeness(noisy)
    assert found.near_rows == 19 and found.relative_distance < 1e-4 and found.closest[0] >= 60


def test_opposite_inputs_are_found():
    rng = np.random.default_rng(6)
    X = rng.standard_normal((40, 3))
    X[17], X[30] = -X[2], -X[5] * (1 + 1e-14)
    found = closeness(X)
    assert found.opposite_pairs == 2 and found.opposite == (2, 17)
    assert closeness(np.abs(X)).opposite is None


def test_single_rows_zero_rows_and_bad_weights():
    alone = closeness(np.ones((1, 3)))
    assert alone.closest is None and alone.distance == np.inf and alone.is_exact
    pair = closeness(np.array([[0.0, 0.0], [0.0, 2.0]]))
    assert pair.distance == 2.0 and pair.closest == (0, 1)
    for weights in ([1.0, -1.0], [0.0, 0.0], [1.0], [np.nan, 1.0]):
        with pytest.raises(InputError):
            merge_duplicates(np.eye(2), np.ones((2, 1)), weights)
