"""Kept columns: the path is that of explicitly freed data, and every saddle is a joint least-squares fit."""

import dataclasses

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from tests.problems import table_problem
from thalweg.diagonal import certify, coefficients, fit, saddle_path
from thalweg.diagonal.fit import kept_of
from thalweg.diagonal.keeping import DETERMINED, FREE, STILL
from thalweg.diagonal.order import supports
from thalweg.diagonal.prepare import prepare
from thalweg.numerics.dependence import independent_columns
from thalweg.records import InputError, Outcome, Verdict, same

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=20)


def correlated(seed, n=40, d=7, noise=1.0):
    """Data in which every column has something of every other one."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) @ (np.eye(d) + 0.4 * rng.standard_normal((d, d))) + rng.standard_normal(d)
    return X, X @ rng.standard_normal(d) + noise * rng.standard_normal(n)


def freed(X, y, kept, intercept=True):
    """Target and other columns after least squares on the kept ones, by the library."""
    Z = X[:, kept]
    Z = np.column_stack([np.ones(len(y)), Z]) if intercept else Z
    rest = np.delete(X, kept, axis=1)
    return rest - Z @ np.linalg.lstsq(Z, rest, rcond=None)[0], y - Z @ np.linalg.lstsq(Z, y, rcond=None)[0], Z


@few
@given(seeds, st.booleans(), st.booleans(), st.lists(st.integers(0, 6), min_size=1, max_size=4, unique=True))
def test_the_path_is_that_of_explicitly_freed_data(seed, standardize, intercept, kept):
    X, y = correlated(seed)
    names = [f"x{i + 1}" for i in kept]
    made = fit(tw.read(X, y), {"keep": names, "standardize": standardize, "fit_intercept": intercept})
    rest, target, _ = freed(X, y, kept, intercept)
    if standardize:
        rest = rest / np.sqrt((rest**2).mean(axis=0))
    path = saddle_path(rest, target)
    assert made.solution["times"] == pytest.approx(path.times, rel=1e-9)
    assert made.solution["losses"] == pytest.approx(path.losses, rel=1e-9)
    others = np.delete(np.arange(7), kept)
    assert all(np.array_equal(a, others[b]) for a, b in zip(supports(made), path.supports, strict=True))


@few
@given(seeds, st.booleans(), st.booleans(), st.integers(1, 4), st.integers(8, 40))
def test_every_saddle_is_the_joint_least_squares_fit(seed, standardize, intercept, p, n):
    X, y = correlated(seed, n)
    problem = tw.read(X, y, keep=[f"x{i + 1}" for i in range(p)])
    made = fit(problem, {"standardize": standardize, "fit_intercept": intercept})
    for k, support in enumerate(supports(made)):
        used = np.column_stack([X[:, [*range(p), *support]], *([np.ones(n)] if intercept else [])])
        best = used @ np.linalg.lstsq(used, y, rcond=None)[0]
        slopes, constant = coefficients(made, k)
        assert X @ slopes + constant == pytest.approx(best, abs=1e-8 * np.abs(y).max())
        assert made.solution["losses"][k] == pytest.approx(((y - best) ** 2).mean() / 2, abs=1e-12 * (y @ y))
        assert set(np.flatnonzero(slopes)) <= {*range(p), *support}
    proof = certify(made, problem)
    assert proof.verdict is Verdict.HOLDS, proof


@few
@given(seeds, st.floats(-50, 50), st.floats(-50, 50))
def test_multiples_of_a_kept_column_change_nothing(seed, one, other):
    X, y = correlated(seed)
    moved = X.copy()
    moved[:, 3] += one * X[:, 0]
    moved[:, 5] += other * X[:, 0]
    here, there = (fit(tw.read(data, y, keep=["x1"])) for data in (X, moved))
    for name in ("times", "losses", "held_out_times", "held_out_rmse"):
        assert here.solution[name] == pytest.approx(there.solution[name], rel=1e-7), name
    for k in range(here.solution["times"].size + 1):
        fits = [data @ (c := coefficients(made, k))[0] + c[1] for data, made in ((X, here), (moved, there))]
        assert fits[0] == pytest.approx(fits[1], abs=1e-7 * np.abs(y).max())


@few
@given(seeds)
def test_a_multiple_of_a_kept_column_in_the_target_changes_nothing_but_its_coefficient(seed):
    X, y = correlated(seed)
    here, there = (fit(tw.read(X, aim, keep=["x2"])) for aim in (y, y + 3 * X[:, 1]))
    assert here.solution["times"] == pytest.approx(there.solution["times"], rel=1e-8)
    for k in range(here.solution["times"].size + 1):
        difference = coefficients(there, k)[0] - coefficients(here, k)[0]
        assert difference == pytest.approx(3 * (np.arange(7) == 1), abs=1e-6)


def test_held_out_rows_are_judged_by_a_model_that_never_saw_them():
    X, y = correlated(4, n=50)
    made = fit(tw.read(X, y, keep=["x1", "x2"]))
    rest, target, Z = freed(X[:40], y[:40], [0, 1])
    scale = np.sqrt((rest**2).mean(axis=0))
    path = saddle_path(rest / scale, target)
    assert made.solution["held_out_times"] == pytest.approx(path.times)
    for k in range(path.count + 1):
        b = path.coef(k) / scale
        c = np.linalg.lstsq(Z, y[:40] - X[:40, 2:] @ b, rcond=None)[0]
        predicted = X[40:, 2:] @ b + np.column_stack([np.ones(10), X[40:, :2]]) @ c
        assert made.solution["held_out_rmse"][k] == pytest.approx(np.sqrt(((y[40:] - predicted) ** 2).mean()))
    assert made.solution["held_out_mean"][0] == pytest.approx(np.sqrt(((y[40:] - y[:40].mean()) ** 2).mean()))


def test_kept_and_equal_copies_are_still_equal_after_kept_columns_are_taken_out():
    X, y = correlated(0)
    X[:, 4], X[:, 5] = X[:, 3], -X[:, 3]
    made = fit(tw.read(X, y, keep=["x1", "x2"]))
    assert made.solution["duplicate_of"].tolist() == [0, 1, 2, 3, 3, 3, 6]
    slopes, _ = coefficients(made, made.solution["times"].size)
    assert slopes[3] == slopes[4] == -slopes[5] != 0


def test_what_kept_columns_determine_never_switches_on_and_is_named():
    X, y = correlated(1)
    X[:, 2] = 2 * X[:, 0] - X[:, 1] + 3
    X[:, 6] = 5.0
    problem = tw.read(X, y, keep=["x1", "x2"])
    made = fit(problem)
    assert made.solution["lost"].tolist() == [FREE, FREE, DETERMINED, FREE, FREE, FREE, STILL]
    assert not any(2 in support for support in supports(made))
    line = next(c for c in tw.survey(problem).all_checks if c.code == "diagonal.kept")
    assert line.verdict is Verdict.FAILS and line.columns == ("x3",) and "x3" in line.say("finding")
    assert certify(made, problem).verdict is Verdict.HOLDS


def test_dependent_and_constant_kept_columns_get_no_coefficient():
    X, y = correlated(2)
    X[:, 1], X[:, 2] = -3 * X[:, 0], 7.0
    problem = tw.read(X, y, keep=["x3", "x2", "x1"])
    made = fit(problem)
    assert kept_of(made).tolist() == [0, 1, 2] and made.solution["lost"][:3].tolist() == [FREE, DETERMINED, STILL]
    assert (made.solution["kept_values"][:, 0] != 0).all() and not made.solution["kept_values"][:, 1:].any()
    alone = fit(tw.read(X, y, keep=["x1"], drop=["x2", "x3"]))
    assert made.solution["times"] == pytest.approx(alone.solution["times"])
    line = next(c for c in tw.survey(problem).all_checks if c.code == "diagonal.kept")
    assert line.columns == ("x2", "x3")
    assert certify(made, problem).verdict is Verdict.HOLDS


def test_a_kept_constant_is_the_intercept_of_a_model_without_one():
    X, y = correlated(3)
    with_constant = np.column_stack([X, np.full(len(y), 2.0)])
    here = fit(tw.read(with_constant, y, keep=["x8"]), {"fit_intercept": False})
    there = fit(tw.read(X, y))
    assert here.solution["times"] == pytest.approx(there.solution["times"])
    k = there.solution["times"].size
    assert 2 * coefficients(here, k)[0][7] == pytest.approx(coefficients(there, k)[1])


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_all_columns_may_be_kept(lang):
    X, y = correlated(5)
    problem = tw.read(X, y, keep=[f"x{i + 1}" for i in range(7)])
    made = fit(problem)
    assert made.solution["times"].size == 0 and made.outcome is Outcome.NOTHING_TO_LEARN
    slopes, constant = coefficients(made, 0)
    best = np.linalg.lstsq(np.column_stack([X, np.ones(40)]), y, rcond=None)[0]
    assert [*slopes, constant] == pytest.approx(best)
    proof = certify(made, problem)
    assert proof.verdict is Verdict.HOLDS
    survey = tw.survey(problem)
    assert survey.sections[0].recommended and survey.plan.stages
    page = tw.report(survey, made, proof, lang=lang).html()
    assert f"{slopes[0]:.5g}" in page


def test_a_target_that_kept_columns_explain_leaves_nothing_to_learn():
    X, _ = correlated(6)
    problem = tw.read(X, 2 * X[:, 0] - X[:, 1] + 1e6, keep=["x1", "x2"])
    made = fit(problem)
    assert made.solution["times"].size == 0
    assert coefficients(made, 0)[0][:2] == pytest.approx([2, -1])


def test_where_kept_columns_alone_are_best_the_advice_is_to_stop_before_the_first_jump():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 12))
    problem = tw.read(X, 5 * X[:, 0] + rng.standard_normal(60), keep=["x1"])
    section = tw.survey(problem).sections[0]
    assert section.fits[0].solution["held_out_rmse"].argmin() == 0
    assert section.recommended and [(c.option, c.value) for c in section.choices] == [("max_saddles", 0)]
    assert section.advice[0].code == "advice.diagonal.kept_is_best"
    stopped = fit(problem, {"max_saddles": 0})
    assert certify(stopped, problem).verdict is Verdict.HOLDS and stopped.outcome is Outcome.STOPPED_ON_REQUEST


def test_names_that_cannot_be_kept_are_refused_in_words():
    frame = pandas.DataFrame({"a": np.arange(12.0), "b": np.arange(12.0) ** 2, "t": list("abcdefghijkl"), "y": 1.0})
    for keep, words in ((["c"], "no column named c"), (["y"], "target y"), (["t"], "t holds no numbers")):
        with pytest.raises(InputError, match=words):
            tw.read(frame, "y", keep=keep)
    with pytest.raises(InputError, match="a is to be kept and to be left out"):
        tw.read(frame, "y", keep=["a"], drop=["a"])
    with pytest.raises(InputError, match="no feature named aa to keep.*Nearest names: a"):
        fit(tw.read(frame, "y"), {"keep": ["aa"]})
    with pytest.raises(InputError, match="keep"):
        fit(tw.read(frame, "y"), {"keep": 3})


def test_an_option_overrides_what_the_problem_keeps():
    X, y = correlated(7)
    problem = tw.read(X, y, keep=["x1"])
    assert fit(problem).options["keep"] == ("x1",) and fit(problem, {"keep": ["x3", "x2"]}).options["keep"] == (
        "x3",
        "x2",
    )
    assert same(fit(problem, {"keep": ()}).solution, fit(tw.read(X, y)).solution)


@pytest.mark.parametrize("name", ["kept", "kept_values", "lost", "duplicate_of", "largest_dual", "held_out_mean"])
def test_the_certificate_compares_what_the_page_says_of_kept_columns(name):
    X, y = correlated(8)
    problem = tw.read(X, y, keep=["x1"])
    made = fit(problem)
    false = dataclasses.replace(made, solution={**made.solution, name: made.solution[name] + 1})
    proof = certify(false, problem)
    assert proof.verdict is Verdict.FAILS and (name in str(proof.reason) or name == "kept")
    assert "x1" in str(proof.statement)


def test_a_path_of_other_kept_columns_is_not_certified():
    X, y = correlated(9)
    problem = tw.read(X, y, keep=["x1"])
    made = fit(problem)
    for keep in ((), ("x2",), ("x1", "x2")):
        claimed = dataclasses.replace(made, options={**made.options, "keep": keep})
        assert certify(claimed, problem).verdict is Verdict.FAILS
    assert certify(dataclasses.replace(fit(problem, {"keep": ()}), options={}), problem).verdict is Verdict.HOLDS


def test_records_of_earlier_versions_are_still_certified():
    problem = table_problem(noise=1.0)
    made = fit(problem)
    new = ("kept", "kept_values", "lost", "duplicate_of", "largest_dual", "held_out_mean",
           "held_out_support_offsets", "held_out_support_indices")  # fmt: skip
    old = {name: array for name, array in made.solution.items() if name not in new}
    options = {name: value for name, value in made.options.items() if name != "keep"}
    assert certify(dataclasses.replace(made, solution=old, options=options), problem).verdict is Verdict.HOLDS


def test_preparation_without_kept_columns_is_what_it_was():
    X, y = correlated(10)
    prepared = prepare(X, y, fit_intercept=True, standardize=True)
    assert np.array_equal(prepared.X, (X - X.mean(axis=0)) / np.sqrt(((X - X.mean(axis=0)) ** 2).mean(axis=0)))
    assert np.array_equal(prepared.apply(X), prepared.X) and not prepared.lost.any()


@given(seeds, st.integers(1, 8), st.integers(1, 12))
def test_independent_columns_span_what_all_span(seed, n, d):
    rng = np.random.default_rng(seed)
    A = rng.integers(-2, 3, (n, d)).astype(float)
    chosen, smallest = independent_columns(A, np.linalg.norm(A, axis=0))
    rank = np.linalg.matrix_rank(A)
    assert len(chosen) == rank == np.linalg.matrix_rank(A[:, chosen]) if chosen else rank == 0
    assert 0 < smallest <= 1
    # Greedy from the left: whatever was left out follows from the columns before it.
    for j in range(d):
        before = [i for i in chosen if i < j]
        grows = np.linalg.matrix_rank(A[:, [*before, j]]) > len(before)
        assert (j in chosen) == grows
