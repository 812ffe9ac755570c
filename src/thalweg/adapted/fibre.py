"""Motion along the fibres `x = const` (theorem T8): free regularisation, momentum, and the way out of lost rank.

`theta' = -D^+ r + (I - D^+ D) w` has the same loss law for every `w`, in continuous time. In a discrete step the fibre
part adds `(h^2/2) x''[w, w]`, which does not vanish with `r`; it is capped so that this stays below an eighth of the
residual (correction A2):

    w <- w min(1, sqrt(0.25 |r| / |x''[w, w]|)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.adapted.model import Model
from thalweg.numerics.options import require
from thalweg.numerics.resampling import stream

CAP = 0.25
"""Share of the residual that the curvature of the fibre motion may have."""

TIGHT = 1e-8
"""Relative residual of the projection on the fibre where it is iterated."""

KICK = 1e-2
"""Share of the parameters' length that a random move along the fibre has."""


@dataclass(frozen=True)
class WeightDecay:
    """`w = -rate theta`: the parameters shrink as far as the outputs allow."""

    rate: float

    def __post_init__(self) -> None:
        require(0 <= self.rate < np.inf, "rate", self.rate, ">= 0")

    def __call__(self, theta: Any, moved: Any) -> Any:
        """Return the wanted motion at `theta`."""
        return -self.rate * theta


@dataclass(frozen=True)
class Momentum:
    """`w = rate` times the last step of the fast mode: only its part along the fibre is kept."""

    rate: float

    def __post_init__(self) -> None:
        require(0 <= self.rate < np.inf, "rate", self.rate, ">= 0")

    def __call__(self, theta: Any, moved: Any) -> Any:
        """Return the wanted motion at `theta` after the step `moved`."""
        return 0.0 * theta if moved is None else self.rate * moved


@dataclass(frozen=True)
class Secondary:
    """`w = -gradient(theta)` of a secondary objective, on the vector of parameters."""

    gradient: Callable[[Any], Any]

    def __call__(self, theta: Any, moved: Any) -> Any:
        """Return the wanted motion at `theta`."""
        return -self.gradient(theta)


Fibre = WeightDecay | Momentum | Secondary


def vertical(model: Model, theta: Any, made: Any, fibre: Fibre | None, moved: Any, size: float) -> Any:
    """Return the capped motion along the fibre, or None without one.

    Parameters
    ----------
    model, theta
        The network and its parameters `(K,)`.
    made
        The factored Gram matrix at `theta`.
    fibre
        What is wanted.
    moved
        The last step.
    size
        Length of the residual.

    Returns
    -------
    array (K,) or None
        To be added to a step of length `h`, times `h`.
    """
    w = vertical_of(made, theta, fibre, moved)
    return None if w is None else _capped(model, theta, w, size)


def vertical_of(made: Any, theta: Any, fibre: Fibre | None, moved: Any) -> Any:
    """Return the part of the wanted motion that is along the fibre, without a cap, or None without one."""
    return None if fibre is None else _projected(made, fibre(theta, moved))


def random_vertical(model: Model, theta: Any, made: Any, size: float, seed: int, number: int) -> Any:
    """Return a random motion along the fibre, a hundredth of the parameters long unless curvature caps it."""
    w = stream(seed, "fibre kick", number).standard_normal(theta.shape[0])
    w = _projected(made, w * (KICK * float(np.linalg.norm(theta)) / np.sqrt(w.size)))
    return _capped(model, theta, w, size)


def _projected(made: Any, w: Any) -> Any:
    """Return `(I - D^+ D) w`."""
    return w - made.solve(made.lin.push(w), TIGHT).delta


def _capped(model: Model, theta: Any, w: Any, size: float) -> Any:
    bent = float(np.linalg.norm(np.asarray(model.bend(theta, w))))
    return w if bent <= CAP * size else w * float(np.sqrt(CAP * size / bent))
