"""Correlations of many weighted samples of the same rows: one matrix product for all of them.

A sample drawn with replacement is a count for every row. Its means, variances and correlations are sums over the rows
of products of two columns, weighted by the counts: the products are formed once, block by block of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

BLOCK_ENTRIES = 2**21
"""Products of columns held at a time: sixteen megabytes."""

KEPT_VARIANCE = 1e-3
"""Where a variance is less than this share of the mean square, the difference of the two has lost three digits."""

LARGEST_CONDITION = 1e6
"""Above this condition of the correlations, pulls have fewer than nine digits."""

ROUNDINGS = 8 * float(np.finfo(float).eps)
"""Relative error of a pull, over the condition number of the correlations."""


@dataclass(frozen=True, eq=False)
class Correlations:
    """Of `m` samples of unit columns and a target.

    Attributes
    ----------
    gram, products, squares
        Correlations of the columns, their mean products with the target, its mean square.
    deviations : array (m, d)
        By which the columns of each sample were divided.
    condition : array (m,)
        Of the correlations; infinite where they are not accurate enough to be used.
    level : float
        Root mean square of the target before it was centred.
    """

    gram: Float[np.ndarray, "m d d"]
    products: Float[np.ndarray, "m d"]
    squares: Float[np.ndarray, " m"]
    deviations: Float[np.ndarray, "m d"]
    condition: Float[np.ndarray, " m"]
    level: float

    @property
    def sound(self) -> Bool[np.ndarray, " m"]:
        """Where the correlations are accurate enough and the target varies."""
        return np.isfinite(self.condition) & (self.squares > 0)

    @property
    def errors(self) -> Float[np.ndarray, " m"]:
        """Bounds of the rounding error of a pull, in sound samples."""
        condition = np.where(self.sound, self.condition, 0.0)
        return ROUNDINGS * (condition * np.sqrt(self.squares) + self.level)

    def of_targets(self, products: Float[np.ndarray, "k d"], squares: Float[np.ndarray, " k"]) -> Correlations:
        """Return the correlations of the only sample with other targets, given their mean products and squares."""
        k = squares.size
        gram, deviations = (np.broadcast_to(a, (k, *a.shape[1:])) for a in (self.gram, self.deviations))
        condition = np.broadcast_to(self.condition, k)
        return Correlations(gram, products / deviations, squares, deviations, condition, self.level)


def correlations(
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    weights: Float[np.ndarray, "m n"],
    *,
    centre: bool,
    level: float,
) -> Correlations:
    """Compute the correlations of weighted samples.

    Parameters
    ----------
    X, y
        Columns of mean square about one and the target, both centred (on all rows) if `centre`.
    weights
        Of the rows in each sample, adding up to one.
    centre
        Whether to subtract the mean of each sample.
    level
        Root mean square of the target before it was centred: its rounding is relative to that.

    Returns
    -------
    Correlations
        Of all samples, the unsound ones marked.
    """
    table = np.column_stack([np.ones(y.size), X, y])
    moments = _weighted_products(table, weights)
    covariances = moments[:, 1:, 1:].copy()
    if centre:
        means = moments[:, 0, 1:]
        covariances -= means[:, :, None] * means[:, None, :]
    variances = np.einsum("mii->mi", covariances)
    varies = (variances > KEPT_VARIANCE * np.einsum("mii->mi", moments[:, 1:, 1:])).all(axis=1)
    deviations = np.sqrt(np.where(varies[:, None], variances[:, :-1], 1.0))
    gram = covariances[:, :-1, :-1] / (deviations[:, :, None] * deviations[:, None, :])
    np.einsum("mii->mi", gram)[:] = 1.0
    products, squares = covariances[:, :-1, -1] / deviations, np.maximum(variances[:, -1], 0.0)
    return Correlations(gram, products, squares, deviations, _conditions(gram, varies), level)


def _conditions(gram: Float[np.ndarray, "m d d"], varies: Bool[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """Return the condition numbers, infinite where they are too large or a column does not vary."""
    conditions = np.full(varies.shape, np.inf)
    extremes = np.linalg.eigvalsh(gram[varies])[:, [0, -1]]
    fine = extremes[:, 1] < LARGEST_CONDITION * extremes[:, 0]
    conditions[np.flatnonzero(varies)[fine]] = extremes[fine, 1] / extremes[fine, 0]
    return conditions


def _weighted_products(table: Float[np.ndarray, "n k"], weights: Float[np.ndarray, "m n"]) -> np.ndarray:
    """Return the weighted sums of the products of every two columns, `(m, k, k)`."""
    n, k = table.shape
    first, second = np.triu_indices(k)
    block = max(1, BLOCK_ENTRIES // first.size)
    sums = np.zeros((len(weights), first.size))
    for i in range(0, n, block):
        rows = table[i : i + block]
        sums += weights[:, i : i + block] @ (rows[:, first] * rows[:, second])
    moments = np.empty((len(weights), k, k))
    moments[:, first, second] = moments[:, second, first] = sums
    return moments
