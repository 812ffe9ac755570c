"""Certificates hold for honest records and for nothing else, and say what a run proves at a point where it rests."""

import dataclasses

import numpy as np
import pytest

import thalweg as tw
from tests.problems import table_problem
from thalweg.adapted.certify import certify, certify_run
from thalweg.adapted.fit import fit
from thalweg.adapted.mlp import Mlp
from thalweg.adapted.training import fit as train
from thalweg.records import Outcome, Quantity, Verdict


@pytest.fixture(scope="module")
def problem():
    return table_problem(n=24, d=3, noise=1.0)


@pytest.fixture(scope="module")
def honest(problem):
    return fit(problem)


def with_array(made, name, change):
    arrays = dict(made.solution)
    arrays[name] = change(arrays[name].copy())
    return dataclasses.replace(made, solution=arrays)


def with_path(made, **changes):
    return dataclasses.replace(made, trajectory=dataclasses.replace(made.trajectory, **changes))


def scaled_entry(place, factor):
    def change(values):
        values.reshape(-1)[place] *= factor
        return values

    return change


@pytest.mark.parametrize("route", ["minibatch", "normal"])
def test_runs_without_a_curve_are_held_to_their_recorded_losses(problem, route):
    made = fit(problem, {"mode": "fast", "route": route, "max_steps": 6})
    assert certify(made, problem).verdict is Verdict.HOLDS
    false = with_path(made, loss=scaled_entry(-1, 1 + 1e-5)(made.trajectory.loss.copy()))
    assert certify(false, problem).verdict is Verdict.FAILS


def false_records(made):
    """Yield what was changed and the record: one number of it each time."""
    path = made.trajectory
    middle = path.loss.size // 2
    yield "loss", with_path(made, loss=scaled_entry(middle, 1 + 1e-5)(path.loss.copy()))
    yield "clock", with_path(made, clock_values=scaled_entry(middle, 1 + 1e-3)(path.clock_values.copy()))
    yield "curve", with_path(made, predicted=scaled_entry(middle, 1 + 1e-6)(path.predicted.copy()))
    yield "band", with_path(made, band=path.band * 1.001)
    yield "no curve", with_path(made, predicted=None, band=None)
    yield "weights", with_array(made, "node_parameters", scaled_entry(5, 1 + 1e-3))
    yield "last weights", with_array(made, "node_parameters", scaled_entry(-1, 1 + 1e-2))
    yield "not finite", with_array(made, "node_parameters", scaled_entry(7, np.nan))
    yield "nodes", with_array(made, "kept_nodes", lambda kept: kept[::-1].copy())
    for name in ("center", "scale", "target_mean", "target_scale", "target_sd"):
        yield name, with_array(made, name, scaled_entry(0, 1 + 1e-6))
    yield "floor", with_array(made, "floor", lambda floor: floor + 1e-6)
    yield "rows", with_array(made, "rows", lambda rows: rows + 1)
    yield "repeated", with_array(made, "repeated", lambda rows: rows + 1)
    yield "sizes", with_array(made, "sizes", lambda sizes: sizes[::-1].copy())
    yield "forecast", dataclasses.replace(made, forecast={**made.forecast, "tau": Quantity(1.0)})
    yield "no forecast", dataclasses.replace(made, forecast={})
    yield "interpolated", dataclasses.replace(made, outcome=Outcome.INTERPOLATED)
    yield "below the floor", dataclasses.replace(made, outcome=Outcome.BELOW_FLOOR)
    yield "rests", dataclasses.replace(made, outcome=Outcome.LOCAL_EQUILIBRIUM)
    tighter = {**made.options, "line_tolerance": 1e-9}
    yield "tolerance", dataclasses.replace(made, options=tighter)
    yield "target", dataclasses.replace(made, options={**made.options, "tol": 1e-9})


def test_an_honest_record_holds(problem, honest):
    proof = certify(honest, problem)
    assert proof.verdict is Verdict.HOLDS
    assert proof.margins["deviation"].value <= 2e-4 + 1e-8 and proof.margins["difference"].value <= 1e-12
    assert proof.applies_to({"X": problem.X, "y": problem.y}) is Verdict.HOLDS
    assert proof.applies_to({"X": problem.X, "y": 2 * problem.y}) is Verdict.UNDECIDED


def test_no_false_record_holds(problem, honest):
    for what, record in false_records(honest):
        assert certify(record, problem).verdict is Verdict.FAILS, what


def test_a_run_that_left_the_curve_fails(problem, honest):
    # A whole record of its own, but one node was moved by one percent of what was left.
    moved = fit(problem, {"line_tolerance": 0.05})
    claimed = dataclasses.replace(moved, options={**moved.options, "line_tolerance": 1e-4})
    width = 2e-4 + 1e-8
    path = moved.trajectory
    claimed = with_path(claimed, band=path.predicted * np.array([[1 - width], [1 + width]]))
    assert certify(moved, problem).verdict is Verdict.HOLDS
    assert certify(claimed, problem).verdict is Verdict.FAILS


def test_fast_runs_are_held_to_what_their_steps_proved(problem):
    made = fit(problem, {"mode": "fast"})
    proof = certify(made, problem)
    assert proof.verdict is Verdict.HOLDS and proof.statement.code == "certificate.adapted.bounded_reached"
    channels = dict(made.trajectory.channels)
    channels["guaranteed"] = channels["guaranteed"] * 50
    assert certify(with_path(made, channels=channels), problem).verdict is Verdict.FAILS


def test_the_integrator_follows_the_curve_closely():
    problem = table_problem(n=10, d=2, noise=1.0)
    made = fit(problem, {"mode": "ode", "until": "r2=0.5", "hidden": 20})
    proof = certify(made, problem)
    assert proof.verdict is Verdict.HOLDS and proof.margins["deviation"].value < 1e-6


def test_a_point_of_rest_is_stated_with_its_dimension():
    # A linear network 3 - 1 - 1 fits affine functions: rank d + 1 = 4 of K = 3 + 1 + 1 + 1 parameters.
    problem = table_problem(n=24, d=3, noise=1.0)
    made = fit(problem, {"hidden": 1, "activation": "identity", "mode": "fast", "damping": 1e-6})
    assert made.outcome is Outcome.LOCAL_EQUILIBRIUM
    proof = certify(made, problem)
    assert proof.verdict is Verdict.HOLDS and proof.statement.code == "certificate.adapted.equilibrium"
    assert (proof.margins["rank"].value, proof.margins["dimension"].value) == (4, 2)
    A = np.column_stack([problem.X, np.ones(24)])
    left = problem.y - A @ np.linalg.lstsq(A, problem.y, rcond=None)[0]
    assert made.trajectory.loss[-1] == pytest.approx(left @ left / (48 * problem.y.var()), rel=1e-6)


@pytest.mark.parametrize("plain", [True, False], ids=["numpy", "jax"])
def test_runs_of_python_prove_themselves(plain):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((10, 2)), rng.standard_normal((10, 2))
    network = Mlp((2, 20, 2))
    function = network if plain else (lambda params, inputs: network(params, inputs))
    run = train(function, network.initial(1), (X, Y), mode="certified", tol=1e-8)
    proof = run.certificate()
    assert proof.verdict is Verdict.HOLDS and proof.statement.code == "certificate.adapted.followed_reached"
    assert proof.applies_to({"X": X, "Y": Y, "theta": run.theta}) is Verdict.HOLDS
    assert proof.applies_to({"X": X, "Y": Y, "theta": run.theta + 1e-9}) is Verdict.UNDECIDED
    false = dataclasses.replace(run, trajectory=dataclasses.replace(run.trajectory, loss=run.trajectory.loss * 1.1))
    assert certify_run(false).verdict is Verdict.FAILS


def test_runs_without_a_promise_prove_only_their_losses(problem):
    made = fit(problem, {"hidden": 2, "mode": "fast", "damping": 1e-2, "max_steps": 4})
    proof = certify(made, problem)
    assert made.outcome is Outcome.BUDGET_SPENT and proof.verdict is Verdict.HOLDS
    assert proof.statement.code == "certificate.adapted.recorded"
    wrong = with_path(made, loss=made.trajectory.loss * (1 + 1e-5))
    assert certify(wrong, problem).verdict is Verdict.FAILS


def test_other_data_are_noticed(problem, honest):
    assert certify(honest, tw.read(problem.X, 2 * problem.y)).verdict is Verdict.FAILS
    swapped = tw.read(problem.X[::-1].copy(), problem.y)
    assert certify(honest, swapped).verdict is Verdict.FAILS
