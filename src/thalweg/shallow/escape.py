"""Early signs that a network runs to infinity: a neuron that saturates, or two that merge (specification, section 4).

Saturation: `psi'(z_j) xt` is negligible on all rows but at most `d`. A hyperplane has room for as many rows, so a
neuron that becomes a step may keep them in its transition for ever. Merging: `B_i -> B_j` (or its mirror image) while
the output weights cancel. Both are suspicions; `closure.py` confirms or refutes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from thalweg.shallow.batched import BatchedCost, Layout
from thalweg.shallow.symmetry import MIRRORS

NEGLIGIBLE = 1e-4
"""Root mean square of `psi'(z) |xt|` below which a neuron no longer learns."""

STEEP = 4.0
"""Inner weights below this size cannot saturate on standardised rows; it spares looking at all slopes."""

CANCELLING = 0.25
"""Output weights whose sum is below this share of their sizes cancel."""


@dataclass(frozen=True, eq=False)
class ClosestPairs:
    """The closest cancelling pair of neurons of each network.

    `first`, `second` are neurons, `mirrored` whether the second is taken in its mirror image, `distance` is infinite
    where no pair cancels.
    """

    first: Int[np.ndarray, " S"]
    second: Int[np.ndarray, " S"]
    mirrored: Bool[np.ndarray, " S"]
    distance: Float[np.ndarray, " S"]


def transition_rows(cost: BatchedCost, theta: Float[np.ndarray, "S P"]) -> Bool[np.ndarray, "S m n"]:
    """Return for each neuron the at most `d` rows on which it is steepest, where it still learns."""
    slope = _pull(cost, theta)
    d = min(cost.layout.d, slope.shape[2])
    if d == 0:
        return np.zeros(slope.shape, dtype=bool)
    least = np.partition(slope, slope.shape[2] - d, axis=2)[:, :, -d, None]
    return (slope >= least) & (slope > NEGLIGIBLE)


def saturated(cost: BatchedCost, theta: Float[np.ndarray, "S P"], level: float = NEGLIGIBLE) -> Bool[np.ndarray, "S m"]:
    """Tell which neurons learn on no row, up to `level`, but those few that lie in their transition."""
    layout = cost.layout
    steep = np.abs(theta[:, layout.inner].reshape(len(theta), layout.m, layout.d + 1)).max(axis=2) > STEEP
    found = np.zeros((len(theta), layout.m), dtype=bool)
    which = np.flatnonzero(steep.any(axis=1))
    if which.size and cost.rows.shape[1] > layout.d:
        pull = np.partition(_pull(cost, theta[which]), cost.rows.shape[1] - 1 - layout.d, axis=2)
        rest = pull[:, :, : cost.rows.shape[1] - layout.d]
        found[which] = np.sqrt((rest**2).mean(axis=2)) < level
    return found & steep


def _pull(cost: BatchedCost, theta: np.ndarray) -> Float[np.ndarray, "S m n"]:
    return np.abs(cost.slopes(theta)) * np.linalg.norm(cost.rows, axis=0)


def closest_pairs(layout: Layout, theta: Float[np.ndarray, "S P"], symmetry: str) -> ClosestPairs:
    """Return the closest pair of neurons whose output weights cancel.

    Parameters
    ----------
    layout
        Of the networks.
    theta
        Parameters.
    symmetry
        Of the activation.

    Returns
    -------
    ClosestPairs
        With an infinite distance where there is none.
    """
    S = len(theta)
    _, _, v, _, B = layout.split(theta)
    i, j = np.triu_indices(layout.m, 1)
    images = [(1.0, 1.0)] + ([(-1.0, MIRRORS[symmetry][0])] if symmetry in MIRRORS else [])
    if i.size == 0:
        zero = np.zeros(S, dtype=np.int64)
        return ClosestPairs(zero, zero, np.zeros(S, dtype=bool), np.full(S, np.inf))
    distances = []
    for inner, outer in images:
        gap = np.linalg.norm(B[:, i] - inner * B[:, j], axis=2)
        left = np.linalg.norm(v[:, i] + outer * v[:, j], axis=2)
        sizes = np.linalg.norm(v[:, i], axis=2) + np.linalg.norm(v[:, j], axis=2)
        distances.append(np.where(left <= CANCELLING * sizes, gap, np.inf))
    table = np.concatenate(distances, axis=1)
    best = np.argmin(table, axis=1)
    pair = best % i.size
    return ClosestPairs(i[pair], j[pair], best >= i.size, table[np.arange(S), best])
