"""Activations and their first three derivatives in ball arithmetic (the float forms are in `activations.py`)."""

from __future__ import annotations

from collections.abc import Callable
from math import perm

from flint import arb

Balls = tuple[arb, arb, arb, arb]


def ball_derivatives(name: str) -> Callable[[arb], Balls]:
    """Return the function from a ball to balls of psi, psi', psi'' and psi''' on it."""
    if name in _FORMS:
        return _FORMS[name]
    k = int(name.removeprefix("z^"))

    def monomial(z: arb) -> Balls:
        a, b, c, d = (z ** (k - j) * perm(k, j) if j <= k else arb(0) for j in range(4))
        return a, b, c, d

    return monomial


def _tanh(z: arb) -> Balls:
    t = z.tanh()
    t2 = t * t
    s = 1 - t2
    return t, s, -2 * (t * s), s * (6 * t2 - 2)


def _logistic(z: arb) -> Balls:
    t, s, bend, twist = _tanh(z / 2)
    return (1 + t) / 2, s / 4, bend / 8, twist / 16


def _erf(z: arb) -> Balls:
    z2 = z * z
    g = 2 / arb.pi().sqrt() * (-z2).exp()
    return z.erf(), g, -2 * z * g, (4 * z2 - 2) * g


def _arctan(z: arb) -> Balls:
    z2 = z * z
    p = 1 / (1 + z2)
    p2 = p * p
    return z.atan(), p, -2 * z * p2, (6 * z2 - 2) * (p2 * p)


def _gauss(z: arb) -> Balls:
    z2 = z * z
    g = (-z2).exp()
    return g, -2 * z * g, (4 * z2 - 2) * g, (12 - 8 * z2) * z * g


def _sin(z: arb) -> Balls:
    s, c = z.sin_cos()
    return s, c, -s, -c


def _softplus(z: arb) -> Balls:
    value, slope, bend, _ = _logistic(z)
    base = (-abs(z)).exp().log1p()
    return (z + base if z > 0 else base) if z > 0 or z < 0 else z.exp().log1p(), value, slope, bend


def _silu(z: arb) -> Balls:
    value, slope, bend, twist = _logistic(z)
    return z * value, value + z * slope, 2 * slope + z * bend, 3 * bend + z * twist


def _gelu(z: arb) -> Balls:
    z2 = z * z
    value = (1 + (z / arb(2).sqrt()).erf()) / 2
    g = (-z2 / 2).exp() / (2 * arb.pi()).sqrt()
    return z * value, value + z * g, (2 - z2) * g, (z2 - 4) * z * g


def _exp(z: arb) -> Balls:
    e = z.exp()
    return e, e, e, e


def _cubic(z: arb) -> Balls:
    z2 = z * z
    return (z2 + 1) * z, 3 * z2 + 1, 6 * z, arb(6)


_FORMS: dict[str, Callable[[arb], Balls]] = {
    "tanh": _tanh,
    "logistic": _logistic,
    "erf": _erf,
    "arctan": _arctan,
    "gauss": _gauss,
    "sin": _sin,
    "softplus": _softplus,
    "silu": _silu,
    "gelu": _gelu,
    "exp": _exp,
    "z^3+z": _cubic,
}
