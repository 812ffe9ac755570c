"""In which order do inputs become active in training? A diagonal network and a ReLU network, watched side by side.

For the diagonal network the order is a theorem in the limit of small initialisation, computed before training. For the
ReLU network nothing is proved: what is printed about it was observed in this one run. Uses torch, or JAX where torch
is missing. Run it with: python examples/observe_any_model.py
"""

from __future__ import annotations

import importlib.util
import math
from functools import partial

import numpy as np

from thalweg.diagonal import InputRecorder, jax_sensitivity, saddle_path, torch_sensitivity

ALPHA = 1e-8
"""Scale of the initialisation of both networks."""
RATE, STEPS = 0.04, 3000
"""Learning rate and number of steps of gradient descent: to t = RATE * STEPS / ln(1/ALPHA), about 6.5."""
HIDDEN = 20
"""Neurons of the ReLU network."""


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return 200 samples of five sensors, two of them correlated; the last one is noise."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((200, 5))
    X[:, 3] = 0.5 * X[:, 0] + math.sqrt(0.75) * X[:, 3]
    y = X @ np.array([2.0, -1.0, 0.4, 0.3, 0.0]) + 0.3 * rng.standard_normal(200)
    return X, y


def diagonal_network(parameters, X):
    """Return the outputs of `b = u * v`."""
    u, v = parameters
    return X @ (u * v)


def relu_network(parameters, X):
    """Return the outputs of a two-layer ReLU network without biases."""
    inner, outer = parameters
    hidden = X @ inner
    return (hidden * (hidden > 0)) @ outer


def starts() -> dict:
    """Return each network with its initial parameters, both of size ALPHA."""
    rng = np.random.default_rng(0)
    diagonal = [np.full(5, math.sqrt(2) * ALPHA), np.zeros(5)]
    relu = [ALPHA * rng.standard_normal((5, HIDDEN)), ALPHA * rng.standard_normal(HIDDEN)]
    return {"diagonal network": (diagonal_network, diagonal), "ReLU network": (relu_network, relu)}


def train_with_torch(network, start, X, y) -> InputRecorder:
    """Train by gradient descent in torch; the only line about observation is the call of the recorder."""
    import torch

    torch.set_num_threads(1)  # threads only wait for each other on arrays this small
    parameters = [torch.tensor(array, requires_grad=True) for array in start]
    rows, target = torch.tensor(X), torch.tensor(y)
    recorder = InputRecorder(partial(torch_sensitivity, partial(network, parameters), X))
    optimiser = torch.optim.SGD(parameters, lr=RATE)
    for _ in range(STEPS):
        loss = ((network(parameters, rows) - target) ** 2).mean() / 2
        recorder(loss=loss)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return recorder


def train_with_jax(network, start, X, y) -> InputRecorder:
    """Train by gradient descent in JAX; the only line about observation is the call of the recorder."""
    import jax

    jax.config.update("jax_enable_x64", True)

    @jax.jit
    def step(parameters):
        loss, slopes = jax.value_and_grad(lambda p: ((network(p, X) - y) ** 2).mean() / 2)(parameters)
        return loss, [array - RATE * slope for array, slope in zip(parameters, slopes, strict=True)]

    recorder = InputRecorder(jax.jit(lambda parameters: jax_sensitivity(network, parameters, X)))
    parameters = [jax.numpy.asarray(array) for array in start]
    for _ in range(STEPS):
        loss, updated = step(parameters)
        recorder(parameters, loss=loss)
        parameters = updated
    return recorder


def main() -> None:
    """Predict, train, observe, compare."""
    has_torch = importlib.util.find_spec("torch") is not None
    print("Trained with torch." if has_torch else "torch is missing: trained with JAX.")
    X, y = data()
    path = saddle_path(X, y)
    clock = math.log(1 / ALPHA) / RATE
    entries = [event for event in path.events if event.kind == "enter"]
    print("\nTheorem, for the diagonal network as the initialisation becomes small: inputs switch on in the order")
    print(", ".join(f"x{event.feature + 1} (t = {event.time:.3g}, step {clock * event.time:.0f})" for event in entries))
    for name, (network, start) in starts().items():
        recorder = (train_with_torch if has_torch else train_with_jax)(network, start, X, y)
        print(f"\n{name}:")
        print(recorder.observe(predicted=path, clock=clock))
    print(
        "\nThe theorem is about the diagonal network alone, and its run shows it: order and times are as computed. What"
        "\nthe ReLU network did was observed in this one run and proves nothing: here its inputs became active almost"
        "\ntogether, in one jump, which the order alone would hide."
    )


if __name__ == "__main__":
    main()
