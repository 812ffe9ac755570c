"""What a finite initialisation changes: when the first jump happens, and which plateaus can be seen at all.

On the clock `t` a network of finite initialisation needs time of order `1/unit` (`unit = 2 ln(1/alpha)` for depth 2,
`alpha^-(D-2)` above) to cross a transition and to come to rest. A plateau is visible if it lasts much longer: its
active coordinates contract by `exp(-unit lambda t)`, and those that are switched off are as small as their distance
to the wall says. For the alphas of ordinary training only the first few plateaus pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from thalweg.diagonal.network import Network, network
from thalweg.diagonal.path import SaddlePath
from thalweg.records import InputError

SETTLING, CLEARANCE = 6.0, 12.0
"""A transition comes late by a few units of fast time: so many exponents more to settle in, and so much smaller idle
coefficients, are asked for (measured on random problems: see the tests)."""

TERMS = 200
"""Of a geometric series of ratio at most 1/2."""


@dataclass(frozen=True)
class FirstJump:
    """When the first jump happens: in the limit, and at a finite initialisation when half of it is done.

    Attributes
    ----------
    limit : float
        `t_1` of the path.
    half_height : float
        When the coefficient has half its new value.
    half_loss : float
        When half of the fall of the loss is done: earlier.
    """

    limit: float
    half_height: float
    half_loss: float


def first_jump(path: SaddlePath, *, log10_alpha: float, depth: int = 2, parametrisation: str = "uv") -> FirstJump:
    """Correct the time of the first jump for a finite initialisation.

    Parameters
    ----------
    path
        A saddle path with at least one jump, in which one feature (or several equal columns) comes first.
    log10_alpha, depth, parametrisation
        The initialisation and the network, as in `diagonal_flow`.

    Returns
    -------
    FirstJump
        Exact for one feature alone: what the idle coefficients of the others add, of the order of their size, is
        left out. For `b = u v` the half height comes `ln(2 |b_1|) / (2 |g| ln(1/alpha))` after `t_1`, and the half
        loss `0.881374 / (2 |g| ln(1/alpha))` before that.

    Raises
    ------
    InputError
        If the path has no jump, or different features jump together.

    Notes
    -----
    Until then the network has one coordinate, with `dy/dT = -g (1 - b(y)/b_1)`: the time is the integral of
    `dy / (1 - b(y)/b_1)`, a logarithm for depth 2 and a geometric series above.
    """
    if not path.count:
        raise InputError("no_such_jump", k=1, last=0)
    support, values = path.supports[1], path.values[1]
    copies = {tuple(i for i, _ in group) for group in path.duplicates}
    if path.simultaneous[:1] == (1,) or (support.size > 1 and tuple(support.tolist()) not in copies):
        raise InputError("first_jump_shared", features=", ".join(map(str, support)))
    form = network(path.exponents.size, log10_alpha, depth=depth, parametrisation=parametrisation)
    limit, size = float(path.times[0]), float(abs(values[0]))
    pull = float(path.exponents[support[0]]) / limit
    width = float(form.unit * path.exponents[support[0]])
    half, half_loss = (
        limit + _delay(form, width, size, share) / (form.unit * pull) for share in (0.5, 1 - math.sqrt(0.5))
    )
    return FirstJump(limit, half, half_loss)


def _delay(form: Network, width: float, size: float, share: float) -> float:
    """Return how much later (fast time times pull) a coefficient that tends to `size` has this share of it."""
    reached = float(form.distance(np.array([share * size]))[0])
    before = _excess(form, width, size)  # the coefficient starts at the wall's distance, not at infinity
    beyond = before - _excess(form, 2 * width, size) if form.two_sided else 0.0  # and as the difference of two
    return _excess(form, reached, size) - reached - before - beyond


def _excess(form: Network, distance: float, size: float) -> float:
    """Return the integral of `b / (size - b)` over all distances from this one on."""
    share = float(form.size(np.array([distance]))[0]) / size
    if form.depth == 2:
        return -math.log1p(-share)
    j = np.arange(1, TERMS)
    return distance * float((share**j / (form.power * j - 1)).sum())


def alpha_needed(
    path: SaddlePath, k: int, *, tolerance: float = 1e-3, depth: int = 2, parametrisation: str = "uv"
) -> float:
    """Return `log10(alpha)` of the largest initialisation at which plateau `k` is visible.

    Parameters
    ----------
    path
        A saddle path.
    k
        Number of a saddle, 0 to the last.
    tolerance
        The largest deviation from the saddle, in the middle of its plateau (at the end of training for the last
        saddle), relative to its largest coefficient (to that of the first saddle for saddle 0).
    depth, parametrisation
        Of the network, as in `diagonal_flow`; "square" for a path with `positive`.

    Returns
    -------
    float
        An estimate from the rates of the plateau and of the one before it, with a margin: the plateau is visible
        there, and no longer at an initialisation with a small part of the digits. Minus infinity where a wall
        coordinate feels no pull: such a saddle is approached like `1/t`, at every initialisation.

    Raises
    ------
    InputError
        If there is no such saddle, or an option is out of its range.
    """
    if not 0 <= k <= path.count:
        raise InputError("no_such_saddle", k=k, last=path.count)
    if not 0 < tolerance < 1:
        raise InputError("option_range", name="tolerance", value=tolerance, wanted="0 < tolerance < 1")
    form = network(path.exponents.size, -1.0, depth=depth, parametrisation=parametrisation)
    needed = max(_unit_needed(path, j, tolerance, form) for j in (k - 1, k) if j >= 0)
    if depth == 2:
        return -needed / (2 * math.log(10))
    return -math.log10(max(needed, 1.0)) / (depth - 2) if needed < np.inf else -np.inf


def visible_plateaus(
    path: SaddlePath, *, log10_alpha: float, tolerance: float = 1e-3, depth: int = 2, parametrisation: str = "uv"
) -> tuple[int, ...]:
    """Return the saddles whose plateaus are visible at this initialisation; see `alpha_needed`."""
    options = {"tolerance": tolerance, "depth": depth, "parametrisation": parametrisation}
    return tuple(k for k in range(path.count + 1) if alpha_needed(path, k, **options) >= log10_alpha)


def _unit_needed(path: SaddlePath, k: int, tolerance: float, form: Network) -> float:
    """Return the fast time per unit of the clock at which plateau `k` comes to rest and stays clear of the walls."""
    if not path.count:
        return 0.0
    support, sizes = path.supports[k], np.abs(path.values[k])
    small = tolerance * float((sizes if k else np.abs(path.values[1])).max())
    ends = k < path.count
    middle = (path.dual(k) + path.dual(k + 1)) / 2 if ends else path.dual(k)
    room = path.exponents - (np.abs(middle) if form.two_sided else middle)
    idle = np.delete(room, support)
    wall = max(float(form.distance(np.array([small / CLEARANCE]))[0]), 0.0)
    with np.errstate(divide="ignore"):
        clear = float(wall / np.maximum(idle.min(initial=np.inf), 0.0)) if wall else 0.0
    if not (ends and support.size):
        return clear
    start = float(path.times[k - 1])
    X = np.asarray(path.X[:, support]) * np.sqrt(form.slope(form.distance(sizes)))
    rate = max(float(np.linalg.eigvalsh(X.T @ X)[0]) / X.shape[0], 0.0)
    patience = (float(path.times[k]) - start) / 2 * rate
    settled = (math.log(1 / tolerance) + SETTLING) / patience if patience else np.inf
    return max(clear, settled)
