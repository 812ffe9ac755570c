"""From files, frames and arrays to problems; what cannot be read is refused in words."""

from pathlib import Path

import numpy as np
import pandas
import pytest

import thalweg as tw
from thalweg.records import InputError

BAD = Path(__file__).parents[1] / "bad"


@pytest.mark.parametrize(
    ("file", "target", "words"),
    [
        ("nowhere.csv", "y", "There is no file"),
        ("emty.csv", "y", "Similar names in that folder: empty.csv"),
        ("", "y", "is a folder"),
        ("empty.csv", "y", "is empty"),
        ("blank.csv", "y", "is empty"),
        ("header_only.csv", "y", "no rows"),
        ("ragged.csv", "y", "line 4: 4 fields where the header has 3"),
        ("not_utf8.csv", "y", "is not utf-8: line 3, byte 8"),
        ("binary.csv", "y", "not a text file"),
        ("zero.parquet", "y", "is empty"),
        ("rubbish.parquet", "y", "not a readable Parquet"),
        ("twice.csv", "y", "more than one column named a"),
        ("all_text.csv", "place", "holds no numbers"),
        ("target_text.csv", "y", "holds no numbers \\(cells: low, high, low\\)"),
        ("semicolon.csv", "Y", "Nearest names: y"),
        ("plant_with_faults.csv", "ouput", "Nearest names: out"),
        ("plant_with_faults.csv", "text", "holds no numbers"),
    ],
)
def test_unreadable_input_is_refused_in_words(file, target, words):
    with pytest.raises(InputError, match=words) as caught:
        tw.read(BAD / file, target)
    assert caught.value.exit_code == 2
    assert caught.value.message("ja") != caught.value.message("en")


def test_no_numeric_feature():
    with pytest.raises(InputError, match="no numeric column besides"):
        tw.read(pandas.DataFrame({"a": ["x", "y"], "y": [1, 2]}), "y")


def test_semicolons_tabs_and_byte_order_marks_are_read(tmp_path):
    assert tw.read(BAD / "semicolon.csv", "y").feature_names == ("a", "b")
    for mark, encoding in (("\ufeff", "utf-8"), ("", "utf-16")):
        path = tmp_path / "t.csv"
        path.write_text(mark + "a\tb\ty\n1\t2\t3\n4\t5\t7\n", encoding=encoding)
        assert tw.read(path, "y").feature_names == ("a", "b")


def test_other_encodings_are_read_when_named():
    problem = tw.read(BAD / "japanese_cp932.csv", "収率", encoding="cp932")
    assert problem.feature_names == ("流量", "温度", "圧力")
    with pytest.raises(InputError, match="--encoding cp932"):
        tw.read(BAD / "japanese_cp932.csv", "収率")
    with pytest.raises(InputError, match="unknown"):
        tw.read(BAD / "japanese_cp932.csv", "収率", encoding="klingon")


def test_parquet_and_csv_hold_the_same_problem(tmp_path):
    frame = pandas.DataFrame({"a": [1.5, 2, 3], "b": [1, 0, 1], "y": [0.1, 0.2, 0.4]})
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    one, other = tw.read(tmp_path / "t.parquet", "y"), tw.read(tmp_path / "t.csv", "y")
    assert one.digest == other.digest == tw.read(frame, "y").digest


def test_arrays_are_a_problem():
    X, y = np.arange(6.0).reshape(3, 2), np.array([1.0, 2, 4])
    problem = tw.read(X, y)
    assert problem.feature_names == ("x1", "x2") and np.array_equal(problem.X, X) and np.array_equal(problem.y, y)
    assert repr(problem) == "<Problem arrays: 3 rows, 2 features -> 'y'>"


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        (np.ones((3, 2)), np.ones(2), "3 rows, y has 2"),
        (np.ones(3), np.ones(3), "X has 1 dimensions"),
        (np.ones((3, 2)), np.ones((3, 1)), "y has 2 dimensions"),
        (np.ones((0, 2)), np.ones(0), "no rows"),
        (np.ones((2, 0)), np.ones(2), "no numeric column"),
        ({"a": 1}, "y", "cannot be read as a table"),
    ],
)
def test_unusable_arrays_are_refused(X, y, words):
    with pytest.raises(InputError, match=words):
        tw.read(X, y)


def test_dropping_and_choosing():
    problem = tw.read(BAD / "plant_with_faults.csv", "out", drop=["flow", "err"])
    assert problem.feature_names == ("temp_a", "temp_b", "valve", "sum") and problem.is_computable
    with pytest.raises(InputError, match="also to be dropped"):
        tw.read(BAD / "semicolon.csv", "y", drop=["y"])
    with pytest.raises(InputError, match="no column named z"):
        tw.read(BAD / "semicolon.csv", "y", drop=["z"])
    with pytest.raises(InputError, match="Allowed: median"):
        tw.read(BAD / "semicolon.csv", "y", impute="mean")


def test_holes_are_kept_until_someone_decides():
    problem = tw.read(BAD / "plant_with_faults.csv", "out")
    assert np.isnan(problem.X).sum() == 5 and not problem.is_computable
    with pytest.raises(InputError, match="columns flow, err; rows 4, 8, 10, 33, 34"):
        tw.train(problem, "diagonal")


def test_the_median_fills_holes_and_never_invents_a_target():
    frame = pandas.DataFrame({"a": [1.0, None, 3, 100, "x"], "y": [1.0, 2, None, 4, 5]})
    problem = tw.read(frame, "y", impute="median")
    assert problem.y.tolist() == [1, 2, 4, 5]
    assert problem.X[:, 0].tolist() == [1, 50.5, 100, 50.5]


def test_logical_and_whole_number_columns_are_numbers():
    frame = pandas.DataFrame({"on": [True, False, True], "n": [1, 2, 3], "y": [1.0, 2, 3]})
    assert tw.read(frame, "y").X.tolist() == [[1, 1], [0, 2], [1, 3]]


def test_the_same_file_gives_the_same_digests(tmp_path):
    copy = tmp_path / "other.csv"
    copy.write_bytes((BAD / "semicolon.csv").read_bytes())
    one, other = tw.read(BAD / "semicolon.csv", "y"), tw.read(copy, "y")
    assert one.digest == other.digest and one.source_digest == other.source_digest


def test_numbers_with_commas_are_named_not_left_out():
    rows = 20
    frame = pandas.DataFrame({"flow": [f"12,{i:03d}" for i in range(rows)], "b": range(rows), "y": range(rows)})
    checks = {check.code: check for check in tw.read(frame, "y").checks}
    assert checks["data.text_cells"].columns == ("flow",) and checks["data.text_cells"].is_blocking
    assert "decimal comma" in checks["data.text_cells"].say("remedy")
    frame["y"] = [f"{i},5" for i in range(rows)]
    with pytest.raises(InputError, match="cells: 0,5, 1,5, 2,5.*decimal commas"):
        tw.read(frame, "y")
    frame.loc[3, "y"] = "3.5"
    checks = {check.code: check for check in tw.read(frame, "y").checks}
    assert checks["data.target_missing"].is_blocking


def test_extreme_sizes_are_refused_by_name():
    X, y = np.random.default_rng(0).standard_normal((2, 20, 2))
    for factor in (1e200, 1e-200):
        problem = tw.read(X * np.array([1.0, factor]), y[:, 0])
        assert not problem.is_computable
        assert [c.columns for c in problem.checks if c.is_blocking] == [("x2",)]
        with pytest.raises(InputError, match="extreme size: x2"):
            tw.train(problem, "diagonal")
        assert tw.survey(problem).plan.stages == ()
