"""Canonical form of a net, the distance of two nets up to symmetry, and whether they are the same function.

Signs and order of the neurons are fixed by rule in the canonical form; it jumps where a rule ties, so two nets are
compared by assignment: each neuron of the second is taken in the image nearest to each neuron of the first, and the
Hungarian method pairs them (specification, section 5.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from thalweg.numerics.options import real_number
from thalweg.numerics.resampling import stream
from thalweg.numerics.validation import real_array
from thalweg.records import InputError, Verdict
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.reduce import reduce
from thalweg.shallow.symmetry import (
    MIRRORS,
    assemble,
    images,
    leading_sign,
    mirror,
    norms,
    wrapped,
)

SAME = 1e-8
"""Default tolerance of equal parameters, relative to their size: what is left after polishing to a flat floor."""

ROUNDING = 1e-12
"""Differences of two evaluations below this share of the size of their terms prove nothing."""

WITNESSES = 1000
"""Random inputs at which two functions are compared beside those of the user."""


def canonical(net: ShallowNet) -> ShallowNet:
    """Return the same function with signs and order of the neurons fixed by rule.

    Parameters
    ----------
    net
        Any net; `reduce` first, so that every `w_j` differs from zero.

    Returns
    -------
    ShallowNet
        The first entry of each `w_j` that is not zero is positive where the activation has a mirror image; for the
        sine `b` lies in `(-pi, pi]` and the first entry of `v_j` that is not zero is positive; neurons in
        lexicographic order of `(w, b, v)`.
    """
    symmetry = net.psi.symmetry
    if symmetry in MIRRORS:
        net = mirror(net, leading_sign(net.w) < 0)
    V, B = net.output_weights.copy(), net.B
    if symmetry == "periodic":
        turned = leading_sign(V) < 0
        V[turned] *= -1
        B[turned, 0] += math.pi
        B[:, 0] = wrapped(B[:, 0])
    keys = np.column_stack([B[:, 1:], B[:, :1], V])
    order = np.lexsort(keys.T[::-1])
    return assemble(net, net.output_bias, V[order] + 0.0, B[order] + 0.0)


def copies(net: ShallowNet) -> int | None:
    """Return how many parameter vectors give the function of an efficient net by symmetry alone.

    Returns
    -------
    int or None
        `2^m m!` with mirror images, `m!` without; None: infinitely many (the sine, shifted by whole periods).
    """
    symmetry = net.psi.symmetry
    if symmetry == "periodic" and net.width:
        return None
    return (2 if symmetry in MIRRORS else 1) ** net.width * math.factorial(net.width)


@dataclass(frozen=True, eq=False)
class Assignment:
    """The second net brought as near to the first as symmetry allows.

    Attributes
    ----------
    distance : float
        Largest distance `|(B, v)_i - g (B, v)_j|` of paired neurons; infinite for nets of different shape.
    v0_difference : float
        Largest difference of the output biases after the same images were taken.
    order : array (m,)
        Neuron of the second net that is paired with each neuron of the first.
    aligned : ShallowNet or None
        The second net in the order and the images of the first.
    """

    distance: float
    v0_difference: float
    order: Int[np.ndarray, " m"]
    aligned: ShallowNet | None


def assignment(first: ShallowNet, second: ShallowNet) -> Assignment:
    """Pair the neurons of two nets so that the sum of their distances up to symmetry is least.

    Parameters
    ----------
    first, second
        Nets with the same activation, features and outputs.

    Returns
    -------
    Assignment
        With an infinite distance if the nets differ in width.

    Raises
    ------
    InputError
        If the nets differ in activation, number of features or of outputs.
    """
    _require_comparable(first, second)
    if first.width != second.width:
        return Assignment(math.inf, math.inf, np.zeros(0, dtype=int), None)
    turned = list(images(second))
    costs = np.stack([_distances(first, V, B) for V, B, _ in turned])
    best, cost = np.argmin(costs, axis=0), np.min(costs, axis=0)
    rows, order = linear_sum_assignment(cost)
    V, B, v0 = first.output_weights.copy(), first.B, second.output_bias.copy()
    for i, j in zip(rows, order, strict=True):
        image = turned[best[i, j]]
        V[i], B[i], v0 = image[0][j], image[1][j], v0 + image[2][j]
    if first.psi.symmetry == "periodic":
        B[:, 0] += _periods(first.b - B[:, 0])
    distance = float(cost[rows, order].max(initial=0.0))
    difference = float(np.abs(first.output_bias - v0).max())
    return Assignment(distance, difference, order, assemble(second, v0, V, B))


def _distances(first: ShallowNet, V: np.ndarray, B: np.ndarray) -> Float[np.ndarray, "m m"]:
    """Return the distances of all neurons of a net from all these."""
    step = first.B[:, None] - B[None]
    if first.psi.symmetry == "periodic":
        step[..., 0] -= _periods(step[..., 0])
    return norms(np.concatenate([step, first.output_weights[:, None] - V[None]], axis=2))


def _periods(angle: np.ndarray) -> np.ndarray:
    """Return the nearest whole number of turns."""
    return 2 * math.pi * np.round(angle / (2 * math.pi))


@dataclass(frozen=True, eq=False)
class SameFunction:
    """Whether two nets are the same function.

    Attributes
    ----------
    verdict : Verdict
        `HOLDS`: after exact reduction the parameters agree within the tolerance; `FAILS`: at some input the functions
        differ by more than rounding and the tolerance; `UNDECIDED`: neither.
    parameter_distance : float
        Largest distance of paired neurons and output biases; infinite if the reduced widths differ.
    difference : float
        Largest difference of the functions that was seen.
    witness : array (d,)
        The input where it was seen.
    """

    verdict: Verdict
    parameter_distance: float
    difference: float
    witness: Float[np.ndarray, " d"]

    def __bool__(self) -> bool:
        return self.verdict is Verdict.HOLDS


def same_function(
    first: ShallowNet, second: ShallowNet, X: object = None, *, tolerance: float = SAME, seed: int = 0
) -> SameFunction:
    """Tell whether two nets are the same function, up to a tolerance.

    Parameters
    ----------
    first, second
        Nets with the same activation, features and outputs; they may have different widths.
    X : array (n, d), optional
        Inputs at which they are compared too.
    tolerance
        Differences of the parameters, and of the functions, relative to the size of each.
    seed
        Of the random inputs.

    Returns
    -------
    SameFunction
        True in a condition exactly if the verdict is `HOLDS`.

    Raises
    ------
    InputError
        If the nets cannot be compared, or X or the tolerance is unusable.
    """
    _require_comparable(first, second)
    real_number(tolerance, "tolerance", lambda t: 0 <= t < 1, "0 <= tolerance < 1")
    points = stream(seed, "same function", 0).standard_normal((WITNESSES, first.features))
    if X is not None:
        points = np.vstack([real_array(X, "X", 2), points])
    one, two = reduce(first).net, reduce(second).net
    paired = assignment(one, two)
    neurons = np.column_stack([one.B, one.output_weights])
    size = max(1.0, float(np.abs(one.v0).max()), float(norms(neurons).max(initial=0.0)))
    distance = max(paired.distance, paired.v0_difference)
    at = np.abs(first(points) - second(points)).reshape(len(points), -1).max(axis=1)
    worst = int(np.argmax(at))
    if distance <= tolerance * size:
        verdict = Verdict.HOLDS
    else:
        scale = max(1.0, _terms(first, points[worst]), _terms(second, points[worst]))
        verdict = Verdict.FAILS if at[worst] > max(tolerance, ROUNDING) * scale else Verdict.UNDECIDED
    return SameFunction(verdict, distance, float(at[worst]), points[worst])


def _terms(net: ShallowNet, x: Float[np.ndarray, " d"]) -> float:
    """Return the size of the terms that an evaluation at x adds up: rounding is in proportion to it."""
    values = np.abs(net.psi(net.w @ x + net.b))
    return float((np.abs(net.output_bias) + values @ np.abs(net.output_weights)).max())


def _require_comparable(first: ShallowNet, second: ShallowNet) -> None:
    for name in ("activation", "features", "outputs"):
        if getattr(first, name) != getattr(second, name):
            raise InputError("nets_differ", name=name, first=getattr(first, name), second=getattr(second, name))
