"""The path certificate holds for true paths and never for a false one."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import thalweg.diagonal.residuals as residuals_module
import thalweg.numerics.column_blocks as blocks_module
from tests.diagonal.tampering import false_records, recorded
from tests.problems import PATHS, diabetes
from thalweg.data.samples import find_sample
from thalweg.diagonal import naive_path, path_certificate, saddle_path
from thalweg.diagonal.prepare import prepare
from thalweg.diagonal.residuals import PathResiduals
from thalweg.numerics.column_blocks import ColumnBlocks
from thalweg.records import InputError, Method, Outcome, Verdict

seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
B1 = next(problem for problem in PATHS if problem.name.startswith("B1"))
ALGORITHMS = (naive_path, saddle_path)


def random_problem(seed, shape, whole):
    rng = np.random.default_rng(seed)
    if whole:
        X, y = rng.integers(-3, 4, shape).astype(float), rng.integers(-3, 4, shape[0]).astype(float)
    else:
        X, y = rng.standard_normal(shape), rng.standard_normal(shape[0])
    exponents = rng.uniform(0.3, 3, shape[1]) if rng.integers(2) else None
    return X, y, {"init_exponents": exponents, "positive": bool(rng.integers(2))}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("problem", PATHS, ids=lambda p: p.name)
def test_golden_paths_are_certified(problem, algorithm):
    proof = path_certificate(algorithm(problem.X, problem.y), problem.X, problem.y)
    assert proof.verdict is Verdict.HOLDS and proof.method is Method.PROVED, proof
    assert proof.statement.code == "certificate.diagonal.whole_path"
    assert proof.margins["dual_excess"].value < 1e-13 and proof.margins["backward_error"].value < 1e-14
    assert proof.applies_to({"X": problem.X, "y": problem.y}) is Verdict.HOLDS
    assert proof.applies_to({"X": problem.X, "y": problem.y + 1}) is Verdict.UNDECIDED


@settings(max_examples=25)
@given(seeds, shapes, st.booleans())
def test_random_paths_are_certified(seed, shape, whole):
    X, y, options = random_problem(seed, shape, whole)
    for algorithm in ALGORITHMS:
        proof = path_certificate(algorithm(X, y, **options), X, y, **options)
        assert proof.verdict is Verdict.HOLDS, proof


@pytest.mark.parametrize(("n", "d"), [(30, 200), (400, 12), (60, 60)])
def test_larger_paths_are_certified(n, d):
    rng = np.random.default_rng(n)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    for positive in (False, True):
        proof = path_certificate(saddle_path(X, y, positive=positive), X, y, positive=positive)
        assert proof.verdict is Verdict.HOLDS and proof.margins["dual_excess"].value < 1e-9


def test_copies_and_other_dependent_columns_are_certified():
    rng = np.random.default_rng(4)
    base = rng.standard_normal((8, 4))
    X = np.column_stack([base, -base[:, 1], base[:, 0], base[:, 0] + base[:, 2], np.zeros(8)])
    y = rng.standard_normal(8)
    for tie_break in ("support", "entropy"):
        path = naive_path(X, y, tie_break=tie_break)
        assert path_certificate(path, X, y).verdict is Verdict.HOLDS
    symmetric = np.array([[1, 0, 0.5], [0, 1, 0.5]])
    for tie_break in ("support", "entropy"):
        path = naive_path(symmetric, np.ones(2), tie_break=tie_break)
        assert path_certificate(path, symmetric, np.ones(2)).verdict is Verdict.HOLDS


def test_measured_data_are_certified():
    X, y, raw_norm = diabetes()
    proof = path_certificate(saddle_path(X, y, reference_norm=raw_norm), X, y, reference_norm=raw_norm)
    assert proof.verdict is Verdict.HOLDS and proof.margins["wall_distance"].value < 1e-11
    sample = find_sample("tecator-fat")
    names = sample.path.read_text(encoding="utf-8").partition("\n")[0].strip().split(",")
    table = np.loadtxt(sample.path, delimiter=",", skiprows=1)
    features = [names.index(name) for name in names if name not in (sample.target, *sample.drop)]
    target = table[:, names.index(sample.target)]
    for standardize in (True, False):
        spectra = prepare(table[:, features], target, fit_intercept=True, standardize=standardize)
        path = saddle_path(spectra.X, spectra.y, reference_norm=spectra.target_norm)
        proof = path_certificate(path, spectra.X, spectra.y, reference_norm=spectra.target_norm)
        assert path.times[-1] > 1e8 and proof.verdict is Verdict.HOLDS  # rounding needs a wider tolerance
        assert 1e-8 < proof.margins["tol"].value < 1e-7


@pytest.mark.parametrize("problem", PATHS, ids=lambda p: p.name)
def test_no_false_record_of_a_golden_path_holds(problem):
    path = naive_path(problem.X, problem.y)
    for kind, false in false_records(path, problem.X, problem.y):
        proof = path_certificate(false, problem.X, problem.y)
        assert proof.verdict is Verdict.FAILS, (kind, proof)


@settings(max_examples=8)
@given(seeds, st.tuples(st.integers(1, 6), st.integers(1, 6)), st.booleans())
def test_no_false_record_of_a_random_path_holds(seed, shape, whole):
    X, y, options = random_problem(seed, shape, whole)
    path = naive_path(X, y, **options)
    assume(0 < path.count <= 4)
    for kind, false in false_records(path, X, y):
        proof = path_certificate(false, X, y, **options)
        assert proof.verdict is not Verdict.HOLDS, (kind, proof)


def test_the_literal_algorithm_makes_a_false_saddle_that_does_not_pass():
    # Correction B1: rounding moved a degenerate coordinate off its wall, and one event became two.
    path = naive_path(B1.X, B1.y)
    false_saddle = np.zeros(4)
    false_saddle[[1, 3]] = np.linalg.lstsq(B1.X[:, [1, 3]], B1.y, rcond=None)[0]
    assert false_saddle == pytest.approx([0, 0.385, 0, 1.923], abs=1e-3)
    times = [0.6, 1.5, np.nextafter(1.5, 2)]
    false = recorded(path, B1.X, B1.y, times, [path.coef(0), path.coef(1), false_saddle, path.coef(2)])
    proof = path_certificate(false, B1.X, B1.y)
    assert proof.verdict is not Verdict.HOLDS
    assert proof.reason.code == "reason.diagonal.path_skipped" and proof.reason.values["jump"] == 2
    assert proof.reason.values["column"] == 0


def test_one_arrival_recorded_as_two_does_not_pass():
    X, y = np.eye(3), np.array([3.0, 3, 3])
    path = naive_path(X, y)
    false = recorded(path, X, y, [1.0, np.nextafter(1, 2)], [np.zeros(3), [3, 3, 0], [3, 3, 3]])
    assert path_certificate(false, X, y).reason.code == "reason.diagonal.path_skipped"


def test_a_path_cut_short_is_certified_as_far_as_it_goes():
    rng = np.random.default_rng(8)
    X, y = rng.standard_normal((20, 10)), rng.standard_normal(20)
    cut = saddle_path(X, y, max_saddles=4)
    proof = path_certificate(cut, X, y)
    assert proof.verdict is Verdict.HOLDS and str(proof.statement).startswith("Up to jump 4")
    boasting = dataclasses.replace(cut, outcome=Outcome.CONVERGED)
    proof = path_certificate(boasting, X, y)
    assert proof.verdict is Verdict.FAILS and "up to jump 4" in str(proof.reason)
    assert path_certificate(saddle_path(X, y, max_saddles=0), X, y).verdict is Verdict.HOLDS


def test_the_reason_names_the_first_false_jump():
    rng = np.random.default_rng(9)
    X, y = rng.standard_normal((12, 8)), rng.standard_normal(12)
    path = naive_path(X, y)
    times = path.times.copy()
    times[3] *= 1 + 1e-4
    proof = path_certificate(dataclasses.replace(path, times=times), X, y)
    assert proof.verdict is Verdict.FAILS and proof.reason.values["jump"] == 4
    assert proof.margins["dual_excess_jump"].value >= 4 and 0 <= proof.margins["dual_excess_column"].value < 8
    assert "Up to jump 3" in str(proof.reason) and "ジャンプ 3" in proof.reason.say("ja")


def test_records_that_contradict_themselves_fail():
    rng = np.random.default_rng(10)
    X, y = rng.standard_normal((12, 8)), rng.standard_normal(12)
    path = naive_path(X, y)
    last = path.values[-1]
    changes = {
        "times": {"times": np.where(path.times == path.times[1], np.nan, path.times)},
        "values": {"values": (*path.values[:-1], np.where(last == last[0], np.nan, last))},
        "signs": {"signs": (*path.signs[:-1], -path.signs[-1])},
        "supports": {"supports": (*path.supports[:-1], path.supports[-1] + 99)},
        "losses": {"losses": np.where(path.losses == path.losses[0], np.inf, path.losses)},
        "exponents": {"exponents": 2 * path.exponents},
    }
    for name, change in changes.items():
        proof = path_certificate(dataclasses.replace(path, **change), X, y)
        assert proof.verdict is Verdict.FAILS and name in str(proof.reason)
    ragged = dataclasses.replace(path, values=path.values[:-1])
    assert path_certificate(ragged, X, y).verdict is Verdict.FAILS
    losses = path_certificate(dataclasses.replace(path, losses=path.losses * 0.99), X, y)
    assert losses.reason.code == "reason.diagonal.loss_differs"


def test_another_network_is_not_certified():
    rng = np.random.default_rng(11)
    X, y = rng.standard_normal((12, 8)), rng.standard_normal(12)
    path = naive_path(X, y)
    assert path_certificate(path, X, y, init_exponents=np.full(8, 2.0)).verdict is Verdict.FAILS
    assert path_certificate(path, X, y, positive=True).verdict is Verdict.FAILS
    one_sided = naive_path(X, y, positive=True)
    assert path_certificate(one_sided, X, y).verdict is Verdict.FAILS
    assert path_certificate(path, X, rng.standard_normal(12)).verdict is Verdict.FAILS


def test_a_tolerance_below_rounding_leaves_it_open():
    proof = path_certificate(naive_path(B1.X, B1.y), B1.X, B1.y, tol=1e-16)
    assert proof.verdict is Verdict.UNDECIDED and proof.reason.code == "reason.diagonal.path_open"


def test_stored_data_need_no_copy(tmp_path, monkeypatch):
    rng = np.random.default_rng(12)
    X = np.where(rng.random((25, 90)) < 0.3, rng.standard_normal((25, 90)), 0).astype(np.float32)
    y = rng.standard_normal(25)
    path = saddle_path(X, y)
    np.save(tmp_path / "X.npy", X)
    whole = path_certificate(path, X, y)
    assert whole.verdict is Verdict.HOLDS
    # Blocks of few columns and stretches of few jumps: the same margins, whatever is held at a time.
    monkeypatch.setattr(blocks_module, "PRODUCT_ENTRIES", 300)
    monkeypatch.setattr(residuals_module, "STRETCH_ENTRIES", 100)
    for stored in (X, np.load(tmp_path / "X.npy", mmap_mode="r"), csr_array(X)):
        proof = path_certificate(path, stored, y)
        assert proof.verdict is Verdict.HOLDS
        for name in ("dual_excess", "outward_pull", "backward_error"):
            assert proof.margins[name].value == pytest.approx(whole.margins[name].value, rel=1e-3)


@settings(max_examples=15)
@given(seeds, st.tuples(st.integers(2, 6), st.integers(2, 6)))
def test_integrals_and_defects_are_bounded_exactly(seed, shape):
    X, y, _ = random_problem(seed, shape, whole=False)
    path = naive_path(X, y)
    residuals = PathResiduals(ColumnBlocks(X), y, path.times, path.supports, path.values)
    stretch = next(residuals.stretches())

    def fractions(array):
        return [Fraction(v) for v in array.tolist()]

    times, integral = [Fraction(0), *fractions(path.times)], [Fraction(0)] * y.size
    for k in range(path.count + 1):
        b = path.coef(k)
        fit = [
            sum((Fraction(p) * q for p, q in zip(row, fractions(b), strict=True)), Fraction(0)) for row in X.tolist()
        ]
        parts = zip(fractions(y), fit, fractions(stretch.driving[k]), fractions(residuals.unseen), strict=True)
        defect = sum(((target - f - e - w) ** 2 for target, f, e, w in parts), Fraction(0))
        size = np.linalg.norm(y) + np.linalg.norm(X, axis=0) @ np.abs(b)
        assert defect <= (Fraction(float(stretch.defects[k])) * Fraction(float(size * (1 + 1e-12)))) ** 2
        assert stretch.defects[k] < 1e-13
        if k < path.count:
            step = times[k + 1] - times[k]
            integral = [r + step * e for r, e in zip(integral, fractions(stretch.driving[k]), strict=True)]
            error = sum(
                ((r - f) ** 2 for r, f in zip(integral, fractions(stretch.integrals[k]), strict=True)), Fraction(0)
            )
            assert error <= Fraction(float(stretch.integral_errors[k])) ** 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"X": np.full((3, 4), np.nan)}, "not finite"),
        ({"y": np.ones(2)}, "3 rows, y has 2"),
        ({"init_exponents": np.ones(3)}, "3 entries; 4 are needed"),
        ({"init_exponents": np.array([1.0, 1, 1, 0])}, "> 0"),
        ({"tol": 0.0}, "tol"),
    ],
)
def test_bad_input_is_named(change, words):
    path = naive_path(B1.X, B1.y)
    arguments = {"X": B1.X, "y": B1.y, **change}
    with pytest.raises(InputError, match=words):
        path_certificate(path, arguments.pop("X"), arguments.pop("y"), **arguments)
