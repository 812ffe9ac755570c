"""Sums of entrywise products of Gram matrices against the plain formula, across the edges of blocks."""

import numpy as np
import pytest

from thalweg.adapted.products import BLOCK, Product, sum_of_products, with_ones


@pytest.mark.parametrize("N", [1, 7, BLOCK, BLOCK + 1, 2 * BLOCK + 5])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_sum_of_products_is_what_it_says(N, dtype):
    rng = np.random.default_rng(N)
    A, B, C = (rng.standard_normal((N, width)).astype(dtype) for width in (3, 5, 2))
    found = sum_of_products([Product(A, B), Product(C)])
    assert found.dtype == dtype and np.array_equal(found, found.T)
    assert found == pytest.approx((A @ A.T) * (B @ B.T) + C @ C.T, rel=1e-4, abs=1e-4 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("bias", [True, False])
def test_a_column_of_ones_adds_one_to_every_product(bias):
    rows = np.arange(6.0).reshape(3, 2)
    longer = with_ones(rows, bias)
    assert longer @ longer.T == pytest.approx(rows @ rows.T + bias)


def test_arrays_of_jax_stay_so():
    jnp = pytest.importorskip("jax.numpy")
    rows = jnp.arange(6.0).reshape(3, 2)
    found = sum_of_products([Product(with_ones(rows, True), rows)])
    assert isinstance(found, type(rows))
    assert np.asarray(found) == pytest.approx(np.asarray((rows @ rows.T + 1) * (rows @ rows.T)))
