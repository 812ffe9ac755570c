"""Second and third derivatives at the centre of the ellipsoid, by the sharpest method that the size of the net allows.

The second derivative over the rows comes from the P x P matrix of `second_derivative.py`, for very wide networks
neuron by neuron; the third from the whole tensor (`central_tensor.py`) for small networks, otherwise from its part with
the residuals (`central_third.py`) and the second derivative: `|3 <D Psi, D2 Psi>| <= 3 sqrt(lambda_max(Li G Li')) s`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from thalweg.numerics.rounding import UNIT_ROUNDOFF as U
from thalweg.numerics.whitening import Whitening
from thalweg.shallow.central_tensor import TENSOR_PARAMETERS, CentralTensor
from thalweg.shallow.central_third import CentralThird
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.second_derivative import SecondDerivative

if TYPE_CHECKING:
    from thalweg.shallow.fast_bounds import Rows


class Centre:
    """Collects what is needed over the rows, piece by piece.

    Parameters
    ----------
    net
        In scaled coordinates.
    whitening
        Its `Li`.
    norms : array (P,)
        Upper bounds of the norms of the columns of `Li`.
    alpha, v : arrays (m,)
        Upper bounds of `|Li_vj|` and `|v_j|`.
    g_sum, g_P : float
        Relative rounding errors of sums over all rows, and over the parameters.
    """

    def __init__(
        self,
        net: ShallowNet,
        whitening: Whitening,
        norms: Float[np.ndarray, " P"],
        alpha: Float[np.ndarray, " m"],
        v: Float[np.ndarray, " m"],
        g_sum: float,
        g_P: float,
    ) -> None:
        self.net, P = net, net.parameter_count
        self.tensor = self.matrix = self.third = None
        if net.width == 0:  # the loss is quadratic
            return
        if P <= TENSOR_PARAMETERS:
            self.tensor = CentralTensor(net, whitening.Li, norms, g_sum, g_P)
        if SecondDerivative.is_affordable(net):
            self.matrix = SecondDerivative(net, whitening, norms, g_sum, g_P)
        if self.tensor is None or self.matrix is None:
            inner = whitening.Li[:, net.outputs * (net.width + 1) :].reshape(P, net.width, net.features + 1)
            self.third = CentralThird(inner, alpha, v, net.output_weights, g_sum)

    def add(
        self,
        rows: Rows,
        whitened: Float[np.ndarray, "n K P"],
        phi: np.ndarray,
        epsilon: np.ndarray,
        tau: Float[np.ndarray, "n m"],
        reach: Float[np.ndarray, "n m"],
    ) -> None:
        """Add some rows, with the bounds of `fast_bounds.py`."""
        if self.matrix is not None:
            self.matrix.add(rows, reach)
        if self.tensor is not None:
            self.tensor.add(rows, whitened, phi, epsilon, reach)
        if self.third is not None:
            self._add_third(self.third, rows, tau, reach)

    def bounds(self, gauss_newton: float) -> tuple[float, float]:
        """Return bounds of the second derivative over the rows, and of the third derivative of the loss."""
        second = third = 0.0
        if self.third is not None:
            second = self.third.second()
        if self.matrix is not None:
            second = self.matrix.bound()
        if self.third is not None:
            third = (self.third.residual_part() + 3 * float(np.sqrt(gauss_newton)) * second) * (1 + 32 * U)
        if self.tensor is not None:
            third = self.tensor.bound()
        return second, third

    def _add_third(self, third: CentralThird, rows: Rows, tau: np.ndarray, reach: np.ndarray) -> None:
        """Add the rows neuron by neuron, with bounds of the errors of all coefficients."""
        v, R, e_r, K = self.net.output_weights, rows.R, rows.e_r, self.net.outputs
        size_v = np.abs(v)
        size, off = R @ size_v.T, e_r @ size_v.T + (K + 4) * U * (R @ size_v.T)
        bent = np.stack([rows.r[:, k : k + 1] * rows.psi[2] for k in range(K)])
        bend, twist = rows.tops[2], rows.tops[3]
        errors = np.stack([R[:, k : k + 1] * (rows.e[2] + 4 * U * bend) + e_r[:, k : k + 1] * bend for k in range(K)])
        tops = (np.abs(rows.psi[1]) + rows.e[1], np.abs(rows.psi[2]) + rows.e[2])
        cubic_error = size * (rows.e[3] + 4 * U * twist) + off * twist
        third.add(rows.xt, rows.w, tops, (bent, (rows.r @ v.T) * rows.psi[3]), (errors, cubic_error), tau, reach)
