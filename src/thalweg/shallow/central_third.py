"""A sharp bound of the third derivative at the centre of the ellipsoid, neuron by neuron.

In whitened coordinates the third derivative along a unit vector `z` is, with `x_j` the change of `v_j` and
`s_ij = (Li_Bj xt_i).z` that of the argument of neuron j at row i,

    sum_j [3 x_j.sum_i 2 w_i r_i psi'' s_ij^2 + sum_i 2 w_i (v_j.r_i) psi''' s_ij^3] + 3 <D Psi, D2 Psi>.

The residuals enter the first two sums with their signs, which cancel to a few per cent of what their sizes add up to;
the last is at most `3 sqrt(lambda_max(Li G Li')) sum_j N_j` with

    N_j = 2 alpha_j |psi' s_j|_w + |v_j| |psi'' s_j^2|_w,   |psi'' s_j^2|_w <= |psi'' tau_j s_j|_w.

All sums are quadratic or cubic forms in the D numbers `V_j' z`, where `Li_Bj = V_j R_j` with orthonormal `V_j`: their
coefficients are sums over `y_ij = R_j xt_i`, their norms those of small matrices. Any floating `V_j`, `R_j` will do:
how far the product is from `Li_Bj`, and `V_j` from orthonormal, is bounded and added.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from thalweg.numerics.rounding import UNIT_ROUNDOFF as U
from thalweg.numerics.whitening import TINY, upper_norm, upward

CUBIC_FEATURES = 12
"""Augmented features up to which cubic forms keep the signs of the residuals: beyond, n m D^3 outweighs the rest."""


class CentralThird:
    """Collects the sums over the rows, piece by piece.

    Parameters
    ----------
    inner : array (P, m, D)
        `Li_Bj`.
    alpha, v : arrays (m,)
        Upper bounds of `|Li_vj|` and `|v_j|`.
    weights : array (m, K)
        The output weights.
    g_sum : float
        Relative rounding error of sums over all rows.
    """

    def __init__(
        self,
        inner: Float[np.ndarray, "P m D"],
        alpha: Float[np.ndarray, " m"],
        v: Float[np.ndarray, " m"],
        weights: Float[np.ndarray, "m K"],
        g_sum: float,
    ) -> None:
        P, m, D = inner.shape
        self.alpha, self.v, self.weights, self.g = alpha, v, weights, g_sum + (D * D + 16) * U
        blocks = np.ascontiguousarray(inner.transpose(1, 0, 2))
        V, self.R = np.linalg.qr(blocks) if m else (blocks, np.zeros((0, D, D)))
        apart = np.abs(V.transpose(0, 2, 1) @ V - np.eye(D)) + (P + 8) * U
        self.stretch = np.sqrt(1 + upper_norm(apart.reshape(m, D * D), axis=1)) * upward(D)
        sizes = upper_norm(blocks, axis=1)
        missing = upper_norm(blocks - V @ self.R, axis=1) + (D + 8) * U * np.abs(self.R).sum(axis=1)
        # What is not in the product, and the rounding of y, in terms of |xt_i|.l_Bj.
        self.off = (missing / sizes).max(axis=1, initial=0.0) + 4 * (D + 8) * U
        K = weights.shape[1]
        self.slopes, self.bends = np.zeros((m, D, D)), np.zeros((m, D, D))
        self.signed, self.cubic = np.zeros((K, m, D, D)), np.zeros((m, D, D, D) if D <= CUBIC_FEATURES else (m, D, D))
        self.slope_left, self.bend_left, self.slope_off, self.bend_off = np.zeros((4, m))
        self.signed_off, self.cubic_off = np.zeros((K, m)), np.zeros(m)

    def add(
        self,
        xt: Float[np.ndarray, "n D"],
        w: Float[np.ndarray, " n"],
        tops: tuple[np.ndarray, np.ndarray],
        signed: tuple[np.ndarray, np.ndarray],
        errors: tuple[np.ndarray, np.ndarray],
        tau: Float[np.ndarray, "n m"],
        reach: Float[np.ndarray, "n m"],
    ) -> None:
        """Add some rows.

        Parameters
        ----------
        xt, w
            Augmented features and weights of the rows.
        tops
            Upper bounds of `|psi'|` and `|psi''|`.
        signed
            The computed `r_k psi''` (K, n, m) and `(v.r) psi'''` (n, m).
        errors
            Bounds of their distances from the exact ones.
        tau, reach
            Upper bounds of `|Li_Bj xt_i|` and `|xt_i|.l_Bj`.
        """
        y = np.matmul(self.R, xt.T).transpose(0, 2, 1)  # (m, n, D)
        double = 2 * w[:, None]
        size, off = tau + self.off * reach, self.off * reach
        slope, bend = double * tops[0] ** 2, double * (tops[1] * tau) ** 2
        for weight, total, left, apart in (
            (slope, self.slopes, self.slope_left, self.slope_off),
            (bend, self.bends, self.bend_left, self.bend_off),
        ):
            total += _forms(y, weight)
            left += (weight * size**2).sum(axis=0)
            apart += (weight * off**2).sum(axis=0)
        for k, (value, error) in enumerate(zip(signed[0], errors[0], strict=True)):
            weight = double * value
            self.signed[k] += _forms(y, weight)
            rounded = np.abs(weight) * (self.g * size**2 + (2 * tau + off) * off)
            self.signed_off[k] += (rounded + double * error * tau**2).sum(axis=0)
        weight = double * signed[1]
        if self.cubic.ndim == 4:
            for c in range(xt.shape[1]):
                self.cubic[:, c] += _forms(y, weight * y[:, :, c].T)
            rounded = np.abs(weight) * (self.g * size**3 + 3 * size**2 * off)
        else:
            weight = np.abs(weight) * size
            self.cubic += _forms(y, weight)
            rounded = weight * (self.g * size**2 + (2 * tau + off) * off)
        self.cubic_off += (rounded + double * errors[1] * tau**3).sum(axis=0)

    def second(self) -> float:
        """Bound the norm of the second derivative over the rows, `sum_j N_j`."""
        nu = self.stretch
        first = nu * np.sqrt(_norms(self.slopes) + self.g * self.slope_left) + np.sqrt(self.slope_off)
        second = nu * np.sqrt(_norms(self.bends) + self.g * self.bend_left) + np.sqrt(self.bend_off)
        return float((2 * self.alpha * first + self.v * second).sum()) * upward(nu.size + 64) + TINY

    def residual_part(self) -> float:
        """Bound the part of the third derivative in which the residuals enter."""
        nu = self.stretch
        squares = np.square(nu**2 * np.stack([_norms(form) for form in self.signed]) + self.signed_off).sum(axis=0)
        m, D = self.R.shape[0], self.R.shape[1]
        if self.cubic.ndim == 4:
            flat = self.cubic.reshape(m, D, D * D)
            square = _norms(flat @ flat.transpose(0, 2, 1))
            rounding = (D * D + 8) * U * np.square(flat).sum(axis=(1, 2))
            cubic = nu**3 * np.sqrt(square + rounding) + self.cubic_off
        else:
            cubic = nu**2 * _norms(self.cubic) + self.cubic_off
        return float((3 * self.alpha * np.sqrt(squares) + cubic).sum()) * upward(m + 64) ** 2 + TINY


def _forms(y: Float[np.ndarray, "m n D"], weight: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "m D D"]:
    """Return `sum_i weight_ij y_ij y_ij'` for each neuron."""
    return (y * weight.T[:, :, None]).transpose(0, 2, 1) @ y


def _norms(A: Float[np.ndarray, "m D D"]) -> Float[np.ndarray, " m"]:
    """Return upper bounds of the spectral norms of small symmetric matrices, close to them; NaN: none is known."""
    # With nearly orthonormal W, |A| <= |W' A W| / (1 - |W' W - I|), and W' A W is nearly diagonal.
    m, D, _ = A.shape
    finite = np.asarray(np.isfinite(A).all(axis=(1, 2)))
    symmetric = np.where(finite[:, None, None], (A + A.transpose(0, 2, 1)) * 0.5, 0.0)
    W = np.linalg.eigh(symmetric)[1]
    Wt = W.transpose(0, 2, 1)
    size = np.sqrt(np.square(symmetric).sum(axis=(1, 2)))
    apart = np.sqrt(np.square(Wt @ W - np.eye(D)).sum(axis=(1, 2))) + D * (D + 8) * U
    turned = np.abs(Wt @ symmetric @ W).sum(axis=2).max(axis=1, initial=0.0) + 4 * D * (D + 8) * U * size
    return np.where(finite & (apart < 0.5), turned / (1 - apart), np.nan) * upward(2 * D * D)
