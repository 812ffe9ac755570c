"""An oracle: the gradient flow of any loss at tiny initialisation, with an ordinary bias trained beside the network.

`ds/dt = X'(w rho)/n` with `b_i = (exp(2 l (s_i - a_i)) - exp(2 l (-s_i - a_i)))/2`, and `dc/dt = l Z'(w rho)/n` for
plain coefficients `c`, whose own time is `l t`: the training of both for every alpha, with no reference to saddles.
The losses are written out here once more, in terms of the inverse link.
"""

import numpy as np
from scipy.integrate import solve_ivp

LOG_INVERSE_ALPHA = 300 * np.log(10)


def residual_and_curvature(loss, y, eta, delta):
    eta = np.clip(eta, -100, 100)  # a rejected trial step of the integrator must not overflow
    if loss == "squared":
        return y - eta, np.ones_like(eta)
    if loss == "logistic":  # labels 0 and 1
        mean = 1 / (1 + np.exp(-eta))
        return y - mean, mean * (1 - mean)
    if loss == "poisson":
        return y - np.exp(eta), np.exp(eta)
    return np.clip(y - eta, -delta, delta), (np.abs(y - eta) <= delta).astype(float)


def smooth_flow_at(
    X, y, times, loss, *, delta=None, weights=None, free=None, positive=False, exponents=None, bias_speed=1.0
):
    """Return the coefficients `b` and `c` of the flow at the given times, one row a time."""
    n, d = X.shape
    l = LOG_INVERSE_ALPHA
    w = np.ones(n) if weights is None else weights / np.mean(weights)
    Z = np.empty((n, 0)) if free is None else free
    a = np.ones(d) if exponents is None else exponents
    both = np.column_stack([X, Z])
    speed = np.concatenate([np.ones(d), np.full(Z.shape[1], bias_speed * l)])

    def parts(s):
        up, down = np.exp(np.minimum(2 * l * (s - a), 50)), np.exp(np.minimum(2 * l * (-s - a), 50))
        return (up, np.zeros_like(up)) if positive else (up, down)

    def coefficients(state):
        up, down = parts(state[:d])
        return np.concatenate([(up - down) / (1 if positive else 2), state[d:]])

    def rate(t, state):
        return speed * (both.T @ (w * residual_and_curvature(loss, y, both @ coefficients(state), delta)[0])) / n

    def jacobian(t, state):
        up, down = parts(state[:d])
        slopes = np.concatenate([l * (up + down) * (2 if positive else 1), np.ones(Z.shape[1])])
        h = w * residual_and_curvature(loss, y, both @ coefficients(state), delta)[1]
        return -speed[:, None] * ((both.T * h) @ both / n) * slopes

    start = np.zeros(both.shape[1])
    done = solve_ivp(
        rate, (0, max(times)), start, method="Radau", jac=jacobian, t_eval=times, rtol=1e-9, atol=1e-10 / l
    )
    found = np.array([coefficients(state) for state in done.y.T])
    return found[:, :d], found[:, d:]
