"""A-priori rounding bounds in float64.

For any order of summation the computed `x'y` differs from the exact one by at most
`gamma_n |x|'|y|` with `gamma_n = n u / (1 - n u)`, `u = 2^-53`
(Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), if nothing underflows.
"""

from __future__ import annotations

UNIT_ROUNDOFF = 2.0**-53


def gamma(operations: int) -> float:
    """Return an upper bound of `gamma_k` for `k` operations."""
    product = operations * UNIT_ROUNDOFF
    return product / (1.0 - product) * (1.0 + 4.0 * UNIT_ROUNDOFF)
