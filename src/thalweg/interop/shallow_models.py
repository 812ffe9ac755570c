"""Models with one hidden layer as shallow nets, and shallow nets as models of torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.interop.foreign import ForeignModel, Layer
from thalweg.interop.reading import read_model
from thalweg.records import InputError
from thalweg.shallow import ShallowNet


def is_shallow(model: ForeignModel) -> bool:
    """Tell whether a model has exactly one hidden layer with an activation."""
    return len(model.layers) == 2 and model.activations != ("identity",)


def shallow_net(model: object, *, activation: str | None = None, layout: str | None = None) -> ShallowNet:
    """Return a model with one hidden layer as a shallow net.

    Parameters
    ----------
    model
        Anything that `read_model` reads.
    activation, layout
        As there.

    Returns
    -------
    ShallowNet
        With the weights in float64.

    Raises
    ------
    InputError
        If it cannot be read, or has no hidden layer or more than one; names the layers.
    """
    read = read_model(model, activation=activation, layout=layout)
    if not is_shallow(read):
        names = ", ".join(f"{layer.name} {layer.weights.shape}" for layer in read.layers)
        raise InputError("model_not_shallow", hidden=len(read.layers) - 1, layers=names)
    hidden, output = read.layers
    single = output.weights.shape[0] == 1
    return ShallowNet(
        activation=read.activations[0],
        v0=float(output.bias[0]) if single else output.bias.copy(),
        v=output.weights[0].copy() if single else np.ascontiguousarray(output.weights.T),
        b=hidden.bias.copy(),
        w=hidden.weights.copy(),
    )


def foreign_model(net: ShallowNet, like: ForeignModel | None = None) -> ForeignModel:
    """Return a shallow net as a chain of two layers.

    Parameters
    ----------
    net
        The net.
    like
        Whose names the layers get; "hidden" and "output" by default.

    Returns
    -------
    ForeignModel
        The same function.
    """
    names = ("hidden", "output") if like is None else tuple(layer.name for layer in like.layers)
    layers = (Layer(names[0], net.w, net.b), Layer(names[1], net.output_weights.T, net.output_bias))
    return ForeignModel("ShallowNet" if like is None else like.source, layers, (net.activation,))


TORCH = {
    "tanh": "Tanh", "logistic": "Sigmoid", "softplus": "Softplus", "silu": "SiLU", "gelu": "GELU", "relu": "ReLU",
}  # fmt: skip
"""Modules of torch for our activations."""


def torch_sequential(net: ShallowNet) -> Any:
    """Return a shallow net as `Sequential(Linear, activation, Linear)` of torch, in float64.

    Parameters
    ----------
    net
        With an activation that torch has.

    Returns
    -------
    torch.nn.Sequential
        The same function.

    Raises
    ------
    InputError
        If torch is missing, or has no such activation.
    """
    try:
        import torch
    except ImportError:
        raise InputError("package_missing", package="torch", needed_for="torch_sequential") from None
    if net.activation not in TORCH:
        raise InputError("model_activation", layer="1", name=net.activation, known=", ".join(TORCH))
    made = torch.nn.Sequential(
        torch.nn.Linear(net.features, net.width, dtype=torch.float64),
        getattr(torch.nn, TORCH[net.activation])(),
        torch.nn.Linear(net.width, net.outputs, dtype=torch.float64),
    )
    values = (net.w, net.b, net.output_weights.T, net.output_bias)
    with torch.no_grad():
        for parameter, value in zip(made.parameters(), values, strict=True):
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return made
