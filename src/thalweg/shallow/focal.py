"""The focal spectrum: how the residual bends the landscape at a critical point, whatever the parametrisation.

At a regular critical point let `k` solve `(H - G) u = k G u`, with the Gauss-Newton matrix G. Theorem T3 of the
specification: the Morse index is the number of `k < -1`; the point is degenerate iff some `k = -1` and a strict minimum
iff the focal margin `1 + k_1` is positive; if the residual is scaled by s, `k` is, so the point degenerates at
`s = -1/k`; and undamped Gauss-Newton converges with the rate `max |k|`, if that is below 1. With ridge, G stands for
the Gauss-Newton matrix with it: index, degeneracy and rate hold as before, the scaling of the residual does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.linalg import solve_triangular

from thalweg.shallow.derivatives import Objective, objective
from thalweg.shallow.net import ShallowNet

REGULAR = 1e-12
"""Least reciprocal condition of the Jacobian with unit columns at which the spectrum has digits."""


@dataclass(frozen=True, eq=False)
class FocalSpectrum:
    """The values `k`, and what follows from them.

    Attributes
    ----------
    regular : bool
        Whether the Jacobian has full rank; if not, there is no spectrum and the numbers are NaN.
    values : array (P,)
        The `k`, increasing.
    margin : float
        `1 + k_1`: positive exactly at strict minima.
    index : int or None
        Morse index: how many `k` are below -1.
    rate : float
        Rate of undamped Gauss-Newton, `max |k|`; from 1 on it diverges.
    degenerate_scales : array (q,)
        Scales `s = -1/k` of the residual at which the point degenerates, by size; without ridge.
    gradient_norm : float
        Of J at the net: the theorem speaks of critical points.
    expected_gain : float
        What Gauss-Newton still expects to gain, `g' G^-1 g / 2`: zero at a critical point.
    """

    regular: bool
    values: Float[np.ndarray, " P"]
    margin: float
    index: int | None
    rate: float
    degenerate_scales: Float[np.ndarray, " q"]
    gradient_norm: float
    expected_gain: float


def focal_margin(
    net: ShallowNet,
    X: ArrayLike,
    y: ArrayLike,
    *,
    ridge: ArrayLike = 0.0,
    anchor: ArrayLike | ShallowNet | None = None,
    weights: ArrayLike | None = None,
) -> FocalSpectrum:
    """Return the focal spectrum of a net at a critical point of its loss.

    Parameters
    ----------
    net
        A critical point; `gradient_norm` and `expected_gain` tell how nearly.
    X : array (n, d)
        Features.
    y : array (n,) or (n, K)
        Targets.
    ridge : float or array (P,)
        Penalties.
    anchor : array (P,) or ShallowNet, optional
        Where the ridge pulls to.
    weights : array (n,), optional
        Of the rows.

    Returns
    -------
    FocalSpectrum
        With its margin, the Morse index and the rate of Gauss-Newton.

    Raises
    ------
    InputError
        If an argument is unusable, or the activation is outside the theorem.
    """
    net.psi.require_analytic()
    return focal_spectrum(net, objective(X, y, weights, ridge, anchor))


def focal_spectrum(net: ShallowNet, data: Objective) -> FocalSpectrum:
    """Return the focal spectrum at a critical point of an objective."""
    P, K = net.parameter_count, net.outputs
    _, gradient, _, bent = data.curvatures(net)
    size = float(np.linalg.norm(gradient))
    rows = np.sqrt(2 * data.weights)[:, None, None] * data.jacobian(net).reshape(data.n, K, P)
    penalties = data.penalties(net)
    bent[np.diag_indices_from(bent)] -= 2 * penalties  # they belong to the Gauss-Newton matrix here
    stacked = np.vstack([rows.reshape(-1, P), np.diag(np.sqrt(2 * penalties))[penalties > 0]])
    columns = np.linalg.norm(stacked, axis=0)
    nothing = FocalSpectrum(False, np.zeros(0), np.nan, None, np.nan, np.zeros(0), size, np.nan)
    if len(stacked) < P or not (columns > 0).all():
        return nothing
    triangle = np.linalg.qr(stacked / columns, mode="r")
    spread = np.linalg.svd(triangle, compute_uv=False)
    if not spread[-1] > REGULAR * spread[0]:
        return nothing
    half = solve_triangular(triangle, bent / np.outer(columns, columns), trans=1)
    whitened = solve_triangular(triangle, half.T, trans=1)
    values = np.linalg.eigvalsh((whitened + whitened.T) / 2)
    step = solve_triangular(triangle, gradient / columns, trans=1)
    bending = values[np.abs(values) > P * np.finfo(float).eps]
    return FocalSpectrum(
        regular=True,
        values=values,
        margin=float(1 + values[0]),
        index=int(np.sum(values < -1)),
        rate=float(np.abs(values).max()),
        degenerate_scales=np.array(sorted((-1 / bending).tolist(), key=abs)),
        gradient_norm=size,
        expected_gain=float(step @ step) / 2,
    )
