"""Neurons that are one up to symmetry, joined; and constant neurons, folded into the output bias.

Output weights are summed without error and rounded once (`math.fsum` is exact up to the last rounding, Shewchuk 1997).
Sines of equal slope are one sine with the complex amplitude `sum_i v_i exp(i b_i)`; for several outputs, one if the
amplitudes have a common phase and two otherwise. What rounding does to the function is bounded in ball arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from thalweg.shallow.net import ShallowNet
from thalweg.shallow.sizes import Box, weighted
from thalweg.shallow.symmetry import MIRRORS

if TYPE_CHECKING:
    from flint import arb

BITS = 200
"""Precision of the balls: sums of doubles of any usual size are far below their last bit."""

COMMON_PHASE = 1e-14
"""Amplitudes of several outputs this near to one phase, relative to their sum, have one: rounding leaves more."""


@dataclass(frozen=True, eq=False)
class Group:
    """Neurons that are one up to symmetry; `signs` are -1 for mirror images of the first."""

    neurons: np.ndarray
    signs: np.ndarray


@dataclass(frozen=True, eq=False)
class Joined:
    """What became of a group: neurons `(V, B)`, their error, and multiples of output weights that `v0` takes up."""

    neurons: list[tuple[np.ndarray, np.ndarray]]
    errors: np.ndarray
    shifts: list[tuple[float, int]]


def join(net: ShallowNet, group: Group, box: Box) -> Joined:
    """Return the fewest neurons that do what a group does.

    Parameters
    ----------
    net
        The net they are of.
    group
        Neurons with equal or mirrored weights - for sines and exponentials, slopes - up to a tolerance.
    box
        The inputs for which the error is bounded.

    Returns
    -------
    Joined
        No neuron if the output weights cancel.
    """
    if net.psi.symmetry == "periodic":
        return _join_sines(net, group, box)
    if net.activation == "exp":
        return _join_exponentials(net, group, box)
    V, B = net.output_weights, net.B
    sign, shift = MIRRORS.get(net.psi.symmetry, (1.0, 0.0))
    kept, errors = B[group.neurons[0]], np.zeros(net.outputs)
    shifts, terms = [], []
    for j, s in zip(group.neurons, group.signs, strict=True):
        terms.append(V[j] if s > 0 else sign * V[j])
        if s < 0 and shift:
            shifts.append((shift, int(j)))
        errors += weighted(box.change(s * B[j], kept), V[j])
    total, rest = exact_sums(np.array(terms))
    errors += weighted(box.size(kept), rest)
    return Joined([(total, kept)] if total.any() else [], errors, shifts)


def exact_sums(terms: Float[np.ndarray, "q K"]) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]]:
    """Return the sums of the columns, rounded once, and bounds of what that rounding lost."""
    total = np.array([math.fsum(column) for column in terms.T])
    lost = [math.fsum([*column, -t]) for column, t in zip(terms.T, total, strict=True)]
    return total, np.nextafter(np.abs(lost), math.inf) * (np.abs(lost) > 0)


def fold(
    net: ShallowNet, constants: list[int], shifts: list[tuple[float, int]], added: Float[np.ndarray, " K"]
) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]]:
    """Return `v0 + sum v_j psi(b_j) + sum c v_j + added`, of the constant neurons and the shifts, and its error."""
    from flint import arb, ctx

    found, errors = net.output_bias.copy(), np.zeros(net.outputs)
    if not constants and not shifts and not added.any():
        return found, errors
    V = net.output_weights
    with ctx.workprec(BITS):
        values = [_ball_value(net.activation, b) for b in net.b[constants].tolist()]
        for k in range(net.outputs):
            exact = arb(found[k]) + arb(added[k])
            for j, value in zip(constants, values, strict=True):
                exact += arb(V[j, k]) * value
            for factor, j in shifts:
                exact += arb(factor) * arb(V[j, k])
            found[k] = float(exact.mid())
            errors[k] = upper(exact - arb(found[k]))
    return found, errors


def _ball_value(name: str, z: float) -> arb:
    """Return an enclosure of `psi(z)` for the exact number that the float `z` is."""
    from flint import arb

    from thalweg.shallow.ball_functions import ball_derivatives

    return arb(max(z, 0.0)) if name == "relu" else ball_derivatives(name)(arb(z))[0]


def _join_sines(net: ShallowNet, group: Group, box: Box) -> Joined:
    w, V, B = net.w[group.neurons[0]], net.output_weights, net.B
    by_bias: dict[float, list[np.ndarray]] = {}
    errors = np.zeros(net.outputs)
    for j, s in zip(group.neurons, group.signs, strict=True):
        turned = s * B[j]
        by_bias.setdefault(float(turned[0] + 0.0), []).append(s * V[j])
        errors += weighted(box.change(turned, np.r_[turned[0], w]), V[j])
    biases, amplitudes = [], []
    for bias, terms in by_bias.items():
        total, lost = exact_sums(np.array(terms))
        errors += lost
        if total.any():
            biases.append(bias)
            amplitudes.append(total)
    b, A = np.array(biases), np.array(amplitudes).reshape(-1, net.outputs)
    phases, weights = _fewest_sines(b, A)
    if phases is not b:
        errors += _sine_errors(b, A, phases, weights)
    return Joined([(v, np.r_[phase, w]) for phase, v in zip(phases, weights, strict=True)], errors, [])


def _fewest_sines(b: np.ndarray, A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return biases and output weights of the fewest sines with the sum `sum_i A_i sin(z + b_i)`."""
    if b.size < 2:
        return b, A
    parts = A.T @ np.column_stack([np.cos(b), np.sin(b)])  # (K, 2): of sin z and of cos z
    left, sizes, right = np.linalg.svd(parts, full_matrices=False)
    count = int(np.sum(sizes > COMMON_PHASE * np.abs(A).sum()))
    if count == b.size:
        return b, A
    return np.arctan2(right[:count, 1], right[:count, 0]), (left * sizes).T[:count]


def _sine_errors(b: np.ndarray, A: np.ndarray, phases: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Bound the difference of the complex amplitudes before and after, for each output."""
    from flint import acb, arb, ctx

    angles, signed = np.concatenate([b, phases]).tolist(), np.concatenate([A, -weights])
    errors = []
    with ctx.workprec(BITS):
        turns = [acb(arb(angle).cos(), arb(angle).sin()) for angle in angles]
        for amplitudes in signed.T.tolist():
            errors.append(upper(abs(sum((acb(a) * turn for a, turn in zip(amplitudes, turns, strict=True)), acb(0)))))
    return np.array(errors)


def _join_exponentials(net: ShallowNet, group: Group, box: Box) -> Joined:
    from flint import arb, ctx

    V, kept = net.output_weights[group.neurons], net.B[group.neurons[0]].copy()
    errors = np.zeros(net.outputs)
    for j in group.neurons:
        errors += weighted(box.change(net.B[j], np.r_[net.b[j], kept[1:]]), net.output_weights[j])
    b = net.b[group.neurons]
    kept[0] = b.max()
    total = exact_sums(V * np.exp(b - kept[0])[:, None])[0]
    if np.ptp(b) == 0:
        total, lost = exact_sums(V)
        return Joined([(total, kept)] if total.any() else [], errors + weighted(box.size(kept), lost), [])
    slope = np.r_[0.0, kept[1:]]
    with ctx.workprec(BITS):
        powers = [arb(c).exp() for c in [*b.tolist(), float(kept[0])]]
        signed = np.concatenate([V, -total[None]])
        lost = [upper(sum((arb(v) * p for v, p in zip(row, powers, strict=True)), arb(0))) for row in signed.T.tolist()]
    errors += weighted(box.size(slope), np.array(lost))
    return Joined([(total, kept)] if total.any() else [], errors, [])


def upper(ball: arb) -> float:
    """Return an upper bound of the absolute value of a real ball."""
    return 0.0 if ball.is_zero() else math.nextafter(float(ball.abs_upper()), math.inf)
