"""Extreme eigenvalues of a symmetric map that is known by its products alone (Lanczos 1950).

Ritz values are Rayleigh quotients: they lie between the extreme eigenvalues and approach them from inside. Every new
vector is made orthogonal to all before it, twice, so that rounding brings no eigenvalue back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float

from thalweg.numerics.resampling import stream

STEPS, CHANGE = 60, 1e-6
"""Most steps, and the relative change of the extreme value at which they end."""

EPS = float(np.finfo(float).eps)


def start_vector(size: int) -> Float[np.ndarray, " size"]:
    """Return the vector with which Lanczos starts: fixed, and orthogonal to nothing of interest."""
    return stream(0, "lanczos", 0).standard_normal(size)


def lanczos(
    apply: Callable[[Any], Any],
    start: Float[np.ndarray, " n"],
    steps: int = STEPS,
    change: float = CHANGE,
    wanted: int = 1,
) -> Float[np.ndarray, " k"]:
    """Return Ritz values of a symmetric map, ascending: they lie between its extreme eigenvalues.

    Parameters
    ----------
    apply
        The map.
    start
        Any vector.
    steps
        Most products.
    change
        Ends when the `wanted` largest values change by less than this share of the largest.
    wanted
        How many values count.

    Returns
    -------
    array (k,)
        One for each step that was made; every step is made orthogonal to all before it.
    """
    n = start.size
    basis = np.zeros((min(steps, n), n))
    diagonal, beside = [], []
    v = start / np.linalg.norm(start)
    values = before = np.empty(0)
    for k in range(len(basis)):
        basis[k] = v
        w = apply(v)
        diagonal.append(float(v @ w))
        for _ in range(2):
            w = w - basis[: k + 1].T @ (basis[: k + 1] @ w)
        length = float(np.linalg.norm(w))
        values, before = np.asarray(scipy.linalg.eigvalsh_tridiagonal(diagonal, beside)), values
        if before.size >= wanted:
            moved = np.abs(values[-wanted:] - before[-wanted:]).max()
            if moved <= change * abs(values[-1]) and change > 0:
                break
        if length <= n * EPS * np.abs(values).max():
            break  # the space is invariant: the values are eigenvalues
        beside.append(length)
        v = w / length
    return values
