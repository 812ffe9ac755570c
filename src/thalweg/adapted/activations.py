"""Activations of the plain network with their first two derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.adapted.factors import namespace
from thalweg.records import InputError


@dataclass(frozen=True)
class Activation:
    """`value(z)`; `slope(z, a)` and `bend(z, a)`: first and second derivative from `z` and `a = value(z)`.

    `odd` tells whether a network without biases gives opposite outputs for opposite inputs.
    """

    name: str
    value: Callable[[Any], Any]
    slope: Callable[[Any, Any], Any]
    bend: Callable[[Any, Any], Any]
    odd: bool = False


def _logistic(z: Any) -> Any:
    return 0.5 * (1.0 + namespace(z).tanh(0.5 * z))


def _relu_slope(z: Any, a: Any) -> Any:
    return (z > 0) * 1.0


def _softplus(z: Any) -> Any:
    return namespace(z).logaddexp(0.0, z)


ACTIVATIONS = {
    made.name: made
    for made in (
        Activation("tanh", lambda z: namespace(z).tanh(z), lambda z, a: 1.0 - a * a,
                   lambda z, a: -2.0 * a * (1.0 - a * a), odd=True),
        Activation("logistic", _logistic, lambda z, a: a * (1.0 - a), lambda z, a: a * (1.0 - a) * (1.0 - 2.0 * a)),
        Activation("softplus", _softplus, lambda z, a: _logistic(z), lambda z, a: _logistic(z) * _logistic(-z)),
        Activation("sin", lambda z: namespace(z).sin(z), lambda z, a: namespace(z).cos(z), lambda z, a: -a, odd=True),
        Activation("relu", lambda z: namespace(z).maximum(z, 0.0), _relu_slope, lambda z, a: 0.0 * z),
        Activation("identity", lambda z: z, lambda z, a: 1.0 + 0.0 * z, lambda z, a: 0.0 * z, odd=True),
    )
}  # fmt: skip


def activation(name: str) -> Activation:
    """Return the activation of this name.

    Returns
    -------
    Activation
        With its derivatives.

    Raises
    ------
    InputError
        If there is none; names those that exist.
    """
    if name not in ACTIVATIONS:
        raise InputError("option_range", name="activation", value=name, wanted=", ".join(ACTIVATIONS))
    return ACTIVATIONS[name]


def lengths(sizes: tuple[int, ...]) -> np.ndarray:
    """Return the number of parameters of each affine layer between these sizes, biases included."""
    pairs = np.array(sizes, dtype=np.int64)
    return (pairs[:-1] + 1) * pairs[1:]
