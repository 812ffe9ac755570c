"""Mirrored pairs of softplus, SiLU and GELU neurons: affine functions in disguise.

`psi(z) - psi(-z) = z` for these, so a pair `u psi(z) + v psi(-z)` is `(u + v) psi(z) - v z`. Many pairs are therefore
one neuron each and a single affine map, whose slope of rank rho takes 2 rho neurons and whose constant goes to the
output bias: three pairs are five neurons at most for one output, and pairs with `u + v = 0` even fewer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.shallow.joining import BITS, exact_sums, upper
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.sizes import Box, weighted

NO_RANK = 1e-14
"""Singular values of the slope below this share of its terms are rounding."""


@dataclass(frozen=True, eq=False)
class Collapsed:
    """What became of the pairs.

    `pairs` are the rows that were given up; `V`, `B` the neurons in their place; `constant` goes to the output bias;
    `errors` bound the difference of each output.
    """

    pairs: list[tuple[int, int]]
    V: Float[np.ndarray, "p K"]
    B: Float[np.ndarray, "p D"]
    constant: Float[np.ndarray, " K"]
    errors: Float[np.ndarray, " K"]


def collapse_pairs(
    net: ShallowNet, V: Float[np.ndarray, "m K"], B: Float[np.ndarray, "m D"], box: Box
) -> Collapsed | None:
    """Return fewer neurons for all mirrored pairs together.

    Parameters
    ----------
    net
        Whose activation and shape these neurons have; no two of them are equal.
    V, B
        Their output and hidden weights.
    box
        The inputs for which the error is bounded.

    Returns
    -------
    Collapsed or None
        None if there are no pairs, or as few neurons as they can be.
    """
    place = {row.tobytes(): i for i, row in enumerate(B + 0.0)}  # -0.0 becomes 0.0
    partners = [(i, place.get((0.0 - row).tobytes(), -1)) for i, row in enumerate(B + 0.0)]
    pairs = [(i, j) for i, j in partners if i < j]
    if not pairs:
        return None
    sums = [exact_sums(V[[i, j]]) for i, j in pairs]
    kept = [(total, B[i]) for (i, _), (total, _) in zip(pairs, sums, strict=True) if total.any()]
    errors = sum(
        (weighted(box.size(B[i]), lost) for (i, _), (_, lost) in zip(pairs, sums, strict=True)), np.zeros(net.outputs)
    )
    A, size, left = _affine_map(V, B, pairs)
    made = _neurons_of_slope(A[:, 1:], NO_RANK * size)
    if len(kept) + 2 * len(made) >= 2 * len(pairs):
        return None
    for outer, inner in made:
        half = np.r_[0.0, inner]
        kept += [(outer, half), (-outer, -half)]
    errors += _difference(left, A, made, box)
    rows = np.array([v for v, _ in kept]).reshape(len(kept), net.outputs)
    return Collapsed(pairs, rows, np.array([b for _, b in kept]).reshape(len(kept), B.shape[1]), A[:, 0], errors)


def _affine_map(V: np.ndarray, B: np.ndarray, pairs: list[tuple[int, int]]) -> tuple[np.ndarray, float, list[list]]:
    """Return `-sum V_j B_i'` over the pairs, rounded once, the size of its terms, and the exact sums."""
    from flint import arb, ctx

    with ctx.workprec(BITS):
        exact = [
            [-sum((arb(float(V[j, k])) * arb(float(B[i, c])) for i, j in pairs), arb(0)) for c in range(B.shape[1])]
            for k in range(V.shape[1])
        ]
        A = np.array([[float(entry.mid()) for entry in row] for row in exact])
    size = sum(float(np.abs(V[j]).max() * np.abs(B[i]).max()) for i, j in pairs)
    return A, size, exact


def _neurons_of_slope(slope: Float[np.ndarray, "K d"], zero: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return outer and inner weights whose products add up to the slope, as few as its rank."""
    if not np.abs(slope).max() > zero:
        return []
    if len(slope) == 1:  # exact: scaled by a power of two to balance the two factors
        scale = 2.0 ** round(math.log2(float(np.linalg.norm(slope))) / 2)
        return [(np.array([scale]), slope[0] / scale)]
    left, values, right = np.linalg.svd(slope, full_matrices=False)
    return [
        (left[:, r] * math.sqrt(s), right[r] * math.sqrt(s)) for r, s in enumerate(values.tolist()) if s > zero
    ]  # fmt: skip


def _difference(
    exact: list[list], A: np.ndarray, made: list[tuple[np.ndarray, np.ndarray]], box: Box
) -> Float[np.ndarray, " K"]:
    """Bound what the made neurons and the rounded constant miss of the affine map, on the box."""
    from flint import arb, ctx

    missed = np.empty(A.shape)
    with ctx.workprec(BITS):
        for k, row in enumerate(exact):
            missed[k, 0] = upper(row[0] - arb(float(A[k, 0])))
            for c, entry in enumerate(row[1:]):
                given = sum((arb(float(outer[k])) * arb(float(inner[c])) for outer, inner in made), arb(0))
                missed[k, c + 1] = upper(entry - given)
    return np.array([box.argument(row) for row in missed])
