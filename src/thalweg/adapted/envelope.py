"""The envelope of a run, verified by a plain forward pass at its nodes: whoever made it, the numbers must agree.

Three claims, each measured against what the record says:

- the recorded losses are those of the recorded parameters;
- a certified run stays within `2 eps_line + eps_line^2` of the curve that its first outputs determine (Algorithm B);
- a fast run stays below `C_0 exp(-2 tau_guaranteed)`, the sum of the lower bounds that its steps proved (A11).

Only forward passes and the loss are used, nothing of the algorithm that made the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.adapted.loss_base import Loss
from thalweg.records import Trajectory

AGREEMENT = 1e-7
"""Relative difference of a recorded and a recomputed loss that other machines may make."""

SMALLEST = 1e-26
"""Losses below this share of the first are sums of rounding errors: there only their size is compared."""

SLACK = 1e-9
"""Rounding of the comparison with the curve itself."""


@dataclass(frozen=True)
class Envelope:
    """What the forward passes found: the largest differences, and where.

    `difference` of recorded from recomputed losses; `deviation` from the predicted curve, relative (NaN without a
    curve); `excess` over the guaranteed bound, relative (NaN without one); `nodes` how many were recomputed, `of` how
    many there are; `last` the loss at the last one.
    """

    difference: float
    deviation: float
    allowed: float
    excess: float
    nodes: int
    of: int
    last: float


def envelope(
    outputs: Callable[[np.ndarray], np.ndarray],
    loss: Loss,
    parameters: Float[np.ndarray, "kept K"],
    numbers: Sequence[int],
    trajectory: Trajectory,
    line_tolerance: float | None,
) -> Envelope:
    """Recompute the losses of the kept nodes and compare them with the record and with the law.

    Parameters
    ----------
    outputs
        Raw outputs `(N, Q)` of the network for parameters `(K,)`.
    loss
        On the targets of the run.
    parameters
        One row a kept node.
    numbers
        Which node each row belongs to.
    trajectory
        The record.
    line_tolerance
        `eps_line` of a certified run; None for others.

    Returns
    -------
    Envelope
        To be judged by whoever knows what was claimed.
    """
    first = outputs(parameters[0])
    found = np.array([loss.cost(outputs(row)) for row in parameters])
    places = np.array(numbers, dtype=int)
    recorded = trajectory.loss[places]
    least = SMALLEST * max(found[0] - loss.floor, np.finfo(float).tiny)
    size = np.maximum(np.abs(found - loss.floor), least)
    difference = float(np.max(np.abs(recorded - found) / size, initial=0.0))
    clock = trajectory.clock_values[places]
    deviation = excess = float("nan")
    allowed = 0.0
    if line_tolerance is not None and loss.is_certified:
        allowed = 2 * line_tolerance + line_tolerance**2
        law = loss.predicted(first, clock) - loss.floor
        deviation = float(np.max(np.abs(found - loss.floor - law) / np.maximum(law, least), initial=0.0))
    elif "guaranteed" in trajectory.channels:
        bound = (found[0] - loss.floor) * np.exp(-2 * trajectory.channels["guaranteed"][places])
        excess = float(np.max((found - loss.floor) / np.maximum(bound, least), initial=0.0)) - 1.0
    return Envelope(difference, deviation, allowed, excess, len(found), trajectory.loss.size, float(found[-1]))
