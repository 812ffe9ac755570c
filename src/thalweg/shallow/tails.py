"""Networks in which a neuron retires into its exponential tail: their limit has an exponential neuron in its place.

For tanh `v psi(z) = v - 2 v q + 2 v q^2 - ...` with `q = exp(-2 z)`, for the logistic function `v - v q + v q^2 - ...`
with `q = exp(-z)`; let `k` be the rate, 2 or 1. As the bias `b` grows with `u = exp(-k b)` and `a = -k v u` bounded,
the neuron tends to `a exp(-k w.x)` beside a constant, and exactly

    v psi(b + w.x) = v + a exp(-k w.x) - a u exp(-2 k w.x) + O(u^2).

`(v0 + v, a, w, u)` are coordinates of the network in which the cost is smooth for `u >= 0`. So a strict minimum of the
closure model is a strict local infimum, approached and never attained, if the drift
`-2 a sum_i w_i r_i exp(-2 k w.x_i)` is positive. (Derived here, like the drift of merging pairs in `closure.py`; the
specification counts these runs among the unfinished ones.)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from thalweg.shallow.activations import Activation
from thalweg.shallow.batched import BatchedCost
from thalweg.shallow.closure import SHAPE, LimitNet, descend_to_limits
from thalweg.shallow.symmetry import MIRRORS
from thalweg.shallow.trust_region import OVERFLOWS

TAIL = "tail"

RATES = {"tanh": 2.0, "logistic": 1.0}
"""Exponential rates of the tails of the activations that the theorem covers."""

HEAVY = 3.0
"""Output weights below this multiple of the spread of the target do not cancel anything."""


def tail_neurons(cost: BatchedCost, theta: Float[np.ndarray, "S P"], reach: float) -> Int[np.ndarray, " S"]:
    """Return for each network a heavy neuron that is in its tail on every row, -1 if there is none.

    Parameters
    ----------
    cost
        Of one output.
    theta
        Networks.
    reach
        Least `k |z|` that counts as a tail.

    Returns
    -------
    array (S,)
        The neuron that is furthest in its tail.
    """
    found = np.full(len(theta), -1)
    layout = cost.layout
    if cost.activation.name not in RATES or layout.K > 1 or layout.m == 0:
        return found
    heavy = np.abs(theta[:, layout.v]) > HEAVY
    which = np.flatnonzero(heavy.any(axis=1))
    if which.size:
        z = theta[which][:, layout.inner].reshape(-1, layout.d + 1) @ cost.rows
        least = np.maximum(z.min(axis=1), -z.max(axis=1)).reshape(which.size, layout.m) * RATES[cost.activation.name]
        least = np.where(heavy[which], least, -np.inf)
        best = np.argmax(least, axis=1)
        found[which] = np.where(least[np.arange(which.size), best] >= reach, best, -1)
    return found


@OVERFLOWS
def tail_limits(
    cost: BatchedCost, theta: Float[np.ndarray, "S P"], neurons: Int[np.ndarray, " S"], noise: float
) -> tuple[list[LimitNet], Bool[np.ndarray, " S"]]:
    """Minimise the closure models, and tell which networks are on their way to their limit.

    Parameters
    ----------
    cost
        Of the networks.
    theta
        Networks with a neuron in its tail.
    neurons
        Which one.
    noise
        As in `trust_region`.

    Returns
    -------
    tuple
        The limits, and whether each network lies above its limit by what the drift predicts.
    """
    layout, rate = cost.layout, RATES[cost.activation.name]
    # The scale of the exponential is in `a` and in its bias: a penalty on the bias keeps it at 0, and changes no loss.
    ridge = np.zeros(layout.size)
    ridge[layout.inner.start] = 1.0
    mixed = _with_exponential(cost.activation, rate)
    closure = replace(cost, activation=mixed, ridge=ridge, anchor=np.zeros(layout.size))
    pairs = [_start(cost, theta[k], int(neurons[k]), rate) for k in range(len(theta))]
    starts, us = np.array([start for start, _ in pairs]), np.array([u for _, u in pairs])
    limits = descend_to_limits(TAIL, closure, starts, noise, lambda at: _drift(closure, at, rate))
    losses = cost.loss(theta)
    near = [
        _is_approached(limit, start, float(loss), float(u))
        for limit, start, loss, u in zip(limits, starts, losses, us, strict=True)
    ]
    return limits, np.array(near, dtype=bool)


def _is_approached(limit: LimitNet, start: np.ndarray, loss: float, u: float) -> bool:
    if not (limit.attracts and loss >= limit.loss):
        return False
    rise = limit.drift * u
    near = np.linalg.norm(start - limit.theta) <= SHAPE * (1 + np.linalg.norm(limit.theta))
    return bool(near and abs(loss - limit.loss - rise) <= SHAPE * rise)


def _start(cost: BatchedCost, theta: np.ndarray, j: int, rate: float) -> tuple[np.ndarray, float]:
    """Return the parameters of the closure model, the exponential neuron first, and `u`."""
    v0, _, v, _, B = (part[0] for part in cost.layout.split(theta[None]))
    bias, outer, inner = float(v0[0]), float(v[j, 0]), B[j]
    if (inner @ cost.rows).max() < 0:
        sign, shift = MIRRORS[cost.activation.symmetry]
        bias, outer, inner = bias + shift * outer, sign * outer, -inner
    u = float(np.exp(-rate * inner[0]))
    others = [h for h in range(cost.layout.m) if h != j]
    first = np.concatenate([[0.0], inner[1:]])
    outer_weights = np.concatenate([[-rate * outer * u], v[others, 0]])
    return np.concatenate([[bias + outer], outer_weights, first, B[others].ravel()]), u


def _with_exponential(psi: Activation, rate: float) -> Activation:
    """Return an activation that is `exp(-rate z)` for the first neuron (of axis 1) and psi for the others."""

    def evaluate(z: np.ndarray, order: int) -> tuple[np.ndarray, ...]:
        found = psi.derivatives(z, order)
        with np.errstate(over="ignore"):
            tail = np.exp(-rate * z[:, 0])
            for k, values in enumerate(found):
                values[:, 0] = (-rate) ** k * tail
        return found

    return replace(psi, evaluate=evaluate)


def _drift(closure: BatchedCost, theta: np.ndarray, rate: float) -> float:
    _, _, v, _, B = closure.layout.split(theta[None])
    z = B[0, 0] @ closure.rows
    residual = closure.residuals(theta[None])[0, 0]
    with np.errstate(over="ignore", invalid="ignore"):
        drift = float(-2 * v[0, 0, 0] * (closure.weights * residual) @ np.exp(-2 * rate * z))
    return drift if np.isfinite(drift) else -np.inf
