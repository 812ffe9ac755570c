"""The end of a path in balls and rationals, against brute force over all supports and linear programming."""

from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csc_array

import thalweg.diagonal.endpoint_proof as proof_module
from tests.diagonal.rational import _dot, _least_squares
from tests.problems import PATHS
from thalweg.diagonal import enclose_endpoint, naive_path, saddle_path
from thalweg.records import InputError, Method, Verdict

HOLDS, FAILS, UNDECIDED = Verdict.HOLDS, Verdict.FAILS, Verdict.UNDECIDED
SYMMETRIC = np.array([[1, 0, 0.5], [0, 1, 0.5]])


def end_of(path, X, y, **options):
    return enclose_endpoint(X, y, path.supports[-1], path.signs[-1], **options)


def least_norms(X, y, weights, positive):
    """Return every minimiser of least norm on independent columns, exactly: its norm, support and coefficients."""
    columns, target = [[Fraction(v) for v in column] for column in X.T.tolist()], [Fraction(v) for v in y.tolist()]
    found = []
    for size in range(min(X.shape) + 1):
        for support in combinations(range(X.shape[1]), size):
            b = _least_squares([columns[i] for i in support], target)
            if b is None or any(v == 0 or (positive and v < 0) for v in b):
                continue
            rows = zip(*(columns[i] for i in support), strict=True) if support else [()] * len(target)
            residual = [t - _dot(row, b) for t, row in zip(target, rows, strict=True)]
            pulls = [_dot(column, residual) for column in columns]
            if not any(g > 0 if positive else g != 0 for g in pulls):
                norm = sum((abs(v) * Fraction(weights[i]) for v, i in zip(b, support, strict=True)), Fraction(0))
                found.append((norm, support, b))
    least = min(norm for norm, _, _ in found)
    return [item for item in found if item[0] == least]


@pytest.mark.parametrize("problem", PATHS, ids=lambda p: p.name)
def test_golden_ends_are_proved(problem):
    path = naive_path(problem.X, problem.y)
    end = end_of(path, problem.X, problem.y)
    assert end.certificate.verdict is HOLDS
    assert end.coefficients == pytest.approx(path.values[-1], abs=1e-14) and (end.radii < 1e-15).all()
    assert end.norm == pytest.approx(np.abs(path.values[-1]).sum()) and (end.intercept, end.intercept_radius) == (0, 0)
    inputs = {"X": problem.X, "y": problem.y, "support": end.support, "signs": end.signs}
    assert end.certificate.applies_to(inputs) is HOLDS
    assert end.certificate.applies_to({**inputs, "signs": -end.signs}) is UNDECIDED


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_a_claim_holds_exactly_if_it_is_the_only_minimiser_of_least_norm(seed):
    rng = np.random.default_rng(seed)
    n, d, positive = rng.integers(1, 4), rng.integers(1, 5), bool(rng.integers(2))
    X, y = rng.integers(-2, 3, (n, d)), rng.integers(-2, 3, n)
    weights = rng.integers(1, 4, d).astype(float)
    best = least_norms(X, y, weights.tolist(), positive)
    options = {"init_exponents": weights, "positive": positive}
    for size in range(min(n, d) + 1):
        for support in combinations(range(d), size):
            if np.linalg.matrix_rank(X[:, support]) < size:
                continue  # copies share a coefficient: their common end is no corner of the program
            for signs in product([1] if positive else [1, -1], repeat=size):
                end = enclose_endpoint(X, y, np.array(support, dtype=int), np.array(signs), **options)
                is_end = len(best) == 1 and best[0][1] == support
                is_end = is_end and all(b * sign > 0 for b, sign in zip(best[0][2], signs, strict=True))
                assert (end.certificate.verdict is HOLDS) == is_end, (support, signs, best, end.certificate)
                if is_end:
                    for b, middle, radius in zip(best[0][2], end.coefficients, end.radii, strict=True):
                        assert abs(Fraction(float(middle)) - b) <= Fraction(float(radius)) < Fraction(1, 10**14)
                    assert abs(Fraction(end.norm) - best[0][0]) <= Fraction(end.norm_radius)
    path = saddle_path(X, y, **options)
    assert end_of(path, X, y, **options).certificate.verdict is not FAILS
    if len(best) == 1:
        assert end_of(path, X, y, **options).certificate.verdict is HOLDS


@pytest.mark.parametrize(("n", "d"), [(20, 60), (60, 20), (25, 30)])
@pytest.mark.parametrize("positive", [False, True])
def test_gaussian_ends_are_those_of_the_linear_program(n, d, positive):
    rng = np.random.default_rng(n)
    X, y, weights = rng.standard_normal((n, d)), rng.standard_normal(n), rng.uniform(0.5, 2, d)
    options = {"init_exponents": weights, "positive": positive}
    path = saddle_path(X, y, **options)
    end = end_of(path, X, y, **options)
    assert end.certificate.verdict is HOLDS and end.certificate.method is Method.PROVED
    assert end.coefficients == pytest.approx(path.values[-1], rel=1e-8)
    fitted = X @ path.coef(path.count)
    cost, equal = (weights, X) if positive else (np.tile(weights, 2), np.hstack([X, -X]))
    best = linprog(cost, A_eq=equal, b_eq=fitted, bounds=(0, None), method="highs")
    assert end.norm == pytest.approx(best.fun, rel=1e-8) and end.norm_radius < 1e-12
    if n <= d or positive:  # another column in place of the last is refuted
        other = np.append(end.support[:-1], np.setdiff1d(np.arange(d), end.support)[0])
        false = enclose_endpoint(X, y, other, np.append(end.signs[:-1], 1.0), **options)
        assert false.certificate.verdict is FAILS and np.isnan(false.coefficients).all()
    assert enclose_endpoint(X, y, end.support[1:], end.signs[1:], **options).certificate.verdict is FAILS


def test_signs_and_a_norm_that_are_wrong_are_refuted():
    X, y = np.array([[1.0, 0, 2], [0, 1, 2]]), np.array([1.0, 1.0])
    assert enclose_endpoint(X, y, [2], [1]).certificate.verdict is HOLDS  # norm 1/2
    longer = enclose_endpoint(X, y, [0, 1], [1, 1]).certificate  # norm 2
    assert longer.verdict is FAILS and longer.reason.code == "reason.diagonal.endpoint_norm"
    wrong = enclose_endpoint(X, y, [2], [-1]).certificate
    assert wrong.verdict is FAILS and wrong.reason.values["column"] == 2
    assert enclose_endpoint(X, y, [2], [-1], positive=True).certificate.verdict is FAILS


def test_several_minimisers_of_the_same_norm_are_no_proof():
    y = np.ones(2)
    for support in ([0, 1], [2], [0, 1, 2]):
        end = enclose_endpoint(SYMMETRIC, y, support, np.ones(len(support)))
        assert end.certificate.verdict is UNDECIDED, support
    assert enclose_endpoint(SYMMETRIC, y, [0, 1, 2], np.ones(3)).certificate.reason.code.endswith("dependent")
    assert enclose_endpoint(SYMMETRIC, y, [2], [1]).certificate.reason.code.endswith("several")


def test_equalities_are_decided_by_rational_numbers():
    # One column fits the target exactly, which no ball can tell from nearly.
    X, y = np.array([[3.0, 1, 0], [6, 0, 1], [9, 0, 0]]), np.array([1.0, 2, 3])
    end = enclose_endpoint(X, y, [0], [1])
    assert end.certificate.verdict is HOLDS and end.coefficients == pytest.approx([1 / 3], rel=1e-15)
    assert end.certificate.method is Method.EXACT


def test_nearly_dependent_columns_take_more_bits():
    X, y = np.array([[1.0, 1.0], [0.0, 2.0**-70]]), np.array([0.0, 1.0])
    end = enclose_endpoint(np.vstack([X, [[2, 2]]]), np.append(y, 0.0), [0, 1], [-1, 1])
    assert end.certificate.verdict is HOLDS and end.certificate.reason.values["bits"] == 256
    assert end.coefficients == pytest.approx([-(2.0**70), 2.0**70], rel=1e-15)


def test_an_intercept_centres_exactly():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((12, 30)) + 5, rng.standard_normal(12) + 7
    centred, target = X - X.mean(axis=0), y - y.mean()
    path = saddle_path(centred, target)
    assert path.supports[-1].size == 11
    end = end_of(path, X, y, fit_intercept=True)
    assert end.certificate.verdict is HOLDS and end.coefficients == pytest.approx(path.values[-1], rel=1e-9)
    assert end.intercept == pytest.approx(y.mean() - X.mean(axis=0) @ path.coef(path.count))
    # Rounding is no centring: eleven columns do not fit those numbers exactly.
    refuted = end_of(path, centred, target).certificate
    assert refuted.verdict is FAILS and refuted.reason.values["size"] < 1e-15
    assert "fit_intercept" in str(refuted.reason)


def test_an_intercept_takes_constant_columns_in():
    rng = np.random.default_rng(4)
    X = np.column_stack([rng.standard_normal((15, 3)), np.full(15, 2.0), np.zeros(15)])
    y = rng.standard_normal(15)
    beta = np.linalg.lstsq(np.column_stack([X[:, :3], np.ones(15)]), y, rcond=None)[0]
    end = enclose_endpoint(X, y, [0, 1, 2], np.sign(beta[:3]), fit_intercept=True)
    assert end.certificate.verdict is HOLDS and end.coefficients == pytest.approx(beta[:3])
    assert end.intercept == pytest.approx(beta[3])


def test_standardised_data_are_columns_with_other_exponents():
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((10, 25)) * rng.uniform(0.1, 10, 25), rng.standard_normal(10)
    scale = X.std(axis=0)
    path = saddle_path(X / scale, y)
    end = end_of(path, X, y, init_exponents=scale)
    assert end.certificate.verdict is HOLDS
    assert end.coefficients * scale[end.support] == pytest.approx(path.values[-1], rel=1e-9)


def test_copies_share_their_coefficient_and_its_ball():
    rng = np.random.default_rng(6)
    base = rng.standard_normal((6, 5))
    X = np.column_stack([base, -base[:, 1], base[:, 1]])
    y = rng.standard_normal(6)
    path = saddle_path(X, y)
    end = end_of(path, X, y)
    at = dict(zip(end.support.tolist(), end.coefficients.tolist(), strict=True))
    assert end.certificate.verdict is HOLDS and at[1] == at[6] == -at[5]
    assert end.norm == pytest.approx(np.abs(path.values[-1]).sum())
    lonely = np.setdiff1d(end.support, [5, 6])
    assert enclose_endpoint(X, y, lonely, np.sign([at[i] for i in lonely])).certificate.verdict is UNDECIDED
    turned = np.where(end.support == 5, -1, 1) * end.signs
    assert enclose_endpoint(X, y, end.support, turned).certificate.verdict is FAILS


def test_no_column_can_be_the_whole_end():
    assert enclose_endpoint(np.eye(2), np.zeros(2), [], []).certificate.verdict is HOLDS
    assert enclose_endpoint(np.eye(2), np.ones(2), [], []).certificate.verdict is FAILS
    assert enclose_endpoint(np.eye(2), -np.ones(2), [], [], positive=True).certificate.verdict is HOLDS


def test_stored_data_are_taken_as_they_are():
    rng = np.random.default_rng(7)
    X, y = rng.standard_normal((8, 20)).astype(np.float32), rng.standard_normal(8)
    path = saddle_path(X, y)
    for stored in (X, csc_array(X)):
        assert end_of(path, stored, y).certificate.verdict is HOLDS


def test_what_is_too_large_is_left_undecided(monkeypatch):
    monkeypatch.setattr(proof_module, "OPERATIONS", 1)
    end = enclose_endpoint(np.eye(2), np.ones(2), [0, 1], [1, 1])
    assert end.certificate.verdict is UNDECIDED and end.certificate.reason.code.endswith("large")
    assert np.isinf(end.radii).all()


def test_what_no_precision_decides_is_open(monkeypatch):
    monkeypatch.setattr(proof_module, "RATIONAL_COLUMNS", 0)
    proof = enclose_endpoint(np.array([[3.0, 1], [6, 0], [9, 0]]), np.array([1.0, 2, 3]), [0], [1]).certificate
    assert proof.verdict is UNDECIDED and proof.reason.code.endswith("open")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"support": [0, 0]}, "support"),
        ({"support": [0, 9]}, "support"),
        ({"support": [0.5, 1.0]}, "support"),
        ({"signs": [1]}, "1 entries; 2 are needed"),
        ({"signs": [1, 0]}, "signs"),
        ({"y": np.ones(3)}, "2 rows, y has 3"),
        ({"X": np.full((2, 2), np.inf)}, "not finite"),
    ],
)
def test_bad_input_is_named(change, words):
    arguments = {"X": np.eye(2), "y": np.ones(2), "support": [0, 1], "signs": [1, 1], **change}
    with pytest.raises(InputError, match=words):
        enclose_endpoint(**arguments)
