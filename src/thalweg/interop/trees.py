"""Models as trees of arrays: state dicts, the parameters of flax, layers of equinox, lists of weights and biases."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.interop.foreign import ForeignModel, chained, known_activation, users_activation
from thalweg.records import InputError

OUT_IN, IN_OUT = "out_in", "in_out"
"""Weights `(out, in)` as in torch and equinox, or `(in, out)` as in flax and Keras."""

PROBES = np.array([-7.25, -0.5, 0.375, 11.0])
"""Where a function without a name must return what it is given to be the identity."""


def read_tree(tree: Mapping[str, Any], activation: str | None, source: str = "arrays") -> ForeignModel:
    """Return the layers in a tree of arrays: `*.weight` `(out, in)`, `*.kernel` `(in, out)`, `*.bias`.

    Parameters
    ----------
    tree
        Nested mappings, or names with dots; layers in the order of the numbers in their names.
    activation
        Of all hidden layers.
    source
        Where it comes from, in words.

    Returns
    -------
    ForeignModel
        Its layers.

    Raises
    ------
    InputError
        If an array is neither a weight nor a bias, or the activation is needed.
    """
    layers: dict[str, dict[str, np.ndarray]] = {}
    for name, value in _leaves(tree, ""):
        owner, _, part = name.rpartition(".")
        if part not in ("weight", "kernel", "bias"):
            raise InputError("model_entry", name=name)
        layers.setdefault(owner, {})[part] = value
    found: list[tuple[str, object, object]] = []
    for owner in sorted(layers, key=_natural):
        held = layers[owner]
        if "weight" not in held and "kernel" not in held:
            raise InputError("model_entry", name=f"{owner}.bias")
        weights = held["weight"] if "weight" in held else np.swapaxes(held["kernel"], 0, -1)
        found.append((owner or "layer", weights, held.get("bias")))
    return chained(source, found, _hidden(activation, len(found)))


def read_pairs(
    pairs: Sequence[Any], activation: str | None, layout: str | None = None, source: str = "arrays"
) -> ForeignModel:
    """Return the layers in a list of (weights, bias), or of weights and biases in turn.

    Parameters
    ----------
    pairs
        Arrays.
    activation
        Of all hidden layers.
    layout
        "out_in" or "in_out"; found from the biases where they tell.
    source
        Where it comes from, in words.

    Returns
    -------
    ForeignModel
        Its layers.

    Raises
    ------
    InputError
        If an array is left over, the layout cannot be told, or the activation is needed.
    """
    if layout not in (None, OUT_IN, IN_OUT):
        raise InputError("option_range", name="layout", value=repr(layout), wanted=f"{OUT_IN} | {IN_OUT}")
    if len(pairs) and not isinstance(pairs[0], (tuple, list)):
        if len(pairs) % 2:
            raise InputError("model_pairs", count=len(pairs))
        pairs = list(zip(pairs[::2], pairs[1::2], strict=False))
    arrays = [(np.asarray(W), np.asarray(b)) for W, b in pairs]
    layout = layout or (_layout(arrays) if arrays else OUT_IN)
    found = [(f"layer {i}", W if layout == OUT_IN else np.swapaxes(W, 0, -1), b) for i, (W, b) in enumerate(arrays)]
    return chained(source, found, _hidden(activation, len(found)))


def is_equinox(model: object) -> bool:
    """Tell whether this is a module of equinox, without importing it."""
    return any(base.__module__.startswith("equinox.") for base in type(model).__mro__)


def read_equinox(model: Any) -> ForeignModel:
    """Return the layers of an equinox MLP, or of a Sequential of Linear and Lambda.

    Parameters
    ----------
    model
        The module.

    Returns
    -------
    ForeignModel
        Its layers.

    Raises
    ------
    InputError
        If a layer is of another kind or the activation is not known; names it.
    """
    kind = type(model).__name__
    if kind == "MLP":
        layers = [(f"layers[{i}]", layer.weight, layer.bias) for i, layer in enumerate(model.layers)]
        last = _function(model.final_activation, "final_activation")
        if last != "identity":
            raise InputError("model_output", layer="final_activation", name=last)
        return chained(f"equinox {kind}", layers, [_function(model.activation, "activation")] * (len(layers) - 1))
    if kind != "Sequential":
        raise InputError("model_layer", layer="-", kind=kind)
    layers, activations = [], []
    for i, layer in enumerate(model.layers):
        name = f"layers[{i}]"
        if type(layer).__name__ == "Linear":
            if len(layers) > len(activations):
                raise InputError("model_no_activation", layer=name, before=layers[-1][0])
            layers.append((name, layer.weight, layer.bias))
        elif type(layer).__name__ == "Lambda":
            if len(layers) != len(activations) + 1:
                raise InputError("model_two_activations", layer=name, kind="Lambda")
            activations.append(_function(layer.fn, name))
        else:
            raise InputError("model_layer", layer=name, kind=type(layer).__name__)
    if layers and len(activations) == len(layers):
        raise InputError("model_output", layer="output", name=activations[-1])
    return chained(f"equinox {kind}", layers, activations)


def _function(function: Any, layer: str) -> str:
    """Return our name of a function by its own; `jax.nn.gelu` is refused, since it means the approximation."""
    if getattr(function, "__name__", "") == "<lambda>" and np.array_equal(function(PROBES), PROBES):
        return "identity"
    return known_activation(getattr(function, "__name__", type(function).__name__), layer)


def _hidden(activation: str | None, layers: int) -> list[str]:
    if layers < 2:
        return []
    if activation is None:
        raise InputError("activation_needed")
    return [users_activation(activation)] * (layers - 1)


def _leaves(tree: Mapping[str, Any], prefix: str) -> list[tuple[str, np.ndarray]]:
    found = []
    for name, value in tree.items():
        path = f"{prefix}.{name}" if prefix else str(name)
        found += _leaves(value, path) if isinstance(value, Mapping) else [(path, _plain(value))]
    return found


def _plain(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort numbers in names as numbers: layer 10 comes after layer 9."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def _layout(arrays: list[tuple[np.ndarray, np.ndarray]]) -> str:
    """Return the layout that the sizes of the biases allow."""
    shaped = [(W.shape, b.size) for W, b in arrays if W.ndim == 2]
    fits = {
        OUT_IN: all(shape[0] == size for shape, size in shaped)
        and all(b[0][1] == a[1] for a, b in zip(shaped, shaped[1:], strict=False)),
        IN_OUT: all(shape[1] == size for shape, size in shaped)
        and all(b[0][0] == a[1] for a, b in zip(shaped, shaped[1:], strict=False)),
    }
    able = [layout for layout, good in fits.items() if good]
    if len(able) == 2:
        raise InputError("model_layout", shapes=", ".join(str(shape) for shape, _ in shaped))
    return able[0] if able else OUT_IN  # what does not fit either way is named by `chained`
