"""Products, norms and single columns of stored data against the dense matrix they stand for."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from thalweg.diagonal import columns as module
from thalweg.diagonal import gram_path, naive_path, saddle_path
from thalweg.diagonal.columns import Columns
from thalweg.records import InputError

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_transformed_columns(seed, is_sparse, single, center, scale, rows):
    rng = np.random.default_rng(seed)
    n, d, q = (int(size) for size in rng.integers(1, 12, 3))
    X = (rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.7)).astype(np.float32 if single else float)
    options = {
        "center": rng.standard_normal(d) if center else None,
        "scale": rng.uniform(0.5, 2, d) if scale else None,
        "rows": rng.uniform(0.5, 2, n) if rows else None,
    }
    stored = Columns(scipy.sparse.csr_array(X) if is_sparse else X, **options)
    dense = X.astype(float)
    dense = dense - options["center"] if center else dense
    dense = dense / options["scale"] if scale else dense
    dense = dense * options["rows"][:, None] if rows else dense
    V, places = rng.standard_normal((n, q)), rng.integers(0, d, 3)
    assert stored.products(V) == pytest.approx(dense.T @ V, abs=1e-12)
    assert stored.products(V[:, 0]) == pytest.approx(dense.T @ V[:, 0], abs=1e-12)
    quick, unit = stored.quick_products(V)
    bound = (n + 2) * unit * np.outer(stored.sizes, np.linalg.norm(V, axis=0)) + 1e-300
    assert (np.abs(quick - dense.T @ V) <= bound + 1e-13).all()
    assert stored.norms == pytest.approx(np.linalg.norm(dense, axis=0), abs=1e-12)
    assert (stored.norms <= stored.sizes).all()
    assert stored.take(places) == pytest.approx(dense[:, places].T, abs=1e-12)
    assert stored.rows_of(slice(0, n)) == pytest.approx(dense, abs=1e-12)


def test_mapped_data_are_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", 8 * 50 * 3)
    X = np.random.default_rng(0).standard_normal((50, 20)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    stored = Columns(np.load(tmp_path / "X.npy", mmap_mode="r"))
    V = np.random.default_rng(1).standard_normal((50, 2))
    assert stored.products(V) == pytest.approx(X.astype(float).T @ V, abs=1e-12)
    assert stored.quick_products(V)[0] == pytest.approx(X.T @ V, abs=1e-4)
    assert stored.norms == pytest.approx(np.linalg.norm(X.astype(float), axis=0))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csc_array])
def test_entries_that_are_not_finite_are_named(bad, kind):
    X = np.ones((4, 3))
    X[2, 1] = bad
    with pytest.raises(InputError, match="column") as raised:
        saddle_path(kind(X), np.arange(4.0))
    assert "1" in str(raised.value) and "2" in str(raised.value)


@pytest.mark.parametrize("X", [np.ones(3), np.ones((0, 2)), np.ones((2, 2), complex), np.array([["a", "b"]])])
def test_unusable_matrices_are_refused(X):
    with pytest.raises(InputError):
        saddle_path(X, np.ones(2))


@given(seeds, st.integers(1, 8), st.integers(1, 12))
def test_sums_of_products_alone_give_the_path(seed, d, n):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    path = gram_path(X.T @ X, X.T @ y, rows=n, target_square=float(y @ y))
    plain = naive_path(X, y)
    assert path.times == pytest.approx(plain.times, rel=1e-5)
    assert path.losses == pytest.approx(plain.losses, abs=1e-8)
    assert [s.tolist() for s in path.supports] == [s.tolist() for s in plain.supports]
    unknown = gram_path(X.T @ X, X.T @ y, rows=n)
    assert unknown.losses - unknown.losses[-1] == pytest.approx(path.losses - path.losses[-1], abs=1e-8)


def test_impossible_sums_of_products_are_refused():
    with pytest.raises(InputError, match="Gram"):
        gram_path(np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([1.0, -1.0]), rows=3)
    with pytest.raises(InputError, match="Gram"):
        gram_path(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([1.0, 1.0]), rows=3)


@pytest.mark.parametrize("weight", [[-1, 1], [0, 0], [1], [1, np.nan]])
def test_bad_weights_are_refused(weight):
    with pytest.raises(InputError, match="weight"):
        saddle_path(np.eye(2), np.ones(2), sample_weight=np.array(weight))


def test_other_losses_need_a_dense_matrix():
    y = np.array([1.0, -1, 1, -1])
    X = np.arange(8.0).reshape(4, 2) % 3
    assert saddle_path(X.astype(np.float32), y, loss="logistic").algorithm == "newton"
    with pytest.raises(InputError, match="dense"):
        saddle_path(scipy.sparse.csc_array(X), y, loss="logistic")
