"""Stochastic gradient descent with Polyak averaging near a minimum: batch size, steps, averaging, predicted loss.

With batches of b rows drawn by their weights the gradient has the covariance `S / b`, S that of one row's gradient.
The average over T steps of `eta_t = eta_0 t^-0.6` has the error covariance `H^-1 S H^-1 / (b T)`, so an excess loss of
`tr(H^-1 S) / (2 b T)` (Polyak and Juditsky 1992); the last iterate has `eta_T tr(S) / (4 b)`. A step of constant size
leaves the bias `-H^-1 T3[C] / 2`, `H C + C H = eta S / b`, which averaging does not remove: T3 is the third derivative
of the loss. Steps up to `2 b / (R^2 + (b - 1) L)` are stable, `R^2` the largest curvature of one row; beyond about
`R^2 / L` rows larger batches no longer allow larger steps (Ma, Bassily and Belkin 2018). Formulas: specification 5.6.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.shallow.derivatives import Objective, jacobian_rows
from thalweg.shallow.net import ShallowNet

DECAY = 0.6
"""Exponent of the decaying step: above one half, so that the average is as good as Newton's steps would be."""

ROWS = 1024
"""Rows whose derivatives are held at a time."""

LONGEST = 1e15
"""Steps beyond which no plan is made."""


@dataclass(frozen=True, eq=False)
class AveragingPlan:
    """Stochastic gradient descent with averaging that ends within a tolerance of the minimum.

    Attributes
    ----------
    batch : int
        Rows of a batch.
    critical_batch : int
        Rows beyond which a larger batch saves no steps.
    first_step : float
        `eta_0` of `eta_t = eta_0 t^-0.6`: half the largest stable one.
    averaging_start : float
        Step from which to average: what is left of the start is then half the tolerance.
    steps : float
        Steps in all; infinite where it takes more than 1e15.
    excess_average, excess_last, excess_constant : float
        Predicted excess loss after these steps: of the average (at most), of the last iterate, and of the average with
        the constant step `eta_0`, whose bias stays.
    noise : float
        `tr(H^-1 S) / 2`: divided by the rows seen while averaging it is the statistical part of the excess loss.
    """

    batch: int
    critical_batch: int
    first_step: float
    averaging_start: float
    steps: float
    excess_average: float
    excess_last: float
    excess_constant: float
    noise: float


def plan_averaging(
    net: ShallowNet,
    data: Objective,
    spectrum: tuple[Float[np.ndarray, " P"], Float[np.ndarray, "P P"]],
    components: Float[np.ndarray, " P"],
    gap: float,
    batch: int | None = None,
) -> AveragingPlan:
    """Plan stochastic gradient descent from a net near a minimum.

    Parameters
    ----------
    net
        The minimum.
    data
        The objective.
    spectrum
        Eigenvalues, all positive, and eigenvectors of the Hessian there.
    components
        Of `theta - theta*` along the eigenvectors, for the net from which training goes on.
    gap
        Excess loss to reach.
    batch
        Rows of a batch; by default the critical batch, at most all rows.

    Returns
    -------
    AveragingPlan
        With the predicted excess losses.
    """
    values, vectors = spectrum
    rows, curvature = _row_gradients(net, data)
    covariance = (data.weights[:, None] * rows).T @ rows
    largest = float(values[-1])
    critical = math.ceil(curvature / largest)
    b = min(data.n, critical) if batch is None else batch
    first = b / (curvature + (b - 1) * largest)
    turned = vectors.T @ covariance @ vectors
    noise = 0.5 * float((np.diag(turned) / values).sum())
    bias = _bias_loss(net, data, values, vectors, turned * (first / b))

    def left(t: float) -> float:
        """Return what is left of the start after t steps."""
        travelled = first * (t ** (1 - DECAY) - 1) / (1 - DECAY)
        return 0.5 * float((values * np.square(components * np.exp(-values * travelled))).sum())

    start = _bisect(lambda t: left(t) <= gap / 2, 1.0)

    def excess(averaged: float) -> float:
        """Return noise and bias of the average of so many steps."""
        mean_step = ((start + averaged) ** (1 - DECAY) - start ** (1 - DECAY)) / ((1 - DECAY) * averaged)
        return noise / (b * averaged) + bias * mean_step**2

    averaged = _bisect(lambda count: excess(count) <= gap / 2, 1.0)
    steps = start + averaged
    last = first * steps**-DECAY * float(np.trace(covariance)) / (4 * b) if math.isfinite(steps) else math.nan
    return AveragingPlan(
        batch=b,
        critical_batch=critical,
        first_step=first,
        averaging_start=start,
        steps=steps,
        excess_average=excess(averaged) + left(start) if math.isfinite(steps) else math.nan,
        excess_last=last,
        excess_constant=bias + (noise / (b * averaged) if math.isfinite(averaged) else 0.0),
        noise=noise,
    )


def _row_gradients(net: ShallowNet, data: Objective) -> tuple[Float[np.ndarray, "n P"], float]:
    """Return the gradients of the rows' losses about their mean, and the largest curvature of one row."""
    jacobian = data.jacobian(net).reshape(data.n, net.outputs, -1)
    residual = data.residual(net).reshape(data.n, -1)
    rows = 2 * np.einsum("ik,ikp->ip", residual, jacobian)
    return rows - data.weights @ rows, float(2 * np.square(jacobian).sum(axis=(1, 2)).max())


def _bias_loss(net: ShallowNet, data: Objective, values: np.ndarray, vectors: np.ndarray, scaled: np.ndarray) -> float:
    """Return the loss of the bias that a constant step leaves; `scaled` is `eta S / b` along the eigenvectors."""
    C = scaled / (values[:, None] + values)
    pull = vectors.T @ third_derivative_along(net, data, vectors @ C @ vectors.T)
    bias = -0.5 * pull / values
    return 0.5 * float(values @ np.square(bias))


def third_derivative_along(net: ShallowNet, data: Objective, C: Float[np.ndarray, "P P"]) -> Float[np.ndarray, " P"]:
    """Return `T3[C]`, the gradient of `tr(C H(theta))` at the net, in closed form: one matrix product a piece of rows.

    Parameters
    ----------
    net
        Where.
    data
        The objective; the ridge has no third derivative.
    C : array (P, P)
        Symmetric.

    Returns
    -------
    array (P,)
        For `C = sum_u u u'` it is the sum over u of `2 sum_i w_i (r D3[u, u, .] + D2[u, u] D + 2 D[u] D2[u, .])`, with
        the derivatives of the outputs.
    """
    K, m, D = net.outputs, net.width, net.features + 1
    first = K * (1 + m)
    own = np.arange(m)
    mixed = C[K:first, first:].reshape(m, K, m, D)[own, :, own]  # (m, K, D): of v_j and B_j
    hidden = C[first:, first:].reshape(m, D, m, D)[own, :, own]  # (m, D, D): of B_j and B_j
    V, total = net.output_weights, np.zeros(net.parameter_count)
    of_bias, of_outer, of_inner = total[:K], total[K:first].reshape(m, K), total[first:].reshape(m, D)
    residual = data.residual(net).reshape(data.n, K)
    for start in range(0, data.n, ROWS):
        rows = slice(start, start + ROWS)
        xt, w, r = data.augmented[rows], data.weights[rows, None], data.weights[rows, None] * residual[rows]
        a, a1, a2, a3 = net.psi.derivatives(xt @ net.B.T, 3)
        Y = jacobian_rows(net, xt, a, a1) @ C
        to_outer = Y[:, :, K:first].reshape(-1, K, m, K)
        to_inner = np.einsum("ikjc,ic->ijk", Y[:, :, first:].reshape(-1, K, m, D), xt, optimize=True)
        p = np.einsum("jkc,ic->ijk", mixed, xt, optimize=True)
        q = np.einsum("ijc,ic->ij", np.einsum("jbc,ib->ijc", hidden, xt, optimize=True), xt, optimize=True)
        second = w * (2 * np.einsum("ij,ijk->ik", a1, p) + (a2 * q) @ V)
        of_bias += second.sum(axis=0)
        of_outer += (a2 * q).T @ r + a.T @ second + 2 * np.einsum("ij,ijk->jk", w * a1, to_inner)
        inner = 2 * np.einsum("ik,ijk->ij", r, p) * a2 + (r @ V.T) * a3 * q + (second @ V.T) * a1
        inner += 2 * w * (np.einsum("ikjk->ij", to_outer) * a1 + np.einsum("jk,ijk->ij", V, to_inner) * a2)
        of_inner += inner.T @ xt
    return 2 * total


def _bisect(reached: Callable[[float], bool], low: float) -> float:
    """Return the least count from `low` on at which a predicate that stays true becomes true; infinite if too large."""
    if reached(low):
        return low
    if not reached(LONGEST):
        return math.inf
    high = LONGEST
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if reached(middle) else (middle, high)
        if high <= low * (1 + 1e-6):
            break
    return float(math.ceil(high))
