"""Loss, gradient and Hessian of a chain of linear layers with elementwise activations, in closed form.

The Hessian is built from its products with unit vectors, several at a time: the derivative of back-propagation along
a direction (Pearlmutter 1994). No compilation, and no library beyond NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.interop.foreign import ForeignModel
from thalweg.shallow.activations import activation
from thalweg.shallow.derivatives import Objective

CHUNK = 2**21
"""Numbers of one intermediate array: 16 MB."""


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass forward and back: inputs `h` of each layer, `psi', psi''` of each hidden one, pulls `delta` of all."""

    loss: float
    h: list[np.ndarray]
    slopes: list[np.ndarray]
    bends: list[np.ndarray]
    deltas: list[np.ndarray]
    gradient: Float[np.ndarray, " P"]


def arguments(model: ForeignModel, X: Float[np.ndarray, "n d"]) -> list[np.ndarray]:
    """Return the arguments of the activations of each layer; those of the last are the outputs."""
    found, values = [], X
    for layer, name in zip(model.layers, (*model.activations, "identity"), strict=True):
        found.append(values @ layer.weights.T + layer.bias)
        values = _derivatives(name, found[-1])[0]
    return found


def run(model: ForeignModel, data: Objective) -> Pass:
    """Return loss and gradient with everything that led to them; parameters layer by layer, weights before biases."""
    z = arguments(model, data.X)
    psi = [_derivatives(name, each) for name, each in zip(model.activations, z, strict=False)]
    h = [data.X, *(values for values, _, _ in psi)]
    residual = z[-1] - data.targets
    deltas = [2 * data.weights[:, None] * residual]
    for layer, (_, slope, _) in zip(model.layers[:0:-1], psi[::-1], strict=True):
        deltas.insert(0, (deltas[0] @ layer.weights) * slope)
    parts = [
        part
        for delta, values in zip(deltas, h, strict=True)
        for part in ((delta.T @ values).ravel(), delta.sum(axis=0))
    ]
    loss = float(data.weights @ np.square(residual).sum(axis=1))
    return Pass(loss, h, [p[1] for p in psi], [p[2] for p in psi], deltas, np.concatenate(parts))


def hessian(model: ForeignModel, data: Objective, done: Pass) -> Float[np.ndarray, "P P"]:
    """Return the Hessian; for kinked activations that of the piece in which the weights lie."""
    P, widest = model.parameter_count, max(max(layer.weights.shape) for layer in model.layers)
    count = max(1, CHUNK // (data.n * widest))
    H = np.empty((P, P))
    for start in range(0, P, count):
        directions = np.eye(P)[start : start + count]
        H[start : start + count] = _products(model, data, done, directions)
    return (H + H.T) / 2


def _products(model: ForeignModel, data: Objective, done: Pass, U: Float[np.ndarray, "q P"]) -> np.ndarray:
    """Return the products of the Hessian with some directions, one a row."""
    moves, start = [], 0
    for layer in model.layers:
        rows, columns = layer.weights.shape
        middle, end = start + rows * columns, start + rows * (columns + 1)
        moves.append((U[:, start:middle].reshape(-1, rows, columns), U[:, middle:end]))
        start = end
    h_moves, z_moves = [np.zeros((len(U), *data.X.shape))], []
    for i, (layer, (dW, db)) in enumerate(zip(model.layers, moves, strict=True)):
        z_moves.append(h_moves[-1] @ layer.weights.T + done.h[i] @ np.swapaxes(dW, 1, 2) + db[:, None, :])
        if i < len(done.slopes):
            h_moves.append(done.slopes[i] * z_moves[-1])
    delta = 2 * data.weights[:, None] * z_moves[-1]
    parts: list[np.ndarray] = []
    for i in range(len(model.layers) - 1, -1, -1):
        pulled = np.swapaxes(delta, 1, 2) @ done.h[i] + done.deltas[i].T @ h_moves[i]
        parts[:0] = [pulled.reshape(len(U), -1), delta.sum(axis=1)]
        if i:
            back = delta @ model.layers[i].weights + done.deltas[i] @ moves[i][0]
            straight = done.deltas[i] @ model.layers[i].weights
            delta = back * done.slopes[i - 1] + straight * done.bends[i - 1] * z_moves[i - 1]
    return np.concatenate(parts, axis=1)


def _derivatives(name: str, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if name == "identity":
        return z, np.ones_like(z), np.zeros_like(z)
    value, slope, bend = activation(name).derivatives(z, 2)
    return value, slope, bend
