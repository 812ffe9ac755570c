"""Activations: derivatives to many digits, bounds that nothing exceeds, and one home for each formula."""

import math

import numpy as np
import pytest
from flint import arb, arb_series, ctx

from thalweg.records import InputError
from thalweg.shallow.activations import NAMES, activation, largest_derivative
from thalweg.shallow.ball_functions import ball_derivatives

POINTS = np.concatenate([np.linspace(-45, 45, 31), [-1e-5, 1e-10, 0.3, -0.7, 1.9, 1e-300]])


def series(name, z):
    """Return the Taylor coefficients times factorials, orders 0 to 4, of psi written with elementary functions."""
    x = arb_series([arb(z), arb(1)])
    one = arb_series([arb(1)])
    halves = arb_series([arb(0.5)])
    forms = {
        "tanh": lambda: one - 2 * one / ((2 * x).exp() + one),
        "logistic": lambda: one / (one + (-x).exp()),
        "erf": lambda: x.erf(),
        "arctan": lambda: x.atan(),
        "gauss": lambda: (-x * x).exp(),
        "sin": lambda: x.sin(),
        "softplus": lambda: (one + x.exp()).log(),
        "silu": lambda: x / (one + (-x).exp()),
        "gelu": lambda: halves * x * (one + (x * arb_series([1 / arb(2).sqrt()])).erf()),
        "exp": lambda: x.exp(),
        "z^3+z": lambda: x * x * x + x,
        "z^2": lambda: x * x,
        "z^3": lambda: x * x * x,
    }
    found = list(forms[name]())
    return [(found[k] if k < len(found) else arb(0)) * math.factorial(k) for k in range(5)]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "relu"])
def test_derivatives_agree_with_taylor_series_of_the_definition(name):
    psi = activation(name)
    computed = psi.derivatives(POINTS, 4)
    with ctx.workprec(400):
        cap, ctx.cap = ctx.cap, 6
        for i, z in enumerate(POINTS.tolist()):
            exact = series(name, z)
            balls = ball_derivatives(name)(arb(z))
            for k in range(5):
                scale = abs(exact[k]) + max(abs(e) for e in exact) * arb(2) ** -12
                assert abs(arb(float(computed[k][i])) - exact[k]) <= 2e-13 * scale + 1e-100, (z, k)
                assert k == 4 or balls[k].overlaps(exact[k]), (z, k)
        ctx.cap = cap


@pytest.mark.parametrize("name", NAMES)
def test_bounds_are_bounds_and_nearly_reached(name):
    psi = activation(name)
    z = np.linspace(-12, 12, 240_001)
    for k, values in enumerate(psi.derivatives(z, 4)):
        top = np.abs(values).max()
        assert top <= psi.bounds[k]
        if math.isfinite(psi.bounds[k]) and name != "relu":
            assert top >= 0.98 * psi.bounds[k] - 1e-12 or (name, k) == ("arctan", 0)


@pytest.mark.parametrize("name", ["exp", "z^2", "z^3", "z^7", "z^3+z"])
def test_unbounded_activations_are_bounded_on_intervals(name):
    rng = np.random.default_rng(0)
    psi = activation(name)
    lower = rng.normal(size=50)
    upper = lower + rng.random(50)
    inside = lower + (upper - lower) * np.linspace(0, 1, 41)[:, None]
    for k in (1, 2, 3):
        assert (np.abs(psi.derivatives(inside, k)[k]) <= largest_derivative(psi, k, lower, upper)).all()


@pytest.mark.parametrize("name", ["tanh", "logistic", "erf", "arctan", "gauss", "softplus", "silu", "gelu"])
def test_extreme_arguments_give_limits_without_nan(name):
    z = np.array([-1e300, -1e5, 1e5, 1e300])
    for k, values in enumerate(activation(name).derivatives(z, 4)):
        assert np.isfinite(values).all()
        if k >= 2:
            assert (np.abs(values) <= 1e-9).all()


def test_derivatives_keep_their_digits_where_one_minus_tanh_squared_has_none():
    slope = activation("tanh").derivatives(np.array([20.0, 30.0, 300.0]), 1)[1]
    assert np.allclose(slope, 4 * np.exp(-2 * np.array([20.0, 30.0, 300.0])), rtol=1e-14)


@pytest.mark.parametrize("name", ["Tanh", "sigmoid", "gelu_tanh", "z^0", "z^41", "z^-1", ""])
def test_unknown_activations_list_the_known(name):
    with pytest.raises(InputError, match="tanh, logistic") as caught:
        activation(name)
    assert caught.value.code == "activation_unknown"
