"""Held-out rows on the same clock: a network is trained on the first rows and judged on the last at every node.

All modes of the residual shrink at one rate (T1), so the exact flow learns noise as fast as signal; only rows that
were not trained on tell where to stop, or how much damping filters (T7, section 7).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from thalweg.adapted.losses import label_rows
from thalweg.adapted.mlp import Mlp
from thalweg.adapted.node import Node
from thalweg.adapted.standardise import Standardised

PATIENCE = 1.0
"""How far the clock may go without a better held-out error where the run is to stop."""

STALE_NODES = 20
"""And how many nodes: damped runs slow down until the clock hardly moves."""

HELD_OUT_SHARE = 0.2
"""The last fifth of the rows judges the run on those before: right for ordered rows, fair for others."""


@dataclass(eq=False)
class Judge:
    """Measures held-out rows at every node; a callback of `fit`.

    `X (m, d)` and `truth (m,)` are the rows: standardised inputs, and targets in the user's units (or classes);
    `table` those that are trained on. `errors` are root mean squared errors in the same units, for classes of their
    probabilities; `clock` where they were measured.
    """

    network: Mlp
    X: Float[np.ndarray, "m d"]
    truth: Float[np.ndarray, " m"]
    table: Standardised
    stops: bool = False
    clock: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    best: int = 0
    best_squares: Any = None

    def __call__(self, node: Node, theta: Any) -> bool:
        """Measure, and tell whether the run may stop."""
        squares = self.squares(self.network(unflatten(self.network, np.asarray(theta)), self.X))
        error = float(np.sqrt(squares.mean()))
        if not self.errors or error < self.errors[self.best]:
            self.best, self.best_squares = len(self.errors), squares
        self.clock.append(node.tau)
        self.errors.append(error)
        late = node.tau - self.clock[self.best] >= PATIENCE or len(self.errors) - self.best > STALE_NODES
        return self.stops and late

    def squares(self, outputs: Float[np.ndarray, "m Q"]) -> Float[np.ndarray, " m"]:
        """Return the squared error of every row."""
        if self.table.loss == "ce":
            self.accuracy.append(float((outputs.argmax(axis=1) == self.truth).mean()))
            return ((probabilities(outputs) - label_rows("ce", self.truth, self.table.outputs)) ** 2).sum(axis=1)
        return (self.table.target_mean + self.table.target_scale * outputs[:, 0] - self.truth) ** 2

    @property
    def of_mean(self) -> Float[np.ndarray, " m"]:
        """Squared errors of the mean target of the rows that were trained on (of the shares of their classes)."""
        if self.table.loss == "ce":
            shares = label_rows("ce", self.table.y, self.table.outputs).mean(axis=0)
            return ((shares - label_rows("ce", self.truth, self.table.outputs)) ** 2).sum(axis=1)
        mean = self.table.target_mean + self.table.target_scale * float(self.table.y.mean())
        return (mean - self.truth) ** 2

    @property
    def gain(self) -> tuple[float, float]:
        """By how much the mean square of the best node is below that of the mean alone, and its standard error."""
        gain = self.of_mean - self.best_squares
        return float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(gain.size)) if gain.size > 1 else np.inf

    def solution(self) -> dict[str, np.ndarray]:
        """Return what was found as arrays of a fit."""
        return {
            "held_out_tau": np.array(self.clock),
            "held_out_rmse": np.array(self.errors),
            "held_out_mean": np.sqrt(self.of_mean.mean(keepdims=True)),
            "held_out_gain": np.array(self.gain),
            "held_out_accuracy": np.array(self.accuracy),
        }


def no_story() -> dict[str, np.ndarray]:
    """Return the arrays of a judge for too few rows: empty."""
    names = ("held_out_tau", "held_out_rmse", "held_out_mean", "held_out_gain", "held_out_accuracy")
    return {name: np.array([]) for name in names}


def first_rows(n: int) -> int:
    """Return how many of `n` rows are trained on when the last fifth is held out."""
    return n - int(n * HELD_OUT_SHARE)


def probabilities(logits: Float[np.ndarray, "n Q"]) -> Float[np.ndarray, "n Q"]:
    """Return the softmax of every row."""
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def unflatten(network: Mlp, theta: Float[np.ndarray, " K"]) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return parameters as `(W (out, in), b (out,))` layer by layer: views of the vector."""
    params, offset = [], 0
    for in_, out in zip(network.sizes[:-1], network.sizes[1:], strict=True):
        middle, end = offset + in_ * out, offset + (in_ + 1) * out
        params.append((theta[offset:middle].reshape(out, in_), theta[middle:end]))
        offset = end
    return tuple(params)
