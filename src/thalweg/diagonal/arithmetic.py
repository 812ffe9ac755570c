"""Linear algebra whose results are proved: balls of a chosen precision, and rational numbers.

A ball holds the exact value, so the sign of a number is known once its ball leaves zero out; equality with zero is
decided by rational numbers alone. Both take floats as the exact binary fractions they are (python-flint: Arb, FLINT).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat
from jaxtyping import Float

ENCLOSING_BITS = 256
"""Precision in which a rational number becomes a ball."""


class Balls:
    """Balls with midpoints of so many bits."""

    def __init__(self, bits: int) -> None:
        self.bits, self.name = bits, f"{bits} bits"

    def precision(self) -> AbstractContextManager[Any]:
        """Return the context in which all of this arithmetic must run."""
        return ctx.workprec(self.bits)

    def matrix(self, A: Float[np.ndarray, "r c"]) -> arb_mat:
        """Return a matrix of exact balls."""
        return arb_mat(*A.shape, A.ravel().tolist())

    def solve(self, A: arb_mat, B: arb_mat) -> arb_mat:
        """Solve `A X = B`.

        Returns
        -------
        arb_mat
            The solution.

        Raises
        ------
        ZeroDivisionError
            If `A` is not proved to be invertible.
        """
        return A.solve(B)

    def sign(self, x: arb) -> int | None:
        """Return the sign of the exact value, None if the ball does not tell."""
        return 1 if x > 0 else -1 if x < 0 else 0 if x.is_zero() else None

    def ball(self, x: arb) -> arb:
        """Return a ball that holds the value."""
        return x


class Rationals:
    """Exact rational numbers."""

    name = "exact"

    def precision(self) -> AbstractContextManager[Any]:
        """Return the context in which all of this arithmetic must run."""
        return nullcontext()

    def matrix(self, A: Float[np.ndarray, "r c"]) -> fmpq_mat:
        """Return an exact matrix."""
        return fmpq_mat(*A.shape, [fmpq(*v.as_integer_ratio()) for v in A.ravel().tolist()])

    def solve(self, A: fmpq_mat, B: fmpq_mat) -> fmpq_mat:
        """Solve `A X = B`.

        Returns
        -------
        fmpq_mat
            The solution.

        Raises
        ------
        ZeroDivisionError
            If `A` is singular.
        """
        return A.solve(B, algorithm="dixon")

    def sign(self, x: fmpq) -> int | None:
        """Return the sign."""
        return 1 if x > 0 else -1 if x < 0 else 0

    def ball(self, x: fmpq) -> arb:
        """Return a ball that holds the value."""
        with ctx.workprec(ENCLOSING_BITS):
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
