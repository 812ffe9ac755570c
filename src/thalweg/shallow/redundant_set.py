"""The redundant set - parameters whose function a smaller net gives too - piece by piece, and the distance to it.

Its pieces are linear subspaces: an output weight vanishes (`v_j = 0`, codimension K), an input weight vanishes
(`w_j = 0`, codimension d), or two neurons share their hidden weights up to the symmetry of the activation
(`B_i = +-B_j`, codimension d + 1). For tanh and the logistic function these are all (specification, section 2). Two
sines of equal slope are one for a single output; for several outputs their output weights must be parallel besides,
or their biases equal up to half a period. Exponentials of equal slope are always one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.shallow.activations import COVERED
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.symmetry import MIRRORS, norms

OUTPUT, INPUT, EQUAL, MIRRORED = "output", "input", "equal", "mirrored"
"""Kinds of pieces: `v_j = 0`, `w_j = 0`, `B_i = B_j`, `B_i = -B_j`."""


@dataclass(frozen=True)
class Piece:
    """One linear piece of the redundant set, and how far the net is from it."""

    kind: str
    neurons: tuple[int, ...]
    codimension: int
    distance: float


@dataclass(frozen=True)
class RedundantSet:
    """The redundant set around one net.

    Attributes
    ----------
    pieces : tuple of Piece
        Nearest first.
    parameters : int
        P, the number of all parameters.
    dimension : int or None
        Hausdorff dimension `P - min(K, d)`; None without neurons: the set is empty.
    complete : bool
        Whether these are all pieces: tanh and the logistic function. Otherwise the distance is an upper bound.
    """

    pieces: tuple[Piece, ...]
    parameters: int
    dimension: int | None
    complete: bool

    @property
    def distance(self) -> float:
        """Euclidean distance of the net to these pieces; infinite without neurons."""
        return self.pieces[0].distance if self.pieces else math.inf


def redundant_set(net: ShallowNet) -> RedundantSet:
    """Return the pieces of the redundant set with the distances of a net to them.

    Parameters
    ----------
    net
        Distances depend on its scale: standardise the features first.

    Returns
    -------
    RedundantSet
        Nearest piece first.
    """
    equal, mirrored = pair_distances(net)
    pieces = [Piece(OUTPUT, (j,), net.outputs, float(r)) for j, r in enumerate(norms(net.output_weights))]
    pieces += [Piece(INPUT, (j,), net.features, float(r)) for j, r in enumerate(norms(net.w))]
    codimension = _pair_codimension(net)
    for kind, distances in ((EQUAL, equal), (MIRRORED, mirrored)):
        if distances is not None:
            pairs = zip(*np.triu_indices(net.width, 1), strict=True)
            pieces += [Piece(kind, (int(i), int(j)), codimension, float(distances[i, j])) for i, j in pairs]
    dimension = net.parameter_count - min(net.outputs, net.features) if net.width else None
    return RedundantSet(
        tuple(sorted(pieces, key=lambda p: p.distance)), net.parameter_count, dimension, net.psi.coverage == COVERED
    )


def joins_by_slope(net: ShallowNet) -> bool:
    """Tell whether neurons of equal slope `w` add up to fewer: sines and exponentials."""
    return net.psi.symmetry == "periodic" or net.activation == "exp"


def pair_distances(net: ShallowNet) -> tuple[Float[np.ndarray, "m m"], Float[np.ndarray, "m m"] | None]:
    """Return how far each pair of neurons is from being equal, and from being mirror images.

    Returns
    -------
    tuple
        Two symmetric arrays; the second is None for activations without mirror images.
    """
    has_mirror = net.psi.symmetry in MIRRORS
    if joins_by_slope(net):
        equal = _slope_distances(net, 1.0)
        return equal, _slope_distances(net, -1.0) if has_mirror else None
    B = net.B
    return _apart(B, B), _apart(B, -B) if has_mirror else None


def _apart(A: np.ndarray, B: np.ndarray) -> Float[np.ndarray, "m m"]:
    return norms(A[:, None] - B[None]) / math.sqrt(2)


def _slope_distances(net: ShallowNet, sign: float) -> Float[np.ndarray, "m m"]:
    """Return the distances of pairs to equal slopes, and for several sines also to what they need besides."""
    slopes = _apart(net.w, sign * net.w)
    if net.outputs == 1 or net.psi.symmetry != "periodic":
        return slopes
    gap = net.b[:, None] - sign * net.b[None]
    biases = np.abs(gap - math.pi * np.round(gap / math.pi)) / math.sqrt(2)
    V = net.output_weights
    return np.hypot(slopes, np.minimum(biases, _from_parallel(V)))


def _from_parallel(V: Float[np.ndarray, "m K"]) -> Float[np.ndarray, "m m"]:
    """Return for each pair of rows its distance to parallel pairs: the second singular value."""
    m, K = V.shape
    pairs = np.empty((m, m, 2, K))
    pairs[:, :, 0], pairs[:, :, 1] = V[:, None], V[None]
    return np.linalg.svd(pairs, compute_uv=False)[..., 1]


def _pair_codimension(net: ShallowNet) -> int:
    if not joins_by_slope(net):
        return net.features + 1
    # Several sines: equal slopes and parallel output weights (K - 1), or equal biases (1).
    return net.features + (min(net.outputs - 1, 1) if net.psi.symmetry == "periodic" else 0)
