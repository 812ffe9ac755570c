"""Activations of shallow networks: values, derivatives, bounds, and what the theorem says of each.

Table 2.1 of the specification. The theorem on efficient domains (Benning and Dereich 2025, arXiv 2504.08867) covers
tanh and the logistic function; for the other analytic activations a certificate is valid wherever it succeeds, but
the algebraic criterion of efficiency is not claimed to be complete.

Derivatives are computed without loss of digits: that of tanh as `sech^2 = 4e/(1+e)^2`, `e = exp(-2|z|)`, since
`1 - tanh^2` has none left beyond |z| = 19. The bounds of the absolute derivatives are rounded up; they were found by
subdivision with ball arithmetic on [-40, 40] and monotone decay outside, those of tanh and the logistic in closed form.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import inf, perm, pi, sqrt

import numpy as np
from jaxtyping import Float

from thalweg.numerics.validation import nearest
from thalweg.records import InputError

Array = np.ndarray
Derivatives = Callable[[Array, int], tuple[Array, ...]]

COVERED, REGULAR_ONLY, NEVER_REGULAR, OUTSIDE = "covered", "regular-only", "never-regular", "outside"
"""What the theory says of an activation."""

ODD, LOGISTIC, EVEN, PERIODIC, SOFTPLUS, NONE = "odd", "logistic", "even", "periodic", "softplus", "none"
"""How a neuron may be mirrored without change of the function; `SOFTPLUS`: psi(z) - psi(-z) = z, no symmetry."""


@dataclass(frozen=True)
class Activation:
    """One activation.

    Attributes
    ----------
    name
        As a user gives it.
    coverage
        "covered", "regular-only", "never-regular" or "outside".
    symmetry
        "odd", "logistic", "even", "periodic", "softplus" or "none".
    evaluate
        `(z, order)` to the derivatives of order 0 to `order`, at most 4.
    bounds
        Upper bounds of `|psi|, |psi'|, ..., |psi''''|` on the whole line; infinite where there are none.
    """

    name: str
    coverage: str
    symmetry: str
    evaluate: Derivatives
    bounds: tuple[float, ...]

    def __call__(self, z: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Return psi(z)."""
        return self.evaluate(z, 0)[0]

    def derivatives(self, z: Float[np.ndarray, "..."], order: int = 3) -> tuple[Float[np.ndarray, "..."], ...]:
        """Return psi and its derivatives up to `order` (0 to 4) at `z`."""
        return self.evaluate(z, order)

    @property
    def is_analytic(self) -> bool:
        """Whether second derivatives of the loss mean anything."""
        return self.coverage != OUTSIDE

    def require_analytic(self) -> None:
        """Refuse what depends on second derivatives.

        Raises
        ------
        InputError
            If the activation has none everywhere.
        """
        if not self.is_analytic:
            raise InputError("activation_outside", name=self.name)


def activation(name: str) -> Activation:
    """Return the activation of this name.

    Parameters
    ----------
    name
        One of `NAMES`, or "z^k" with a whole number k from 1 to 40.

    Returns
    -------
    Activation
        With derivatives and bounds.

    Raises
    ------
    InputError
        If there is none of this name; lists those that exist.
    """
    if isinstance(name, str):
        if name in _KNOWN:
            return _KNOWN[name]
        power = re.fullmatch(r"z\^([1-9]\d?)", name)
        if power and int(power[1]) <= LARGEST_POWER:
            return _monomial(int(power[1]))
    raise InputError("activation_unknown", name=str(name), near=nearest(str(name), NAMES), known=", ".join(NAMES))


def largest_derivative(
    psi: Activation, order: int, lower: Float[np.ndarray, "..."], upper: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """Bound `|psi^(order)|` on intervals, for activations that have no bound on the whole line.

    Parameters
    ----------
    psi
        "exp", "z^k" or "z^3+z": their derivatives are monotone in `z` or in `|z|`.
    order
        From 1 to 4.
    lower, upper
        Ends of the intervals.

    Returns
    -------
    array
        Rounded up; infinite where it overflows.
    """
    with np.errstate(over="ignore"):
        if psi.name == "exp":
            return np.exp(upper) * (1 + 2.0**-48)
        size = np.maximum(np.abs(lower), np.abs(upper))
        found = np.abs(psi.derivatives(size, order)[order]) * (1 + 2.0**-44)
        return np.where(size < _CUBIC, found, inf)


def _tanh(z: Array, order: int) -> tuple[Array, ...]:
    t = np.tanh(z)
    if order == 0:
        return (t,)
    e = np.exp(-2.0 * np.abs(z))
    s = 4.0 * e / np.square(1.0 + e)
    ts = t * s
    t2 = t * t if order > 2 else t
    return _upto(order, lambda: t, lambda: s, lambda: -2.0 * ts, lambda: s * (6.0 * t2 - 2.0),
                 lambda: 8.0 * ts * (2.0 - 3.0 * t2))  # fmt: skip


def _sigmoid_parts(z: Array) -> tuple[Array, Array, Array]:
    """Return the logistic function, its derivative, and tanh(z/2), each with full relative accuracy."""
    e = np.exp(-np.abs(z))
    below = 1.0 + e
    return np.where(z >= 0, 1.0, e) / below, e / np.square(below), np.tanh(0.5 * z)


def _logistic(z: Array, order: int) -> tuple[Array, ...]:
    value, p, t = _sigmoid_parts(z)
    return _upto(order, lambda: value, lambda: p, lambda: -t * p, lambda: p * (1.5 * t * t - 0.5),
                 lambda: p * t * (2.0 - 3.0 * t * t))  # fmt: skip


def _erf(z: Array, order: int) -> tuple[Array, ...]:
    from scipy.special import erf

    c = np.clip(z, -_FLAT, _FLAT)
    g = (2 / sqrt(pi)) * np.exp(-c * c)
    return _upto(order, lambda: erf(z), lambda: g, lambda: -2 * c * g, lambda: (4 * c * c - 2) * g,
                 lambda: (12 - 8 * c * c) * c * g)  # fmt: skip


def _arctan(z: Array, order: int) -> tuple[Array, ...]:
    h = 1 / np.hypot(1.0, z)  # not 1 + z^2, which overflows
    p, q = h * h, z * h * h
    return _upto(order, lambda: np.arctan(z), lambda: p, lambda: -2 * q * p, lambda: 6 * q * q * p - 2 * p * p * p,
                 lambda: 24 * q * p * (p * p - q * q))  # fmt: skip


def _gauss(z: Array, order: int) -> tuple[Array, ...]:
    c = np.clip(z, -_FLAT, _FLAT)
    c2 = c * c
    g = np.exp(-c2)
    return _upto(order, lambda: g, lambda: -2 * c * g, lambda: (4 * c2 - 2) * g, lambda: (12 - 8 * c2) * c * g,
                 lambda: ((16 * c2 - 48) * c2 + 12) * g)  # fmt: skip


def _sin(z: Array, order: int) -> tuple[Array, ...]:
    s, c = np.sin(z), np.cos(z)
    return _upto(order, lambda: s, lambda: c, lambda: -s, lambda: -c, lambda: s)


def _softplus(z: Array, order: int) -> tuple[Array, ...]:
    value, p, t = _sigmoid_parts(z)
    return _upto(order, lambda: np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))), lambda: value, lambda: p,
                 lambda: -t * p, lambda: p * (1.5 * t * t - 0.5))  # fmt: skip


def _silu(z: Array, order: int) -> tuple[Array, ...]:
    value, p, t = _sigmoid_parts(z)
    c = np.clip(z, -_FAR, _FAR)  # beyond it p is zero, and infinity times zero is not
    t2 = t * t
    return _upto(order, lambda: z * value, lambda: value + c * p, lambda: p * (2 - c * t),
                 lambda: p * (c * (1.5 * t2 - 0.5) - 3 * t),
                 lambda: p * (6 * t2 - 2 + c * t * (2 - 3 * t2)))  # fmt: skip


def _gelu(z: Array, order: int) -> tuple[Array, ...]:
    from scipy.special import ndtr

    c = np.clip(z, -_FLAT, _FLAT)
    c2 = c * c
    g = np.exp(-0.5 * c2) / sqrt(2 * pi)
    return _upto(order, lambda: z * ndtr(z), lambda: ndtr(z) + c * g, lambda: (2 - c2) * g, lambda: (c2 - 4) * c * g,
                 lambda: ((7 - c2) * c2 - 4) * g)  # fmt: skip


def _exp(z: Array, order: int) -> tuple[Array, ...]:
    with np.errstate(over="ignore"):
        return (np.exp(z),) * (order + 1)


def _cubic(z: Array, order: int) -> tuple[Array, ...]:
    z = np.clip(z, -_CUBIC, _CUBIC)
    return _upto(order, lambda: (z * z + 1) * z, lambda: 3 * z * z + 1, lambda: 6 * z, lambda: np.full_like(z, 6.0),
                 lambda: np.zeros_like(z))  # fmt: skip


def _relu(z: Array, order: int) -> tuple[Array, ...]:
    """Return derivatives off the kink; at the kink those from the left."""
    flat = np.zeros_like(z)
    return (np.maximum(z, 0.0), (z > 0).astype(float), flat, flat, flat)[: order + 1]


@lru_cache
def _monomial(k: int) -> Activation:
    def evaluate(z: Array, order: int) -> tuple[Array, ...]:
        with np.errstate(over="ignore"):
            return tuple(perm(k, j) * z ** (k - j) if j <= k else np.zeros_like(z) for j in range(order + 1))

    bounds = tuple(float(perm(k, j)) if j >= k else inf for j in range(5))
    return Activation(f"z^{k}", NEVER_REGULAR, ODD if k % 2 else EVEN, evaluate, bounds)


def _upto(order: int, *terms: Callable[[], Array]) -> tuple[Array, ...]:
    return tuple(term() for term in terms[: order + 1])


_FLAT = 40.0
"""Beyond it exp(-z^2/2) is zero, with all its derivatives."""

_CUBIC = 1e100
"""Beyond it the cubic is cut, long after every loss has overflowed."""

_FAR = 800.0
"""Beyond it exp(-|z|) is zero."""

LARGEST_POWER = 40
"""Higher powers overflow where nothing is unusual."""

_KNOWN = {
    known.name: known
    for known in (
        Activation("tanh", COVERED, ODD, _tanh, (1.0, 1.0, 0.769801, 2.0, 4.0859)),
        Activation("logistic", COVERED, LOGISTIC, _logistic, (1.0, 0.25, 0.0962251, 0.125, 0.1277)),
        Activation("erf", REGULAR_ONLY, ODD, _erf, (1.0, 1.12838, 0.967883, 2.25676, 4.40471)),
        Activation("arctan", REGULAR_ONLY, ODD, _arctan, (1.570797, 1.0, 0.649520, 2.0, 4.66856)),
        Activation("gauss", REGULAR_ONLY, EVEN, _gauss, (1.0, 0.857764, 2.0, 3.90357, 12.0)),
        Activation("sin", REGULAR_ONLY, PERIODIC, _sin, (1.0, 1.0, 1.0, 1.0, 1.0)),
        Activation("softplus", REGULAR_ONLY, SOFTPLUS, _softplus, (inf, 1.0, 0.25, 0.0962251, 0.125)),
        Activation("silu", REGULAR_ONLY, SOFTPLUS, _silu, (inf, 1.09984, 0.5, 0.308182, 0.5)),
        Activation("gelu", REGULAR_ONLY, SOFTPLUS, _gelu, (inf, 1.12891, 0.797885, 0.778770, 1.59577)),
        Activation("exp", NEVER_REGULAR, NONE, _exp, (inf,) * 5),
        Activation("z^3+z", NEVER_REGULAR, ODD, _cubic, (inf, inf, inf, 6.0, 0.0)),
        Activation("relu", OUTSIDE, NONE, _relu, (inf, 1.0, inf, inf, inf)),
    )
}

NAMES = (*_KNOWN, "z^2", "z^3")
"""What `activation` knows, and two examples of the monomials."""
