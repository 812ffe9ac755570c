"""Diagonal networks of finite initialisation: how a coefficient follows from the distance of its dual to a wall.

For every parametrisation gradient flow of the weights moves one number a coordinate, its dual `s = int g`, and the
coefficient is a fixed function of it (Pesme and Flammarion 2023, section 2; Woodworth et al. 2020 for depths above 2).
Measured from the nearer wall, in the unit in which the walls stand `width` away from the start, all of them read

    d(distance)/dT = -sign g,   b = sign (size(distance) - size(far - distance)),

with `far = 2 width` (infinite in the one-sided network), `size(y) = C exp(-y)` for depth 2 and `size(y) = C y^-q`,
`q = D/(D-2)`, for depth `D > 2`. Only numbers of
order one are exponentiated, so nothing overflows however small alpha is. `T = unit * t` on the clock `t` in which
the limiting process has its thresholds at 1 (`exponents` unless 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from thalweg.numerics.validation import real_array
from thalweg.records import InputError

PARAMETRISATIONS = ("uv", "w2half", "w2", "square")

SMALLEST_LOG10_ALPHA = -1e9
"""Beyond it a distance to the wall (4.6e9) is rounded by 1e-6: coefficients on the move would lose their digits."""

DEEPEST_UNIT = 1e40
"""Walls of depths above 2 stand `alpha^-(D-2)` away. A jump then lasts `1/unit` on the clock: from here on double
precision cannot tell it from an instant, and smaller alpha change no digit of the result."""

WIDEST_SCALE = 1e30
"""Initial scales may move the walls of depths above 2 by this factor either way."""


@dataclass(frozen=True, eq=False)
class Network:
    """One parametrisation at one initialisation.

    Attributes
    ----------
    parametrisation, depth
        "uv", "w2half", "w2" or "square", and the number of layers `D`.
    prefactor
        `C`, the size of a coefficient whose dual is exactly at its wall (depth 2).
    speed
        The distance moves by `speed * g` per unit of the original time of gradient flow.
    two_sided
        Whether coefficients may be negative.
    unit
        `2 ln(1/alpha)` for depth 2, `alpha^-(D-2)` above: fast time per unit of the clock.
    width : array (d,)
        Distance from the start to the walls: `unit` times the thresholds.
    power : float
        `q = D/(D-2)` of depths above 2, infinite for depth 2.
    """

    parametrisation: str
    depth: int
    prefactor: float
    speed: float
    two_sided: bool
    unit: float
    width: Float[np.ndarray, " d"]
    power: float

    @property
    def far(self) -> Float[np.ndarray, " d"]:
        """Distance between the two walls, infinite in the one-sided network."""
        return 2 * self.width if self.two_sided else np.full_like(self.width, np.inf)

    @property
    def clock(self) -> str:
        """The clock of all results in terms of the time `t` of gradient flow with unit step."""
        factor = "" if self.speed == 2 else f"{self.speed / 2:g} "
        if self.depth == 2:
            return f"{factor}t / ln(1/alpha)"
        return f"{self.speed:g} alpha^{self.depth - 2} t"

    def size(self, distance: np.ndarray) -> np.ndarray:
        """Return the size of a coefficient at this distance from its wall; NaN where there is none."""
        if self.depth == 2:
            return self.prefactor * np.exp(-distance)
        return self.prefactor * distance**-self.power

    def between(self, distance: np.ndarray, far: np.ndarray) -> np.ndarray:
        """Return the size of a coefficient at this distance from its wall, with another wall `far` behind it."""
        if self.depth == 2:
            return self.prefactor * (np.exp(-distance) - np.exp(distance - far))
        return self.prefactor * (distance**-self.power - (far - distance) ** -self.power)

    def slope(self, distance: np.ndarray) -> np.ndarray:
        """Return by how much the size grows per unit of approach to the wall."""
        if self.depth == 2:
            return self.prefactor * np.exp(-distance)
        return self.prefactor * self.power * distance ** (-self.power - 1)

    def distance(self, size: np.ndarray) -> np.ndarray:
        """Return the distance at which a coefficient has this size."""
        if self.depth == 2:
            return -np.log(size / self.prefactor)
        return (size / self.prefactor) ** (-1 / self.power)

    def grain(self, distance: np.ndarray) -> np.ndarray:
        """Return by how much a distance may be wrong for each unit of relative error of the size."""
        return 1 + np.abs(distance) if self.depth == 2 else np.abs(distance)

    def coefficients(self, dual: Float[np.ndarray, "*k d"]) -> Float[np.ndarray, "*k d"]:
        """Return the coefficients at the given scaled duals.

        Parameters
        ----------
        dual : array (d,) or (k, d)
            `s` in the clock's unit: at a wall where it equals `width / unit`.

        Returns
        -------
        array
            Of the same shape.
        """
        return self.between(self.width - self.unit * dual, self.far)


def network(
    d: int,
    log10_alpha: float,
    *,
    depth: int = 2,
    parametrisation: str = "uv",
    init_exponents: ArrayLike | None = None,
    init_scale: ArrayLike | None = None,
) -> Network:
    """Describe the network of `d` coordinates started at scale `alpha`.

    Parameters
    ----------
    d
        Number of features.
    log10_alpha
        `log10` of the initialisation scale, from -1e9 up to below 0.
    depth, parametrisation
        Depth 2: "uv" is `b = u v` from `u = sqrt(2) alpha, v = 0`; "w2half" is `b = (w+^2 - w-^2)/2`, "w2" is
        `b = w+^2 - w-^2`, both from `w+ = w- = alpha`; "square" is `b = u v` from `u = v = alpha`, never negative.
        Depth D above 2: "uv" and "w2" are `b = w+^D - w-^D`, "w2half" is half of it, "square" is the product of
        `D` equal weights.
    init_exponents : array (d,), optional
        `a_i > 0` of `alpha^a_i`; depth 2 only.
    init_scale : array (d,), optional
        `c_i > 0` of `c_i alpha`: vanishes in the limit for depth 2, moves the thresholds to `c_i^-(D-2)` above.

    Returns
    -------
    Network
        With its walls.

    Raises
    ------
    InputError
        If an option is out of its range, or exponents are given for a depth above 2.
    """
    _refuse_bad_options(log10_alpha, depth, parametrisation)
    if depth > 2 and init_exponents is not None:
        raise InputError("exponents_need_depth_2", depth=depth)
    exponents = _positive(init_exponents, "init_exponents", d)
    scale = _positive(init_scale, "init_scale", d)
    prefactor = 0.5 if parametrisation == "w2half" or (parametrisation, depth) == ("uv", 2) else 1.0
    one_sided = parametrisation == "square"
    log_inverse = -float(log10_alpha) * math.log(10)
    if depth == 2:
        speed = 2.0 if one_sided else 4 * prefactor
        unit = 2 * log_inverse
        width = unit * exponents - 2 * np.log(scale)
    else:
        speed = (depth - 2.0) * (1.0 if one_sided else prefactor * depth)
        unit = math.exp(min((depth - 2) * log_inverse, math.log(DEEPEST_UNIT)))
        moved = scale ** -(depth - 2.0)
        if not ((moved <= WIDEST_SCALE) & (moved >= 1 / WIDEST_SCALE)).all():
            bound = f"{WIDEST_SCALE ** (-1 / (depth - 2)):.2g} ... {WIDEST_SCALE ** (1 / (depth - 2)):.2g}"
            raise InputError("option_range", name="init_scale", value=str(scale), wanted=bound)
        width = unit * moved
    power = depth / (depth - 2) if depth > 2 else math.inf
    return Network(parametrisation, depth, prefactor, speed, not one_sided, unit, width, power)


def _refuse_bad_options(log10_alpha: float, depth: int, parametrisation: str) -> None:
    if not SMALLEST_LOG10_ALPHA <= log10_alpha < 0:
        wanted = f"{SMALLEST_LOG10_ALPHA:g} <= log10_alpha < 0"
        raise InputError("option_range", name="log10_alpha", value=log10_alpha, wanted=wanted)
    if depth == 1:
        raise InputError("depth_one")
    if depth != int(depth) or depth < 2:
        raise InputError("option_range", name="depth", value=depth, wanted="2, 3, 4, ...")
    if parametrisation not in PARAMETRISATIONS:
        wanted = " | ".join(PARAMETRISATIONS)
        raise InputError("option_range", name="parametrisation", value=repr(parametrisation), wanted=wanted)


def _positive(values: ArrayLike | None, name: str, d: int) -> Float[np.ndarray, " d"]:
    if values is None:
        return np.ones(d)
    array = real_array(values, name, 1)
    if array.size != d:
        raise InputError("length_differs", name=name, found=array.size, wanted=d)
    if not (array > 0).all():
        raise InputError("option_range", name=name, value=float(array.min()), wanted="> 0")
    return array
