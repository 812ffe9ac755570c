"""Products with stored columns: the bounds hold exactly, and every way of storing gives the same."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.sparse import coo_array, csr_array

import thalweg.numerics.column_blocks as module
from thalweg.numerics.column_blocks import ColumnBlocks, upper_norms
from thalweg.records import InputError, digest_of

entries = st.floats(-1e60, 1e60) | st.floats(-1e-150, 1e-150).filter(lambda x: abs(x) > 1e-290 or x == 0)


def exact_product(a, x):
    return sum((Fraction(float(p)) * Fraction(float(q)) for p, q in zip(a, x, strict=True)), Fraction(0))


@given(npst.arrays(np.float64, (9, 3), elements=entries), npst.arrays(np.float64, (2, 9), elements=entries))
def test_the_bound_covers_the_rounding_of_products(X, vectors):
    columns = ColumnBlocks(X)
    found = columns.all_products(vectors)
    errors = np.outer(columns.product_error(upper_norms(vectors)), columns.norms)
    for k, i in np.ndindex(found.shape):
        difference = abs(Fraction(float(found[k, i])) - exact_product(vectors[k], X[:, i]))
        assert difference <= Fraction(float(errors[k, i]))


@given(npst.arrays(np.float64, (9, 3), elements=entries))
def test_norms_are_bounded_from_above(X):
    for norm, column in zip(ColumnBlocks(X).norms, X.T, strict=True):
        assert Fraction(float(norm)) ** 2 >= exact_product(column, column)


def test_long_columns_in_small_blocks_give_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    X, vectors = rng.standard_normal((500, 40)), rng.standard_normal((3, 500))
    whole = ColumnBlocks(X)
    monkeypatch.setattr(module, "PRODUCT_ENTRIES", 21)  # seven columns at a time
    parts = list(whole.products(vectors))
    assert len(parts) == 6 and np.concatenate([p for _, p in parts], axis=1) == pytest.approx(vectors @ X)
    assert whole.growth < 100 * 2.0**-53  # pieces of 64 rows: not 500


def test_every_way_of_storing_gives_the_same(tmp_path):
    rng = np.random.default_rng(1)
    X = np.where(rng.random((30, 8)) < 0.5, rng.integers(-4, 5, (30, 8)), 0).astype(float)
    vectors = rng.standard_normal((2, 30))
    np.save(tmp_path / "X.npy", X)
    stored = (
        X, np.asfortranarray(X), X.astype(np.float32), X.astype(np.int8), np.load(tmp_path / "X.npy", mmap_mode="r"),
        csr_array(X), coo_array(X.astype(np.float32)),
    )  # fmt: skip
    for matrix in stored:
        columns = ColumnBlocks(matrix)
        assert columns.all_products(vectors) == pytest.approx(vectors @ X, abs=1e-13)
        assert np.array_equal(columns.dense(np.array([5, 2])), X[:, [5, 2]])
        assert columns.norms == pytest.approx(np.linalg.norm(X, axis=0))


def test_a_stored_matrix_is_not_copied():
    X = np.ones((50, 4), dtype=np.float32)
    assert ColumnBlocks(X).stored is X and np.shares_memory(ColumnBlocks(X).arrays("X")["X"], X)


def test_columns_that_vary():
    X = np.array([[1.0, 0, 2], [1, 0, 3], [1, 0, 2]])
    for matrix in (X, csr_array(X)):
        assert ColumnBlocks(matrix).varying().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (np.array([[1.0, np.nan]]), "columns 1"),
        (csr_array(np.array([[0.0, 0], [0, np.inf]])), "first rows 1"),
        (np.ones((2, 2)) * 1j, "complex"),
        (np.array([["a"]]), "numbers"),
        (np.ones(3), "dimension"),
        (np.ones((3, 0)), "empty"),
    ],
)
def test_unusable_matrices_are_named(X, words):
    with pytest.raises(InputError, match=words):
        ColumnBlocks(X)


def test_digests_do_not_depend_on_how_an_array_lies_in_memory():
    X = np.arange(12.0).reshape(4, 3)
    assert digest_of({"X": X}) == digest_of({"X": np.asfortranarray(X)}) != digest_of({"X": X.T.copy()})
    assert digest_of({"X": X}) != digest_of({"X": np.where(X == 11, 12, X)})
    assert digest_of({"a": np.float64(1)}) == digest_of({"a": np.ones(1)})
