"""The losses against their definitions: derivatives, tiny differences, extreme predictors, labels and counts."""

import warnings

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.diagonal.losses import LOSSES, loss_on
from thalweg.records import InputError

predictors = st.floats(-30, 30)


def one_row(name, target, delta=1.5):
    y = {"logistic": float(target > 0), "poisson": float(abs(round(target)))}.get(name, target)
    return loss_on(name, np.array([y]), delta if name == "huber" else None)


def exact_value(loss, eta, delta=1.5):
    """The loss of one row in ball arithmetic, from its definition."""
    y, name = arb(float(loss.y[0])), type(loss).__name__
    if name == "Logistic":
        return (1 + (-y * eta).exp()).log()
    if name == "Poisson":
        return eta.exp() - y * eta  # up to a constant
    size = abs(y - eta)
    if name == "Huber" and size > arb(delta):
        return arb(delta) * (size - arb(delta) / 2)
    return size * size / 2


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=25)
@given(target=st.floats(-5, 5), eta=predictors, size=st.floats(-12, 1), sign=st.sampled_from([-1.0, 1.0]))
def test_changes_are_exact_however_small(name, target, eta, size, sign):
    loss, step = one_row(name, target), sign * 10.0**size
    moved = eta + step
    step = moved - eta  # what was really added
    found = float(loss.change(np.array([eta]), np.array([step]))[0])
    with ctx.workprec(400):
        true = exact_value(loss, arb(eta) + arb(step)) - exact_value(loss, arb(eta))
    # Rounding of the residual, times the step; across an edge of the Huber loss, of the losses themselves.
    noise = abs(step) * (loss.sizes[0] + abs(eta) + np.exp(min(max(eta, moved), 30.0) if name == "poisson" else 0.0))
    if name == "huber":
        edges = [abs(abs(loss.y[0] - at) - 1.5) for at in (eta, moved)]
        noise += (1 + abs(eta) + abs(loss.y[0])) ** 2 if min(edges) <= 2 * abs(step) else 0.0
    assert abs(found - float(true)) <= 1e-14 * noise


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=25)
@given(target=st.floats(-5, 5), eta=predictors)
def test_residual_and_curvature_are_the_derivatives(name, target, eta):
    loss, h = one_row(name, target), 1e-5
    up, down = np.array([eta + h]), np.array([eta - h])
    at = np.array([eta])
    size = 1 + abs(eta) + (np.exp(eta) if name == "poisson" else 0)
    both_ways = loss.change(down, up - down) / (2 * h)
    assert loss.residual(at) == pytest.approx(-both_ways, abs=1e-4 * size)
    if name != "huber" or abs(abs(target - eta) - 1.5) > 1e-3:
        slope = (loss.residual(down) - loss.residual(up)) / (2 * h)
        assert loss.curvature(at) == pytest.approx(slope, abs=1e-4 * size)


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=25)
@given(target=st.floats(-5, 5), eta=predictors, step=predictors)
def test_values_differ_by_the_change_and_are_never_negative(name, target, eta, step):
    loss = one_row(name, target)
    a, b = loss.value(np.array([eta])), loss.value(np.array([eta + step]))
    size = 1 + a[0] + b[0]
    assert loss.change(np.array([eta]), np.array([step])) == pytest.approx(b - a, abs=1e-12 * size, rel=1e-12)
    assert a[0] >= 0


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("eta", [-1e6, -800.0, 800.0, 1e6])
def test_extreme_predictors_are_safe(name, eta):
    loss, at = one_row(name, 1.0), np.array([eta])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, curvature = loss.value(at)[0], loss.curvature(at)[0]
        gained = loss.change(np.array([0.0]), at)[0]
    assert value >= 0 and curvature >= 0 and not np.isnan(gained)
    if name == "logistic":
        assert value == pytest.approx(max(-eta, 0.0))


@pytest.mark.parametrize("name", ["logistic", "poisson"])
def test_along_its_recession_the_loss_of_a_row_falls(name):
    loss = loss_on(name, np.array([0.0, 0.0, 1.0, 1.0]))
    eta = np.array([-3.0, 2.0, -1.0, 4.0])
    falls = loss.recession != 0
    assert (loss.change(eta, loss.recession)[falls] < 0).all()
    assert falls.all() if name == "logistic" else falls.tolist() == [True, True, False, False]


def test_labels_may_be_zero_and_one_or_signs():
    zeros, signs = loss_on("logistic", np.array([0.0, 1.0])), loss_on("logistic", np.array([-1.0, 1.0]))
    eta = np.array([0.3, -2.0])
    assert np.array_equal(zeros.value(eta), signs.value(eta)) and np.array_equal(zeros.y, [-1, 1])
    assert zeros.residual(eta) == pytest.approx(np.array([0, 1]) - 1 / (1 + np.exp(-eta)))


def test_half_the_poisson_deviance():
    y, eta = np.array([0.0, 1.0, 7.0]), np.array([-1.0, 0.5, 2.0])
    mean = np.exp(eta)
    wanted = [mean[0], mean[1] - 1 - eta[1], 7 * np.log(7 / mean[2]) - (7 - mean[2])]
    assert loss_on("poisson", y).value(eta) == pytest.approx(wanted)
    assert loss_on("poisson", y).value(np.log(np.maximum(y, 1e-300))) == pytest.approx(0, abs=1e-15)


def test_a_wide_huber_loss_is_the_squared_one():
    rng = np.random.default_rng(0)
    y, eta, step = rng.standard_normal((3, 50))
    wide, squared = loss_on("huber", y, 1e9), loss_on("squared", y)
    assert wide.value(eta) == pytest.approx(squared.value(eta))
    assert wide.change(eta, step) == pytest.approx(squared.change(eta, step))


@pytest.mark.parametrize(
    ("name", "y", "delta", "words"),
    [
        ("absolute", [1.0], None, "squared | logistic"),
        ("logistic", [0.0, 1.0, 2.0], None, "labels 0.0, 1.0, 2.0"),
        ("logistic", [-1.0, 0.0, 1.0], None, "0 and 1"),
        ("logistic", [0.5, 1.0], None, "two classes"),
        ("poisson", [1.0, -2.0, -1.0], None, "first rows 1, 2"),
        ("huber", [1.0, 2.0, 4.0], None, "at most about 1.99"),
        ("huber", [1.0], 0.0, "huber_delta = 0.0"),
        ("huber", [1.0], float("inf"), "huber_delta"),
        ("squared", [1.0], 1.0, "huber_delta"),
    ],
)
def test_targets_that_do_not_fit_are_named(name, y, delta, words):
    with pytest.raises(InputError, match=words.replace("|", r"\|")):
        loss_on(name, np.array(y), delta)
