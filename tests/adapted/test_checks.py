"""Each hypothesis fails where it should, with the numbers that make it fail."""

import numpy as np
import pytest

import thalweg as tw
from tests.problems import table_problem
from thalweg.adapted.checks import CODES, checks
from thalweg.records import Severity, Verdict


def found(problem):
    return {check.code.removeprefix("adapted."): check for check in checks(problem)}


@pytest.fixture(scope="module")
def plain():
    return found(table_problem(n=40, d=3, noise=0.01))


def test_good_data_pass_what_concerns_the_curve(plain):
    assert tuple(plain) == CODES
    for code in ("parameters", "duplicates", "near", "opposite", "rank", "generic", "curvature", "predicts"):
        assert plain[code].verdict is Verdict.HOLDS, code
    assert plain["parameters"].values["ratio"].value >= 8


def test_equal_rows_with_unequal_targets_are_named_with_the_error_they_force():
    problem = table_problem(n=20, d=2)
    X, y = np.vstack([problem.X, problem.X[4:5]]), np.append(problem.y, problem.y[4] + 3.0)
    check = found(tw.read(X, y))["duplicates"]
    assert check.verdict is Verdict.FAILS and check.severity is Severity.WARNING
    assert check.details["rows"] == "5, 21"
    # Two of 21 rows are 1.5 away from their mean.
    assert check.values["floor_rmse"].value == pytest.approx(np.sqrt(2 * 1.5**2 / 21))


def test_copies_of_rows_are_merged_and_force_nothing():
    problem = table_problem(n=20, d=2)
    check = found(tw.read(np.vstack([problem.X] * 2), np.tile(problem.y, 2)))["duplicates"]
    assert check.verdict is Verdict.HOLDS and check.values["repeated"].value == 20


def test_overlapping_rows_of_a_constant_signal_are_caught():
    problem = table_problem(n=20, d=2)
    X = np.vstack([problem.X, problem.X[3] + 1e-6])
    check = found(tw.read(X, np.append(problem.y, 0.0)))["near"]
    assert check.verdict is Verdict.FAILS and check.values["near_rows"].value == 2


def test_opposite_rows_are_harmless_but_told():
    half = np.random.default_rng(0).standard_normal((8, 2))
    check = found(tw.read(np.vstack([half, -half]), np.arange(16.0)))["opposite"]
    assert check.verdict is Verdict.FAILS and check.severity is Severity.NOTE
    assert check.values["pairs"].value == 8


def test_a_smooth_function_of_one_column_loses_the_rank():
    check = found(table_problem(d=1))["rank"]
    assert check.verdict is Verdict.FAILS and check.values["rank"].value < 60


def test_noise_is_filtered_by_damping_and_overfitting_is_named():
    checked = found(table_problem(n=60, d=5, noise=3.0, seed=3))
    noise, overfitting = checked["noise"], checked["overfitting"]
    assert noise.verdict is Verdict.FAILS and noise.severity is Severity.NOTE
    assert noise.values["damped"].value < 0.98 * noise.values["exact"].value
    assert noise.values["damping"].value in (1e-4, 1e-3, 1e-2, 1e-1)
    assert overfitting.verdict is Verdict.FAILS and overfitting.severity is Severity.WARNING
    assert overfitting.values["at_end"].value > 1.02 * overfitting.values["at_best"].value


def test_a_target_without_relation_is_not_predicted():
    rng = np.random.default_rng(1)
    check = found(tw.read(rng.standard_normal((50, 3)), rng.standard_normal(50)))["predicts"]
    assert check.verdict is Verdict.FAILS


def test_few_rows_leave_the_held_out_questions_open():
    checked = found(table_problem(n=8, d=2))
    for code in ("predicts", "overfitting", "noise"):
        assert checked[code].verdict is Verdict.UNDECIDED
