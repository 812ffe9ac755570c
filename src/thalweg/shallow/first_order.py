"""How many steps of a first-order method remain, from the spectrum of the Hessian and the place of the net.

On the quadratic model of the loss each eigendirection evolves by itself: one step multiplies (now, before) by a 2 x 2
matrix. Powers of these matrices by repeated squaring give the loss after t steps, so the count is found in O(log t)
products, and it knows how much of the error lies in the slow directions - the rate alone is the worst case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

LONGEST = 2**50
"""Steps beyond which no count is given."""


@dataclass(frozen=True)
class FirstOrderMethod:
    """A method with constant step and momentum: `x+ = y - step grad(y)`, or heavy ball, at its best constants.

    Attributes
    ----------
    name : str
        `gradient_descent`, `heavy_ball` or `nesterov`.
    step, momentum : float
        Its constants.
    rate : float
        Factor by which the distance to the minimum shrinks a step, in the worst direction, up to a factor of t for
        momentum methods.
    """

    name: str
    step: float
    momentum: float
    rate: float


def first_order_methods(smallest: float, largest: float) -> tuple[FirstOrderMethod, ...]:
    """Return the first-order methods with their best constants for eigenvalues between these.

    Parameters
    ----------
    smallest, largest
        Extreme eigenvalues of the Hessian at the minimum, both positive.

    Returns
    -------
    tuple of FirstOrderMethod
        Gradient descent with step `2 / (mu + L)`, heavy ball after Polyak, Nesterov's method with step `1 / L`.
    """
    condition = float(largest / smallest)
    root = math.sqrt(condition)
    slow = (root - 1) / (root + 1)
    return (
        FirstOrderMethod("gradient_descent", float(2 / (smallest + largest)), 0.0, (condition - 1) / (condition + 1)),
        FirstOrderMethod("heavy_ball", 4 / (math.sqrt(smallest) + math.sqrt(largest)) ** 2, slow**2, slow),
        FirstOrderMethod("nesterov", float(1 / largest), slow, 1 - 1 / root),
    )


def steps_needed(
    method: FirstOrderMethod,
    eigenvalues: Float[np.ndarray, " P"],
    components: Float[np.ndarray, " P"],
    gap: float,
) -> int | None:
    """Return how many steps bring the loss within `gap` of the minimum, on the quadratic model.

    Parameters
    ----------
    method
        With its constants.
    eigenvalues
        Of the Hessian at the minimum.
    components
        Of `theta - theta*` along its eigenvectors; the method starts at rest.
    gap
        What may remain of the loss.

    Returns
    -------
    int or None
        None if it takes more than `LONGEST`.
    """
    start = np.stack([components, components], axis=1)[:, :, None]

    def energy(state: np.ndarray) -> float:
        times = state[:, :, 0] if method.momentum else state[:, :1, 0]
        # Both times count: the loss of a momentum method may swing through zero and come back.
        return 0.5 * float(np.max(eigenvalues @ np.square(times)))

    if energy(start) <= gap:
        return 0
    powers = [_step_matrices(method, eigenvalues)]
    while energy(powers[-1] @ start) > gap:
        if 2 ** len(powers) > LONGEST:
            return None
        powers.append(powers[-1] @ powers[-1])
    state, count = start, 0
    for k in range(len(powers) - 2, -1, -1):
        moved = powers[k] @ state
        if energy(moved) > gap:
            state, count = moved, count + 2**k
    return count + 1


def _step_matrices(method: FirstOrderMethod, eigenvalues: np.ndarray) -> Float[np.ndarray, "P 2 2"]:
    h, q = method.step * eigenvalues, method.momentum
    if method.name == "nesterov":
        now, before = (1 + q) * (1 - h), -q * (1 - h)
    else:
        now, before = 1 + q - h, np.full_like(h, -q)
    T = np.zeros((h.size, 2, 2))
    T[:, 0, 0], T[:, 0, 1], T[:, 1, 0] = now, before, 1.0
    return T
