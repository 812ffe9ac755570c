"""Nets and data that several tests use: those of the specification's golden values, and random ones."""

import numpy as np

from thalweg.shallow import Objective, ShallowNet

G1_X, G1_Y = np.array([[-1.0], [0.0], [0.5], [2.0]]), np.array([0.3, -0.2, 0.1, 0.9])
G1_THETA = np.array([0.1, 0.5, -0.7, 0.2, 1, -0.4, 0.6])
G3_X = np.linspace(-2, 2, 9)[:, None]
G3_Y = np.array([-0.9, -0.8, -0.5, -0.1, 0.2, 0.3, 0.8, 0.7, 1.0])
G3_THETA = np.array([-0.107979191224, 1.242848083030, 0.211100603009, 0.512302043921])
G4_X = np.column_stack([
    [-1.5, -1, -0.5, 0, 0.5, 1, 1.5, -1.2, 0.3, 0.9, -0.4, 1.7],
    [0.4, -1.1, 0.8, -0.3, 1.3, -0.7, 0.2, 1.5, -1.6, 1.1, -0.9, -1.4],
])  # fmt: skip
G4_Y = np.array([-0.62, -0.55, 0.21, 0.02, 0.87, 0.31, 0.95, 0.18, -0.44, 1.12, -0.38, 0.49])
G4_THETA = np.array([0.253547178395, 0.983812904279, -0.146973017498, 0.657284564109, 0.541323028797])

ANALYTIC = ("tanh", "logistic", "erf", "arctan", "gauss", "sin", "softplus", "silu", "gelu", "exp", "z^3+z", "z^2")


def blank(activation, width, features, outputs=1):
    """Return a net of zeros, to be filled by `with_theta`."""
    v = np.zeros(width) if outputs == 1 else np.zeros((width, outputs))
    return ShallowNet(
        activation, 0.0 if outputs == 1 else np.zeros(outputs), v, np.zeros(width), np.zeros((width, features))
    )


def random_net(rng, activation, width, features, outputs=1):
    net = blank(activation, width, features, outputs)
    return net.with_theta(rng.standard_normal(net.parameter_count))


def of_neurons(net, v0, V, B):
    """Return a net of the kind of `net` with these output biases, output weights and hidden weights."""
    V, B = np.asarray(V, dtype=float), np.asarray(B, dtype=float)
    made = blank(net.activation, len(V), net.features, net.outputs)
    return made.with_theta(np.concatenate([np.atleast_1d(v0), V.ravel(), B.ravel()]))


def polished(net, X, y):
    """Return the critical point that pure Newton steps reach from a net."""
    data = Objective(X, y)
    for _ in range(12):
        net = net.with_theta(net.theta - np.linalg.solve(data.hessian(net), data.gradient(net)))
    return net


def inertia(matrix, zero):
    """Return how many eigenvalues are negative, zero and positive."""
    values = np.linalg.eigvalsh(matrix)
    return int(np.sum(values < -zero)), int(np.sum(np.abs(values) <= zero)), int(np.sum(values > zero))


def critical_problem(rng, net, n, size):
    """Return X and y for which a net is critical: the residual, of norm `size`, is orthogonal to its Jacobian."""
    X = rng.standard_normal((n, net.features))
    values = net(X)
    basis = np.linalg.qr(Objective(X, values).jacobian(net).reshape(values.size, -1))[0]
    noise = rng.standard_normal(values.size)
    for _ in range(3):
        noise -= basis @ (basis.T @ noise)
    return X, values - (size * noise / np.linalg.norm(noise)).reshape(values.shape)
