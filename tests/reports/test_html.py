"""The page is one file, complete in itself, with nothing a column name can do to it."""

import base64
import dataclasses
import hashlib
import html.parser
import json
import re
from pathlib import Path

import numpy as np
import pytest

import thalweg as tw
from tests.problems import table_problem
from thalweg.families import find_family
from thalweg.records import InputError, Section, Statement
from thalweg.reports.numbers import show_number
from thalweg.texts import LANGUAGES

BAD = Path(__file__).parents[1] / "bad"
LIMIT = 6 * 2**20


class Page(html.parser.HTMLParser):
    """Collects scripts, attributes that fetch, and the visible text."""

    def __init__(self, source):
        super().__init__()
        self.scripts, self.fetches, self.policy, self.handlers, self.words = [], [], "", [], []
        self._script = None
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "script":
            self._script = {"type": given.get("type"), "content": ""}
            self.scripts.append(self._script)
        self.fetches += [
            v for k, v in attrs if k in ("src", "href", "srcset", "action") and not v.startswith(("#", "data:"))
        ]
        self.handlers += [k for k, _ in attrs if k.startswith("on")]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]

    def handle_endtag(self, tag):
        if tag == "script":
            self._script = None

    def handle_data(self, data):
        if self._script is not None:
            self._script["content"] += data
        else:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)


@pytest.fixture(scope="module", params=LANGUAGES)
def hostile(request):
    problem = tw.read(BAD / "hostile_names.csv", "y")
    fit = tw.train(problem, "diagonal")
    survey = tw.survey(problem)
    made = tw.report(survey, fit, tw.certify(fit, problem), lang=request.param)
    page = Page(made.html())
    page.drawn = drawn(survey.sections) + len(find_family("diagonal").figures(fit))
    page.drawn += sum(map(len, made.study_pictures.values()))
    return page


def drawn(sections):
    """Count the figures of the fits in some sections."""
    return sum(len(find_family(section.family).figures(fit)) for section in sections for fit in section.fits)


def test_only_our_two_scripts_run(hostile):
    running = [script["content"] for script in hostile.scripts if script["type"] is None]
    hashes = [base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in running]
    assert len(running) == 2
    assert hostile.policy == (
        f"default-src 'none'; script-src 'sha256-{hashes[0]}' 'sha256-{hashes[1]}'; "
        "style-src 'unsafe-inline'; img-src data: blob:"
    )


def test_nothing_is_fetched_and_no_handler_is_inline(hostile):
    assert hostile.fetches == [] and hostile.handlers == []


def test_markup_in_names_appears_as_text(hostile):
    assert "<script>alert(1)</script>" in hostile.text and "<img src=x onerror=alert(2)>" in hostile.text
    assert "{{7*7}}" in hostile.text.replace(" ", "") and "49" not in re.findall(r"\$x\$ & (\d+)", hostile.text)


def test_figures_carry_their_data_words_and_numbers(hostile):
    figures = [json.loads(script["content"]) for script in hostile.scripts if script["type"] == "application/json"]
    assert len(figures) == hostile.drawn >= 4 + 4 + 8  # of the fits in the survey, of the run, of the study
    assert all(figure["data"] for figure in figures)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_pages_stay_below_six_megabytes_whatever_the_width(lang):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 1500))
    made = tw.report(tw.survey(tw.read(X, X[:, :30] @ rng.standard_normal(30))), lang=lang)
    assert len(made.html().encode()) <= LIMIT


def test_every_sentence_of_the_decision_is_on_the_page():
    made = tw.survey(tw.read(BAD / "plant_with_faults.csv", "out"))
    page = Page(tw.report(made).html())
    for statement in (*made.decision.sentences, *made.decision.would_change):
        assert statement.say() in page.text
    assert made.decision.command in page.text
    for check in made.all_checks:
        assert check.say("finding") in page.text


def test_families_that_do_not_apply_are_one_line():
    made = tw.survey(table_problem())
    others = tuple(
        Section(family=name, applies=False, headline=Statement("section.diagonal.incomplete", {}))
        for name in ("second", "third")
    )
    page = Page(tw.report(dataclasses.replace(made, sections=made.sections + others)).html())
    assert "Not applicable to these data: second, third." in page.text
    assert len(page.scripts) == drawn(made.sections) + 2  # the figures of those that apply, and our two scripts


def test_json_has_the_same_facts():
    made = tw.survey(table_problem(noise=1.0))
    facts = json.loads(tw.report(made).json())
    assert facts["survey"]["decision"]["command"] == made.decision.command
    assert len(facts["survey"]["sections"][0]["fits"][0]["solution"]["times"]) > 0


def test_a_run_alone_makes_a_page_too():
    problem = table_problem()
    fit = tw.train(problem, "diagonal")
    page = Page(tw.report(fit, tw.certify(fit, problem)).html())
    assert "least-l1 representation" in page.text


def test_a_fit_without_jumps_makes_a_page_without_figures():
    problem = tw.read(np.eye(12), np.full(12, 2.0))
    made = tw.survey(problem)
    page = Page(tw.report(made).html())
    silent = [section for section in made.sections if section.family == "diagonal"]
    assert drawn(silent) == 0 and len(page.scripts) == drawn(made.sections) + 2


def test_saving_is_atomic_and_says_where_it_failed(tmp_path):
    made = tw.report(tw.survey(table_problem()))
    saved = made.save(tmp_path / "new" / "report.html")
    assert sorted(p.name for p in saved.parent.iterdir()) == ["report.html", "report.json"]
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        made.save(blocked / "report.html")


def test_reports_refuse_what_they_cannot_hold():
    with pytest.raises(InputError, match="en | ja"):
        tw.report(lang="de")
    with pytest.raises(InputError, match="cannot hold this"):
        tw.report(3)  # type: ignore[arg-type]


def test_notebooks_get_an_isolated_frame():
    shown = tw.report(tw.survey(table_problem()))._repr_html_()
    assert shown.startswith("<iframe srcdoc=") and "<script>" not in shown


@pytest.mark.parametrize(
    ("value", "shown"), [(float("nan"), "–"), (float("inf"), "∞"), (-float("inf"), "−∞"), (1234567, "1,234,567"),
                         (0.123456789, "0.12346"), ("x", "x"), (True, "True")]
)  # fmt: skip
def test_numbers_are_shown_for_readers(value, shown):
    assert show_number(value) == shown
