"""Whitening coordinates and proved bounds of small linear algebra, against rational arithmetic and balls."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.numerics import platform
from thalweg.numerics.whitening import largest_eigenvalue, upper_norm, whiten


def random_symmetric(seed, size, condition, negative=0):
    rng = np.random.default_rng([seed, size])
    Q = np.linalg.qr(rng.normal(size=(size, size)))[0]
    values = np.geomspace(1, 1 / condition, size)
    values[:negative] *= -1
    return (Q * values) @ Q.T


def exact_defect(whitening, H):
    """Return the Frobenius norm of `Li H Li' - S` from rational arithmetic."""
    Li = [[Fraction(x) for x in row] for row in whitening.Li.tolist()]
    size = range(len(H))
    HL = [[sum(Fraction(H[p, q]) * Li[i][q] for q in size) for p in size] for i in size]
    total = Fraction(0)
    for i in size:
        for j in size:
            entry = sum(Li[j][p] * HL[i][p] for p in size) - (int(whitening.signs[i]) if i == j else 0)
            total += entry * entry
    return float(total) ** 0.5


@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([1.0, 1e3, 1e9]), st.integers(0, 3))
def test_defect_is_bounded_with_all_rounding(seed, size, condition, negative):
    H = random_symmetric(seed, size, condition, min(negative, size))
    H = (H + H.T) / 2
    whitening = whiten(H)
    assert whitening.index == min(negative, size)
    norms = whitening.column_norms()
    assert (norms >= np.sqrt(np.square(whitening.Li).sum(axis=0))).all()
    # The spectral norm is at least the Frobenius norm over the root of the size.
    assert whitening.defect(H, norms) >= exact_defect(whitening, H) / size**0.5
    assert whitening.defect(H, norms) <= 1e-12 * condition


@given(st.integers(0, 10**6), st.integers(1, 30), st.sampled_from([1.0, 1e6, 1e12]), st.integers(0, 30))
def test_largest_eigenvalue_is_bounded_closely(seed, size, condition, negative):
    A = random_symmetric(seed, size, condition, min(negative, size))
    bound = largest_eigenvalue(A)
    assert 1 - 1e-12 <= bound <= 1 + 1e-5
    assert largest_eigenvalue(A * 2.0**200) == bound * 2.0**200


def test_largest_eigenvalue_of_large_and_of_odd_matrices():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(400, 400))
    A = A + A.T
    top = np.abs(np.linalg.eigvalsh(A)).max()
    assert top <= largest_eigenvalue(A) <= 1.3 * top
    assert 0 <= largest_eigenvalue(np.zeros((3, 3))) < 1e-100
    assert largest_eigenvalue(np.array([[0.0, 3.0], [3.0, 0.0]])) == pytest.approx(3.0, rel=1e-5)
    assert not largest_eigenvalue(np.array([[np.nan, 0.0], [0.0, 1.0]])) < 1e300


@pytest.mark.parametrize(
    "H", [np.zeros((2, 2)), np.array([[np.nan, 0.0], [0.0, 1.0]]), np.array([[np.inf, 0.0], [0.0, 1.0]])]
)
def test_matrices_without_whitening_coordinates_have_none(H):
    assert whiten(H) is None


def test_columns_of_any_size_have_upper_norms():
    A = np.array([[3.0, 3e-300, 0.0], [4.0, 4e-300, 0.0]])
    assert (upper_norm(A, axis=0) >= [5.0, 5e-300, 0.0]).all()
    assert upper_norm(A, axis=0)[0] == pytest.approx(5.0)


def test_this_machine_passes_and_broken_ones_do_not(monkeypatch):
    assert platform.unsound_arithmetic() == ()
    exact = np.exp
    monkeypatch.setattr(np, "exp", lambda t: exact(t) * (1 + 2.0**-50))
    assert not platform._functions_are_accurate()
    monkeypatch.undo()
    monkeypatch.setattr(platform, "gamma", lambda k: 2.0**-80)
    assert not platform._sums_products()
