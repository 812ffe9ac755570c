"""A self-test of the machine's arithmetic: what proofs in floating point take for granted.

Rounding bounds hold for IEEE binary64 with round to nearest and gradual underflow, for matrix products that sum
products (not Strassen's, nor ones of reduced precision), and for elementary functions of known accuracy. All of it is
tested once a process, before the first proof.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from thalweg.numerics.rounding import UNIT_ROUNDOFF, gamma

FUNCTION_ERROR = 3 * UNIT_ROUNDOFF
"""Relative error that the bounds allow `exp` and `tanh`; those of NumPy keep below 1.2 ulp."""

TESTED_POINTS = 1000
"""Arguments at which each function is compared with balls of 200 bits."""

TESTED_SIZE = 192
"""Size of the products that are tested: larger than the blocks of any library's kernel."""

BINARY64, PRODUCTS, FUNCTIONS = "binary64", "products", "functions"


@lru_cache(maxsize=1)
def unsound_arithmetic() -> tuple[str, ...]:
    """Return what of "binary64", "products" and "functions" does not meet the bounds on this machine."""
    tests = {BINARY64: _is_binary64, PRODUCTS: _sums_products, FUNCTIONS: _functions_are_accurate}
    return tuple(name for name, test in tests.items() if not test())


def _is_binary64() -> bool:
    """Test rounding to nearest even, both ways, and gradual underflow, in vectors long enough for any instruction."""
    ones, tiny = np.ones(65), np.full(65, 2.0**-1074)
    u = UNIT_ROUNDOFF
    return bool(
        (ones + u == 1).all()
        and (ones + u * (1 + 2 * u) > 1).all()
        and (-ones - u == -1).all()
        and (ones - u / 2 == 1).all()
        and (tiny * ones == tiny).all()
        and (tiny + tiny == 2.0**-1073).all()
        and (np.full(65, 2.0**-1022) * 0.5 == 2.0**-1023).all()
    )


def _sums_products() -> bool:
    """Compare a product of matrices of very unequal entries with exact sums."""
    # Fast multiplication mixes blocks before it multiplies, and loses the small entries beside the large ones.
    size = TESTED_SIZE
    rng = np.random.default_rng(0)
    scales = np.where(np.arange(size) < size // 2, 1.0, 2.0**-80)
    A = rng.standard_normal((size, size)) * scales[:, None]
    B = rng.standard_normal((size, size)) * scales[None, :]
    for left, right in ((A, B), (A, A.T), (B.T, B)):
        product = left @ right
        allowed = gamma(size + 4) * (np.abs(left) @ np.abs(right))
        for i, j in ((0, 0), (3, size - 2), (size - 2, 3), (size - 1, size - 1), (size // 2, size // 2 - 1)):
            exact = sum(
                (Fraction(a) * Fraction(b) for a, b in zip(left[i].tolist(), right[:, j].tolist(), strict=True)),
                Fraction(),
            )
            if not abs(Fraction(float(product[i, j])) - exact) <= Fraction(float(allowed[i, j])):
                return False
    return True


def _functions_are_accurate() -> bool:
    """Compare `exp` and `tanh` with balls, in contiguous arrays, in strided ones, and one number at a time."""
    rng = np.random.default_rng(1)
    count = TESTED_POINTS // 2
    points = np.concatenate([rng.uniform(-45, 45, count), 10 ** rng.uniform(-12, 1, TESTED_POINTS - count)])
    return all(_is_accurate(name, points if name == "tanh" else -np.abs(points)) for name in ("exp", "tanh"))


def _is_accurate(name: str, points: Float[np.ndarray, " k"]) -> bool:
    from flint import arb, ctx

    function = getattr(np, name)
    spread = np.zeros(3 * points.size)
    spread[::3] = points
    found = np.stack([function(points), function(spread[::3]), np.array([function(t) for t in points])])
    with ctx.workprec(200):
        exact = [getattr(arb(point), name)() for point in points.tolist()]
        return all(
            abs(arb(value) - truth) <= FUNCTION_ERROR * abs(truth)
            for row in found.tolist()
            for value, truth in zip(row, exact, strict=True)
        )
