"""Each data check fails on the data made for it, and only there."""

from pathlib import Path

import numpy as np
import pandas
import pytest

import thalweg as tw
from thalweg.numerics import dependence
from thalweg.records import Severity, Verdict
from thalweg.texts import LANGUAGES, sentences

BAD = Path(__file__).parents[1] / "bad"


def frame(**columns):
    rng = np.random.default_rng(0)
    good = {"a": rng.standard_normal(20), "b": rng.standard_normal(20), "y": rng.standard_normal(20)}
    return pandas.DataFrame({**good, **columns})


A = np.asarray(frame()["a"])
HOLES = np.where(np.arange(20) % 7 == 3, np.nan, A)
TEXT = ["n/k" if i == 4 else f"{i}.5" for i in range(20)]

FAILING = {
    "data.rows": (frame().head(5), {}, Severity.WARNING),
    "data.target_missing": (frame(y=HOLES), {}, Severity.BLOCKING),
    "data.target_constant": (frame(y=np.full(20, 2.5)), {}, Severity.BLOCKING),
    "data.target_copy": (frame(y=A), {}, Severity.BLOCKING),
    "data.missing": (frame(a=HOLES), {}, Severity.BLOCKING),
    "data.text_cells": (frame(a=TEXT), {}, Severity.BLOCKING),
    "data.imputed": (frame(a=HOLES), {"impute": "median"}, Severity.WARNING),
    "data.text_column": (frame(c=["x", "z"] * 10), {}, Severity.WARNING),
    "data.magnitude": (frame(c=A * 1e150), {}, Severity.BLOCKING),
    "data.resolution": (frame(c=1e12 + A), {}, Severity.WARNING),
    "data.constant": (frame(c=np.full(20, 0.1)), {}, Severity.WARNING),
    "data.wide": (frame().head(2), {}, Severity.NOTE),
    "data.duplicate": (frame(c=-A), {}, Severity.WARNING),
    "data.dependent": (frame(c=2 * A + 7), {}, Severity.WARNING),
}


def found(data, **options):
    return {check.code: check for check in tw.read(data, "y", **options).checks}


def test_there_is_data_for_every_check():
    codes = {code.split(".")[2] for code in sentences("en") if code.startswith("check.data.")}
    assert set(FAILING) == {f"data.{code}" for code in codes}


@pytest.mark.parametrize("code", FAILING)
def test_a_check_fails_on_its_data_and_holds_on_good_data(code):
    data, options, severity = FAILING[code]
    check = found(data, **options)[code]
    assert check.verdict is Verdict.FAILS and check.severity is severity
    assert check.is_blocking == (severity is Severity.BLOCKING)
    assert found(frame())[code].verdict is Verdict.HOLDS
    for lang in LANGUAGES:
        for part in ("title", "finding", "remedy"):
            assert check.say(part, lang)
        assert found(frame())[code].say("finding", lang)


@pytest.mark.parametrize("code", FAILING)
def test_one_failure_hides_no_other_check(code):
    data, options, _ = FAILING[code]
    assert list(found(data, **options)) == list(FAILING)


def test_rows_are_counted_from_one_and_columns_named():
    check = found(frame(a=HOLES))["data.missing"]
    assert check.details["where"] == "a: 3 (4, 11, 18)" and check.columns == ("a",)
    check = found(frame(a=TEXT))["data.text_cells"]
    assert check.details["where"] == "a: 1 (5): 'n/k'"


def test_infinite_values_are_missing_values():
    data = frame(a=np.where(np.arange(20) == 0, np.inf, A))
    assert found(data)["data.missing"].values["count"].value == 1


def test_a_column_without_any_number_cannot_be_imputed():
    data = frame(c=[None] * 20)
    assert found(data)["data.missing"].verdict is Verdict.FAILS
    imputed = found(data, impute="median")["data.missing"]
    assert imputed.is_blocking and imputed.details["empty"] == "c"


def test_times_are_left_out_with_a_note_and_text_with_a_warning():
    times = found(frame(t=pandas.date_range("2024-01-01", periods=20).astype(str)))["data.text_column"]
    assert times.severity is Severity.NOTE and times.columns == ("t",)


def test_a_relation_is_written_with_its_weights():
    rng = np.random.default_rng(3)
    net = frame(c=rng.standard_normal(20))
    net["total"] = net["a"] - 2 * net["c"]
    check = found(net)["data.dependent"]
    assert check.columns == ("total",) and check.details["words"] == "total = +1 a -2 c"


def test_copies_are_reported_once():
    check = found(frame(c=A))["data.dependent"]
    assert check.verdict is Verdict.HOLDS


def test_more_columns_than_rows_are_a_note():
    rng = np.random.default_rng(1)
    wide = pandas.DataFrame(rng.standard_normal((6, 9))).rename(columns=str)
    wide["y"] = rng.standard_normal(6)
    checks = found(wide)
    assert checks["data.wide"].verdict is Verdict.FAILS and not checks["data.wide"].is_warning
    assert checks["data.dependent"].verdict is Verdict.NOT_COVERED


def test_a_search_that_is_too_long_is_said_to_be_left_out(monkeypatch):
    from thalweg.data import checks

    monkeypatch.setattr(checks, "DEPENDENCE_OPERATIONS", 1)
    check = found(frame())["data.dependent"]
    assert check.verdict is Verdict.NOT_COVERED and "Not examined" in check.say("finding")
    assert dependence.DEPENDENCE_OPERATIONS > 1


def test_undecided_while_cells_are_missing():
    checks = found(frame(a=HOLES, c=A))
    assert checks["data.duplicate"].verdict is checks["data.dependent"].verdict is Verdict.UNDECIDED


def test_the_plant_file_shows_all_its_faults():
    checks = {c.code: c for c in tw.read(BAD / "plant_with_faults.csv", "out").checks}
    assert checks["data.missing"].details["where"] == "flow: 3 (8, 33, 34)"
    assert checks["data.text_cells"].details["where"] == "err: 2 (4, 10): 'ERR', 'ERR'"
    assert checks["data.constant"].columns == ("valve", "sum")
    assert checks["data.text_column"].columns == ("text",)


def test_shipped_plant_data_hold_a_real_fault():
    from thalweg.data.samples import find_sample

    sample = find_sample("pv-inverter")
    checks = {c.code: c for c in tw.read(sample.path, sample.target).checks}
    assert checks["data.duplicate"].subject == "ac_power = das_temperature"
    assert checks["data.constant"].columns == ("ac_current",)
    assert tw.read(sample.path, "ac_power").checks[3].columns == ("das_temperature",)
