"""A user's table as the network sees it: centred and scaled features, a scaled target, and the network that fits it.

Columns that do not vary are zero. The default network has two hidden layers of equal width with at least eight
parameters for every number that it must fit: the rank condition needs one, comfort 1.7 (specification, section 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from thalweg.adapted.mlp import Mlp
from thalweg.adapted.options import AdaptedOptions
from thalweg.numerics.dependence import CONSTANT

PARAMETERS_PER_NUMBER = 8
"""Parameters of the default network for each number that it fits."""

LEAST_WIDTH = 32
"""Of the hidden layers of the default network."""


@dataclass(frozen=True, eq=False)
class Standardised:
    """Inputs `X (n, d)` and targets `y (n,)` as they are trained on, and how they came from the data.

    `X = (raw - center) / scale`, constant columns zero; `y = (raw - target_mean) / target_scale`, or class numbers.
    `outputs` is the number of outputs of the network.
    """

    X: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]
    center: Float[np.ndarray, " d"]
    scale: Float[np.ndarray, " d"]
    target_mean: float
    target_scale: float
    outputs: int
    loss: str

    def apply(self, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m d"]:
        """Return other rows in the same units; columns that did not vary stay zero."""
        return applied(X, self.center, self.scale)

    @property
    def target_sd(self) -> float:
        """Standard deviation of the target in the user's units; one where it does not vary."""
        return self.target_scale * (float(self.y.std()) or 1.0)

    def rows(self, rows: np.ndarray | slice) -> Standardised:
        """Return the same table with some of its rows."""
        return replace(self, X=self.X[rows], y=self.y[rows])


def applied(
    X: Float[np.ndarray, "m d"], center: Float[np.ndarray, " d"], scale: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "m d"]:
    """Return `(X - center) / scale`, zero where the scale is infinite: for columns that never varied."""
    return (X - center) / scale


def standardise(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], options: AdaptedOptions, classes: int | None = None
) -> Standardised:
    """Return data as they are trained on.

    Parameters
    ----------
    X, y
        Finite data.
    options
        Loss, and whether columns are divided by their standard deviation.
    classes
        For "ce", the number of classes; from the target unless given.

    Returns
    -------
    Standardised
        With the numbers that undo it.
    """
    center = X.mean(axis=0) if options.standardize else np.zeros(X.shape[1])
    spread = np.sqrt(((X - X.mean(axis=0)) ** 2).mean(axis=0))
    still = spread <= CONSTANT * np.abs(X).max(axis=0)
    scale = np.where(still, np.inf, spread if options.standardize else 1.0)
    made = applied(X, center, scale)
    if options.loss == "ce":
        found = classes or class_count(y)
        return Standardised(made, y, center, scale, 0.0, 1.0, found, "ce")
    mean, size = (float(y.mean()), float(y.std())) if options.standardize else (0.0, 1.0)
    if np.abs(y - y.mean()).max() <= CONSTANT * np.abs(y).max():
        size = 1.0
        target = np.zeros_like(y) if options.standardize else y
    else:
        target = (y - mean) / size
    return Standardised(made, target, center, scale, mean, size, 1, "l2")


def class_count(y: Float[np.ndarray, " n"]) -> int:
    """Return the number of classes counted from 0, at least two; labels beyond the number of rows are refused later."""
    return max(2, int(min(np.floor(y.max()), y.size + 1)) + 1)


def network_for(table: Standardised, options: AdaptedOptions) -> Mlp:
    """Return the network of the options, or the default one for so many rows."""
    d, Q = table.X.shape[1], table.outputs
    widths = options.widths or default_widths(table.y.size * Q, d, Q)
    return Mlp((d, *widths, Q), options.activation)


def default_widths(numbers: int, d: int, Q: int) -> tuple[int, int]:
    """Return the least equal width of two hidden layers, from `LEAST_WIDTH` on, that fits so many numbers.

    Returns
    -------
    tuple
        From `w^2 + (d + 2 + Q) w + Q >= 8 numbers`.
    """
    half = (d + 2 + Q) / 2
    width = math.ceil(math.sqrt(half**2 + max(PARAMETERS_PER_NUMBER * numbers - Q, 0)) - half)
    while width**2 + (d + 2 + Q) * width + Q < PARAMETERS_PER_NUMBER * numbers:  # rounding of the root
        width += 1
    width = max(width, LEAST_WIDTH)
    return width, width
