"""Shared numerics against brute force and exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from thalweg.numerics.dependence import duplicate_groups, exact_dependences
from thalweg.numerics.ranking import kendall_tau
from thalweg.numerics.rounding import gamma
from thalweg.numerics.validation import real_array, regression_arrays, require_finite
from thalweg.records import InputError


def test_gamma_is_an_upper_bound():
    for k in (1, 10, 10**6):
        exact = Fraction(k, 2**53) / (1 - Fraction(k, 2**53))
        assert Fraction(gamma(k)) >= exact


@given(st.permutations(range(7)), st.permutations(range(7)))
def test_kendall_tau_is_scipys(first, second):
    ranks = [second.index(item) for item in first]
    assert kendall_tau(first, second) == pytest.approx(kendalltau(range(7), ranks).statistic)


def test_kendall_tau_of_disjoint_orders_is_no_number():
    assert np.isnan(kendall_tau(["a"], ["a"])) and np.isnan(kendall_tau(["a", "b"], ["c"]))


def test_duplicates_are_found_up_to_sign_and_zero_columns_left_out():
    x = np.array([0.0, 1, -2])
    X = np.column_stack([x, np.zeros(3), -x, x, -np.zeros(3), 2 * x])
    assert duplicate_groups(X) == [((0, 1), (2, -1), (3, 1))]
    assert duplicate_groups(X, up_to_sign=False) == [((0, 1), (3, 1))]


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 3))
def test_planted_dependences_are_found_and_no_others(seed, independent, planted):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((12, independent)) * 10.0 ** rng.integers(-5, 5, independent)
    weights = rng.standard_normal((independent, planted))
    X = np.column_stack([A, A @ weights + rng.standard_normal(planted)])  # a constant hides no relation
    found, smallest = exact_dependences(X)
    assert [d.column for d in found] == list(range(independent, independent + planted))
    assert smallest > 1e-6
    for relation in found:
        combined = sum(w * X[:, k] for w, k in zip(relation.weights, relation.others, strict=True))
        assert np.ptp(combined - X[:, relation.column]) <= 1e-7 * np.ptp(X[:, relation.column])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[1 + 2j]], "complex"),
        ([["a"]], "type"),
        ([1.0], "dimensions"),
        (np.zeros((0, 2)), "empty"),
        ([[1.0], [np.nan], [np.inf]], "first rows 1, 2"),
        (None, "type"),
    ],
)
def test_unusable_arrays_are_named(values, words):
    with pytest.raises(InputError, match=words):
        real_array(values, "X", 2)


def test_rows_must_match():
    with pytest.raises(InputError, match="3 rows, y has 2"):
        regression_arrays(np.ones((3, 1)), np.ones(2))


def test_long_lists_of_rows_are_cut():
    with pytest.raises(InputError, match=r"\.\.\. \(95 more\)"):
        require_finite(np.full(100, np.nan), "y")


@given(st.integers(0, 2**32), st.sampled_from([1.0, 1e-200, 1e150, 1e-300]))
def test_duplicates_are_those_of_brute_force(seed, scale):
    rng = np.random.default_rng(seed)
    X = scale * rng.integers(-1, 2, (rng.integers(1, 5), 9)).astype(float)
    pairs = {
        (i, j)
        for i in range(9)
        for j in range(i + 1, 9)
        if X[:, i].any() and (np.array_equal(X[:, i], X[:, j]) or np.array_equal(X[:, i], -X[:, j]))
    }
    found = {(i, j) for g in duplicate_groups(X) for i, _ in g for j, _ in g if i < j}
    assert found == pairs
    for group in duplicate_groups(X):
        for j, sign in group:
            assert np.array_equal(X[:, j], sign * X[:, group[0][0]])
