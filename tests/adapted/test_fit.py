"""Fits of tables: the stopping time told before the run, the line that outputs follow, held-out rows, odd data."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from tests.problems import table_problem
from thalweg.adapted.certify import certify
from thalweg.adapted.fit import best_held_out, fit, network_of, predict, predict_probabilities
from thalweg.adapted.judge import first_rows, unflatten
from thalweg.adapted.options import AdaptedOptions, parse_wish, read_options
from thalweg.adapted.routes import estimates
from thalweg.adapted.standardise import LEAST_WIDTH, PARAMETERS_PER_NUMBER, default_widths, standardise
from thalweg.adapted.study import DAMPINGS, MOST_ROWS, RANK_ROWS
from thalweg.adapted.tables import promise_table, tables
from thalweg.data.checks import FEW_ROWS
from thalweg.records import InputError, Outcome, Verdict, same


def curved():
    x = np.linspace(-1, 1, 12)
    return tw.read(np.column_stack([x, x**2]), np.sin(3 * x))


def classes(n=60):
    X = np.random.default_rng(0).standard_normal((n, 2))
    return tw.read(X, (X[:, 0] > 0) + 1.0 * (X[:, 1] > 0.5))


def test_the_example_of_the_readme():
    problem = curved()
    made = fit(problem, {"until": "rmse=0.01"})
    wanted = 0.01**2 / (2 * problem.y.var())
    tau = np.log(made.trajectory.loss[0] / wanted) / 2
    assert made.forecast["tau"].value == pytest.approx(tau, rel=1e-12)
    assert tau <= made.trajectory.clock_values[-1] <= tau + 2e-4
    assert made.outcome is Outcome.TARGET_REACHED
    assert np.sqrt(np.mean((predict(made, problem.X) - problem.y) ** 2)) <= 0.01
    assert certify(made, problem).verdict is Verdict.HOLDS


def test_the_numbers_of_the_readme():
    readme = " ".join((Path(tw.adapted.__file__).parent / "README.md").read_text(encoding="utf-8").split())
    assert f"all of them up to {sys.modules['thalweg.adapted.fit'].KEPT_NUMBERS:,} numbers" in readme
    assert FEW_ROWS == 10 and "needs ten rows" in readme and f"at least {LEAST_WIDTH}" in readme
    assert f"at most {MOST_ROWS} evenly spaced rows" in readme and f"the rank of at most {RANK_ROWS}" in readme
    assert f"`K >= {PARAMETERS_PER_NUMBER} N`" in readme and f"damping of 0 to {DAMPINGS[-1]:g}" in readme
    assert f"{estimates(20_000, 1, 160_000, 0)['exact'].bytes / 1e9:.1f} GB for 20,000 rows" in readme
    for name, field in AdaptedOptions.model_fields.items():
        assert f"`{name}`" in readme
        if isinstance(field.default, float) and name not in ("line_tolerance",):
            assert f"`{name}` ({field.default:g})".replace("e-0", "e-") in readme


@pytest.mark.parametrize(
    ("until", "share"),
    [("r2=0.9", 0.1), ("loss=0.02", 0.04), ("noise=0.5", None), ("rmse=1", None)],
)
def test_targets_mean_what_they_say(until, share):
    problem = table_problem(noise=1.0)
    made = fit(problem, {"until": until})
    left = np.mean((predict(made, problem.X) - problem.y) ** 2) / problem.y.var()
    wish = parse_wish(until)
    wanted = wish.value**2 / problem.y.var() if share is None else share
    assert wanted * (1 - 1e-3) < left <= wanted


def test_outputs_follow_the_straight_line_at_every_node():
    problem = table_problem(noise=1.0)
    made = fit(problem)
    table = standardise(problem.X, problem.y, AdaptedOptions())
    network, nodes = network_of(made), made.solution["node_parameters"]
    outputs = [network(unflatten(network, theta), table.X)[:, 0] for theta in nodes]
    for tau, x in zip(made.trajectory.clock_values, outputs, strict=True):
        line = table.y + np.exp(-tau) * (outputs[0] - table.y)
        assert np.linalg.norm(x - line) <= 1.0001e-4 * np.linalg.norm(line - table.y) + 1e-12


def test_held_out_rows_are_never_trained_on():
    problem = table_problem(n=50, noise=1.0)
    first = first_rows(50)
    later = problem.y.copy()
    later[first:] += 100
    one, other = fit(problem), fit(tw.read(problem.X, later))
    assert first == 40
    assert np.array_equal(one.solution["held_out_tau"], other.solution["held_out_tau"])
    assert other.solution["held_out_rmse"].min() > one.solution["held_out_rmse"].max() + 50
    mean = np.sqrt(np.mean((problem.y[first:] - problem.y[:first].mean()) ** 2))
    assert one.solution["held_out_mean"][0] == pytest.approx(mean)


@pytest.mark.parametrize("options", [{"until": "r2=0.9"}, {"loss": "ce", "until": "accuracy=1", "hidden": 40}])
def test_the_held_out_error_stands_beside_the_promise(options):
    problem = table_problem(n=40, d=3, noise=2.0, seed=4) if "loss" not in options else classes()
    made = fit(problem, options)
    table = promise_table(made)
    rows = {row[0].code.removeprefix("promise."): row[1:] for row in table.rows}
    tau = made.forecast["tau"].value
    assert rows["tau"] == (tau, tau, made.trajectory.clock_values[-1])
    assert rows["loss"][2] <= rows["loss"][0]
    assert rows["steps"][0] <= rows["steps"][2] <= rows["steps"][1]
    at = min(made.trajectory.clock_values[-1], made.solution["held_out_tau"][-1])
    for name in ("held_out_rmse", "held_out_accuracy")[: 1 + ("loss" in options)]:
        wanted = np.interp(at, made.solution["held_out_tau"], made.solution[name])
        assert np.isnan(rows[name][:2]).all() and rows[name][2] == pytest.approx(wanted)
    assert ("held_out_accuracy" in rows) == ("loss" in options)
    assert tables(made)[0].code == table.code


def test_without_a_curve_no_clock_is_promised():
    made = fit(table_problem(n=40, d=3, noise=2.0, seed=4), {"mode": "fast", "damping": 0.1, "max_steps": 5})
    row = promise_table(made).rows[0]
    assert row[0].code == "promise.tau" and np.isnan(row[1]) and row[3] == made.trajectory.clock_values[-1]


def test_validation_needs_rows_to_hold_out():
    with pytest.raises(InputError, match="validation"):
        fit(table_problem(n=6, d=2), {"validation": True})


def test_validation_stops_on_the_same_clock():
    problem = table_problem(n=40, d=3, noise=2.0, seed=4)
    whole, stopped = fit(problem), fit(problem, {"validation": True})
    errors, clock = whole.solution["held_out_rmse"], whole.solution["held_out_tau"]
    best = best_held_out(whole)
    assert 0 < best < errors.size - 1  # training to the end is overfitting here
    assert stopped.outcome is Outcome.STOPPED_ON_REQUEST
    assert stopped.trajectory.clock_values[-1] == pytest.approx(clock[best], rel=1e-12)


def test_damped_runs_stop_near_the_best_node():
    problem = table_problem(n=40, d=3, noise=2.0, seed=4)
    made = fit(problem, {"mode": "fast", "damping": 0.1, "validation": True})
    clock, best = made.solution["held_out_tau"], best_held_out(made)
    assert made.outcome is Outcome.STOPPED_ON_REQUEST
    assert made.trajectory.clock_values[-1] >= (clock[max(best - 1, 0)] + clock[best]) / 2


def test_equal_rows_with_unequal_targets_force_a_floor():
    X = np.repeat(np.arange(6.0)[:, None], 2, axis=1)
    problem = tw.read(np.vstack([X, X]), np.concatenate([np.zeros(6), np.full(6, 2.0)]))
    made = fit(problem)
    # Each pair has the targets 0 and 2: their mean 1 leaves the error 1, and the deviation of the target is 1.
    assert made.solution["floor"][0] == pytest.approx(0.5)
    assert (made.solution["repeated"][0], made.solution["conflicts"][0]) == (6, 6)
    assert made.outcome is Outcome.TARGET_REACHED and made.trajectory.loss[-1] == pytest.approx(0.5, abs=1.1e-6)
    below = fit(problem, {"until": "loss=0.4"})
    assert below.outcome is Outcome.BELOW_FLOOR and below.forecast["tau"].value == np.inf
    assert certify(below, problem).verdict is Verdict.HOLDS
    with pytest.raises(InputError, match="at best rmse=1"):
        fit(problem, {"until": "rmse=0.5"})


def test_a_constant_target_is_learned_and_the_mean_is_as_good():
    made = fit(tw.read(np.random.default_rng(0).standard_normal((12, 3)), np.full(12, 3.3)))
    assert made.outcome is Outcome.TARGET_REACHED and made.solution["held_out_mean"][0] == pytest.approx(0, abs=1e-12)


def test_constant_columns_have_no_influence():
    problem = table_problem(n=20, d=2)
    wide = tw.read(np.column_stack([problem.X, np.full(20, 0.1)]), problem.y)
    made = fit(wide)
    other = wide.X.copy()
    other[:, 2] = 7.0
    assert made.solution["scale"][2] == np.inf
    assert np.array_equal(predict(made, wide.X), predict(made, other))


def test_classes_are_predicted_at_the_time_that_was_told():
    problem = classes()
    made = fit(problem, {"loss": "ce", "until": "accuracy=1", "hidden": 40})
    assert made.outcome is Outcome.TARGET_REACHED
    assert np.array_equal(predict(made, problem.X), problem.y)
    shares = predict_probabilities(made, problem.X)
    assert shares.shape == (60, 3) and np.allclose(shares.sum(axis=1), 1)
    assert made.solution["held_out_accuracy"].size == made.solution["held_out_tau"].size
    assert certify(made, problem).verdict is Verdict.HOLDS
    with pytest.raises(InputError, match="whole numbers from 0"):
        fit(table_problem(), {"loss": "ce"})


def test_money_bounds_the_clock_by_the_forecast():
    problem = table_problem(n=20, d=2)
    whole = fit(problem, {"rate": 3600.0})
    span = whole.forecast["money_low"].value, whole.forecast["money_high"].value
    assert span == (whole.forecast["seconds_low"].value, whole.forecast["seconds_high"].value)
    half = fit(problem, {"rate": 3600.0, "until": f"cost={sum(span) / 4}"})
    assert half.outcome is Outcome.STOPPED_ON_REQUEST
    assert half.trajectory.clock_values[-1] == pytest.approx(whole.forecast["tau"].value / 2)


@settings(max_examples=5)
@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.floats(1e-2, 1e2), st.floats(-10, 10))
def test_units_change_nothing(x_scale, x_shift, y_scale, y_shift):
    problem = table_problem(n=12, d=2, noise=0.5)
    other = tw.read(problem.X * x_scale + x_shift, problem.y * y_scale + y_shift)
    options = {"until": "r2=0.9", "hidden": 16}
    one, two = fit(problem, options), fit(other, options)
    moved = predict(two, other.X)
    assert np.allclose(moved, y_shift + y_scale * predict(one, problem.X), atol=1e-4 * y_scale)


@given(st.integers(1, 400), st.integers(1, 30), st.integers(1, 4))
def test_default_widths_are_the_least(numbers, d, Q):
    width, _ = default_widths(numbers, d, Q)

    def count(w):
        return (d + 1) * w + (w + 1) * w + (w + 1) * Q

    assert count(width) >= 8 * numbers
    assert width == 32 or count(width - 1) < 8 * numbers


def test_options_are_read_in_every_spelling_and_contradictions_refused():
    for given_hidden in ("8,4", [8, 4], (8, 4), "8x4"):
        assert read_options({"hidden": given_hidden}).widths == (8, 4)
    assert read_options({"hidden": 7}).widths == (7,) and read_options({}).widths is None
    for bad in ({"hidden": "wide"}, {"hidden": 0}, {"tol": 0}, {"mode": "slow"}, {"until": "rmse"}, {"until": "a=1"},
                {"until": "noise=-1"}, {"weight_decay": 1.0, "mode": "ode"}, {"until": "cost=1"},
                {"validation": 1}, {"mode": "fast", "line_tolerance": 1e-2},
                {"until": "rmse=1", "tol": 1e-3}):  # fmt: skip
        with pytest.raises(InputError):
            read_options(bad)
    for breaks in ({"damping": 0.1}, {"route": "normal"}, {"weight_decay": 0.1}):
        with pytest.raises(InputError, match="mode=fast"):
            read_options(breaks)


def test_too_few_parameters_are_refused_without_damping():
    problem = table_problem()
    with pytest.raises(InputError, match="Widen the network"):
        fit(problem, {"hidden": 4})
    assert isinstance(fit(problem, {"hidden": 4, "mode": "fast", "damping": 1e-3, "max_steps": 5}).outcome, Outcome)


def test_seeds_choose_the_start():
    problem = table_problem(n=15, d=2)
    assert same(fit(problem, None, 3), fit(problem, None, 3))
    one, other = fit(problem, None, 3), fit(problem, None, 4)
    assert not np.array_equal(one.solution["node_parameters"][0], other.solution["node_parameters"][0])


def test_many_parameters_are_kept_at_some_nodes_with_the_first_and_the_last(monkeypatch):
    monkeypatch.setattr(sys.modules["thalweg.adapted.fit"], "KEPT_NUMBERS", 5000)
    problem = table_problem(n=20, d=3)
    made = fit(problem)
    kept = made.solution["kept_nodes"]
    assert 2 <= kept.size < made.trajectory.loss.size
    assert kept[0] == 0 and kept[-1] == made.trajectory.loss.size - 1
    assert certify(made, problem).verdict is Verdict.HOLDS


def test_prediction_wants_the_columns_of_the_fit():
    made = fit(table_problem(n=12, d=2))
    with pytest.raises(InputError, match="2 columns"):
        predict(made, np.zeros((3, 5)))
    with pytest.raises(InputError, match="ce"):
        predict_probabilities(made, np.zeros((3, 2)))
