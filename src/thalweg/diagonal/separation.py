"""Losses without a minimiser: a direction of the face along which the loss falls for ever, or none.

A convex loss attains its minimum over a polyhedral cone unless some direction of the cone lets it fall for ever
(Rockafellar, Convex Analysis, theorem 27.3). For the logistic loss that is a direction `v` with `y_k x_k'v >= 0` for
all rows and not zero for all: the labels are separated. For the Poisson loss it is one with `x_k'v = 0` where there
are counts and `x_k'v <= 0`, not always zero, where there are none. A linear programme finds it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

FEASIBLE = 1e-11
"""Share of the largest margin by which a margin may have the wrong sign: rounding of the linear programme.

Where the labels miss separation by less, the minimiser lies at predictors of about 25 and its pulls below the path's
own tolerance: nothing could tell it from infinity.
"""

WORTHWHILE = 1e-7
"""Smallest margin, in columns scaled to size one, that is no artefact of the tolerances of the linear programme."""


class NoMinimiser(Exception):
    """The loss falls for ever along `direction` (of the active columns) and `free` (of the free ones)."""

    def __init__(self, direction: Float[np.ndarray, " d"], free: Float[np.ndarray, " q"]) -> None:
        super().__init__()
        self.direction, self.free = direction, free


def endless_descent(
    columns: Float[np.ndarray, "n p"], signs: Float[np.ndarray, " p"], recession: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " p"] | None:
    """Return a direction along which the loss falls for ever, or None where there is none.

    Parameters
    ----------
    columns : array (n, p)
        Of the face: free columns and columns at their walls.
    signs : array (p,)
        `+1` or `-1` of the wall, 0 for free columns.
    recession : array (n,)
        Which way each row's predictor may go for ever without loss (`Loss.recession`).

    Returns
    -------
    array (p,) or None
        A direction with the signs of the walls.
    """
    from scipy.optimize import linprog

    scale = np.abs(columns).max(axis=0)
    scaled = columns / np.where(scale > 0, scale, 1.0)
    sided = recession != 0
    margins = recession[sided, None] * scaled[sided]
    if not margins.size:
        return None
    fixed = {"A_eq": scaled[~sided], "b_eq": np.zeros(int((~sided).sum()))} if not sided.all() else {}
    found = linprog(
        -margins.sum(axis=0),
        A_ub=-margins,
        b_ub=np.zeros(len(margins)),
        bounds=[(-1.0 if sign <= 0 else 0.0, 1.0 if sign >= 0 else 0.0) for sign in signs.tolist()],
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        **fixed,
    )
    if found.x is None:
        return None
    gains, others = margins @ found.x, np.abs(scaled[~sided] @ found.x)
    best = float(gains.max())
    wrong = max(-float(gains.min()), float(others.max(initial=0.0)))
    separates = best > WORTHWHILE and wrong <= FEASIBLE * best
    return found.x / np.where(scale > 0, scale, 1.0) if separates else None
