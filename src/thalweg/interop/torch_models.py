"""torch: a Sequential of linear layers and activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.interop.foreign import ForeignModel, chained, known_activation
from thalweg.records import InputError, Statement

INERT = ("Identity", "Dropout", "Flatten", "AlphaDropout")
"""Modules that do nothing to a row of numbers once training is over."""

NAMES = {"Tanh": "tanh", "Sigmoid": "sigmoid", "SiLU": "silu", "ReLU": "relu"}
"""Activations without options."""


def is_torch_module(model: object) -> bool:
    """Tell whether this is a torch module, without importing torch."""
    return any(base.__module__ == "torch.nn.modules.module" for base in type(model).__mro__)


def read_module(model: Any) -> ForeignModel:
    """Return the layers of a torch Sequential.

    Parameters
    ----------
    model
        Linear layers with elementwise activations between them; nested Sequentials are opened.

    Returns
    -------
    ForeignModel
        Its layers.

    Raises
    ------
    InputError
        If a module is of another kind, or activations are missing, doubled, or follow the output; names the layer.
    """
    layers: list[tuple[str, object, object]] = []
    activations: list[str] = []
    notes: list[Statement] = []
    for name, module in _flattened(model, ""):
        kind = type(module).__name__
        if kind in INERT:
            if kind != "Identity":
                notes.append(Statement("imported.inert", {"layer": name, "kind": kind}))
        elif kind == "Linear":
            if len(layers) > len(activations):
                raise InputError("model_no_activation", layer=name, before=layers[-1][0])
            layers.append((name, _array(module.weight), None if module.bias is None else _array(module.bias)))
        else:
            found, said = _activation(module, kind, name)
            if len(layers) != len(activations) + 1:
                raise InputError("model_two_activations", layer=name, kind=kind)
            activations.append(found)
            notes += said
    if layers and len(activations) == len(layers):
        raise InputError("model_output", layer="output", name=activations[-1])
    return chained(f"torch {type(model).__name__}", layers, activations, notes)


def _flattened(model: Any, prefix: str) -> list[tuple[str, Any]]:
    if type(model).__name__ != "Sequential":
        return [(prefix or type(model).__name__, model)]
    found = []
    for name, child in model.named_children():
        found += _flattened(child, f"{prefix}.{name}" if prefix else name)
    return found


def _activation(module: Any, kind: str, layer: str) -> tuple[str, list[Statement]]:
    if kind == "GELU":
        if module.approximate == "none":
            return "gelu", []
        raise InputError("model_gelu", layer=layer)
    if kind == "Softplus":
        if module.beta != 1:
            raise InputError("model_softplus", layer=layer, beta=module.beta)
        return "softplus", [Statement("imported.softplus", {"layer": layer, "threshold": float(module.threshold)})]
    if kind not in NAMES:
        raise InputError("model_layer", layer=layer, kind=kind)
    return known_activation(NAMES[kind], layer), []


def _array(tensor: Any) -> np.ndarray:
    return tensor.detach().cpu().numpy()
