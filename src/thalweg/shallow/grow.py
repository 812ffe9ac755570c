"""What happens when a neuron is split in two, and how to grow a net where that pays.

Split neuron j of a critical point into `(lambda v_j, B_j)` and `((1 - lambda) v_j, B_j)`: the function stays, and so
does criticality. Theorem T6 of the specification: the inertia of the new Hessian is that of the old one plus that of
`N = [[0, C], [C', lambda (1 - lambda) S_j]]`, where `S_j = 2 sum_i w_i (v_j.r_i) psi''(z_ij) xt_i xt_i'` and C couples
`v_j` and `B_j`. For one output C = 0. A negative eigenvalue of N with eigenvector `(e, D)` is a direction of descent:
the halves part by `(e, D)` in opposite senses. Where no split descends, a new neuron does, unless its activation is
orthogonal to the residual for all hidden weights: the loss changes by `2 v h(B)`, `h = sum_i w_i r_i psi(B.xt_i)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from thalweg.numerics.options import real_number, require
from thalweg.numerics.resampling import stream
from thalweg.records import Statement
from thalweg.shallow.derivatives import Objective, objective
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.symmetry import assemble

INSIDE, OUTSIDE = 0.5, -0.5
"""Fractions in and outside [0, 1] that stand for all others: only the sign of lambda (1 - lambda) matters."""

TIE = 1e-12
"""Eigenvalues below this share of the largest one of the Hessian count as zero: what polishing leaves."""

STEPS = 2.0 ** np.arange(-24, 4)
"""Lengths tried along a direction of descent."""

CANDIDATES = 500
"""Hidden weights tried for a new neuron."""


@dataclass(frozen=True, eq=False)
class NeuronSplit:
    """What splitting one neuron does.

    Attributes
    ----------
    neuron : int
        Its number.
    eigenvalues : array (d + 1,)
        Of `S_j`, increasing.
    coupling : float
        Spectral norm of C; zero for one output.
    inside, outside : str
        What the split point is, for fractions in (0, 1) and outside [0, 1]: `minimum` (not isolated), `saddle`, or
        `undecided` (a singular semidefinite `S_j`); `redundant` where `v_j = 0`.
    curvature_inside, curvature_outside : float
        Smallest eigenvalue of N at the fractions 1/2 and -1/2: negative where the split descends.
    """

    neuron: int
    eigenvalues: Float[np.ndarray, " D"]
    coupling: float
    inside: str
    outside: str
    curvature_inside: float
    curvature_outside: float

    @property
    def gain(self) -> float:
        """How steeply the better split bends down; 0 if neither does."""
        return max(0.0, -min(self.curvature_inside, self.curvature_outside))


@dataclass(frozen=True, eq=False)
class SplitAdvice:
    """All neurons, the most promising first.

    Attributes
    ----------
    splits : tuple of NeuronSplit
        In decreasing order of `gain`.
    negative : int
        Negative eigenvalues of the Hessian of the net itself: 0 at a minimum.
    gradient_norm : float
        The theorem speaks of critical points.
    """

    splits: tuple[NeuronSplit, ...]
    negative: int
    gradient_norm: float

    def statements(self) -> tuple[Statement, ...]:
        """Return what was found, sentence by sentence."""
        said = [Statement("grow.critical", {"gradient": self.gradient_norm, "negative": self.negative})]
        for split in self.splits:
            values = {"neuron": split.neuron, "inside": split.curvature_inside, "outside": split.curvature_outside}
            said.append(Statement("grow.descends" if split.gain else "grow.stays", values))
        return (*said, Statement("grow.ends", {}))

    def __str__(self) -> str:
        return "\n".join(map(str, self.statements()))


@dataclass(frozen=True, eq=False)
class Growth:
    """A net with one neuron more.

    Attributes
    ----------
    net : ShallowNet
        After the step of descent; train it on.
    how : str
        `split` or `inserted`.
    neuron : int
        The neuron that was split, or the number of the new one.
    fraction : float
        The share of its output weight that the neuron kept; NaN for a new neuron.
    curvature : float
        Of the loss along the direction taken; NaN for a new neuron.
    loss_before, loss_after : float
        J.
    """

    net: ShallowNet
    how: str
    neuron: int
    fraction: float
    curvature: float
    loss_before: float
    loss_after: float


def split_advice(net: ShallowNet, X: ArrayLike, y: ArrayLike, *, weights: ArrayLike | None = None) -> SplitAdvice:
    """Tell for each neuron of a critical point what splitting it does.

    Parameters
    ----------
    net
        A critical point without ridge.
    X : array (n, d)
        Features.
    y : array (n,) or (n, K)
        Targets.
    weights : array (n,), optional
        Of the rows.

    Returns
    -------
    SplitAdvice
        The neurons, the most promising first.

    Raises
    ------
    InputError
        If an argument is unusable, or the activation is outside the theorem.
    """
    net.psi.require_analytic()
    return _advice(net, objective(X, y, weights))


def _advice(net: ShallowNet, data: Objective) -> SplitAdvice:
    _, gradient, G, R = data.curvatures(net)
    spectrum = np.linalg.eigvalsh(G + R)
    zero = TIE * float(np.abs(spectrum).max())
    negative = int(np.sum(spectrum < -zero))
    splits = [_judge(net, R, j, zero, negative) for j in range(net.width)]
    splits.sort(key=lambda split: -split.gain)
    return SplitAdvice(tuple(splits), negative, float(np.linalg.norm(gradient)))


def split_matrix(net: ShallowNet, R: Float[np.ndarray, "P P"], j: int, fraction: float) -> np.ndarray:
    """Return the matrix N of theorem T6 for neuron j, from the part R of the Hessian that holds the residual.

    Parameters
    ----------
    net
        A critical point.
    R : array (P, P)
        Of `Objective.curvatures`.
    j
        The neuron.
    fraction
        Lambda.

    Returns
    -------
    array (K + d + 1, K + d + 1)
        For one output C is zero at a critical point; what rounding left of it is dropped.
    """
    C, S = _coupling(net, R, j), _bending(net, R, j)
    return np.block([[np.zeros((net.outputs, net.outputs)), C], [C.T, fraction * (1 - fraction) * S]])


def _coupling(net: ShallowNet, R: np.ndarray, j: int) -> Float[np.ndarray, "K D"]:
    K = net.outputs
    block = R[K * (1 + j) : K * (2 + j), _hidden(net, j)]
    return block if K > 1 else np.zeros_like(block)


def _bending(net: ShallowNet, R: np.ndarray, j: int) -> Float[np.ndarray, "D D"]:
    return R[_hidden(net, j), _hidden(net, j)]


def _hidden(net: ShallowNet, j: int) -> slice:
    start, size = net.outputs * (1 + net.width), net.features + 1
    return slice(start + j * size, start + (j + 1) * size)


def _judge(net: ShallowNet, R: np.ndarray, j: int, zero: float, negative: int) -> NeuronSplit:
    S = _bending(net, R, j)
    coupling = float(np.linalg.norm(_coupling(net, R, j), 2))
    found = {}
    for fraction in (INSIDE, OUTSIDE):
        smallest = float(np.linalg.eigvalsh(split_matrix(net, R, j, fraction))[0])
        bends = np.linalg.eigvalsh(fraction * (1 - fraction) * S)
        if not net.output_weights[j].any():
            verdict = "redundant"
        elif negative or coupling > zero or bends[0] < -zero:
            verdict = "saddle"
        else:
            verdict = "minimum" if bends[0] > zero else "undecided"
        found[fraction] = verdict, smallest if smallest < -zero else 0.0
    return NeuronSplit(
        j, np.linalg.eigvalsh(S), coupling, found[INSIDE][0], found[OUTSIDE][0], found[INSIDE][1], found[OUTSIDE][1]
    )  # fmt: skip


def split(net: ShallowNet, neuron: int, fraction: float) -> ShallowNet:
    """Return the same function with one neuron split: the new half, of share `1 - fraction`, comes last.

    Parameters
    ----------
    net
        Any net.
    neuron
        Its number.
    fraction
        Share of the output weight that it keeps; any number.

    Returns
    -------
    ShallowNet
        With one neuron more.

    Raises
    ------
    InputError
        If there is no such neuron, or the fraction is not finite.
    """
    require(neuron in range(net.width), "neuron", neuron, f"0, ..., {net.width - 1}")
    fraction = _finite(fraction)
    V, B = net.output_weights, net.B
    kept = V.copy()
    kept[neuron] *= fraction
    return assemble(
        net, net.output_bias, np.vstack([kept, (1 - fraction) * V[neuron]]), np.vstack([B, B[neuron]])
    )  # fmt: skip


def grow(
    net: ShallowNet,
    X: ArrayLike,
    y: ArrayLike,
    *,
    neuron: int | None = None,
    fraction: float | None = None,
    weights: ArrayLike | None = None,
    seed: int = 0,
) -> Growth:
    """Return a net with one neuron more and a lower loss, by the split that descends most, else by a new neuron.

    Parameters
    ----------
    net
        A critical point without ridge.
    X : array (n, d)
        Features.
    y : array (n,) or (n, K)
        Targets.
    neuron
        Split this one; by default the one with the steepest descent.
    fraction
        Share of the output weight that it keeps; by default 1/2 or -1/2, whichever descends more.
    weights : array (n,), optional
        Of the rows.
    seed
        Of the hidden weights tried for a new neuron.

    Returns
    -------
    Growth
        The larger net; its loss is not above that of `net`.

    Raises
    ------
    InputError
        If an argument is unusable, or the activation is outside the theorem.
    """
    net.psi.require_analytic()
    data = objective(X, y, weights)
    before, _, G, R = data.curvatures(net)
    require(neuron is None or neuron in range(net.width), "neuron", neuron, f"0, ..., {net.width - 1}")
    neurons = range(net.width) if neuron is None else (neuron,)
    fractions = (INSIDE, OUTSIDE) if fraction is None else (_finite(fraction),)
    zero = TIE * float(np.abs(np.linalg.eigvalsh(G + R)).max())
    best: tuple[float, int, float, np.ndarray] | None = None
    for j in neurons:
        for share in fractions:
            values, vectors = np.linalg.eigh(split_matrix(net, R, j, share))
            if values[0] < -zero and (best is None or values[0] < best[0]):
                best = float(values[0]), j, share, vectors[:, 0]
    if best is None:
        return _insert(net, data, before, seed)
    curvature, j, share, move = best
    larger, after = _descend(split(net, j, share), data, _parting(net, j, share, move))
    return Growth(larger, "split", j, share, curvature, before, after)


def _finite(fraction: float) -> float:
    return real_number(fraction, "fraction", math.isfinite, "a finite number")


def _parting(net: ShallowNet, j: int, fraction: float, move: np.ndarray) -> Float[np.ndarray, " P"]:
    """Return `(e, D)` as a direction of the split net: `v` by `+-e`, `B` by `(1 - lambda) D` and `-lambda D`."""
    K, m = net.outputs, net.width
    V, B = np.zeros((m + 1, K)), np.zeros((m + 1, net.features + 1))
    V[j], V[m] = move[:K], -move[:K]
    B[j], B[m] = (1 - fraction) * move[K:], -fraction * move[K:]
    return np.concatenate([np.zeros(K), V.ravel(), B.ravel()])


def _descend(net: ShallowNet, data: Objective, direction: np.ndarray) -> tuple[ShallowNet, float]:
    """Return the best of some steps to either side, or the net itself."""
    tried = [net, *(net.with_theta(net.theta + t * direction) for step in STEPS for t in (step, -step))]
    costs = [data.cost(candidate) for candidate in tried]
    best = int(np.nanargmin(costs))
    return tried[best], costs[best]


def _insert(net: ShallowNet, data: Objective, before: float, seed: int) -> Growth:
    """Add the neuron, of many random ones, whose output weights lower the loss most."""
    rng = stream(seed, "grow", net.width)
    spread = np.sqrt(np.square(data.X).mean(axis=0))
    B = rng.standard_normal((CANDIDATES, net.features + 1)) * (2 / np.r_[1.0, np.where(spread > 0, spread, 1.0)])
    values = net.psi(data.augmented @ B.T)
    residual = data.residual(net).reshape(data.n, -1)
    powers = data.weights @ np.square(values)
    pulls = values.T @ (data.weights[:, None] * residual)
    gains = np.divide(np.square(pulls).sum(axis=1), powers, out=np.zeros(CANDIDATES), where=powers > 0)
    c = int(np.nanargmax(gains))
    weights = -pulls[c] / powers[c] if powers[c] > 0 else np.zeros(net.outputs)
    tried = [_with_neuron(net, weights, B[c]), _with_neuron(net, 0 * weights, B[c])]
    costs = [data.cost(candidate) for candidate in tried]
    best = int(np.argmin(costs))  # the silent one where rounding is all that is left
    return Growth(tried[best], "inserted", net.width, np.nan, np.nan, before, costs[best])


def _with_neuron(net: ShallowNet, weights: Float[np.ndarray, " K"], hidden: Float[np.ndarray, " D"]) -> ShallowNet:
    return assemble(net, net.output_bias, np.vstack([net.output_weights, weights]), np.vstack([net.B, hidden]))
