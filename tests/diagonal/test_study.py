"""The study of a path in a survey: what is drawn while the data are at hand, and what is left out, in words."""

import json

import numpy as np
import pytest

import thalweg as tw
from tests.problems import table_problem
from thalweg.diagonal.fit import fit
from thalweg.diagonal.study import study

ALL = [
    "diagonal.activation_timeline", "diagonal.stability_map", "diagonal.cross_validation", "diagonal.lasso_comparison",
    "diagonal.dual_race", "diagonal.flow_overlay", "diagonal.visibility", "diagonal.saddle_tour",
]  # fmt: skip
pytestmark = pytest.mark.studies


@pytest.fixture(scope="module")
def problem():
    return table_problem()


def codes(made):
    return [picture.code for picture in made.pictures()]


def test_everything_is_drawn_within_the_usual_budget(problem):
    made, left_out = study(problem, fit(problem), 2e10, 0)
    assert [code.removesuffix("_same") for code in codes(made)] == ALL and left_out == ()
    for picture in made.pictures("ja"):
        assert picture.title and picture.alternative.say("ja") and all(table.rows for table in picture.tables)


def test_a_small_budget_leaves_out_what_takes_long_and_says_so(problem):
    made, left_out = study(problem, fit(problem), 1e6, 0)
    assert made.resampled is None and made.halves is None and made.validation is None
    assert made.flows == () and [code.removesuffix("_same") for code in codes(made)] == [
        "diagonal.lasso_comparison",
        "diagonal.dual_race",
    ]
    assert [s.code for s in left_out] == ["section.diagonal.not_resampled", "section.diagonal.not_trained"]


def test_kept_columns_are_not_resampled(problem):
    kept = tw.read(problem.X, problem.y, keep=["x1"])
    made, left_out = study(kept, fit(kept), 2e10, 0)
    assert made.resampled is None and left_out[0].code == "section.diagonal.not_resampled"


def test_nothing_to_learn_is_nothing_to_study():
    problem = tw.read(np.random.default_rng(0).standard_normal((30, 3)), np.ones(30))
    assert study(problem, fit(problem), 2e10, 0) == (None, ())


def test_the_same_seed_draws_the_same(problem):
    fitted = fit(problem)
    first, second = (study(problem, fitted, 2e10, 3)[0] for _ in range(2))
    assert first.resampled.to_frame().equals(second.resampled.to_frame())


def test_the_report_shows_and_the_json_lists_the_study(problem):
    page = tw.report(tw.survey(problem))
    facts = json.loads(page.json())
    assert [entry["code"].removesuffix("_same") for entry in facts["studies"]] == ALL
    assert all(entry["title"] in page.html() for entry in facts["studies"])
