"""The cost of many networks at once, with gradients, Gauss-Newton matrices and Hessians in closed form.

`J(theta) = sum_i w_i |Psi_theta(x_i) - y_i|^2 + sum_p lam_p (theta_p - theta0_p)^2` with `sum_i w_i = 1`, for networks
`Psi = v0 + c.s(x) + sum_j v_j psi(z_j) + sum_(j < q) (p_j.xt) psi'(z_j)`, `z_j = B_j.xt`, `xt = (1, x)`. An ordinary
network has no steps `s` and `q = 0`; with them it is the limit of networks that run to infinity (`closure.py`).
The flat layout is `[v0 (K), c, v (m x K), p (q x (d + 1)), B (m x (d + 1))]`.

With `slope_j = v_j psi' + (p_j.xt) psi''` and `curve_j = v_j psi'' + (p_j.xt) psi'''` the Jacobian has the rows
`1, s, psi_j, psi'_j xt, slope_j xt`, and the residual enters the Hessian only within one neuron:
`r psi' xt` for (v_j, B_j), `r psi'' xt xt^T` for (p_j, B_j) and `r curve xt xt^T` for (B_j, B_j).
Rows of the data are taken in blocks, so that what one block needs stays in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float

from thalweg.shallow.activations import Activation

CACHE = 2**20
"""Bytes that the Jacobians of one block of rows may take: about half of what lies near the processor."""

SHORTEST = 64
"""Rows of a block at least: below, calling costs more than computing."""


@dataclass(frozen=True)
class Layout:
    """Where the parts of a flat parameter vector lie."""

    m: int
    d: int
    K: int = 1
    steps: int = 0
    pairs: int = 0

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.inner.stop

    @cached_property
    def v(self) -> slice:
        """Output weights, neuron by neuron."""
        return slice(self.K + self.steps, self.K + self.steps + self.m * self.K)

    @cached_property
    def p(self) -> slice:
        """Weights of the derivative neurons."""
        return slice(self.v.stop, self.v.stop + self.pairs * (self.d + 1))

    @cached_property
    def inner(self) -> slice:
        """Inner weights `B`, neuron by neuron."""
        return slice(self.p.stop, self.p.stop + self.m * (self.d + 1))

    def split(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return `v0 (S, K), c (S, s), v (S, m, K), p (S, q, d + 1), B (S, m, d + 1)` of `theta (S, P)`."""
        S, K = len(theta), self.K
        return (
            theta[:, :K],
            theta[:, K : K + self.steps],
            theta[:, self.v].reshape(S, self.m, K),
            theta[:, self.p].reshape(S, self.pairs, self.d + 1),
            theta[:, self.inner].reshape(S, self.m, self.d + 1),
        )


@dataclass(frozen=True, eq=False)
class BatchedCost:
    """The cost of networks of one layout on one set of data.

    `rows (d + 1, n)` are the augmented inputs, `targets (K, n)`, `weights (n,)` sum to one, `steps (s, n)`; `ridge` and
    `anchor` are zero or `(P,)`.
    """

    activation: Activation
    layout: Layout
    rows: Float[np.ndarray, "e n"]
    targets: Float[np.ndarray, "K n"]
    weights: Float[np.ndarray, " n"]
    steps: Float[np.ndarray, "s n"]
    ridge: Float[np.ndarray, " P"]
    anchor: Float[np.ndarray, " P"]
    _blocks: dict[int, list[tuple[np.ndarray, ...]]] = field(default_factory=dict)
    _memory: dict[str, np.ndarray] = field(default_factory=dict)

    def loss(self, theta: Float[np.ndarray, "S P"]) -> Float[np.ndarray, " S"]:
        """Return the cost of every network."""
        total = np.zeros(len(theta))
        for xt, y, w, s in self._row_blocks(len(theta)):
            psi = self._activations(theta, xt, 1 if self.layout.pairs else 0)
            r = self._residuals(theta, psi, xt, y, s)
            total += np.einsum("skn,skn,n->s", r, r, w) if len(y) > 1 else (r[:, 0] * r[:, 0]) @ w
        return total + ((theta - self.anchor) ** 2) @ self.ridge

    def derivatives(
        self, theta: Float[np.ndarray, "S P"], *, exact: bool = True
    ) -> tuple[Float[np.ndarray, "S P"], Float[np.ndarray, "S P P"]]:
        """Return gradients and Hessians; Gauss-Newton matrices unless `exact`."""
        S, P = theta.shape
        gradient, matrix = np.zeros((S, P)), np.zeros((S, P, P))
        curvature = np.zeros((S, self.layout.m, 1 + self.layout.d, 1 + self.layout.d))
        for xt, y, w, s in self._row_blocks(S):
            self._add_block(theta, xt, y, w, s, gradient, matrix, curvature if exact else None)
        if exact:
            self._place_curvature(matrix, curvature)
        gradient += self.ridge * (theta - self.anchor)
        matrix[:, np.arange(P), np.arange(P)] += self.ridge
        gradient *= 2
        matrix *= 2
        return gradient, matrix

    def residuals(self, theta: Float[np.ndarray, "S P"]) -> Float[np.ndarray, "S K n"]:
        """Return the outputs less the targets."""
        psi = self._activations(theta, self.rows, 1 if self.layout.pairs else 0)
        return self._residuals(theta, psi, self.rows, self.targets, self.steps)

    def slopes(self, theta: Float[np.ndarray, "S P"]) -> Float[np.ndarray, "S m n"]:
        """Return `psi'(z_j)` of every network on every row."""
        return self._activations(theta, self.rows, 1)[1]

    def _activations(self, theta: np.ndarray, xt: np.ndarray, order: int) -> tuple[np.ndarray, ...]:
        layout = self.layout
        inner = theta[:, layout.inner].reshape(-1, layout.d + 1)
        z = (inner @ xt).reshape(len(theta), layout.m, xt.shape[1])
        return self.activation.derivatives(z, order)

    def _residuals(
        self, theta: np.ndarray, psi: tuple[np.ndarray, ...], xt: np.ndarray, y: np.ndarray, s: np.ndarray
    ) -> np.ndarray:
        """Return `Psi - y` as `(S, K, n)`."""
        v0, c, v, p, _ = self.layout.split(theta)
        r = np.matmul(v.transpose(0, 2, 1), psi[0])
        r += v0[:, :, None]
        r -= y
        if self.layout.steps:
            r += (c @ s)[:, None]
        if self.layout.pairs:
            r[:, 0] += np.einsum("sjn,sjn->sn", p @ xt, psi[1][:, : self.layout.pairs])
        return r

    def _add_block(
        self,
        theta: np.ndarray,
        xt: np.ndarray,
        y: np.ndarray,
        w: np.ndarray,
        s: np.ndarray,
        gradient: np.ndarray,
        matrix: np.ndarray,
        curvature: np.ndarray | None,
    ) -> None:
        """Add the halves of gradient, Gauss-Newton matrix and residual curvature of one block of rows."""
        layout, S, b = self.layout, len(theta), xt.shape[1]
        m, K, q, e = layout.m, layout.K, layout.pairs, layout.d + 1
        psi = self._activations(theta, xt, 1 + (q > 0) + (curvature is not None))
        r = self._residuals(theta, psi, xt, y, s)
        _, _, v, p, _ = layout.split(theta)
        root = np.sqrt(w)
        xr = xt * root
        tilt = p @ xt if q else None
        weighted = r * root
        for k in range(K):
            slope = v[:, :, k, None] * psi[1]
            if tilt is not None:
                slope[:, :q] += tilt * psi[2][:, :q]
            jacobian = self._workspace("jacobian", (S, 1 + layout.steps + m + q * e + m * e, b))
            jacobian[:, 0] = root
            jacobian[:, 1 : 1 + layout.steps] = s * root
            at = 1 + layout.steps
            np.multiply(psi[0], root, out=jacobian[:, at : at + m])
            at += m
            if q:
                jacobian[:, at : at + q * e] = (psi[1][:, :q, None] * xr).reshape(S, q * e, b)
                at += q * e
            np.multiply(slope[:, :, None], xr, out=jacobian[:, at:].reshape(S, m, e, b))
            copied = self._workspace("copied", jacobian.shape)
            copied[...] = jacobian  # two different arrays: the symmetric product is slower for small matrices
            product = np.matmul(jacobian, copied.transpose(0, 2, 1))
            pull = np.matmul(jacobian, weighted[:, k, :, None])[:, :, 0]
            if K == 1:
                matrix += product
                gradient += pull
            else:
                own = self._own(k)
                matrix[:, own[:, None], own] += product
                gradient[:, own] += pull
        if curvature is not None:
            self._add_curvature(matrix, curvature, psi, weighted, v, tilt, xt, xr)

    def _add_curvature(
        self,
        matrix: np.ndarray,
        curvature: np.ndarray,
        psi: tuple[np.ndarray, ...],
        weighted: np.ndarray,
        v: np.ndarray,
        tilt: np.ndarray | None,
        xt: np.ndarray,
        xr: np.ndarray,
    ) -> None:
        """Add what the residual contributes within each neuron; `weighted` residuals carry the root of the weight."""
        layout, S, b = self.layout, len(v), xt.shape[1]
        m, K, q, e = layout.m, layout.K, layout.pairs, layout.d + 1
        neurons, j = layout.inner.start + np.arange(m * e).reshape(m, e), np.arange(m)[:, None]
        for k in range(K):
            cross = ((weighted[:, k, None] * psi[1]).reshape(S * m, b) @ xr.T).reshape(S, m, e)
            outer = layout.v.start + j * K + k
            matrix[:, outer, neurons] += cross
            matrix[:, neurons, outer] += cross
        bend = np.matmul(v, weighted)
        bend *= psi[2]
        if tilt is not None:
            share = weighted * psi[2][:, :q]
            bend[:, :q] += weighted * tilt * psi[3][:, :q]
            moved = ((share[:, :, None] * xr).reshape(S * q * e, b) @ xt.T).reshape(S, q, e, e)
            for i in range(q):
                own = layout.p.start + i * e + np.arange(e)
                matrix[:, own[:, None], neurons[i]] += moved[:, i]
                matrix[:, neurons[i][:, None], own] += moved[:, i]
        moments = self._workspace("moments", (S, m, e, b))
        np.multiply(bend[:, :, None], xr, out=moments)
        curvature += (moments.reshape(S * m * e, b) @ xt.T).reshape(S, m, e, e)

    def _place_curvature(self, matrix: np.ndarray, curvature: np.ndarray) -> None:
        e = self.layout.d + 1
        for j in range(self.layout.m):
            own = slice(self.layout.inner.start + j * e, self.layout.inner.start + (j + 1) * e)
            matrix[:, own, own] += curvature[:, j]

    def _own(self, k: int) -> np.ndarray:
        """Return the places of the parameters that output `k` depends on."""
        layout = self.layout
        outer = layout.v.start + np.arange(layout.m) * layout.K + k
        return np.concatenate([[k], outer, np.arange(layout.inner.start, layout.size)])

    def _workspace(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Return an array that is used again and again: fresh memory costs more than what is computed in it."""
        size = int(np.prod(shape))
        if name not in self._memory or self._memory[name].size < size:
            self._memory[name] = np.empty(size)
        return self._memory[name][:size].reshape(shape)

    def _row_blocks(self, S: int) -> list[tuple[np.ndarray, ...]]:
        """Return the data in blocks of rows, small enough for the Jacobians of `S` networks."""
        n = self.rows.shape[1]
        length = max(SHORTEST, CACHE // (8 * max(S, 1) * self.layout.size))
        length = -(-n // -(-n // length))  # blocks of equal length
        if length not in self._blocks:
            cut = [slice(start, start + length) for start in range(0, n, length)]
            parts = (self.rows, self.targets, self.weights, self.steps)
            self._blocks[length] = [tuple(np.ascontiguousarray(part[..., c]) for part in parts) for c in cut]
        return self._blocks[length]
