"""A network and the loss of its outputs, and how the outputs that are trained are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from thalweg.adapted.loss_base import Loss
from thalweg.adapted.model import Model
from thalweg.adapted.networks import Function, network_on


@dataclass(frozen=True, eq=False)
class Task:
    """A model, the loss of its outputs, and how trained outputs are read: head and scale of the model."""

    model: Model
    loss: Loss
    head: Float[np.ndarray, "raw Q"] | None
    scale: Float[np.ndarray, " N"] | None

    def raw(self, trained: Any) -> Float[np.ndarray, "N raw"]:
        """Return raw outputs, up to what a head projects away and the loss does not see."""
        unscaled = np.asarray(trained)
        if self.scale is not None:
            unscaled = unscaled / self.scale[:, None]
        return unscaled if self.head is None else unscaled @ self.head.T

    def trained(self, raw: Float[np.ndarray, "N raw"]) -> Float[np.ndarray, "N Q"]:
        """Return a change of raw outputs as one of trained outputs."""
        projected = raw if self.head is None else raw @ self.head
        return projected if self.scale is None else projected * self.scale[:, None]

    def gradient(self, raw: Float[np.ndarray, "N raw"]) -> Float[np.ndarray, "N Q"]:
        """Return the residual of the loss, rows scaled, without the part that a head projects away: it is zero."""
        residual = self.loss.residual(raw)
        return residual if self.head is None else residual @ self.head

    def restrict(self, rows: Any) -> Task:
        """Return the task on some of its samples."""
        scale = None if self.scale is None else self.scale[rows]
        return Task(self.model.restrict(rows), self.loss.restrict(rows), self.head, scale)

    def outputs(self, theta: Any) -> Float[np.ndarray, "N raw"]:
        """Return raw outputs at `theta`: one plain forward pass."""
        return self.raw(self.model.outputs(theta))


def make_task(apply_fn: Function, params: Any, X: Any, loss: Loss) -> Task:
    """Return model and loss; head and scale of the loss go inside the model, so that every Jacobian contains them."""
    head = loss.head()
    scale = None if bool((loss.weights == 1.0).all()) else loss.root_weights[:, 0]
    return Task(network_on(apply_fn, params, X, head, scale), loss, head, scale)
