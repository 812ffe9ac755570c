"""At which jumps the running mean is the Lasso: the mask against the Lasso's own optimality conditions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.problems import diabetes
from thalweg.diagonal import naive_path, saddle_path


def is_lasso(path, X, y, k):
    """Test the optimality conditions of the weighted Lasso of penalty 1/t at the mean up to jump k."""
    t = path.times[k - 1]
    mean = path.running_mean(t)
    dual = t * X.T @ (y - X @ mean) / y.size
    active = np.abs(mean) > 1e-11 * np.abs(mean).max()
    return np.allclose(dual[active], (np.sign(mean) * path.exponents)[active], rtol=0, atol=1e-8)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(3, 8), st.integers(2, 8), st.booleans())
def test_the_mask_is_the_optimality_of_the_mean(seed, n, d, positive):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    path = saddle_path(X, y, init_exponents=rng.uniform(0.5, 2, d), positive=positive)
    mask = path.lasso_equivalent_mask
    assert mask.shape == path.times.shape and mask[: path.lasso_equivalent_until].all()
    assert mask.tolist() == [is_lasso(path, X, y, k) for k in range(1, path.count + 1)]


def test_equivalence_returns_after_a_departure():
    returned = departed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X, y = rng.standard_normal((6, 6)), rng.standard_normal(6)
        path = naive_path(X, y)
        later = path.lasso_equivalent_mask[path.lasso_equivalent_until :]
        returned, departed = returned + int(later.sum()), departed + int((~later).sum())
    assert 0 < returned < departed


def test_a_wall_that_is_left_unused_is_no_difference():
    # Column 1 reaches its wall together with column 0, which then carries it away at once: its coefficient stays zero.
    X, y = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([1.0, 0.0])
    path = naive_path(X, y)
    assert path.count == 1 and path.lasso_equivalent_mask.all()


def test_diabetes_departs_at_the_ninth_jump():
    X, y, raw_norm = diabetes()
    path = saddle_path(X, y, reference_norm=raw_norm)
    assert path.lasso_equivalent_mask.tolist() == [True] * 9 + [False] * 2


def test_a_path_without_jumps_has_an_empty_mask():
    assert naive_path(np.eye(2), np.zeros(2)).lasso_equivalent_mask.shape == (0,)
