"""Any model that can be read, as a chain of layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from thalweg.interop.files import read_file
from thalweg.interop.foreign import ForeignModel
from thalweg.interop.scikit import is_perceptron, read_perceptron
from thalweg.interop.torch_models import is_torch_module, read_module
from thalweg.interop.trees import is_equinox, read_equinox, read_pairs, read_tree
from thalweg.records import InputError


def read_model(model: object, *, activation: str | None = None, layout: str | None = None) -> ForeignModel:
    """Read a model of another library, or of a file, as a chain of linear layers.

    Parameters
    ----------
    model
        A fitted MLPRegressor of scikit-learn; a torch Sequential; an equinox MLP or Sequential; a state dict, the
        parameters of flax, or a list of weights and biases; the path of a file (.safetensors, .pt, .pth, .bin, .npz).
    activation
        Of the hidden layers, where the model does not say.
    layout
        Of a list of weights: "out_in" or "in_out", where their shapes do not say.

    Returns
    -------
    ForeignModel
        Its layers and activations.

    Raises
    ------
    InputError
        If it is no such model; names the layer that does not fit.
    """
    if isinstance(model, ForeignModel):
        return model
    if isinstance(model, (str, Path)):
        return read_file(model, activation, layout)
    if is_perceptron(model):
        return read_perceptron(model)
    if is_torch_module(model):
        return read_module(model)
    if is_equinox(model):
        return read_equinox(model)
    if isinstance(model, Mapping):
        return read_tree(model, activation)
    if isinstance(model, (list, tuple)):
        return read_pairs(model, activation, layout)
    raise InputError("model_unknown", kind=f"{type(model).__module__}.{type(model).__name__}")
