"""Laws of the Euclidean output flow `x' = -grad C` for cross-entropy and for convex losses (specification, section 7).

The flow that thalweg follows for these losses is the natural one; these are the laws of the plain one, for comparison
and for bounds. `s` is its time, with `C` a mean over `N` samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import wrightomega


def binary_margin(start: Any, s: Any, n: int, logits: int = 1) -> Any:
    """Return the margin of a sample of two classes at time `s`: `e^m + m = e^m0 + m0 + logits s / n`.

    Parameters
    ----------
    start
        Margin at the start: the logit of the right class, or the difference of both (correction A14).
    s
        Time, not negative.
    n
        Number of samples.
    logits
        One for a sigmoid, two for a softmax.

    Returns
    -------
    float or array
        The margin; the loss of the sample is `ln(1 + exp(-m))`.
    """
    total = np.exp(start) + start + logits * np.asarray(s, dtype=float) / n
    share = wrightomega(total)
    with np.errstate(divide="ignore"):
        return np.where(share > 0.5, np.log(share), total - share)[()]


def softmax_limit(y: Float[np.ndarray, "N Q"], x0: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N Q"]:
    """Return where logits end for labels with positive entries: `ln y - mean(ln y) + mean(x_0)`."""
    logs = np.log(y)
    return logs - logs.mean(axis=1, keepdims=True) + x0.mean(axis=1, keepdims=True)


def softmax_rate(y: Float[np.ndarray, "N Q"]) -> float:
    """Return the rate in `s` at which logits end: the least non-zero eigenvalue of `(diag y - y y')/N`."""
    N, Q = y.shape
    curvature = np.eye(Q) * y[:, :, None] - y[:, :, None] * y[:, None, :]
    return float(np.linalg.eigvalsh(curvature)[:, 1].min()) / N


def strongly_convex_bound(excess: float, modulus: float, s: Any) -> Any:
    """Return the bound `(C_0 - C*) exp(-2 mu s)` of the cost above its least, for modulus `mu`."""
    return excess * np.exp(-2.0 * modulus * np.asarray(s, dtype=float))[()]


def convex_bound(distance: float, s: Any) -> Any:
    """Return the bound `|x_0 - x*|^2 / (2 s)` of the cost above its least, where a minimiser `x*` exists."""
    return distance**2 / (2.0 * np.asarray(s, dtype=float))[()]
