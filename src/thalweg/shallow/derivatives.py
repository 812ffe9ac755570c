"""Loss of a shallow network with gradient, Gauss-Newton matrix and Hessian in closed form.

`J = sum_i w_i |r_i|^2 + sum_p lam_p (theta_p - anchor_p)^2`, `r = net(X) - y`, with weights that sum to one. With
`A = [1, a, a' (x) xt]`, `a = psi(z)`, `xt = (1, x)`, one product `N = 2 A' diag(w) A` holds the Gauss-Newton matrix of
any number of outputs: its blocks are those of `N` times output weights. The residual enters the Hessian only in the
blocks `(v_j, B_j)`, `2 sum_i w_i r_i a'_ij xt_i`, and `(B_j, B_j)`, `2 sum_i w_i (v_j.r_i) a''_ij xt_i xt_i'`
(specification, section 1.1). Rows are taken in pieces, so nothing of size `n P` is held except by `jacobian`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from thalweg.numerics.validation import real_array, weights_of_rows
from thalweg.records import InputError
from thalweg.shallow.net import ShallowNet

PIECE = 512
"""Rows taken at a time: their part of `A` stays in the cache."""


@dataclass(frozen=True, eq=False, init=False)
class Objective:
    """A weighted squared loss with ridge, on given data.

    Parameters
    ----------
    X : array (n, d)
        Features.
    y : array (n,) or (n, K)
        Targets.
    weights : array (n,), optional
        Of the rows, not negative; they are divided by their sum. All equal by default.
    ridge : float or array (P,)
        Penalties `lam >= 0`, one for all parameters or one for each in the flat layout.
    anchor : array (P,), optional
        Where the ridge pulls to; zero by default.

    Raises
    ------
    InputError
        If an argument is unusable; names the first bad rows.
    """

    X: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, "n ..."]
    weights: Float[np.ndarray, " n"]
    ridge: float | Float[np.ndarray, " P"]
    anchor: Float[np.ndarray, " P"] | None

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        weights: ArrayLike | None = None,
        ridge: ArrayLike = 0.0,
        anchor: ArrayLike | None = None,
    ) -> None:
        X = real_array(X, "X", 2)
        y = real_array(y, "y", 2 if np.ndim(y) == 2 else 1)
        if X.shape[0] != y.shape[0]:
            raise InputError("rows_differ", rows_x=X.shape[0], rows_y=y.shape[0])
        n = X.shape[0]
        given = np.ones(n) if weights is None else weights_of_rows(weights, n)
        ridge = real_array(ridge, "ridge", min(np.ndim(ridge), 1))
        if not (ridge >= 0).all():
            raise InputError("option_range", name="ridge", value=float(ridge.min()), wanted=">= 0")
        anchor = None if anchor is None else real_array(anchor, "anchor", 1)
        fields = {
            "X": X,
            "y": y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y,
            "weights": given / math.fsum(given),
            "ridge": float(ridge) if ridge.ndim == 0 else ridge,
            "anchor": anchor,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.X.shape[0]

    @cached_property
    def augmented(self) -> Float[np.ndarray, "n D"]:
        """The rows `(1, x)`."""
        return np.column_stack([np.ones(self.n), self.X])

    @cached_property
    def targets(self) -> Float[np.ndarray, "n K"]:
        """The targets, also for one output with a column for it."""
        return self.y.reshape(self.n, -1)

    def penalties(self, net: ShallowNet) -> Float[np.ndarray, " P"]:
        """Return the ridge of each parameter."""
        return np.broadcast_to(self.ridge, (net.parameter_count,))

    def displacement(self, net: ShallowNet) -> Float[np.ndarray, " P"]:
        """Return how far the parameters are from the anchor."""
        return net.theta if self.anchor is None else net.theta - self.anchor

    def require_fits(self, net: ShallowNet) -> None:
        """Refuse a network of other shape than the data.

        Raises
        ------
        InputError
            If features, outputs, ridge or anchor do not fit the network.
        """
        if self.X.shape[1] != net.features:
            raise InputError("net_features", found=self.X.shape[1], wanted=net.features)
        if self.targets.shape[1] != net.outputs:
            raise InputError("net_outputs", found=self.targets.shape[1], wanted=net.outputs)
        for name in ("ridge", "anchor"):
            value = getattr(self, name)
            if isinstance(value, np.ndarray) and value.size != net.parameter_count:
                raise InputError("parameters_differ", name=name, found=value.size, wanted=net.parameter_count)

    def residual(self, net: ShallowNet) -> Float[np.ndarray, "n ..."]:
        """Return `net(X) - y`."""
        self.require_fits(net)
        return net(self.X) - self.y

    def cost(self, net: ShallowNet) -> float:
        """Return J."""
        r = self.residual(net).reshape(self.n, -1)
        return float(self.weights @ np.square(r).sum(axis=1)) + self._penalty(net)

    def jacobian(self, net: ShallowNet) -> Float[np.ndarray, "n ..."]:
        """Return the derivatives of the outputs by the parameters: `(n, P)`, or `(n, K, P)` for K outputs."""
        self.require_fits(net)
        a, slope = net.psi.derivatives(self.augmented @ net.B.T, 1)
        found = jacobian_rows(net, self.augmented, a, slope)
        return found[:, 0] if net.v.ndim == 1 else found

    def gradient(self, net: ShallowNet) -> Float[np.ndarray, " P"]:
        """Return the gradient of J in the flat layout."""
        self.require_fits(net)
        v, total = net.output_weights, np.zeros(net.parameter_count)
        bias, outer, inner = _views(net, total)
        for piece in self._pieces(net, 1):
            a, slope = piece.psi
            bias += piece.wr.sum(axis=0)
            outer += a.T @ piece.wr
            inner += ((piece.wr @ v.T) * slope).T @ piece.xt
        return 2 * total + 2 * self.penalties(net) * self.displacement(net)

    def gauss_newton(self, net: ShallowNet) -> Float[np.ndarray, "P P"]:
        """Return `G = 2 sum_i w_i DF_i' DF_i`, without the ridge."""
        self.require_fits(net)
        return expand_gram(net, self._gram(net))

    def hessian(self, net: ShallowNet) -> Float[np.ndarray, "P P"]:
        """Return the Hessian of J in the flat layout, ridge included."""
        return self.second_order(net)[2]

    def second_order(self, net: ShallowNet) -> tuple[float, Float[np.ndarray, " P"], Float[np.ndarray, "P P"]]:
        """Return J, its gradient and its Hessian, from one pass over the data."""
        cost, gradient, G, R = self.curvatures(net)
        return cost, gradient, np.add(G, R, out=G)

    def curvatures(
        self, net: ShallowNet
    ) -> tuple[float, Float[np.ndarray, " P"], Float[np.ndarray, "P P"], Float[np.ndarray, "P P"]]:
        """Return J, its gradient, the Gauss-Newton matrix, and the rest of the Hessian: residual and ridge."""
        self.require_fits(net)
        m, D, v = net.width, net.features + 1, net.output_weights
        gram, square = np.zeros((1 + m + m * D,) * 2), 0.0
        gradient, curvature, cross = np.zeros(net.parameter_count), np.zeros((m, D, D)), np.zeros((m, net.outputs, D))
        bias, outer, inner = _views(net, gradient)
        for piece in self._pieces(net, 2):
            a, slope, bend = piece.psi
            square += float(np.vdot(piece.wr, piece.r))
            bias += piece.wr.sum(axis=0)
            outer += a.T @ piece.wr
            for k in range(net.outputs):
                cross[:, k] += (piece.wr[:, k : k + 1] * slope).T @ piece.xt
            add_products(curvature, (piece.wr @ v.T) * bend, piece.xt)
            A = gram_rows(a, slope, piece.xt, np.sqrt(2 * piece.w))
            gram += A.T @ A
        inner += np.einsum("jk,jkc->jc", v, cross)
        penalties = self.penalties(net)
        gradient = 2 * gradient + 2 * penalties * self.displacement(net)
        rest = residual_blocks(net, 2 * cross, 2 * curvature)
        rest[np.diag_indices_from(rest)] += 2 * penalties
        return square + self._penalty(net), gradient, expand_gram(net, gram), rest

    def _penalty(self, net: ShallowNet) -> float:
        return float(np.square(np.sqrt(self.penalties(net)) * self.displacement(net)).sum())

    def _gram(self, net: ShallowNet) -> Float[np.ndarray, "Q Q"]:
        size = 1 + net.width * (net.features + 2)
        gram = np.zeros((size, size))
        for piece in self._pieces(net, 1):
            a, slope = piece.psi
            A = gram_rows(a, slope, piece.xt, np.sqrt(2 * piece.w))
            gram += A.T @ A
        return gram

    def _pieces(self, net: ShallowNet, order: int) -> Iterator[_Piece]:
        B, v, psi = net.B.T, net.output_weights, net.psi
        for start in range(0, self.n, PIECE):
            rows = slice(start, start + PIECE)
            xt, w = self.augmented[rows], self.weights[rows]
            values = psi.derivatives(xt @ B, order)
            r = values[0] @ v + net.output_bias - self.targets[rows]
            yield _Piece(xt, w, values, r, w[:, None] * r)


@dataclass(frozen=True, eq=False)
class _Piece:
    """Some rows with their derivatives of psi and their residuals, plain and weighted."""

    xt: np.ndarray
    w: np.ndarray
    psi: tuple[np.ndarray, ...]
    r: np.ndarray
    wr: np.ndarray


def jacobian_rows(
    net: ShallowNet, xt: Float[np.ndarray, "n D"], a: Float[np.ndarray, "n m"], slope: Float[np.ndarray, "n m"]
) -> Float[np.ndarray, "n K P"]:
    """Return the derivatives of all outputs at some rows, from `a = psi(z)` and `slope = psi'(z)`."""
    n, K, m, first = len(xt), net.outputs, net.width, net.outputs * (net.width + 1)
    found = np.zeros((n, K, net.parameter_count))
    hidden = found[:, :, first:].reshape(n, K, m, xt.shape[1])
    for k in range(K):
        found[:, k, k] = 1.0
        found[:, k, K + k : first : K] = a
        np.multiply((net.output_weights[:, k] * slope)[:, :, None], xt[:, None, :], out=hidden[:, k])
    return found


def gram_rows(
    a: Float[np.ndarray, "n m"], slope: Float[np.ndarray, "n m"], xt: Float[np.ndarray, "n D"], scale: np.ndarray
) -> Float[np.ndarray, "n Q"]:
    """Return the rows of `A = [1, a, a' (x) xt]`, each times its scale."""
    n, m = a.shape
    A = np.empty((n, 1 + m + m * xt.shape[1]))
    A[:, 0] = scale
    np.multiply(a, scale[:, None], out=A[:, 1 : 1 + m])
    hidden = A[:, 1 + m :].reshape(n, m, xt.shape[1])
    np.multiply(slope[:, :, None], (scale[:, None] * xt)[:, None, :], out=hidden)
    return A


def expand_gram(net: ShallowNet, gram: Float[np.ndarray, "Q Q"]) -> Float[np.ndarray, "P P"]:
    """Return the Gauss-Newton matrix of all outputs from `N = 2 A' diag(w) A`."""
    K, m, D, v = net.outputs, net.width, net.features + 1, net.output_weights
    outer, first = 1 + m, K * (1 + m)
    G = np.empty((net.parameter_count,) * 2)
    mixed = np.einsum("ulc,lk->uklc", gram[:outer, outer:].reshape(outer, m, D), v).reshape(first, m * D)
    G[:first, :first] = np.kron(gram[:outer, :outer], np.eye(K))
    G[:first, first:] = mixed
    G[first:, :first] = mixed.T
    inner = gram[outer:, outer:].reshape(m, D, m, D)
    G[first:, first:] = (inner * (v @ v.T)[:, None, :, None]).reshape(m * D, m * D)
    return G


def add_products(total: Float[np.ndarray, "m D D"], share: Float[np.ndarray, "n m"], xt: Float[np.ndarray, "n D"]):
    """Add `sum_i share_ij xt_i xt_i'` to the matrix of each neuron."""
    for c in range(xt.shape[1]):
        column = share.T @ (xt[:, c : c + 1] * xt[:, c:])
        total[:, c, c:] += column
        total[:, c + 1 :, c] += column[:, 1:]


def residual_blocks(
    net: ShallowNet, cross: Float[np.ndarray, "m K D"], curvature: Float[np.ndarray, "m D D"]
) -> Float[np.ndarray, "P P"]:
    """Return the part of the Hessian with the residual: `cross` at (v_j, B_j), `curvature` at (B_j, B_j)."""
    K, D = net.outputs, net.features + 1
    R = np.zeros((net.parameter_count,) * 2)
    for j in range(net.width):
        weights = slice(K + j * K, K + (j + 1) * K)
        hidden = slice(K * (1 + net.width) + j * D, K * (1 + net.width) + (j + 1) * D)
        R[weights, hidden] = cross[j]
        R[hidden, weights] = cross[j].T
        R[hidden, hidden] = curvature[j]
    return R


def _views(net: ShallowNet, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return output biases, output weights and hidden weights of a vector in the flat layout, as views."""
    K, m = net.outputs, net.width
    first = K * (1 + m)
    return theta[:K], theta[K:first].reshape(m, K), theta[first:].reshape(m, net.features + 1)


def objective(
    X: ArrayLike,
    y: ArrayLike,
    weights: ArrayLike | None = None,
    ridge: ArrayLike = 0.0,
    anchor: ArrayLike | ShallowNet | None = None,
) -> Objective:
    """Return the objective of anything array-like; the anchor may be a network."""
    return Objective(X, y, weights, ridge, anchor.theta if isinstance(anchor, ShallowNet) else anchor)
