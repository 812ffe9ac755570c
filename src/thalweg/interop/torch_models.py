"""torch: a Sequential of linear layers and activations, its state dict, or a file of either kind of tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from thalweg.interop.foreign import ForeignModel, chained, known_activation
from thalweg.records import InputError, Statement

TORCH_SUFFIXES = (".pt", ".pth", ".bin")
SAFETENSORS_SUFFIX = ".safetensors"

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


def read_tensors(path: str | Path) -> dict[str, np.ndarray]:
    """Return the tensors of a file by name; nothing in it is executed.

    Parameters
    ----------
    path
        A state dict saved by torch (.pt, .pth, .bin), or safetensors.

    Returns
    -------
    dict
        Arrays by name.

    Raises
    ------
    InputError
        If the file is missing, is neither, holds anything but tensors, or the library that reads it is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("model_file", path=str(path), reason="-")
    if path.suffix == SAFETENSORS_SUFFIX:
        return _read_safetensors(path)
    if path.suffix not in TORCH_SUFFIXES:
        known = ", ".join((*TORCH_SUFFIXES, SAFETENSORS_SUFFIX))
        raise InputError("model_suffix", path=str(path), known=known)
    return _read_torch(path)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise InputError("package_missing", package="safetensors", needed_for=str(path)) from None
    try:
        return load_file(path)
    except (SafetensorError, ValueError) as error:
        raise InputError("model_file", path=str(path), reason=str(error)) from error


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError:
        raise InputError("package_missing", package="torch", needed_for=str(path)) from None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises errors of many kinds on files that are not its own, or hold code
        raise InputError("model_file", path=str(path), reason=str(error).splitlines()[0]) from error
    if not isinstance(found, dict) or not all(hasattr(value, "detach") for value in found.values()):
        raise InputError("model_file", path=str(path), reason=type(found).__name__)
    return {str(name): _array(value.float() if value.element_size() < 4 else value) for name, value in found.items()}
