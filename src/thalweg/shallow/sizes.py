"""Upper bounds of what a neuron, and a change of its weights, can do on a box of inputs or everywhere.

On `|x_k| <= R_k` the argument `B.(1, x)` stays below `|b| + sum_k |w_k| R_k`. Bounded activations use their bounds on
the whole line; those whose size grows with `|z|` - exponentials, powers - are largest at the end of the range.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from thalweg.shallow.net import ShallowNet

OUTWARD = 1 + 2.0**-40
"""More than a few thousand roundings can do to a sum of numbers that are not negative."""


def outward(value: float) -> float:
    """Return an upper bound of what was computed as a sum of few products that are not negative."""
    return value * OUTWARD


class Box:
    """The inputs `|x_k| <= max_i |X_ik|`, or all inputs.

    Parameters
    ----------
    net
        Whose activation is bounded.
    X : array (n, d) or None
        Inputs; None: the whole space.
    """

    def __init__(self, net: ShallowNet, X: Float[np.ndarray, "n d"] | None) -> None:
        self.psi = net.psi
        self.reach = np.full(net.features, math.inf) if X is None else np.abs(X).max(axis=0)

    def argument(self, D: Float[np.ndarray, " c"]) -> float:
        """Bound `|D.(1, x)|`."""
        sizes = np.abs(D[1:])
        parts = np.multiply(sizes, self.reach, out=np.zeros(sizes.size), where=sizes > 0)
        return outward(float(abs(D[0]) + parts.sum()))

    def size(self, D: Float[np.ndarray, " c"]) -> float:
        """Bound `|psi(D.(1, x))|`."""
        if math.isfinite(self.psi.bounds[0]):
            return self.psi.bounds[0]
        reach = self.argument(D)
        if math.isfinite(self.psi.bounds[1]):
            return outward(abs(float(self.psi(np.zeros(1))[0])) + reach * self.psi.bounds[1])
        return outward(abs(float(self.psi(np.array([reach]))[0]))) if math.isfinite(reach) else math.inf

    def change(self, D: Float[np.ndarray, " c"], E: Float[np.ndarray, " c"]) -> float:
        """Bound `|psi(D.(1, x)) - psi(E.(1, x))|`."""
        if np.array_equal(D, E):
            return 0.0
        slope = self.psi.bounds[1]
        if not math.isfinite(slope):
            reach = max(self.argument(D), self.argument(E))
            slope = abs(float(self.psi.derivatives(np.array([reach]), 1)[1][0])) if math.isfinite(reach) else math.inf
        return min(outward(slope * self.argument(D - E)), self.size(D) + self.size(E))


def weighted(size: float, weights: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
    """Return `size |weights|`, zero where a weight is zero even for an infinite size."""
    sizes = np.abs(weights)
    return np.multiply(size, sizes, out=np.zeros(sizes.shape), where=sizes > 0)
