"""A problem in units near one, by powers of two: solved in these, it is solved for the given data to the last bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.shallow.batched import BatchedCost, Layout
from thalweg.shallow.derivatives import Objective
from thalweg.shallow.net import ShallowNet

CONSTANT = 1e-12
"""A deviation below this share of the mean is rounding: such a column is scaled by its size."""


@dataclass(frozen=True, eq=False)
class Scaled:
    """A problem in units in which columns and target have a size near one.

    `factor (P,)` are powers of two: parameters of the given data are those of the scaled problem times these, and its
    cost is `unit ** 2` times theirs.
    """

    objective: Objective
    template: ShallowNet
    cost: BatchedCost
    factor: Float[np.ndarray, " P"]
    unit: float
    noise: float

    @property
    def is_free(self) -> bool:
        """Whether nothing is penalised, so parameters may run to infinity."""
        return not self.cost.ridge.any()

    @property
    def is_coercive(self) -> bool:
        """Whether every parameter is penalised, so a minimiser exists (theorem T4)."""
        return bool((self.cost.ridge > 0).all())

    def net(self, theta: Float[np.ndarray, " P"]) -> ShallowNet:
        """Return the network on the given data."""
        return self.template.with_theta(theta * self.factor)


def scaled(objective: Objective, width: int, activation: str) -> Scaled:
    """Scale a problem by powers of two.

    Parameters
    ----------
    objective
        Data, weights, ridge and anchor.
    width
        Number of neurons.
    activation
        Its name.

    Returns
    -------
    Scaled
        The same problem, bit by bit.

    Raises
    ------
    InputError
        If ridge or anchor do not fit the network.
    """
    X, targets, weights = objective.X, objective.targets, objective.weights
    (n, d), K = X.shape, targets.shape[1]
    template = ShallowNet(activation, np.zeros(K) if K > 1 else 0.0, np.zeros((width, K) if K > 1 else width),
                          np.zeros(width), np.zeros((width, d)))  # fmt: skip
    objective.require_fits(template)
    columns = np.array([_power_of_two(_spread(column, weights)) for column in X.T])
    unit = _power_of_two(max((_spread(target, weights) for target in targets.T), default=1.0))
    inner = np.tile(np.concatenate([[1.0], 1 / columns]), width)
    factor = np.concatenate([np.full(K * (1 + width), unit), inner])
    rows = np.vstack([np.ones(n), X.T / columns[:, None]])
    ridge = np.broadcast_to(objective.ridge, factor.shape) * factor**2 / unit**2
    anchor = np.zeros(factor.size) if objective.anchor is None else objective.anchor / factor
    scaled_targets = np.ascontiguousarray(targets.T) / unit
    layout, steps = Layout(width, d, K), np.zeros((0, n))
    cost = BatchedCost(template.psi, layout, rows, scaled_targets, weights, steps, ridge, anchor)
    noise = float(np.sqrt(weights @ (scaled_targets**2).sum(axis=0)))
    return Scaled(objective, template, cost, factor, unit, noise)


def _spread(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the standard deviation, or the size of a constant."""
    mean = float(weights @ values)
    spread = float(np.sqrt(weights @ (values - mean) ** 2))
    return spread if spread > CONSTANT * abs(mean) else abs(mean)


def _power_of_two(size: float) -> float:
    return float(2.0 ** np.round(np.log2(size))) if size > 0 else 1.0
