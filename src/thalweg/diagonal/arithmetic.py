"""Linear algebra whose results are proved: balls of a chosen precision, and rational numbers.

A ball holds the exact value, so the sign of a number is known once its ball leaves zero out; equality with zero is
decided by rational numbers alone. Both take floats as the exact binary fractions they are (python-flint: Arb, FLINT).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat
from jaxtyping import Float

ENCLOSING_BITS = 256
"""Precision in which a rational number becomes a ball."""


Number = Any
"""A ball or a rational number."""

Matrix = Any
"""A matrix of them."""


class Balls:
    """Balls with midpoints of so many bits."""

    def __init__(self, bits: int) -> None:
        self.bits = bits

    def precision(self) -> AbstractContextManager[Any]:
        """Return the context in which all of this arithmetic must run."""
        return ctx.workprec(self.bits)

    def matrix(self, A: Float[np.ndarray, "r c"]) -> Matrix:
        """Return a matrix of exact balls."""
        return arb_mat(A.shape[0], A.shape[1], A.ravel().tolist())

    def solve(self, A: Matrix, B: Matrix) -> Matrix:
        """Return `X` with `A X = B`; ZeroDivisionError where `A` is not proved to be invertible."""
        return A.solve(B)

    def sign(self, x: Number) -> int | None:
        """Return the sign of the exact value, None if the ball does not tell."""
        return 1 if x > 0 else -1 if x < 0 else 0 if x.is_zero() else None

    def ball(self, x: Number) -> arb:
        """Return the ball itself."""
        return x


class Rationals:
    """Exact rational numbers."""

    def precision(self) -> AbstractContextManager[Any]:
        """Return the context in which balls that hold them are made."""
        return ctx.workprec(ENCLOSING_BITS)

    def matrix(self, A: Float[np.ndarray, "r c"]) -> Matrix:
        """Return an exact matrix."""
        return fmpq_mat(A.shape[0], A.shape[1], [fmpq(*v.as_integer_ratio()) for v in A.ravel().tolist()])

    def solve(self, A: Matrix, B: Matrix) -> Matrix:
        """Return `X` with `A X = B`; ZeroDivisionError where `A` is singular."""
        return A.solve(B, algorithm="dixon")

    def sign(self, x: Number) -> int | None:
        """Return the sign."""
        return 1 if x > 0 else -1 if x < 0 else 0

    def ball(self, x: Number) -> arb:
        """Return a ball that holds the value."""
        return arb(x)


Arithmetic = Balls | Rationals


def enclosure(ball: arb) -> tuple[float, float]:
    """Return a midpoint and a radius, both floats, that hold what the ball holds."""
    middle = float(ball.mid())
    return middle, float(np.nextafter(float((ball - arb(middle)).abs_upper()), np.inf))


def float_vector(entries: list[arb]) -> tuple[Float[np.ndarray, " n"], float]:
    """Return floats near a vector of balls, and a bound of the distance to whatever they hold."""
    pairs = [enclosure(entry) for entry in entries]
    radii = np.array([radius for _, radius in pairs])
    return np.array([middle for middle, _ in pairs]), float(np.linalg.norm(radii)) * (1 + 1e-9)
