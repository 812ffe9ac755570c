"""Golden values that `thalweg doctor` recomputes: printed by the specification, found there by other code."""

from __future__ import annotations

import numpy as np

from thalweg.shallow.derivatives import Objective
from thalweg.shallow.net import ShallowNet

X, Y = np.array([-1.0, 0.0, 0.5, 2.0])[:, None], np.array([0.3, -0.2, 0.1, 0.9])
SMALLEST, LOSS, GRADIENT = -0.942545766905654, 0.295942273330815, 0.130373384175251
"""G1: tanh, two neurons: least eigenvalue of the Hessian, loss, first entry of the gradient."""

TEN = np.array([-0.9, -0.8, -0.5, -0.1, 0.2, 0.3, 0.8, 0.7, 1.0])
MINIMISER = np.array([-0.107979191224, 1.242848083030, 0.211100603009, 0.512302043921])
MINIMUM = 0.00778381504072398
"""G3: tanh, one neuron: target, minimiser and its loss."""


def golden_values() -> dict[str, float]:
    """Return, for each golden value, the largest difference to what is computed here."""
    net = ShallowNet("tanh", 0.1, np.array([0.5, -0.7]), np.array([0.2, -0.4]), np.array([[1.0], [0.6]]))
    loss, gradient, hessian = Objective(X, Y).second_order(net)
    found = (loss - LOSS, gradient[0] - GRADIENT, np.linalg.eigvalsh(hessian)[0] - SMALLEST)
    one = ShallowNet("tanh", 0.0, np.zeros(1), np.zeros(1), np.zeros((1, 1))).with_theta(MINIMISER)
    bottom = Objective(np.linspace(-2, 2, 9)[:, None], TEN)
    return {
        "G1 (loss, gradient and Hessian of two neurons)": float(np.abs(found).max()),
        "G3 (loss at the minimiser of one neuron)": abs(bottom.cost(one) - MINIMUM),
        "G3 (the gradient vanishes there)": float(np.abs(bottom.gradient(one)).max()),
    }
