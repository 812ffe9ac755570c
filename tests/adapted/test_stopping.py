"""Stopping times told beforehand, in the clock and in the user's own units."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from thalweg.adapted.losses import L2, ConvexLoss, CrossEntropy, Poisson, loss_on
from thalweg.adapted.stopping import exponential_law, kpi_curve, law_of, stopping_time
from thalweg.adapted.targets import Target, parse_target
from thalweg.records import InputError, Outcome


def test_golden_stopping_time():
    stop = stopping_time(2.0, 1e-6, 50)
    assert stop.tau == pytest.approx(7.2543288692621095, rel=1e-15)
    assert stop.s == pytest.approx(362.71644346310546, rel=1e-15)
    assert stop.t == pytest.approx(0.9992928932188134, rel=1e-15)
    assert stop.outcome is None and stop.reason == "tol" and stop.seconds is None


def test_nothing_to_do_and_nothing_that_can_be_done():
    for cost, tol, floor in ((1e-9, 1e-6, 0.0), (0.0, 0.0, 0.0), (0.3, 0.3, 0.1)):
        stop = stopping_time(cost, tol, 5, floor=floor)
        assert (stop.tau, stop.s, stop.t, stop.outcome) == (0.0, 0.0, 0.0, Outcome.TARGET_REACHED)
    for tol in (0.1, 0.05):
        stop = stopping_time(0.3, tol, 5, floor=0.1)
        assert stop.outcome is Outcome.BELOW_FLOOR and math.isinf(stop.tau) and stop.t == 1.0


@settings(max_examples=30)
@given(start=st.floats(1e-3, 1e3), floor=st.floats(0, 0.9), share=st.floats(1e-8, 0.99))
def test_the_law_is_at_the_wanted_cost_at_that_clock(start, floor, share):
    lowest = floor * start
    wanted = lowest + share * (start - lowest)
    stop = stopping_time(start, wanted, 3, floor=lowest)
    excess = (start - lowest) * math.exp(-2 * stop.tau)
    assert lowest + excess == pytest.approx(wanted, rel=1e-12)


def regression():
    """Targets of two outputs with deviation one, outputs near them, and what users compute from both."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal((40, 2))
    y = (y - y.mean(axis=0)) / y.std(axis=0)
    return y, y + 0.8 * rng.standard_normal((40, 2))


def test_regression_targets_are_those_that_users_compute():
    y, x0 = regression()
    sd, loss = 3.0, L2(y)
    for target in ("rmse=0.5", " R2 = 0.95"):
        stop = stopping_time(
            loss.cost(x0), None, 40, target=target, law=law_of(loss, x0), outputs=2, target_sd=sd, standardised=True
        )
        apart = loss.line(x0, stop.tau) - y
        if "rmse" in target:
            assert sd * math.sqrt((apart**2).mean()) == pytest.approx(0.5, rel=1e-12)
        else:
            assert np.mean(1 - (apart**2).mean(axis=0) / y.var(axis=0)) == pytest.approx(0.95, rel=1e-12)
        assert loss.cost(loss.line(x0, stop.tau)) == pytest.approx(stop.cost_target, rel=1e-12)
    one = {"target_sd": 2.0, "standardised": True}  # the formulas of the specification, one output
    assert stopping_time(1.0, None, 9, target="rmse=0.5", **one).cost_target == pytest.approx(0.25 / (2 * 4))
    assert stopping_time(1.0, None, 9, target="r2=0.95", **one).cost_target == pytest.approx(0.025)
    assert stopping_time(9.0, None, 9, target="rmse=0.5").cost_target == pytest.approx(0.125)
    assert stopping_time(9.0, None, 9, target="r2=0.5", target_sd=2.0).cost_target == pytest.approx(1.0)


def test_known_noise_stops_where_the_residual_is_the_noise():
    y, x0 = regression()
    loss = L2(y)
    stop = stopping_time(loss.cost(x0), None, 40, noise_sd=0.3, law=law_of(loss, x0), outputs=2)
    assert stop.cost_target == pytest.approx(2 * 0.3**2 / 2)
    assert ((loss.line(x0, stop.tau) - y) ** 2).mean() == pytest.approx(0.09, rel=1e-12)
    assert stopping_time(1.0, None, 4, noise_sd=0.1, floor=0.1).outcome is Outcome.BELOW_FLOOR


def test_accuracy_is_reached_at_its_clock():
    rng = np.random.default_rng(3)
    x0, labels = rng.standard_normal((30, 4)), rng.integers(0, 4, 30)
    loss = CrossEntropy(np.eye(4)[labels])
    stop = stopping_time(loss.cost(x0), None, 30, target="accuracy=1", law=law_of(loss, x0))
    after, before = (softmax(loss.line(x0, stop.tau * k), axis=1).argmax(axis=1) for k in (1.0001, 0.9999))
    assert (after == labels).all() and (before == labels).mean() == pytest.approx(29 / 30)
    p = softmax(x0, axis=1)
    right = p[np.arange(30), labels]
    p[np.arange(30), labels] = 0
    assert stop.tau == pytest.approx(np.log(1 - right + p.max(axis=1)).max(), rel=1e-13)
    half = stopping_time(loss.cost(x0), None, 30, target="accuracy=0.5", law=law_of(loss, x0))
    assert half.tau < stop.tau and half.cost_target > stop.cost_target


def test_money_is_seconds_by_the_rate():
    stop = stopping_time(1.0, None, 10, target="cost=500", rate=3600.0, seconds_per_clock=100.0)
    assert stop.tau == pytest.approx(5.0) and stop.money == pytest.approx(500.0) and stop.seconds == pytest.approx(500)
    assert stop.cost_target == pytest.approx(math.exp(-10.0))
    back = stopping_time(1.0, stop.cost_target, 10, rate=3600.0, seconds_per_clock=100.0)
    assert back.money == pytest.approx(500.0)


def test_kpi_curves():
    y, x0 = regression()
    law = law_of(L2(y), x0)
    curve = kpi_curve(law, "rmse", points=5, outputs=2, target_sd=3.0, standardised=True,
                      rate=36.0, seconds_per_clock=10.0)  # fmt: skip
    apart = np.sqrt(((x0 - y) ** 2).mean())
    np.testing.assert_allclose(curve.kpi, 3 * apart * np.exp(-curve.tau), rtol=1e-12)
    np.testing.assert_allclose(curve.money, curve.tau * 0.1, rtol=1e-13)
    assert curve.cost[-1] / curve.cost[0] == pytest.approx(1e-6)
    assert kpi_curve(law, "r2", outputs=2, standardised=True).kpi[-1] > 0.999998
    rng = np.random.default_rng(3)
    loss = CrossEntropy(np.eye(4)[rng.integers(0, 4, 30)])
    shares = kpi_curve(law_of(loss, rng.standard_normal((30, 4))), "accuracy", until=3.0, points=40)
    assert (np.diff(shares.kpi) >= 0).all() and shares.kpi[-1] == 1.0 and shares.seconds is None


def test_targets_are_read():
    assert parse_target(" Accuracy = 1 ") == Target("accuracy", 1.0) and str(parse_target("rmse=.5")) == "rmse=0.5"


def _unlabelled():
    return law_of(CrossEntropy([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 1.0]]))


CONVEX = ConvexLoss(lambda x, y: (x - y) ** 2, lambda x, y: 2 * (x - y), lambda x, y: 2 + 0 * x)

BAD = [
    ("adapted_target_unknown", {"target": "mae=1"}),
    ("adapted_target_unknown", {"target": "rmse"}),
    ("adapted_target_unknown", {"target": "rmse=small"}),
    ("adapted_target_value", {"target": "rmse=-1"}),
    ("adapted_target_value", {"target": "r2=1"}),
    ("adapted_target_value", {"target": "accuracy=1.5"}),
    ("adapted_target_value", {"target": "cost=nan"}),
    ("adapted_target_loss", {"target": "accuracy=1"}),
    ("adapted_target_loss", {"target": "rmse=1", "law": _unlabelled()}),
    ("adapted_target_loss", {"noise_sd": 1.0, "law": _unlabelled()}),
    ("adapted_target_unreachable", {"target": "rmse=0.1", "floor": 0.5}),
    ("adapted_target_unreachable", {"target": "accuracy=1", "law": _unlabelled()}),
    ("option_missing", {"target": "cost=5", "rate": 1.0}),
    ("option_missing", {"target": "rmse=0.5", "standardised": True}),
    ("option_missing", {"target": "r2=0.5"}),
    ("option_missing", {}),
    ("option_range", {"target": "rmse=0.5", "noise_sd": 0.1}),
    ("option_range", {"target": "rmse=0.5", "target_sd": 0.0}),
    ("option_range", {"noise_sd": -0.1}),
]


@pytest.mark.parametrize(("code", "options"), BAD)
def test_bad_targets_are_named(code, options):
    with pytest.raises(InputError) as caught:
        stopping_time(1.0, None, 10, **options)
    assert caught.value.code == code and caught.value.message("ja")


def test_more_bad_input():
    assert (
        "rmse=1" in pytest.raises(InputError, stopping_time, 1.0, None, 2, target="rmse=.1", floor=0.5).value.message()
    )
    for bad in (lambda: stopping_time(math.nan, 1e-3, 5), lambda: stopping_time(1.0, math.nan, 5),
                lambda: stopping_time(1.0, 1e-3, 0), lambda: kpi_curve(exponential_law(1.0), "mae"),
                lambda: kpi_curve(exponential_law(1.0), "accuracy"),
                lambda: kpi_curve(exponential_law(1.0), "rmse", until=-1.0),
                lambda: law_of(loss_on(CONVEX, np.ones((1, 1))), np.ones((1, 1)))):  # fmt: skip
        with pytest.raises(InputError):
            bad()


def test_other_losses_stop_by_their_own_law():
    loss, x0 = Poisson(np.array([[3.0], [0.0]])), np.array([[0.2], [0.4]])
    wanted = loss.floor + 1e-3
    stop = stopping_time(loss.cost(x0), wanted, 2, law=law_of(loss, x0))
    assert loss.cost(loss.line(x0, stop.tau)) == pytest.approx(wanted, rel=1e-11)
