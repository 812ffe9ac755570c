"""Forecasts against the runs they speak of."""

import numpy as np
import pytest

from thalweg.adapted.forecast import forecast_from
from thalweg.adapted.mlp import Mlp
from thalweg.adapted.node import Node
from thalweg.adapted.prospect import forecast, loss_law
from thalweg.adapted.stopping import kpi_curve, stopping_time
from thalweg.adapted.training import fit
from thalweg.records import InputError


def smooth(N=80, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, 3))
    net = Mlp((3, 40, 40, 1))
    return net, net.initial(seed), (X, np.sin(X[:, :1]) + 0.5 * X[:, 1:2] ** 2)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mode", ["fast", "certified"])
def test_the_actual_steps_lie_between_low_and_high(seed, mode):
    made = fit(*smooth(seed=seed), mode=mode)
    steps = made.trajectory.loss.size - 1
    third = made.forecasts[min(2, len(made.forecasts) - 1)]
    low, expected, high = third.steps
    assert low <= expected <= high
    assert low - 1 <= steps <= high
    assert third.made_at == min(3, steps - 1)


@pytest.mark.parametrize("loss", ["l2", "ce", "poisson"])
def test_the_curve_of_one_forward_pass_is_the_one_that_a_run_follows(loss):
    net, params, (X, Y) = smooth(N=30)
    Y = {"l2": Y, "ce": (Y[:, 0] > 0) * 1.0, "poisson": np.round(np.abs(3 * Y))}[loss]
    weights = np.arange(30) % 3 + 1.0
    law = loss_law(net, params, (X, Y), loss=loss, weights=weights)
    stop = stopping_time(law.start, law.floor + 1e-3, 30, law=law)
    made = fit(net, params, (X, Y), loss=loss, weights=weights, mode="certified", tol=law.floor + 1e-3)
    assert np.allclose(law.cost_at(made.trajectory.clock_values), made.trajectory.predicted, rtol=1e-12)
    assert stop.tau <= made.tau <= stop.tau + 3.1e-4  # a little below the target, wherever in its band the run is
    if loss == "l2":
        assert kpi_curve(law, "rmse").kpi[0] == pytest.approx(np.sqrt(2 * law.start))
    with pytest.raises(InputError, match="NaN|finite"):
        loss_law(net, tuple((W * np.nan, b) for W, b in params), (X, Y), loss=loss)


def test_a_forecast_from_timed_steps_leaves_the_parameters_alone_and_counts_money():
    net, params, data = smooth()
    before = [W.copy() for W, _ in params]
    made = forecast(net, params, data, mode="certified", rate=3600.0)
    assert made.made_at == 3 and made.money == pytest.approx(made.seconds)
    assert all((old == W).all() for (W, _), old in zip(params, before, strict=True))
    assert forecast(net, params, data, mode="certified").money is None


def test_a_run_that_ends_within_the_timed_steps_is_said_to():
    net = Mlp((2, 1), "identity")
    X = np.array([[1.0, 0], [0, 1]])
    with pytest.raises(InputError, match="timed steps"):
        forecast(net, net.initial(0), (X, np.array([1.0, 2])))


def test_linear_convergence_is_forecast_by_hand():
    """A residual that halves every step of a second goes from 1 to 1e-6 in cost in about 10 steps."""
    nodes = [Node(k * np.log(2), 4.0**-k, step=1.0) for k in range(3)]
    made = forecast_from(nodes, [0.0, 1.0, 2.0], 1e-6, 0.0, 5.0, 0.5)
    assert made.steps[2] == made.steps[1] == 10  # 4^-10 < 1e-6 < 4^-9, both by repetition and at the solve's accuracy
    assert made.seconds[2] == pytest.approx(10.0) and made.operations[2] == 50.0
    assert made.steps[0] < 10
