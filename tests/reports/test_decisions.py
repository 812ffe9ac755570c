"""Decisions on the page: who decided what, what is open, lines to sign, and a file that can be used as it stands."""

import html as escaping
import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import thalweg as tw
from tests.problems import table_problem
from tests.reports.test_html import LIMIT, Page
from thalweg.data.decisions import read_decisions
from thalweg.records import ColumnDecision, DataProfile, Decisions, Statement, Suggestion
from thalweg.reports.decisions import SUGGESTED, file_to_edit, open_columns
from thalweg.texts import LANGUAGES, text

BAD = Path(__file__).parents[1] / "bad"
HOSTILE = "</pre><script>alert(3)</script>\n\"]] '''"


def decided(*entries, unit=""):
    return Decisions("decisions.toml", "", entries, unit)


def on_page(problem, lang):
    survey = tw.survey(problem)
    fit = tw.train(problem, "diagonal")
    both = (
        tw.report(survey, lang=lang),
        tw.report(fit, tw.certify(fit, problem), decisions=problem.decisions, lang=lang),
    )
    return [made.html() for made in both]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_survey_and_run_show_decisions_with_lines_to_sign(lang):
    entries = (
        ColumnDecision("x3", "keep", "safety rules", "T. Sato", "2025-03-14", 120.0),
        ColumnDecision("x2", "drop", "broken since May", "M. Ferrari", "2025-03-15"),
        ColumnDecision("x4", "undecided"),
    )
    problem = tw.read(
        *(getattr(table_problem(noise=1.0), name) for name in "Xy"), decisions=decided(*entries, unit="EUR")
    )
    for page in on_page(problem, lang):
        found = Page(page)
        for words in ("safety rules", "T. Sato", "2025-03-14", "broken since May", "M. Ferrari", "EUR"):
            assert words in found.text, words
        signed = re.search(r'<table class="signatures">.*?</table>', page, flags=re.S).group(0)
        assert signed.count("<tr><td>") == 4  # two people who decided, two blank lines
        assert re.findall(r"<tr><td>(.*?)</td><td></td><td></td></tr>", signed) == ["T. Sato", "M. Ferrari", "", ""]
        assert text("ui.open_columns", lang, count=3) in found.text and "x1, x4, x5" in found.text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_without_decisions_the_survey_offers_a_file_and_a_run_stays_silent(lang):
    survey, run = on_page(table_problem(noise=1.0), lang)
    assert text("ui.file_to_edit", lang) in survey and "[[decision]]" in survey and 'class="signatures"' not in survey
    assert 'id="decisions"' not in run


@pytest.mark.parametrize("lang", LANGUAGES)
def test_hostile_words_are_text(lang):
    hostile = decided(
        ColumnDecision("<script>alert(1)</script>", "keep", HOSTILE, HOSTILE, "2025-03-14", 1.0),
        ColumnDecision("a,b", "drop", "{{7*7}}", "<img src=x onerror=alert(4)>", "2025-03-14"),
        unit="<b>EUR</b>",
    )
    problem = tw.read(BAD / "hostile_names.csv", "y", decisions=hostile)
    for page in on_page(problem, lang):
        found = Page(page)
        assert len([s for s in found.scripts if s["type"] is None]) == 2
        assert "<img src=x" not in page and "<script>alert" not in page and "<b>EUR" not in page
        assert found.text.count("</pre><script>alert(3)</script>") >= 2
        assert "{{7*7}}" in found.text


def file_of(page):
    return escaping.unescape(re.search(r"<pre>(# .*?)</pre>", page, flags=re.S).group(1))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_offered_file_can_be_used_once_it_is_signed(lang, tmp_path):
    problem = tw.read(BAD / "hostile_names.csv", "y")
    offered = file_of(tw.report(tw.survey(problem), lang=lang).html())
    entries = tomllib.loads(offered)["decision"]
    assert {entry["column"] for entry in entries} == set(problem.feature_names)
    path = tmp_path / "decisions.toml"
    path.write_text(offered, encoding="utf-8")
    with pytest.raises(tw.InputError, match="entry 1 .*who is missing"):
        tw.read(BAD / "hostile_names.csv", "y", decisions=path)
    path.write_text(offered.replace('who = ""\nwhen = ""', 'who = "me"\nwhen = 2025-01-01'), encoding="utf-8")
    again = tw.read(BAD / "hostile_names.csv", "y", decisions=path)
    assert set(again.kept) == {e["column"] for e in entries if e["decision"] == "keep"} != set()
    # Keeping what is active at the recommended stop gives the same model: saddles are least-squares fits.
    section = tw.survey(problem).sections[0]
    stop = tw.diagonal.fit(problem, {c.option: c.value for c in section.choices})
    k = stop.solution["times"].size
    at_stop = tw.diagonal.coefficients(stop, k)[0]
    kept = dict(zip(again.feature_names, tw.diagonal.coefficients(tw.diagonal.fit(again), 0)[0], strict=True))
    assert [kept.get(name, 0.0) for name in problem.feature_names] == pytest.approx(at_stop.tolist())


def test_decisions_that_were_taken_stay_in_the_offered_file():
    taken = ColumnDecision("x3", "keep", 'a "reason"', "T. Sato", "2025-03-14", 0.1)
    waiting = ColumnDecision("x1", "undecided", "calibration is pending")
    entries = (taken, ColumnDecision("x2", "undecided", cost=2.0), waiting)
    problem = tw.read(
        *(getattr(table_problem(noise=1.0), name) for name in "Xy"), decisions=decided(*entries, unit="k€")
    )
    offered = tomllib.loads(file_of(tw.report(tw.survey(problem)).html()))
    first, *others = offered["decision"]
    assert first == {
        "column": "x3", "decision": "keep", "reason": 'a "reason"', "who": "T. Sato", "when": "2025-03-14", "cost": 0.1
    }  # fmt: skip
    assert offered["cost_unit"] == "k€" and {e["column"] for e in others} == {"x1", "x2", "x4", "x5"}
    told = {e["column"]: e for e in others}
    assert told["x1"]["decision"] == "undecided" and told["x1"]["reason"] == "calibration is pending"
    assert told["x2"]["cost"] == 2.0 and told["x2"]["reason"].startswith("Enters only")


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(st.lists(names, min_size=1, max_size=4, unique=True), names, names)
def test_any_name_survives_the_file(columns, source, target):
    told = [Suggestion(name, "undecided", Statement("why.diagonal.copy", {"name": name})) for name in columns]
    written, left_out = file_to_edit(None, told, DataProfile(source, 1, target, ()), "en")
    read = tomllib.loads(written.replace("\r\n", "\n"))["decision"]
    assert [entry["column"] for entry in read] == columns and left_out == 0
    assert all(name in entry["reason"] for name, entry in zip(columns, read, strict=True))


def test_a_wide_file_lists_what_matters_first_and_counts_the_rest():
    why = Statement("why.diagonal.still", {})
    told = [Suggestion(f"x{i}", "drop" if i >= SUGGESTED else "undecided", why) for i in range(SUGGESTED + 5)]
    written, left_out = file_to_edit(None, told, DataProfile("f", 1, "y", ()), "en")
    entries = tomllib.loads(written)["decision"]
    assert len(entries) == SUGGESTED and left_out == 5
    assert [e["column"] for e in entries[:5]] == [f"x{i}" for i in range(SUGGESTED, SUGGESTED + 5)]


def test_open_columns_are_those_nobody_decided_on():
    some = decided(ColumnDecision("a", "keep", "r", "w", "2025-01-01"), ColumnDecision("b", "undecided"))
    assert open_columns(some, ("a", "b", "c")) == ("b", "c") and open_columns(None, ("a",)) == ("a",)


def test_facts_hold_decisions_suggestions_and_the_whole_audit():
    entry = ColumnDecision("x3", "keep", "r", "T. Sato", "2025-03-14")
    problem = tw.read(*(getattr(table_problem(noise=1.0), name) for name in "Xy"), decisions=decided(entry))
    fit = tw.train(problem, "diagonal")
    facts = json.loads(tw.report(tw.survey(problem), fit, decisions=problem.decisions).json())
    assert facts["decisions"]["entries"][0]["who"] == facts["survey"]["decisions"]["entries"][0]["who"] == "T. Sato"
    assert {s["column"] for s in facts["survey"]["sections"][0]["suggestions"]} == set(problem.feature_names)
    (table,) = facts["results"][0]["tables"]
    assert table["code"] == "diagonal.features" and len(table["rows"]) == 5


def test_pages_with_decisions_stay_below_six_megabytes(tmp_path):
    import numpy as np

    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 1500))
    entries = tuple(ColumnDecision(f"x{i + 1}", "undecided", "z" * 40, cost=1.0) for i in range(1500))
    problem = tw.read(X, X[:, :30] @ rng.standard_normal(30), decisions=decided(*entries))
    assert len(tw.report(tw.survey(problem)).html().encode()) <= LIMIT


def test_the_readme_shows_a_file_that_is_valid(tmp_path):
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```toml\n(.*?)```", readme, flags=re.S).group(1)
    path = tmp_path / "decisions.toml"
    path.write_text(block, encoding="utf-8")
    assert {entry.decision for entry in read_decisions(path).entries} == {"keep", "drop", "undecided"}
