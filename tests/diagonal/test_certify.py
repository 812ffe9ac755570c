"""The certificate holds for true paths and never for a false one."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

import thalweg as tw
from tests.problems import table_problem
from thalweg.diagonal import coefficients, fit, saddle, saddle_path
from thalweg.diagonal.certify import certify
from thalweg.diagonal.duality import GAP_TOLERANCE, duality_gaps
from thalweg.numerics.column_blocks import ColumnBlocks
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


@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(1, 12), st.booleans())
def test_every_path_certifies_its_saddles_with_any_weights(seed, n, d, positive):
    rng = np.random.default_rng(seed)
    X, y, exponents = rng.standard_normal((n, d)), rng.standard_normal(n), rng.uniform(0.3, 3, d)
    path = saddle_path(X, y, init_exponents=exponents, positive=positive)
    proof = path.certificate()
    assert proof.verdict is Verdict.HOLDS and proof.margins["gap"].value < 1e-9, proof
    assert proof.applies_to({"X": path.X, "init_exponents": exponents}) is Verdict.HOLDS
    assert proof.applies_to({"X": path.X, "init_exponents": 2 * exponents}) is Verdict.UNDECIDED


@pytest.mark.parametrize("positive", [False, True])
def test_the_gap_bounds_the_distance_to_the_linear_program(positive):
    rng = np.random.default_rng(6)
    X, y, exponents = rng.standard_normal((5, 9)), rng.standard_normal(5), rng.uniform(0.3, 3, 9)
    path = saddle_path(X, y, init_exponents=exponents, positive=positive)
    shift = np.abs(0.1 * rng.standard_normal((path.count, 9)))
    shift[::2] = 0.0  # every second one is false
    saddles = [path.coef(k) + shift[k - 1] for k in range(1, path.count + 1)]
    supports = [np.flatnonzero(b) for b in saddles]
    values = [b[support] for b, support in zip(saddles, supports, strict=True)]
    gaps, _ = duality_gaps(ColumnBlocks(X), supports, values, path.integrals[1:], exponents, positive)
    assert (gaps[::2] < 1e-11).all() and (gaps[1::2] > 1e-3).all()
    for b, gap in zip(saddles, gaps, strict=True):
        cost, equal = (exponents, X) if positive else (np.tile(exponents, 2), np.hstack([X, -X]))
        best = linprog(cost, A_eq=equal, b_eq=X @ b, bounds=(0, None), method="highs").fun
        norm = exponents @ np.abs(b)
        assert norm - best <= gap * norm + 1e-9


def test_saddles_that_are_not_of_least_norm_are_not_certified():
    rng = np.random.default_rng(7)
    X, y = rng.standard_normal((4, 8)), rng.standard_normal(4)
    path = saddle_path(X, y)
    false = dataclasses.replace(path, values=(*path.values[:-1], path.values[-1] * 1.001))
    assert false.certificate().verdict is Verdict.HOLDS  # each is the least norm of its own fit, at any length
    bent = path.values[-1] * np.where(np.arange(path.values[-1].size) == 0, 1.1, 1.0)
    kernel = np.linalg.svd(X)[2][-1]
    dense = path.coef(path.count) + 0.01 * kernel
    false = dataclasses.replace(
        path, supports=(*path.supports[:-1], np.arange(8)), values=(*path.values[:-1], dense), signs=path.signs
    )
    proof = false.certificate()
    assert proof.verdict is Verdict.UNDECIDED and proof.reason.values["saddle"] == path.count
    assert dataclasses.replace(path, values=(*path.values[:-1], -bent)).certificate().verdict is Verdict.UNDECIDED


def test_a_path_without_jumps_has_nothing_to_prove():
    assert saddle_path(np.eye(2), np.zeros(2)).certificate().verdict is Verdict.HOLDS
