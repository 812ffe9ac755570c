"""A model of another library as a chain of linear layers with elementwise activations: arrays and names, no code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.numerics.validation import require_finite
from thalweg.records import InputError, Statement

ACTIVATIONS = {
    "tanh": "tanh",
    "sigmoid": "logistic",
    "logistic": "logistic",
    "erf": "erf",
    "arctan": "arctan",
    "sin": "sin",
    "sine": "sin",
    "softplus": "softplus",
    "silu": "silu",
    "swish": "silu",
    "relu": "relu",
    "gauss": "gauss",
    "exp": "exp",
    "identity": "identity",
    "linear": "identity",
}
"""Names that libraries use, and ours. GELU is missing on purpose: most libraries mean its tanh approximation."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One linear layer `x -> weights x + bias`, under the name it has in its model."""

    name: str
    weights: Float[np.ndarray, "out in_"]
    bias: Float[np.ndarray, " out"]


@dataclass(frozen=True, eq=False)
class ForeignModel:
    """A chain of linear layers.

    Attributes
    ----------
    source : str
        What it was read from.
    layers : tuple of Layer
        In order, in float64; the last one gives the output.
    activations : tuple of str
        After each hidden layer.
    notes : tuple of Statement
        What was noticed while reading.
    is_narrow : bool
        Whether weights were stored in fewer than 64 bits.
    """

    source: str
    layers: tuple[Layer, ...]
    activations: tuple[str, ...]
    notes: tuple[Statement, ...] = ()
    is_narrow: bool = False

    @property
    def features(self) -> int:
        """Number of inputs."""
        return self.layers[0].weights.shape[1]

    @property
    def parameter_count(self) -> int:
        """Number of weights and biases."""
        return sum(layer.weights.size + layer.bias.size for layer in self.layers)


def chained(
    source: str,
    layers: Sequence[tuple[str, object, object]],
    activations: Sequence[str],
    notes: Sequence[Statement] = (),
) -> ForeignModel:
    """Return the model of these layers, or say which of them does not fit.

    Parameters
    ----------
    source
        What it was read from.
    layers
        Name, weights `(out, in)` and bias `(out,)` - or None - of each.
    activations
        Ours, after each hidden layer.
    notes
        What was noticed before.

    Returns
    -------
    ForeignModel
        Weights in float64.

    Raises
    ------
    InputError
        If there is no layer, entries are not finite, or shapes do not fit; names the layer.
    """
    if not layers:
        raise InputError("model_without_layers", source=source)
    found, said = [], list(notes)
    narrow = False
    before: tuple[int, str] | None = None
    for name, given, bias in layers:
        weights = np.asarray(given)
        if weights.ndim != 2 or weights.dtype.kind != "f" or weights.size == 0:
            raise InputError("model_weights", layer=name, shape=str(weights.shape), dtype=str(weights.dtype))
        if before is not None and before[0] != weights.shape[1]:
            raise InputError("model_chain", layer=name, before=before[1], wanted=weights.shape[1], found=before[0])
        offset = np.zeros(weights.shape[0]) if bias is None else np.asarray(bias)
        if offset.shape != weights.shape[:1]:
            raise InputError("model_weights", layer=name, shape=str(offset.shape), dtype=str(offset.dtype))
        if bias is None:
            said.append(Statement("imported.without_bias", {"layer": name}))
        narrow |= weights.dtype.itemsize < 8
        made = Layer(name, weights.astype(np.float64), offset.astype(np.float64))
        require_finite(made.weights, f"{name}.weight")
        require_finite(made.bias, f"{name}.bias")
        found.append(made)
        before = weights.shape[0], name
    if narrow:
        said.append(Statement("imported.narrow", {"source": source}))
    return ForeignModel(source, tuple(found), tuple(activations), tuple(said), narrow)


def users_activation(name: str) -> str:
    """Return our name of an activation that the user names: GELU is the exact one then, as everywhere in thalweg."""
    return name if name == "gelu" else known_activation(name, "activation")


def known_activation(name: str, layer: str) -> str:
    """Return our name of an activation.

    Returns
    -------
    str
        A name that `thalweg.shallow` knows, or "identity".

    Raises
    ------
    InputError
        If it is another one; names the layer.
    """
    folded = name.casefold().lstrip("_")
    if folded not in ACTIVATIONS:
        raise InputError("model_activation", layer=layer, name=name, known=", ".join(sorted(set(ACTIVATIONS.values()))))
    return ACTIVATIONS[folded]
