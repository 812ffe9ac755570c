"""Algorithm C: fewer parameters than outputs, or no rank condition at all (theorem T3).

The flow is `dtheta/dtau = -D^+ r`, with `dx/dtau = -P r`, `P` the projector on the range of `D`. The instantaneous
efficiency `cos^2 phi = |P r|^2 / |r|^2` is recorded at every step, and

    C(tau) = C_0 exp(-2 int cos^2 phi dtau)

is known only while it runs: nothing is promised beforehand. Steps solve `(D^T D + lambda I) delta = D^T u`, by a QR
factorisation of `D` where it fits into memory and by normal equations summed over batches of samples where it does not;
`lambda` follows the gain ratio. The run rests where `|P r| <= tol |r|`: a stationary point of ordinary gradient descent
as well, generically on a critical submanifold (theorem T4).

For a loss of curvature `H` in the outputs, `D` stands for `H^(1/2) D` and `r` for `H^(-1/2) grad` (theorem T9 with
`M = H`): the flow is the natural one, and every step descends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float

from thalweg.adapted.node import Node
from thalweg.adapted.recorder import Recorder
from thalweg.adapted.task import Task
from thalweg.records import Outcome

STATIONARY = 1e-8
"""`|P r| / |r|` at a local equilibrium: half the digits, since the loss then changes by less than its rounding."""

FINISHING = 0.5
"""Where the loss no longer tells, steps go on as long as they leave at most this share of `cos^2 phi`."""

LOWER, RAISE = 1.0 / 3.0, 2.0
"""Change of the damping after a step that kept its promise, and after one that did not."""

GOOD, POOR = 0.75, 0.25
"""Gain ratios: above, damping is lowered; below, raised; a step with no gain is rejected."""

LEAST, MOST = 1e-15, 1e12
"""Range of the damping in units of the largest diagonal entry of `D^T D`."""

QR_BYTES = 2**29
"""Largest Jacobian that is factored as it is."""

BATCH_BYTES = 2**26
"""Size of a batch's Jacobian in the normal equations."""

ROUNDING = 64 * np.finfo(float).eps
"""A promised or measured relative change of the cost below this is rounding."""


@dataclass(frozen=True, eq=False)
class Tangent:
    """What a step needs of the Jacobian: `R` with `R^T R = D^T D`, `z` with `R^T z = D^T u`, so that `|P u| = |z|`."""

    triangle: Float[np.ndarray, "k K"]
    projected: Float[np.ndarray, " k"]
    wanted: float

    @property
    def efficiency(self) -> float:
        """`cos^2 phi = |P u|^2 / |u|^2`."""
        return float(self.projected @ self.projected) / max(self.wanted, np.finfo(float).tiny)

    @property
    def largest(self) -> float:
        """The largest diagonal entry of `D^T D`."""
        return float((self.triangle * self.triangle).sum(axis=0).max())

    def solve(self, shift: float) -> Float[np.ndarray, " K"]:
        """Return `(D^T D + shift I)^-1 D^T u` by least squares on `[R; sqrt(shift) I]`."""
        K = self.triangle.shape[1]
        stacked = np.vstack([self.triangle, np.sqrt(shift) * np.eye(K)])
        basis, upper = np.linalg.qr(stacked)
        return scipy.linalg.solve_triangular(upper, basis[: len(self.triangle)].T @ self.projected, check_finite=False)


def run_underparametrised(task: Task, damping: float, recorder: Recorder) -> tuple[Any, Outcome]:
    """Train with the gain-ratio rule until the recorder says stop or the run rests.

    Parameters
    ----------
    task
        Model and loss.
    damping
        Initial `lambda` in units of the largest diagonal entry of `D^T D`.
    recorder
        Collects the nodes.

    Returns
    -------
    tuple
        The last parameters, and how the run ended: `local_equilibrium` where no direction lowers the loss.
    """
    theta = np.asarray(task.model.theta, dtype=np.float64)
    x = task.outputs(theta)
    cost = task.loss.cost(x)
    end = recorder.add(Node(0.0, cost), theta, x, task.loss.residual(x))
    level, least = min(max(damping, LEAST), MOST), np.inf
    while end is None:
        tangent = tangent_at(task, theta, x)
        if tangent.efficiency <= STATIONARY**2:
            recorder.mark("equilibrium")
            return theta, Outcome.LOCAL_EQUILIBRIUM
        made = None
        while made is None:
            if level > MOST:
                return theta, Outcome.STALLED
            made, level = _attempt(task, tangent, theta, cost, level)
        before, (theta, x, cost) = cost, made
        share = max(cost - task.loss.floor, np.finfo(float).tiny) / max(before - task.loss.floor, np.finfo(float).tiny)
        tau = recorder.nodes[-1].tau - 0.5 * float(np.log(share)) / tangent.efficiency
        node = Node(tau, cost, damping=level, efficiency=tangent.efficiency)
        end = recorder.add(node, theta, x, task.loss.residual(x))
        if end is None and before - cost <= ROUNDING * before and tangent.efficiency <= STATIONARY:
            if tangent.efficiency > FINISHING * least:
                recorder.mark("equilibrium")
                return theta, Outcome.LOCAL_EQUILIBRIUM
            least = tangent.efficiency
    return theta, end


def finished(task: Task, theta: Float[np.ndarray, " K"]) -> tuple[Float[np.ndarray, " K"], float]:
    """Return the stationary point next to one where the loss no longer tells progress, by Gauss-Newton steps.

    Returns
    -------
    tuple
        The point, the same object where no step helps, and `cos^2 phi` there: NaN where the Jacobian is too large to be
        factored, infinite where the velocity is.
    """
    if 8 * task.model.shape[0] * task.model.shape[1] * theta.size > QR_BYTES:
        return theta, float("nan")
    x = task.outputs(theta)
    most = task.loss.cost(x) + ROUNDING * abs(task.loss.cost(x))
    tangent = tangent_at(task, theta, x)
    while tangent.efficiency > STATIONARY**2:
        moved = theta + tangent.solve(LEAST * tangent.largest)
        x = task.outputs(moved)
        after = tangent_at(task, moved, x)
        if not (task.loss.cost(x) <= most and after.efficiency <= FINISHING * tangent.efficiency):
            break
        theta, tangent = moved, after
    return theta, tangent.efficiency if np.isfinite(tangent.efficiency) else float("inf")


def _attempt(
    task: Task, tangent: Tangent, theta: np.ndarray, cost: float, level: float
) -> tuple[tuple[np.ndarray, np.ndarray, float] | None, float]:
    """Try a step at one damping; return it (None if the cost grew) and the damping for the next."""
    delta = tangent.solve(level * tangent.largest)
    moved = tangent.triangle @ delta
    promised = float(moved @ tangent.projected - 0.5 * moved @ moved) / task.model.shape[0]
    x = task.outputs(theta + delta)
    after = task.loss.cost(x)
    gain = cost - after
    if promised <= ROUNDING * cost and abs(gain) <= ROUNDING * cost:
        return (theta + delta, x, min(after, cost)), level  # both are rounding: the point is as good as it gets
    ratio = gain / promised
    if not ratio > 0:
        return None, RAISE * level
    if ratio > GOOD:
        return (theta + delta, x, after), max(LOWER * level, LEAST)
    return (theta + delta, x, after), RAISE * level if ratio < POOR else level


def tangent_at(task: Task, theta: Float[np.ndarray, " K"], x: Float[np.ndarray, "N raw"]) -> Tangent:
    """Factor the Jacobian in the metric of the loss: QR where it fits, else normal equations batch by batch."""
    (N, Q), K = task.model.shape, theta.size
    velocity, root = task.loss.velocity(x), task.loss.metric_root(x)
    wanted = velocity if root is None else np.einsum("nqr,nr->nq", root, velocity)
    size = float((wanted * wanted).sum())
    if 8 * N * Q * K <= QR_BYTES:
        jacobian = _jacobian(task.model, theta, root)
        basis, triangle = np.linalg.qr(jacobian)
        left, values, right = scipy.linalg.svd(triangle, full_matrices=False, check_finite=False)
        good = values > values[0] * max(jacobian.shape) * np.finfo(float).eps  # else rounding counts as reached
        return Tangent(values[good, None] * right[good], left[:, good].T @ (basis.T @ wanted.reshape(-1)), size)
    normal, right = np.zeros((K, K)), np.zeros(K)
    rows = max(1, min(N, BATCH_BYTES // (8 * Q * K)))
    for start in range(0, N, rows):
        part = slice(start, min(start + rows, N))
        jacobian = _jacobian(task.model.restrict(part), theta, None if root is None else root[part])
        normal += jacobian.T @ jacobian
        right += jacobian.T @ wanted[part].reshape(-1)
    values, vectors = np.linalg.eigh(normal)
    good = values > values[-1] * K * np.finfo(float).eps
    roots = np.sqrt(values[good])
    return Tangent(roots[:, None] * vectors[:, good].T, (vectors[:, good].T @ right) / roots, size)


def _jacobian(model: Any, theta: np.ndarray, root: np.ndarray | None) -> Float[np.ndarray, "rows K"]:
    jacobian = model.linearise(theta).jacobian()
    if root is None:
        return jacobian
    blocks = jacobian.reshape(root.shape[0], root.shape[1], -1)
    return (root @ blocks).reshape(jacobian.shape)
