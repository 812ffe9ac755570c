"""The codec is exact: what is decoded is, bit for bit, what was encoded."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from thalweg.records import (
    Certificate,
    Check,
    ColumnDecision,
    DataTable,
    Decisions,
    Fit,
    Mark,
    Method,
    Outcome,
    Quantity,
    Severity,
    Statement,
    Trajectory,
    Verdict,
    digest_of,
    from_document,
    same,
    to_document,
)

words = st.one_of(st.text(max_size=20), st.sampled_from(["NaN", "Infinity", "-Infinity", "", "string", "array"]))
statements = st.builds(
    Statement, words, st.dictionaries(words, st.one_of(st.floats(), st.integers(), words), max_size=2)
)
cells = st.one_of(st.floats(), st.integers(-(2**60), 2**60), words, statements)
arrays = npst.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.bool_, np.complex128]),
    npst.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
)


def round_trip(value):
    stored = {}
    document = json.loads(json.dumps(to_document(value, stored), allow_nan=False))
    return from_document(document, stored)


@given(st.lists(st.tuples(cells, cells), max_size=5))
def test_tables_round_trip(rows):
    table = DataTable("comparison", ("fact", "value"), tuple(rows))
    assert same(round_trip(table), table)


checks = st.builds(
    Check,
    code=words,
    verdict=st.sampled_from(Verdict),
    severity=st.sampled_from(Severity),
    method=st.sampled_from(Method),
    source=words,
    subject=words,
    values=st.dictionaries(words, st.builds(Quantity, st.one_of(st.floats(), st.integers()), words), max_size=3),
    details=st.dictionaries(words, words, max_size=3),
    columns=st.lists(words, max_size=3).map(tuple),
)


@given(checks)
def test_checks_round_trip(check):
    assert same(round_trip(check), check)


@given(st.dictionaries(st.text(st.characters(categories=["L"]), min_size=1), arrays, max_size=4), checks)
def test_fits_round_trip_with_their_arrays(solution, check):
    clock = np.arange(3.0)
    fit = Fit(
        family="diagonal",
        outcome=Outcome.CONVERGED,
        seed=3,
        options={"a": True, "b": None, "c": 1, "d": 1.0, "e": "NaN", "keep": ("NaN", "x"), "none": ()},
        feature_names=("NaN", "x"),
        target_name="y",
        solution=solution,
        trajectory=Trajectory("t", "", clock, np.array([np.nan, np.inf, -0.0]), marks=(Mark(1.0, "enter", "x"),)),
        checks=(check,),
    )
    again = round_trip(fit)
    assert same(again, fit)
    assert math.copysign(1, again.trajectory.loss[2]) == -1


@given(st.lists(words, max_size=3), st.one_of(st.none(), st.floats(min_value=0)))
def test_decisions_round_trip(reasons, cost):
    entries = tuple(
        ColumnDecision(f"x{i}", "keep", reason, "w", "2025-01-01", cost) for i, reason in enumerate(reasons)
    )
    made = Decisions("decisions.toml", "ab", entries, "EUR")
    assert same(round_trip(made), made)


def test_same_tells_bits_apart():
    one = Quantity(1.0)
    assert same(one, Quantity(1.0)) and not same(one, Quantity(1)) and not same(one, Quantity(1.0, "s"))
    assert same(Quantity(math.nan), Quantity(math.nan))
    assert not same(np.zeros(2), np.zeros(2, dtype=np.float32))
    assert not same(np.zeros(2), [0.0, 0.0])


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"schema": 99, "record": "Quantity", "content": {"value": 1.0, "unit": ""}},
        {"schema": 1, "record": "os.system", "content": {}},
        {"schema": 1, "record": "Quantity", "content": {"value": [], "unit": ""}},
        {"schema": 1, "record": "Quantity", "content": {"value": 1.0, "unit": "", "more": 1}},
        {"schema": 1, "record": "Quantity", "content": {}},
        {"schema": 1, "record": "Check", "content": {"verdict": "maybe"}},
        {"schema": 1, "record": "Fit", "content": {"solution": {"a": {"array": "gone"}}}},
    ],
)
def test_damaged_documents_are_refused(document):
    with pytest.raises(ValueError):
        from_document(document, {})


def test_nothing_is_pickled():
    with pytest.raises(TypeError, match="cannot hold"):
        to_document(Quantity(object()))  # type: ignore[arg-type]


def certificate(digest):
    nothing = Statement("decision.new_data", {})
    return Certificate("diagonal", nothing, Verdict.HOLDS, Method.PROVED, {}, (), nothing, ("X",), digest)


@given(npst.arrays(np.float64, (3, 2)))
def test_a_certificate_is_bound_to_every_bit(X):
    proof = certificate(digest_of({"X": X}))
    assert proof.applies_to({"X": X}) is Verdict.HOLDS
    other = X.copy()
    other.view(np.uint64)[1, 1] ^= 1
    assert proof.applies_to({"X": other}) is Verdict.UNDECIDED
    assert proof.applies_to({"X": X.reshape(2, 3)}) is Verdict.UNDECIDED
    assert proof.applies_to({"Z": X}) is Verdict.UNDECIDED


def test_a_trajectory_refuses_channels_of_other_length():
    with pytest.raises(ValueError, match="predicted"):
        Trajectory("t", "", np.zeros(3), np.zeros(3), predicted=np.zeros(2))
