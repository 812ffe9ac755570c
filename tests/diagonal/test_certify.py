"""The certificate holds for true paths and never for a false one."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import thalweg as tw
from tests.problems import table_problem
from thalweg.diagonal import coefficients, fit, saddle
from thalweg.diagonal.certify import GAP_TOLERANCE, certify
from thalweg.records import Outcome, Verdict


def changed(made, **arrays):
    return dataclasses.replace(made, solution={**made.solution, **arrays})


@given(st.integers(0, 2**32 - 1), st.integers(10, 30), st.integers(1, 15), st.booleans(), st.booleans())
def test_true_paths_are_certified(seed, n, d, standardize, positive):
    problem = table_problem(n, d, seed, noise=1.0)
    made = fit(problem, {"standardize": standardize, "positive": positive})
    proof = certify(made, problem)
    assert proof.verdict is Verdict.HOLDS, proof
    assert proof.margins["gap"].value <= GAP_TOLERANCE / 10


def test_a_perturbation_within_the_margin_still_holds_and_beyond_it_never():
    problem = table_problem(noise=1.0)
    made = fit(problem)
    values = made.solution["support_values"]
    near = changed(made, support_values=values * (1 + 1e-13))
    assert certify(near, problem).verdict is Verdict.HOLDS
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-1, 10.0):
        far = changed(made, support_values=values * (1 + size * rng.standard_normal(values.size)))
        assert certify(far, problem).verdict is not Verdict.HOLDS


@pytest.mark.parametrize("factor", [0.9, 1.001, 2.0])
def test_false_times_are_not_certified(factor):
    problem = table_problem(noise=1.0)
    made = fit(problem)
    times = made.solution["times"].copy()
    times[0] *= factor
    assert certify(changed(made, times=times), problem).verdict is not Verdict.HOLDS


def test_false_losses_fail():
    problem = table_problem(noise=1.0)
    made = fit(problem)
    losses = made.solution["losses"].copy()
    losses[-1] *= 0.99
    assert certify(changed(made, losses=losses), problem).verdict is Verdict.FAILS


@pytest.mark.parametrize(
    "arrays",
    [
        {"times": np.array([2.0, 1.0])},
        {"times": np.array([np.nan, 1.0])},
        {"support_indices": np.array([99, 1, 0])},
        {"support_values": np.array([1.0])},
        {"losses": np.array([1.0])},
        {"support_offsets": np.array([0, 0])},
    ],
)
def test_inconsistent_records_fail(arrays):
    problem = table_problem(d=2)
    assert certify(changed(fit(problem), **arrays), problem).verdict is Verdict.FAILS


def test_a_path_that_says_it_has_ended_must_have_ended():
    problem = table_problem(noise=1.0)
    cut = fit(problem, {"max_saddles": 2})
    assert certify(cut, problem).verdict is Verdict.HOLDS
    boasting = dataclasses.replace(cut, outcome=Outcome.CONVERGED)
    assert certify(boasting, problem).verdict is Verdict.UNDECIDED


def test_a_negative_coefficient_is_no_one_sided_solution():
    problem = table_problem(noise=1.0)
    made = fit(problem)
    assert (made.solution["support_values"] < 0).any()
    claimed = dataclasses.replace(made, options={**made.options, "positive": True})
    assert certify(claimed, problem).verdict is not Verdict.HOLDS


def test_other_data_are_not_covered_by_the_certificate():
    problem, other = table_problem(), table_problem(seed=1)
    proof = certify(fit(problem), problem)
    assert proof.applies_to({"X": problem.X, "y": problem.y}) is Verdict.HOLDS
    assert proof.applies_to({"X": other.X, "y": other.y}) is Verdict.UNDECIDED
    assert certify(fit(problem), other).verdict is not Verdict.HOLDS


def test_constant_columns_offsets_and_units_do_not_matter():
    rng = np.random.default_rng(2)
    X = np.column_stack([rng.standard_normal(30), np.full(30, 0.1), 1e6 + rng.standard_normal(30)])
    y = X[:, 0] + 1e-3 * X[:, 2]
    problem = tw.read(X, y)
    made = fit(problem)
    assert certify(made, problem).verdict is Verdict.HOLDS
    assert saddle(made, made.solution["times"].size)[1] == 0


def test_coefficients_predict_in_the_units_of_the_data():
    problem = table_problem(noise=0.0)
    made = fit(problem)
    slopes, intercept = coefficients(made, made.solution["times"].size)
    assert problem.X @ slopes + intercept == pytest.approx(problem.y, abs=1e-9)
    assert slopes[:2] == pytest.approx([3, 1])


def test_a_coarse_run_does_not_judge_itself():
    problem = table_problem(noise=1.0)
    made = fit(problem, {"tol": 0.5})
    assert made.outcome in (Outcome.CONVERGED, Outcome.INTERPOLATED)
    assert certify(made, problem).verdict is not Verdict.HOLDS


@pytest.mark.parametrize("factor", [0.01, 1.01, 100.0])
def test_times_on_another_clock_are_not_certified(factor):
    problem = table_problem(noise=1.0)
    made = fit(problem)
    times = made.solution["times"] * factor
    path = dataclasses.replace(
        made.trajectory,
        clock_values=np.concatenate([[0.0], times]),
        marks=tuple(dataclasses.replace(m, clock_value=m.clock_value * factor) for m in made.trajectory.marks),
    )
    claimed = dataclasses.replace(changed(made, times=times), trajectory=path)
    assert certify(claimed, problem).verdict is not Verdict.HOLDS


@pytest.mark.parametrize("name", ["center", "scale", "target_mean", "held_out_rmse", "held_out_times"])
def test_whatever_the_page_shows_is_compared(name):
    problem = table_problem(noise=1.0)
    made = fit(problem)
    proof = certify(changed(made, **{name: made.solution[name] * 1.01 + 0.01}), problem)
    assert proof.verdict is Verdict.FAILS and name in str(proof.reason)


@pytest.mark.parametrize("part", ["loss", "marks", "outcome", "max_time", "max_saddles", "lasso", "target"])
def test_false_claims_beside_the_saddles_fail(part):
    problem = table_problem(noise=1.0)
    made = fit(problem)
    path = made.trajectory
    false = {
        "loss": lambda: dataclasses.replace(made, trajectory=dataclasses.replace(path, loss=path.loss * 0.9)),
        "marks": lambda: dataclasses.replace(made, trajectory=dataclasses.replace(path, marks=path.marks[1:])),
        "outcome": lambda: dataclasses.replace(made, outcome=Outcome.INTERPOLATED),
        "max_time": lambda: dataclasses.replace(made, options={**made.options, "max_time": 1e-3}),
        "max_saddles": lambda: dataclasses.replace(made, options={**made.options, "max_saddles": 1}),
        "lasso": lambda: changed(made, lasso_equivalent_until=made.solution["lasso_equivalent_until"] - 1),
        "target": lambda: dataclasses.replace(made, target_name="another"),
    }[part]()
    if part == "target":
        with pytest.raises(tw.InputError, match="another"):
            certify(false, problem)
    else:
        assert certify(false, problem).verdict is Verdict.FAILS
