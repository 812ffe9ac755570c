"""What training needs of a network, whoever differentiates it."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from thalweg.adapted.factors import Linearisation
from thalweg.records.statement import Statement


@runtime_checkable
class Model(Protocol):
    """A network on its training inputs: `N` samples, `Q` outputs each, `K` parameters in one vector `theta`.

    Outputs are those that are trained: multiplied on the right by a head (the projection that a loss asks for) and row
    by row by a scale (square roots of weights), both inside, so that every Jacobian speaks of the same outputs.
    """

    @property
    def theta(self) -> Float[np.ndarray, " K"]:
        """The initial parameters."""
        ...

    @property
    def X(self) -> Any:
        """Training inputs, first axis samples."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """`(N, Q)`."""
        ...

    @property
    def widths(self) -> int:
        """Numbers of inputs and outputs of all layers together: what factors hold for a sample."""
        ...

    @property
    def notes(self) -> tuple[Statement, ...]:
        """What else the user should know about the network."""
        ...

    def outputs(self, theta: Any) -> Any:
        """Return `x (N, Q)`."""
        ...

    def linearise(self, theta: Any) -> Linearisation:
        """Return outputs and Jacobian at `theta`."""
        ...

    def bend(self, theta: Any, v: Any) -> Any:
        """Return the second derivative `x''[v, v] (N, Q)` along `v (K,)`."""
        ...

    def predict(self, theta: Any, X: Any) -> Float[np.ndarray, "n raw"]:
        """Return the raw outputs for other inputs, without head and scale."""
        ...

    def unflatten(self, theta: Any) -> Any:
        """Return parameters in the user's own form."""
        ...

    def restrict(self, rows: Any) -> Model:
        """Return the same network on some of its samples."""
        ...


def widened_note(types: tuple[str, ...]) -> tuple[Statement, ...]:
    """Return what there is to say of parameters that came in these types and are trained in float64."""
    return (Statement("layer.note_widened", {"types": ", ".join(types)}),) if types else ()
