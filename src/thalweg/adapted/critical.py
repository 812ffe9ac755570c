"""Where training rests, and how fast it moves elsewhere (theorems T3 and T4).

With `P = D D^+`, the projector on the range of the Jacobian, the adapted flow `dtheta/ds = -D^+ r / N` lowers the
cost at the rate `dC/ds = -|P r|^2 / N^2`; for the squared loss that is `-(2/N) cos^2(phi) C` with
`cos^2(phi) = |P r|^2 / |r|^2`. It rests where `P r = 0`, which is where `D^T r = 0`: the stationary points of gradient
descent. Where the rank `p` of `D` is constant nearby, these are `p` equations in `K` unknowns, generically a
submanifold of dimension `K - p`; its outputs do not change along the kernel of `D`. At full rank it rests at zero loss
alone, a set of dimension `K - NQ`.

For other losses than the squared one, `r` is their gradient with respect to the outputs, and `s` the time of the
Euclidean flow. Decompositions are of `D` itself, by Householder reflections and the singular values of the triangle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float

from thalweg.adapted.losses import ConvexLoss
from thalweg.adapted.model import Model
from thalweg.adapted.networks import output_count
from thalweg.adapted.preparation import prepare
from thalweg.adapted.singular_values import finite_jacobian, numerical_rank, singular_ranges
from thalweg.adapted.task import Task, make_task
from thalweg.adapted.underparametrised import BATCH_BYTES, STATIONARY
from thalweg.numerics.options import whole_number
from thalweg.numerics.resampling import stream
from thalweg.records import Cell, Statement

ZERO_LOSS = 1e-8
"""A residual below this share of outputs and targets is zero: half the digits, as for `STATIONARY`."""

NEARBY, NEARBY_POINTS = 1e-4, 2
"""Distance of the points at which the rank is compared, in units of the size of a parameter, and their number."""

DIFFERENCE = 1e-3
"""Step of the directional derivative, in units of the size of a parameter: the error of fourth order is 1e-12."""

DIRECTIONS = 32
"""How many flat directions are returned at most unless more are asked for."""


BLOCK = 64
"""Columns that LAPACK reflects together."""


@dataclass(frozen=True, eq=False)
class Efficiency:
    """How much of the residual a network can follow at a point.

    Attributes
    ----------
    cost
        Of the loss.
    cos_squared
        `|P r|^2 / |r|^2`: 1 under the rank condition, 0 where training rests; NaN at zero loss.
    slope
        `dC/ds` of the adapted flow.
    measured
        The same from outputs alone, by differences along the direction of the flow.
    rank
        Numerical rank of `D`.
    """

    cost: float
    cos_squared: float
    slope: float
    measured: float
    rank: int


@dataclass(frozen=True, eq=False)
class CriticalSubmanifold:
    """The critical set that a stationary point lies on, to first order.

    Attributes
    ----------
    parameters, outputs
        `K` and `NQ`.
    rank
        Numerical rank `p` of the Jacobian.
    rank_nearby
        Largest rank at points close by; None where it could not be told.
    flat
        Orthonormal directions along which the outputs do not change to first order, one a row: a basis of the kernel
        of `D`, or as many as were asked for.
    cost
        Of the loss.
    projected
        `|P r| / |r|`; NaN at zero loss.
    is_zero_loss, is_stationary
        Whether the residual is zero to half the digits, and whether training rests here.
    """

    parameters: int
    outputs: int
    rank: int
    rank_nearby: int | None
    flat: Float[np.ndarray, "m K"]
    cost: float
    projected: float
    is_zero_loss: bool
    is_stationary: bool

    @property
    def dimension(self) -> int:
        """Return `K - p`: that of the critical set where the rank is constant nearby, and always of `ker D`."""
        return self.parameters - self.rank

    @property
    def cos_squared(self) -> float:
        """`|P r|^2 / |r|^2`."""
        return self.projected**2

    @property
    def is_constant_rank(self) -> bool | None:
        """Whether the points close by have the same rank: without that the dimension is only that of the kernel."""
        return None if self.rank_nearby is None else self.rank_nearby == self.rank

    @property
    def zero_loss_dimension(self) -> int | None:
        """Dimension `K - NQ` of the set of zero loss; None unless the rank is full."""
        return self.dimension if self.rank == self.outputs else None

    @property
    def statement(self) -> Statement:
        """What this point is, in words."""
        values: dict[str, Cell] = {"rank": self.rank, "outputs": self.outputs, "dimension": self.dimension}
        if not self.is_stationary:
            return Statement("critical.moving", {"share": self.cos_squared, "rank": self.rank, "outputs": self.outputs})
        if not self.is_constant_rank:
            return Statement("critical.rank_changes", values)
        if self.is_zero_loss:
            return Statement("critical.zero_loss", values)
        return Statement("critical.isolated" if self.dimension == 0 else "critical.submanifold", values)

    def __str__(self) -> str:
        return str(self.statement)


@dataclass(frozen=True, eq=False)
class _Decomposition:
    """Singular values of `D`, the coefficients `U^T r`, and how vectors of parameters are had from `V`."""

    values: Float[np.ndarray, " m"]
    coefficients: Float[np.ndarray, " m"]
    rank: int
    right: Float[np.ndarray, "m m"]
    expand: Callable[[np.ndarray], np.ndarray]
    parameters: int

    @property
    def followed(self) -> float:
        """`|P r|`."""
        return float(np.linalg.norm(self.coefficients[: self.rank]))

    def lift(self) -> Float[np.ndarray, " K"]:
        """Return `D^+ r`."""
        p = self.rank
        return self.expand((self.right[:p].T @ (self.coefficients[:p] / self.values[:p]))[:, None])[:, 0]

    def kernel(self, most: int) -> Float[np.ndarray, "k K"]:
        """Return an orthonormal basis of the kernel, or `most` vectors of it, one a row."""
        p, m = self.rank, self.values.size
        inside = min(m - p, most)
        beyond = min(self.parameters - m, most - inside)
        columns = np.zeros((m + beyond, inside + beyond))
        columns[:m, :inside] = self.right[p : p + inside].T
        columns[m + np.arange(beyond), inside + np.arange(beyond)] = 1.0
        return self.expand(columns).T


def critical_submanifold(
    apply_fn: Callable[[Any, Any], Any],
    params: Any,
    data: tuple[Any, Any],
    loss: str | ConvexLoss = "l2",
    *,
    weights: Any = None,
    huber_delta: float | None = None,
    directions: int = DIRECTIONS,
    seed: int = 0,
) -> CriticalSubmanifold:
    """Tell whether training rests at a point, and on a critical set of which dimension.

    Parameters
    ----------
    apply_fn
        An `Mlp`, or a function that JAX can trace.
    params
        The point, as the end of a run.
    data
        `(X, Y)`.
    loss
        That of training.
    weights
        Positive weights of the samples.
    huber_delta
        Of the loss "huber".
    directions
        How many flat directions are returned at most.
    seed
        Of the points close by at which the rank is compared.

    Returns
    -------
    CriticalSubmanifold
        `print` it for one sentence.

    Raises
    ------
    InputError
        If the data do not fit each other or the network, memory is short, or the Jacobian is not finite.
    """
    most, start = whole_number(directions, "directions", 0), whole_number(seed, "seed", 0)
    task = _task(apply_fn, params, data, loss, weights, huber_delta)
    return critical_point(task, np.asarray(task.model.theta), most, start)


def critical_point(task: Task, theta: Float[np.ndarray, " K"], directions: int, seed: int = 0) -> CriticalSubmanifold:
    """Return the same for parameters of a task, with so many flat directions at most."""
    model = task.model
    x = task.outputs(theta)
    residual = task.gradient(x)
    found = _decompose(model, theta, residual)
    size = float(np.linalg.norm(residual))
    scale = float(np.linalg.norm(task.loss.root_weights * x) + np.linalg.norm(task.loss.root_weights * task.loss.y))
    is_zero = size <= ZERO_LOSS * scale
    projected = float("nan") if is_zero else found.followed / size
    return CriticalSubmanifold(
        parameters=theta.size,
        outputs=residual.size,
        rank=found.rank,
        rank_nearby=_rank_nearby(model, theta, seed),
        flat=found.kernel(min(directions, theta.size - found.rank)),
        cost=task.loss.cost(x),
        projected=projected,
        is_zero_loss=is_zero,
        is_stationary=is_zero or projected <= STATIONARY,
    )


def efficiency(
    apply_fn: Callable[[Any, Any], Any],
    params: Any,
    data: tuple[Any, Any],
    loss: str | ConvexLoss = "l2",
    *,
    weights: Any = None,
    huber_delta: float | None = None,
) -> Efficiency:
    """Return the share of the residual that a network can follow, and the slope of the cost it implies.

    Parameters
    ----------
    apply_fn
        An `Mlp`, or a function that JAX can trace.
    params
        The point.
    data
        `(X, Y)`.
    loss
        That of training.
    weights
        Positive weights of the samples.
    huber_delta
        Of the loss "huber".

    Returns
    -------
    Efficiency
        With the slope as theorem T3 has it, and as plain forward passes measure it.

    Raises
    ------
    InputError
        If the data do not fit each other or the network, memory is short, or the Jacobian is not finite.
    """
    task = _task(apply_fn, params, data, loss, weights, huber_delta)
    model, theta = task.model, np.asarray(task.model.theta)
    x = task.outputs(theta)
    residual = task.gradient(x)
    found = _decompose(model, theta, residual)
    N, squared = residual.shape[0], float((residual * residual).sum())
    direction = -found.lift() / N
    moved = _derivative(model, theta, direction)
    return Efficiency(
        cost=task.loss.cost(x),
        cos_squared=found.followed**2 / squared if squared > 0 else float("nan"),
        slope=-((found.followed / N) ** 2),
        measured=float((residual * moved).sum()) / N,
        rank=found.rank,
    )


def _task(
    apply_fn: Callable[[Any, Any], Any], params: Any, data: tuple[Any, Any], loss: str | ConvexLoss, weights: Any,
    huber_delta: float | None,
) -> Task:  # fmt: skip
    made = prepare(data, loss, output_count(apply_fn, params, data[0]), weights, merge=False, huber_delta=huber_delta)
    task = make_task(apply_fn, params, made.X, made.loss)
    made.loss.require_start(task.outputs(task.model.theta))
    return task


def _decompose(model: Model, theta: np.ndarray, residual: np.ndarray) -> _Decomposition:
    if residual.size <= theta.size:
        return _decompose_wide(model, theta, residual)
    return _decompose_tall(model, theta, residual)


def _decompose_wide(model: Model, theta: np.ndarray, residual: np.ndarray) -> _Decomposition:
    """Reflect `D^T = H [R; 0]` and decompose `R^T = U S W^T`: then `V = H W`, and the rest of `H` is in the kernel."""
    m, K = residual.size, theta.size
    reflect = scipy.linalg.lapack.dgeqrf  # pyright: ignore[reportAttributeAccessIssue]
    apply = scipy.linalg.lapack.dormqr  # pyright: ignore[reportAttributeAccessIssue]
    reflected, factors, _, _ = reflect(finite_jacobian(model.linearise(theta)).T, lwork=BLOCK * m, overwrite_a=1)
    left, values, right = scipy.linalg.svd(np.triu(reflected[:m]).T, check_finite=False)

    def expand(columns: np.ndarray) -> np.ndarray:
        padded = np.zeros((K, columns.shape[1]), order="F")
        padded[: columns.shape[0]] = columns
        if padded.size == 0:
            return padded
        return apply("L", "N", reflected, factors, padded, BLOCK * columns.shape[1], overwrite_c=1)[0]

    coefficients = left.T @ residual.reshape(-1)
    return _Decomposition(values, coefficients, numerical_rank(values, (m, K)), right, expand, K)


def _decompose_tall(model: Model, theta: np.ndarray, residual: np.ndarray) -> _Decomposition:
    """Triangulate `[D r]` over batches of samples: memory is `K^2` and one batch."""
    (N, Q), K = residual.shape, theta.size
    rows = max(1, min(N, BATCH_BYTES // (8 * Q * K)))
    triangle = np.zeros((0, K + 1))
    for start in range(0, N, rows):
        part = np.arange(start, min(start + rows, N))
        jacobian = finite_jacobian(model.restrict(part).linearise(theta))
        block = np.column_stack([jacobian, residual[part].reshape(-1)])
        triangle = np.asarray(np.linalg.qr(np.vstack([triangle, block]), mode="r"))
    left, values, right = scipy.linalg.svd(triangle[:K, :K], check_finite=False)
    coefficients = left.T @ triangle[:K, K]
    return _Decomposition(values, coefficients, numerical_rank(values, (N * Q, K)), right, lambda columns: columns, K)


def _rank_nearby(model: Model, theta: np.ndarray, seed: int) -> int | None:
    """Return the largest rank at random points close by."""
    rows = model.shape[0] * model.shape[1]
    found = []
    for number in range(NEARBY_POINTS):
        moved = NEARBY * _size(theta) * stream(seed, "nearby", number).standard_normal(theta.size)
        found.append(singular_ranges(model.linearise(theta + moved), (rows,), (rows,))[0].rank)
    return None if None in found else max(rank for rank in found if rank is not None)


def _derivative(model: Model, theta: np.ndarray, direction: np.ndarray) -> Float[np.ndarray, "N Q"]:
    """Return the derivative of the outputs along a direction, from four forward passes."""
    longest = float(np.abs(direction).max(initial=0.0))
    if longest == 0.0:
        return np.zeros(model.shape)
    h = DIFFERENCE * _size(theta) / longest
    one, two = (
        np.asarray(model.outputs(theta + step * direction)) - np.asarray(model.outputs(theta - step * direction))
        for step in (h, 2.0 * h)
    )
    return (8.0 * one - two) / (12.0 * h)


def _size(theta: np.ndarray) -> float:
    """Return the root mean square of the parameters, one where they are all zero."""
    return float(np.sqrt(np.mean(theta**2))) or 1.0
