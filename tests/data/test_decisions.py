"""Files of decisions: what is valid acts like the options, what is not is refused with the number of its entry."""

import numpy as np
import pandas
import pytest

import thalweg as tw
from thalweg.data.decisions import read_decisions
from thalweg.records import ColumnDecision, Decisions, InputError, same

GOOD = """
cost_unit = "EUR"
[[decision]]
column = "a"
decision = "keep"
reason = "safety"
who = "T. Sato"
when = 2025-03-14
cost = 120

[[decision]]
column = "b"
decision = "drop"
reason = "broken"
who = "佐藤"
when = "2025-03-15"
[[decision]]
column = "c"
decision = "undecided"
"""

ENTRY = '[[decision]]\ncolumn = "a"\ndecision = "keep"\nreason = "r"\nwho = "w"\nwhen = 2025-01-01\n'

BAD = {
    "no TOML": ("[[decision]\n", "no TOML file.*line 1"),
    "impossible date": (ENTRY.replace("2025-01-01", "2025-02-30"), "no TOML file.*line 6"),
    "not UTF-8": (ENTRY.encode().replace(b'"r"', b'"\xff"'), "line 4: not UTF-8"),
    "nothing": ('cost_unit = "EUR"\n', "holds no ..decision.."),
    "single brackets": (ENTRY.replace("[[decision]]", "[decision]"), "holds no ..decision.."),
    "a list": ("decision = [1, 2]\n", "entry 1"),
    "another key": ('colour = "red"\n' + ENTRY, "holds colour"),
    "a unit that is a number": ("cost_unit = 3\n" + ENTRY, "holds cost_unit"),
    "another field": (ENTRY + 'why = "x"\n', r"entry 1 \(a\): why is not possible"),
    "another decision": (ENTRY.replace("keep", "maybe"), r"entry 1 \(a\): decision is not possible: 'maybe'"),
    "no column": (ENTRY.replace('column = "a"\n', ""), "entry 1 .*column is missing"),
    "blank column": (ENTRY.replace('"a"', '" "'), "column is missing"),
    "no decision": (ENTRY.replace('decision = "keep"\n', ""), "decision is missing"),
    "no reason": (ENTRY.replace('reason = "r"\n', ""), "reason is missing"),
    "blank reason": (ENTRY.replace('"r"', '"  "'), "reason is missing"),
    "nobody": (ENTRY.replace('who = "w"\n', ""), "who is missing"),
    "never": (ENTRY.replace("when = 2025-01-01\n", ""), "when is missing"),
    "a date in words": (ENTRY.replace("2025-01-01", '"yesterday"'), "when is not possible.*yesterday"),
    "a date as a number": (ENTRY.replace("2025-01-01", "20250101"), "when is not possible"),
    "a negative cost": (ENTRY + "cost = -1\n", "cost is not possible"),
    "an infinite cost": (ENTRY + "cost = inf\n", "cost is not possible"),
    "a cost in words": (ENTRY + 'cost = "3"\n', "cost is not possible"),
    "a cost without a unit": (ENTRY + "cost = 3\n", "costs without their unit"),
    "twice": (ENTRY + ENTRY.replace("keep", "drop"), "a twice, in entries 1 and 2"),
    "the second is wrong": (ENTRY + ENTRY.replace('"a"', '"b"').replace('who = "w"\n', ""), r"entry 2 \(b\): who"),
    "blank": ("  \n", "is empty"),
}


def frame():
    rng = np.random.default_rng(0)
    return pandas.DataFrame({**{c: rng.standard_normal(30) for c in "abcd"}, "t": ["x"] * 30, "y": np.arange(30.0)})


@pytest.fixture
def write(tmp_path):
    def made(content):
        path = tmp_path / "decisions.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return made


def test_a_good_file_is_read_whole(write):
    path = write(GOOD)
    found = read_decisions(path)
    wanted = (
        ColumnDecision("a", "keep", "safety", "T. Sato", "2025-03-14", 120.0),
        ColumnDecision("b", "drop", "broken", "佐藤", "2025-03-15"),
        ColumnDecision("c", "undecided"),
    )
    assert same(found.entries, wanted) and found.cost_unit == "EUR" and found.source == str(path)
    assert found.costs == {"a": 120.0} and found.people == ("T. Sato", "佐藤")


def test_files_of_other_systems_are_read(write):
    assert same(read_decisions(write("\ufeff" + GOOD)).entries, read_decisions(write(GOOD)).entries)  # with a BOM
    windows = GOOD.replace("\n", "\r\n")
    assert same(read_decisions(write(windows)).entries, read_decisions(write(GOOD)).entries)
    timed = ENTRY.replace("2025-01-01", "2025-01-01T09:30:00")
    assert read_decisions(write(timed)).entries[0].when == "2025-01-01"


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_words(write, name):
    content, words = BAD[name]
    with pytest.raises(InputError, match=words) as refused:
        read_decisions(write(content))
    assert "decisions.toml" in refused.value.message("ja")


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_decisions(tmp_path / "nowhere.toml")
    with pytest.raises(InputError, match="is a folder"):
        read_decisions(tmp_path)


def test_decisions_act_like_the_options(write):
    path = write(GOOD)
    decided = tw.read(frame(), "y", decisions=path)
    given = tw.read(frame(), "y", keep=["a"], drop=["b"])
    assert (decided.kept, decided.dropped) == (given.kept, given.dropped) == (("a",), ("b",))
    assert decided.digest == given.digest and decided.decisions.people == ("T. Sato", "佐藤")
    assert {c.name: c.role for c in decided.profile.columns}["a"] == "kept"
    both = tw.read(frame(), "y", keep=["c", "a"], drop=["d"], decisions=read_decisions(path))
    assert both.kept == ("c", "a") and both.dropped == ("d", "b")


def test_arrays_may_have_decisions_too():
    entries = (ColumnDecision("x2", "keep", "r", "w", "2025-01-01"),)
    problem = tw.read(
        np.random.default_rng(0).standard_normal((20, 3)), np.arange(20.0), decisions=Decisions("", "", entries)
    )
    assert problem.kept == ("x2",)


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (GOOD, {"drop": ["a"]}, "--drop a contradicts .*entry 1: keep"),
        (GOOD, {"keep": ["b"]}, "--keep b contradicts .*entry 2: drop"),
        (GOOD.replace('"c"', '"y"'), {}, "entry 3: y is the target"),
        (GOOD.replace('"c"', '"C"'), {}, "entry 3: the data have no column named C.*Nearest names: c"),
        (ENTRY.replace('"a"', '"t"'), {}, "t holds no numbers"),
    ],
)
def test_contradictions_are_refused(write, content, options, words):
    with pytest.raises(InputError, match=words):
        tw.read(frame(), "y", decisions=write(content), **options)


def test_an_option_may_decide_what_is_undecided(write):
    assert tw.read(frame(), "y", drop=["c"], decisions=write(GOOD)).dropped == ("c", "b")
    assert tw.read(frame(), "y", decisions=write(ENTRY.replace('"a"', '"t"').replace("keep", "drop"))).dropped == ("t",)
