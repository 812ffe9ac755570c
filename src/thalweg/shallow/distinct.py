"""Which of many networks are the same minimum, up to the symmetry of their neurons (specification, section 5.3)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from thalweg.shallow.canonical import assignment
from thalweg.shallow.net import ShallowNet

SAME_LOSS = 1e-9
"""Relative difference of the losses of one minimum at most: only these are compared by their parameters."""

SAME_PARAMETERS = 1e-5
"""Distance of the neurons of one minimum at most, relative to their size; at condition 1e9 rounding leaves 1e-7."""


def group(
    nets: list[ShallowNet], losses: Float[np.ndarray, " k"], noise: float, *, symmetric: bool
) -> Int[np.ndarray, " k"]:
    """Return a number for each network; equal numbers are the same minimum.

    Parameters
    ----------
    nets
        Of one shape.
    losses
        Theirs.
    noise
        Losses closer than rounding at this size are equal.
    symmetric
        Whether networks with permuted or mirrored neurons are the same: not with an anchored ridge.

    Returns
    -------
    array (k,)
        Group of each; groups are numbered by increasing loss.
    """
    groups = np.full(len(nets), -1)
    leaders: list[int] = []
    for k in np.argsort(losses, kind="stable"):
        tolerance = SAME_LOSS * abs(losses[k]) + noise
        for number in range(len(leaders) - 1, -1, -1):
            if losses[k] - losses[leaders[number]] > tolerance:
                break
            if _is_same(nets[leaders[number]], nets[k], symmetric):
                groups[k] = number
                break
        if groups[k] < 0:
            groups[k] = len(leaders)
            leaders.append(int(k))
    return groups


def _is_same(first: ShallowNet, second: ShallowNet, symmetric: bool) -> bool:
    size = 1.0 + max(float(np.abs(first.theta).max(initial=0.0)), float(np.abs(second.theta).max(initial=0.0)))
    if not symmetric:
        return bool(np.abs(first.theta - second.theta).max(initial=0.0) <= SAME_PARAMETERS * size)
    paired = assignment(first, second)
    return max(paired.distance, paired.v0_difference) <= SAME_PARAMETERS * size
