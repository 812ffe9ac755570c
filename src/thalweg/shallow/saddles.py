"""Critical points of any index: descent of the norm of the gradient from random points, classified by inertia.

The step is that of Levenberg and Marquardt on the equations `grad J = 0`, `s = -(H^2 + mu)^-1 H grad J`, in the basis
of the eigenvectors of the Hessian. It finds minima and saddles alike; where it ends at a point of rank loss that is no
critical point, the norm does not vanish and the run is dropped (specification, section 5.4).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from thalweg.shallow.batched import BatchedCost
from thalweg.shallow.trust_region import FAILURES, OVERFLOWS, PLACES, Places, model

CRITICAL = 1e-12
"""Norm of the gradient, in scaled units, below which a point counts as critical."""

STEPS = 200
"""Steps of a run at most."""


@OVERFLOWS
def critical_points(
    cost: BatchedCost, theta: Float[np.ndarray, "S P"]
) -> tuple[Float[np.ndarray, "S P"], Bool[np.ndarray, " S"]]:
    """Look for critical points of any index.

    Parameters
    ----------
    cost
        Of one layout.
    theta
        Random points.

    Returns
    -------
    tuple
        Where each run ended, and whether the gradient vanishes there.
    """
    reached, critical = theta.copy(), np.zeros(len(theta), dtype=bool)

    def enter(coming: np.ndarray) -> dict[str, np.ndarray]:
        count = np.zeros(coming.size, dtype=np.int64)
        made = model(*cost.derivatives(theta[coming]))
        damping = 1e-3 * np.abs(made["values"]).max(axis=1) ** 2
        return {"theta": theta[coming], "damping": damping, "steps": count, "failures": count.copy(), **made}

    places = Places(len(theta), PLACES, enter)
    while places.who.size:
        now = places.state
        t = -now["values"] * now["turned"] / (now["values"] ** 2 + now["damping"][:, None] + np.finfo(float).tiny)
        trial = now["theta"] + np.matmul(now["vectors"], t[:, :, None])[:, :, 0]
        made = model(*cost.derivatives(trial))
        better = made["norm"] < now["norm"]
        halved = made["norm"] < 0.5 * now["norm"]
        now["damping"] *= np.where(better, 0.1, 8.0)
        at_floor = now["norm"] < CRITICAL
        now["failures"] = np.where(at_floor & ~halved, now["failures"] + 1, 0)
        now["steps"] += 1
        now["theta"][better] = trial[better]
        for name, array in made.items():
            now[name][better] = array[better]
        done = (now["steps"] >= STEPS) | (now["failures"] >= FAILURES) | (now["norm"] == 0)
        reached[places.who], critical[places.who] = now["theta"], now["norm"] < CRITICAL
        places.leave(done)
    return reached, critical
