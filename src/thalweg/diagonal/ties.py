"""Which of several equivalent saddles the flow picks: exact duplicates and other rank loss.

Where the columns at their walls are dependent, the fit of a saddle is unique but its coefficients are not.
The flow keeps `b_i = sigma_i exp(2 l (|s_i| - a_i)) / 2` with `s` in the row space of X for every alpha, so
in the limit it picks the point of the optimal face with the least Kullback-Leibler divergence from equal
weights 1/2. For duplicate columns this is the equal split.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

NEWTON_STEPS = 200
"""Cap of the damped Newton method; weights that must vanish shrink by about e at each step."""

VANISHED = 1e-12
"""Weights below this share of the largest are zero."""


def entropy_split(
    X: Float[np.ndarray, "n f"], coefficients: Float[np.ndarray, " f"], signs: Float[np.ndarray, " f"]
) -> Float[np.ndarray, " f"]:
    """Return the point of the face `{b : X b = X b0, signs b >= 0}` that the flow approaches.

    Parameters
    ----------
    X : array (n, f)
        Columns of the face: wall coordinates without pull.
    coefficients : array (f,)
        Any point `b0` of the face.
    signs : array (f,)
        `+1` or `-1`.

    Returns
    -------
    array (f,)
        Minimiser of `sum |b_i| ln(2 |b_i|) - |b_i|` on the face.
    """
    _, singular, rows = np.linalg.svd(X * signs, full_matrices=False)
    rows = rows[singular > 1e-10 * singular[0]]
    target = rows @ np.abs(coefficients)
    dual = rows @ np.full(coefficients.size, np.log(2 * np.abs(coefficients).mean()))

    def objective(at: np.ndarray) -> tuple[float, np.ndarray]:
        weights = 0.5 * np.exp(np.clip(rows.T @ at, -700, 700))
        return float(weights.sum() - target @ at), weights

    value, weights = objective(dual)
    for _ in range(NEWTON_STEPS):
        gradient = rows @ weights - target
        if np.linalg.norm(gradient) <= 1e-13 * np.linalg.norm(target):
            break
        hessian = (rows * weights) @ rows.T
        step = -np.linalg.lstsq(hessian, gradient, rcond=1e-15)[0]
        length = 1.0
        while length > 1e-10:
            trial, trial_weights = objective(dual + length * step)
            if trial <= value + 1e-4 * length * float(gradient @ step):
                break
            length /= 2
        else:
            break  # rounding level: no descent is left
        dual, value, weights = dual + length * step, trial, trial_weights
    weights = np.where(weights <= VANISHED * weights.max(), 0.0, weights)
    return signs * weights
