"""What the Jacobian was like along a run: its extreme singular values, and the share of the residual it could follow.

`cos^2(phi) = |P r|^2 / |r|^2` is the certified efficiency of theorem T3: one under the rank condition. The spectrum of
the Gram matrix `G = D D^T` at the start and at the end says how it got there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from thalweg.adapted.recorder import Task
from thalweg.adapted.spectral import rounding_of

WATCHED_NODES = 12
"""Nodes at which singular values are computed, evenly spread: enough for a line."""

WATCHED_OUTPUTS, SPECTRUM_OUTPUTS = 500, 1500
"""Numbers `NQ` up to which this is done at the watched nodes, and at the start and the end."""

ORBIT = ("orbit_node", "orbit_sigma_min", "orbit_sigma_max", "orbit_efficiency", "spectrum_start", "spectrum_end")
"""Arrays that tell it; empty for larger data."""


def orbit(
    task: Task, parameters: Float[np.ndarray, "kept K"], numbers: Sequence[int], watched: int = WATCHED_NODES
) -> dict[str, np.ndarray]:
    """Return singular values and efficiency at some of the kept nodes, and the spectra at both ends.

    Parameters
    ----------
    task
        Network and loss.
    parameters
        One row a kept node.
    numbers
        Which node each row belongs to.
    watched
        Most nodes that are looked at.

    Returns
    -------
    dict
        Arrays by the names of `ORBIT`.
    """
    rows = task.model.shape[0] * task.model.shape[1]
    if rows > SPECTRUM_OUTPUTS:
        return dict.fromkeys(ORBIT, np.array([]))
    count = watched if rows <= WATCHED_OUTPUTS else 2
    chosen = np.unique(np.linspace(0, len(numbers) - 1, min(count, len(numbers))).round().astype(int))
    found = [_look(task, parameters[k]) for k in chosen]
    return {
        "orbit_node": np.array([numbers[k] for k in chosen], dtype=np.int64),
        "orbit_sigma_min": np.array([np.sqrt(max(values[0], 0.0)) for values, _ in found]),
        "orbit_sigma_max": np.array([np.sqrt(max(values[-1], 0.0)) for values, _ in found]),
        "orbit_efficiency": np.array([share for _, share in found]),
        "spectrum_start": found[0][0],
        "spectrum_end": found[-1][0],
    }


def _look(task: Task, theta: Float[np.ndarray, " K"]) -> tuple[Float[np.ndarray, " NQ"], float]:
    """Return the eigenvalues of the Gram matrix, and `cos^2`; NaN where nothing is left of the residual."""
    lin = task.model.linearise(theta)
    gram = np.asarray(lin.gram(), dtype=np.float64)
    values = np.linalg.eigvalsh(gram)
    if values[0] > rounding_of(values):
        return values, 1.0
    residual = task.loss.residual(task.raw(np.asarray(lin.outputs)))
    residual = residual if task.head is None else residual @ task.head
    values, vectors = np.linalg.eigh(gram)
    shares = (vectors.T @ residual.reshape(-1)) ** 2
    total = float(shares.sum())
    return values, float(shares[values > rounding_of(values)].sum()) / total if total > 0 else float("nan")
