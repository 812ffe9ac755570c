"""Directions in which the outputs on the data do not move to first order, and why.

The null space of the Jacobian is spanned, wherever theory explains it, by: the hidden weights of a neuron without
output weight; output bias against a neuron with a constant output; shares of equal or mirrored neurons (flat curves),
and their splitting directions, along which they part and whose curvature theorem T6 decides; moves along a linear
relation among the features; rescalings of exponentials and powers; affine relations of mirrored softplus-like neurons
(specification, sections 3 (T5) and 5.1). What remains is called unexplained.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.shallow.net import ShallowNet
from thalweg.shallow.redundant_set import joins_by_slope
from thalweg.shallow.symmetry import MIRRORS, leading_sign, norms

FLAT, SPLITTING, FIRST_ORDER = "flat", "splitting", "first_order"
"""Flat: a curve of equal outputs goes this way. Splitting: T6 decides the curvature. First order: nothing is said."""

VANISHES = 1e-10
"""Share of the size of its terms below which a derivative of the outputs counts as zero."""


@dataclass(frozen=True, eq=False)
class NullDirection:
    """One direction of an orthonormal basis of the null space.

    Attributes
    ----------
    kind : str
        `flat`, `splitting` or `first_order`.
    reason : str
        `no_output`, `constant`, `equal`, `collinear`, `rescaling`, `mirrored_affine` or `unexplained`.
    neurons : tuple of int
        Neurons that cause it.
    direction : array (P,)
        In the flat layout, of length one, orthogonal to the directions before it.
    """

    kind: str
    reason: str
    neurons: tuple[int, ...]
    direction: Float[np.ndarray, " P"]


class _Vector:
    """A zero vector in the flat layout with its parts as views."""

    def __init__(self, net: ShallowNet) -> None:
        K, m = net.outputs, net.width
        self.all = np.zeros(net.parameter_count)
        self.v0 = self.all[:K]
        self.V = self.all[K : K * (1 + m)].reshape(m, K)
        self.B = self.all[K * (1 + m) :].reshape(m, net.features + 1)


Found = tuple[str, str, tuple[int, ...], np.ndarray]


def null_directions(
    net: ShallowNet,
    jacobian: Float[np.ndarray, "N P"],
    null_space: Float[np.ndarray, "P nullity"],
    relations: Float[np.ndarray, "D q"],
) -> tuple[NullDirection, ...]:
    """Return an orthonormal basis of the null space of the Jacobian, explained as far as theory goes.

    Parameters
    ----------
    net
        The net.
    jacobian : array (N, P)
        Derivatives of all outputs, one below the other.
    null_space : array (P, nullity)
        Any basis of its numerical null space.
    relations : array (d + 1, q)
        Basis of the vectors D with `D.(1, x_i) = 0` for all rows.

    Returns
    -------
    tuple of NullDirection
        Flat ones first, unexplained ones last.
    """
    sizes = np.linalg.norm(jacobian, axis=0)
    basis = np.zeros((net.parameter_count, 0))
    found: list[NullDirection] = []
    candidates = sorted(_candidates(net, relations), key=lambda c: (FLAT, SPLITTING, FIRST_ORDER).index(c[0]))
    for kind, reason, neurons, vector in candidates:
        if not np.linalg.norm(jacobian @ vector) <= VANISHES * float(sizes @ np.abs(vector)):
            continue
        unit = _orthogonal(vector, basis)
        if unit is not None:
            basis = np.column_stack([basis, unit])
            found.append(NullDirection(kind, reason, neurons, unit))
    rest = null_space - basis @ (basis.T @ null_space)
    left = np.linalg.svd(rest, full_matrices=False)[0]
    unexplained = left.T[: max(0, null_space.shape[1] - basis.shape[1])]
    return (*found, *(NullDirection(FIRST_ORDER, "unexplained", (), unit) for unit in unexplained))


def _orthogonal(vector: np.ndarray, basis: np.ndarray) -> np.ndarray | None:
    """Return the unit vector of what is not in the span of the basis; None if hardly anything is."""
    size = float(np.linalg.norm(vector))
    if not size:
        return None
    unit = vector / size
    for _ in range(2):
        unit = unit - basis @ (basis.T @ unit)
    rest = float(np.linalg.norm(unit))
    return unit / rest if rest > VANISHES else None


def _candidates(net: ShallowNet, relations: np.ndarray) -> Iterator[Found]:
    for j in range(net.width):
        yield from _alone(net, j, relations)
    yield from _equal(net)
    if net.psi.symmetry == "softplus":
        yield from _mirrored_affine(net)


def _alone(net: ShallowNet, j: int, relations: np.ndarray) -> Iterator[Found]:
    V, B = net.output_weights[j], net.B[j]
    if not V.any():
        for c in range(B.size):
            u = _Vector(net)
            u.B[j, c] = 1
            yield FLAT, "no_output", (j,), u.all
    if not B[1:].any():
        value, slope = (float(f[0]) for f in net.psi.derivatives(B[:1], 1))
        for k in range(net.outputs):
            u = _Vector(net)
            u.v0[k], u.V[j, k] = -value, 1
            yield FLAT, "constant", (j,), u.all
        u = _Vector(net)
        u.v0[:], u.B[j, 0] = -slope * V, 1
        yield FLAT, "constant", (j,), u.all
    for relation in relations.T:
        u = _Vector(net)
        u.B[j] = relation
        yield FLAT, "collinear", (j,), u.all
    if net.activation == "exp":
        u = _Vector(net)
        u.V[j], u.B[j, 0] = -V, 1
        yield FLAT, "rescaling", (j,), u.all
    if net.activation.removeprefix("z^").isdigit():
        u = _Vector(net)
        u.V[j], u.B[j] = -int(net.activation[2:]) * V, B
        yield FLAT, "rescaling", (j,), u.all


def _equal(net: ShallowNet) -> Iterator[Found]:
    """Yield the directions of neurons that are equal up to mirroring, group by group."""
    by_slope = joins_by_slope(net)
    keys = (net.w if by_slope else net.B) + 0.0
    mirrored = net.psi.symmetry in MIRRORS
    signs = np.where(leading_sign(keys) < 0, -1.0, 1.0) if mirrored else np.ones(net.width)
    labels = np.unique(signs[:, None] * keys + 0.0, axis=0, return_inverse=True)[1].ravel() if net.width else []
    for label in range(int(max(labels, default=-1)) + 1):
        members = np.flatnonzero(np.asarray(labels) == label)
        if not keys[members[0]].any():
            continue
        by_weight = members[np.argsort(-norms(net.output_weights[members]), kind="stable")]
        i, relative = int(by_weight[0]), signs[by_weight] * signs[by_weight[0]]
        is_sine = net.psi.symmetry == "periodic"
        same = (net.b[by_weight] == relative * net.b[i]) | (not is_sine)
        yield from _shared(net, by_weight[same], relative[same])
        for j, sign in zip(by_weight[~same].tolist(), relative[~same].tolist(), strict=True):
            yield from _two_sines(net, i, j, sign)


def _shared(net: ShallowNet, members: np.ndarray, signs: np.ndarray) -> Iterator[Found]:
    """Yield shares of output weights, and splitting directions, of equal neurons; exponentials may differ in `b`."""
    of_value, shift = MIRRORS.get(net.psi.symmetry, (1.0, 0.0))
    i, V, neurons = int(members[0]), net.output_weights, tuple(members.tolist())
    scales = np.exp(net.b[members] - net.b[i]) if net.activation == "exp" else np.ones(members.size)
    for j, sign, scale in zip(members[1:], signs[1:], scales[1:], strict=True):
        for k in range(net.outputs):
            u = _Vector(net)
            u.V[j, k], u.V[i, k] = 1, -scale * (of_value if sign < 0 else 1.0)
            u.v0[k] = -shift if sign < 0 else 0.0
            yield FLAT, "equal", (i, int(j)), u.all
    # psi'(-z) = -of_value psi'(z): odd and logistic slopes are even, the slope of an even function is odd
    slopes = np.where(signs < 0, -of_value, 1.0) * scales
    _, values, right = np.linalg.svd((slopes[:, None] * V[members]).T)
    rank = int(np.sum(values > VANISHES * values.max(initial=0.0)))
    for mix in right[rank:]:
        for c in range(net.features + 1):
            u = _Vector(net)
            u.B[members, c] = mix
            yield SPLITTING, "equal", neurons, u.all


def _two_sines(net: ShallowNet, i: int, j: int, sign: float) -> Iterator[Found]:
    """Yield the tangents of the amplitudes and phases of two sines of equal slope that give the same sum."""
    K, V = net.outputs, net.output_weights
    blocks = []
    for n, s in ((i, 1.0), (j, sign)):
        cosine, sine = np.cos(s * net.b[n]), np.sin(s * net.b[n])
        moves = np.vstack([cosine * np.eye(K), sine * np.eye(K)]) * s
        turns = np.concatenate([-sine * V[n], cosine * V[n]])[:, None]  # twice the sign: of the weight, of the bias
        blocks.append(np.hstack([moves, turns]))
    for row in np.linalg.svd(np.hstack(blocks))[2][2 * K :]:
        u = _Vector(net)
        u.V[i], u.B[i, 0], u.V[j], u.B[j, 0] = row[:K], row[K], row[K + 1 : 2 * K + 1], row[2 * K + 1]
        yield FLAT, "equal", (i, j), u.all


def _mirrored_affine(net: ShallowNet) -> Iterator[Found]:
    """Yield what follows from `psi(z) - psi(-z) = z` and `psi'(z) + psi'(-z) = 1` for pairs `B_j = -B_i`, `w != 0`."""
    V, B = net.output_weights, net.B
    pairs = [(i, j) for i in range(net.width) for j in range(i) if B[i, 1:].any() and np.array_equal(B[i], -B[j])]
    heavy = [(i, j, int(np.argmax(np.abs(V[i])))) for i, j in pairs]
    heavy = [(i, j, k) for i, j, k in heavy if V[i, k] and V[j, k]]

    def affine(u: _Vector, i: int, j: int, k: int, D: np.ndarray) -> None:
        """Add the move that changes the outputs by `D.(1, x)` along the output weights of the pair."""
        u.B[i] += D / V[i, k]
        u.B[j] += D / V[j, k]

    for i, j, k in heavy:
        along = V[i] / V[i, k]
        u = _Vector(net)
        affine(u, i, j, k, np.eye(B.shape[1])[0])
        u.v0[:] = -along
        yield FIRST_ORDER, "mirrored_affine", (i, j), u.all
        u = _Vector(net)
        affine(u, i, j, k, -B[i])
        u.V[i], u.V[j] = along, -along
        yield FIRST_ORDER, "mirrored_affine", (i, j), u.all
        p, q, l = heavy[0]
        for c in range(1, B.shape[1]):
            u = _Vector(net)
            affine(u, i, j, k, np.eye(B.shape[1])[c])
            affine(u, p, q, l, -np.eye(B.shape[1])[c])
            yield FIRST_ORDER, "mirrored_affine", (i, j, p, q), u.all
