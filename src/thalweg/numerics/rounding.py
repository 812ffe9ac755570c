"""A-priori rounding bounds for inner products in float64.

For any order of summation the computed `x'y` differs from the exact one by at most
`gamma_n |x|'|y|` with `gamma_n = n u / (1 - n u)`, `u = 2^-53`
(Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), if nothing underflows.
The bounds here are inflated so that computing them in floating point keeps them upper bounds.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

UNIT_ROUNDOFF = 2.0**-53


def gamma(operations: int) -> float:
    """Return an upper bound of `gamma_k` for `k` operations."""
    product = operations * UNIT_ROUNDOFF
    return product / (1.0 - product) * (1.0 + 4.0 * UNIT_ROUNDOFF)


def product_error(
    A: Float[np.ndarray, "*m n"], x: Float[np.ndarray, " n"], *, is_absolute: bool = False
) -> Float[np.ndarray, "*m"] | np.floating:
    """Bound the rounding error of the computed `A @ x`, entry by entry.

    Parameters
    ----------
    A : array (m, n) or (n,)
        The left factor.
    x : array (n,)
        The right factor.
    is_absolute
        Whether `A` holds the absolute values already.

    Returns
    -------
    array (m,) or scalar
        Upper bounds of `|computed - exact|`.
    """
    n = x.shape[0]
    # |A||x| itself is computed with relative error at most gamma_n: one more gamma_n covers it; the last
    # term covers products that underflow.
    return gamma(n) * (1.0 + 2.0 * gamma(n + 2)) * ((A if is_absolute else np.abs(A)) @ np.abs(x)) + n * 2.0**-1073
