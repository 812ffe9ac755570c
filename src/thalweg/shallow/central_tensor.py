"""The whole third derivative at the centre of the ellipsoid, for small networks: a bound within a few tens of per cent.

In whitened coordinates it is the sum, over the three places of the single index, of

    K[a; b, c] = sum_i 2 w_i (Li DF_i)_a (Li D2 Psi_i Li')_bc  +  the terms with the residual,

and `D2 Psi_i` has entries only within one neuron: `psi' xt` at (v_j, B_j), `v_j psi'' xt xt'` at (B_j, B_j). The norm
of a symmetric trilinear form is at most that of its P x P^2 matrix. Rounding errors are bounded by what the sizes of
all products add up to, every row of `Li` taken at the norms of its columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from thalweg.numerics.rounding import UNIT_ROUNDOFF as U
from thalweg.numerics.whitening import TINY, largest_eigenvalue, upward
from thalweg.shallow.net import ShallowNet

if TYPE_CHECKING:
    from thalweg.shallow.fast_bounds import Rows

TENSOR_PARAMETERS = 64
"""Parameters up to which the tensor is built: beyond, its P^4 operations take longer than everything else."""


class CentralTensor:
    """Collects the third derivative over the rows, piece by piece.

    Parameters
    ----------
    net
        In scaled coordinates.
    Li : array (P, P)
        The whitening matrix.
    norms : array (P,)
        Upper bounds of the norms of its columns.
    g_sum, g_P : float
        Relative rounding errors of sums over all rows, and over the parameters.
    """

    def __init__(
        self, net: ShallowNet, Li: Float[np.ndarray, "P P"], norms: Float[np.ndarray, " P"], g_sum: float, g_P: float
    ) -> None:
        P, m, D, K = net.parameter_count, net.width, net.features + 1, net.outputs
        self.net, self.Li, self.norms, self.g_P = net, Li, norms, g_P
        self.g = g_sum + 4 * g_P + (D * D + 60) * U
        self.first = K * (m + 1)
        self.single = np.zeros((K, P, m, D))
        self.c, self.e = np.triu_indices(D)
        squares = self.c.size
        self.double = np.zeros((P, m, squares))
        self.bent, self.cubic = np.zeros((K, m, squares)), np.zeros((m, squares, D))
        self.error = 0.0

    def add(
        self, rows: Rows, whitened: Float[np.ndarray, "n K P"], phi: np.ndarray, epsilon: np.ndarray, reach: np.ndarray
    ) -> None:
        """Add some rows, with `|DF_ik|.l`, bounds of `E_ik.l` and `|xt_i|.l_Bj` (`fast_bounds.py`)."""
        net, xt, w = self.net, rows.xt, 2 * rows.w[:, None]
        n, m, D = len(xt), net.width, xt.shape[1]
        _, slope, bend, twist = rows.psi
        squares = xt[:, self.c] * xt[:, self.e]
        slopes = (slope[:, :, None] * xt[:, None, :]).reshape(n, m * D)
        along = rows.r @ net.output_weights.T
        for k in range(net.outputs):
            W = (w * whitened[:, k]).T
            self.single[k] += (W @ slopes).reshape(-1, m, D)
            bends = (net.output_weights[:, k] * bend)[:, :, None] * squares[:, None, :]
            self.double += (W @ bends.reshape(n, -1)).reshape(self.double.shape)
            self.bent[k] += (w * rows.r[:, k : k + 1] * bend).T @ squares
        cubes = (squares[:, :, None] * xt[:, None, :]).reshape(n, -1)
        self.cubic += ((w * along * twist).T @ cubes).reshape(self.cubic.shape)
        self._add_error(rows, phi, epsilon + self.g_P * phi, reach)

    def bound(self) -> float:
        """Bound the norm of the third derivative."""
        net, P, first = self.net, self.net.parameter_count, self.first
        m, D, K = net.width, net.features + 1, net.outputs
        inner = self.Li[:, first:].reshape(P, m, D)
        outer = self.Li[:, K:first].reshape(P, m, K)
        sums = self.double + np.einsum("pjk,kjq->pjq", outer, self.bent)
        sums += np.einsum("pje,jqe->pjq", inner, self.cubic) / 3
        places, values = self._entries(sums)
        K3, raw, turned = np.empty((P, P, P)), np.zeros(P * P), np.ascontiguousarray(self.Li.T)
        for a in range(P):
            raw[places] = values[a]
            np.matmul(self.Li @ raw.reshape(P, P), turned, out=K3[a])
        flat = K3 + K3.transpose(1, 0, 2)
        flat += K3.transpose(1, 2, 0)
        flat = flat.reshape(P, P * P)
        size = float(np.vdot(flat, flat))
        square = largest_eigenvalue(flat @ flat.T) + (P * P + 16) * U * size
        return (float(np.sqrt(square)) + self.error) * upward(P * P + 64) + TINY

    def _entries(self, sums: Float[np.ndarray, "P m q"]) -> tuple[np.ndarray, Float[np.ndarray, "P s"]]:
        """Return the places that are filled in the matrix of each single index, and what stands there."""
        net, P, D, K = self.net, len(sums), self.net.features + 1, self.net.outputs
        j = np.arange(net.width)[:, None]
        hidden = self.first + j * D
        rows = [np.repeat(K + j * K + k, D, axis=1) for k in range(K)] + [hidden + self.c]
        columns = [hidden + np.arange(D)] * K + [hidden + self.e]
        row, column = (np.concatenate([part.ravel() for part in parts]) for parts in (rows, columns))
        values = np.concatenate([self.single.transpose(1, 0, 2, 3).reshape(P, -1), sums.reshape(P, -1)], axis=1)
        return np.concatenate([row * P + column, column * P + row]), np.hstack([values, values])

    def _add_error(self, rows: Rows, phi: np.ndarray, epsilon: np.ndarray, reach: np.ndarray) -> None:
        """Add what evaluation and rounding can change, for a vector `z` of length one."""
        net, K, first = self.net, self.net.outputs, self.first
        outer, v = self.norms[K:first].reshape(net.width, K), np.abs(net.output_weights)
        tops, e = rows.tops, rows.e
        square, cube = reach**2, reach**3
        second = 2 * (tops[1] * reach) @ outer + (tops[2] * square) @ v
        second_off = 2 * (e[1] * reach) @ outer + (e[2] * square) @ v
        third = 3 * (tops[2] * square) @ outer + (tops[3] * cube) @ v
        third_off = 3 * (e[2] * square) @ outer + (e[3] * cube) @ v
        off = self.g * (3 * phi * second + rows.R * third) + 3 * (epsilon * second + phi * second_off)
        self.error += 2 * float(rows.w @ (off + rows.e_r * third + rows.R * third_off).sum(axis=1))
