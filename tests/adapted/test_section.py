"""The section: the curve of all rows, what the budget allows, and options that do what was said of them."""

import json

import numpy as np
import pytest

import thalweg as tw
from tests.problems import table_problem
from thalweg.adapted.fit import fit
from thalweg.adapted.mlp import Mlp
from thalweg.adapted.section import section
from thalweg.adapted.standardise import default_widths
from thalweg.adapted.study import affordable_rows, spaced, step_costs, study
from thalweg.adapted.tables import WANTED, stopping_table, tables
from thalweg.data.samples import find_sample
from thalweg.records import to_document

BUDGET = 1e9


@pytest.fixture(scope="module")
def noisy():
    return table_problem(n=60, d=5, noise=3.0, seed=3)


@pytest.fixture(scope="module")
def made(noisy):
    return section(noisy, BUDGET, 0)


def test_the_headline_is_the_law_of_all_rows(noisy, made):
    told = made.headline.values
    network = Mlp((5, *default_widths(60, 5, 1), 1))
    X = (noisy.X - noisy.X.mean(axis=0)) / noisy.X.std(axis=0)
    y = (noisy.y - noisy.y.mean()) / noisy.y.std()
    start = np.mean((network(network.initial(0), X)[:, 0] - y) ** 2) / 2
    assert told["start"] == pytest.approx(start) and told["tau"] == pytest.approx(np.log(start / 1e-6) / 2)
    assert told["s"] == pytest.approx(60 * told["tau"]) and told["t"] == pytest.approx(1 - np.exp(-told["tau"]))


def test_stopping_times_are_those_of_the_law(noisy, made):
    table = next(t for t in made.tables if t.code == "adapted.stopping")
    start = made.headline.values["start"]
    for share, row in zip(WANTED, table.rows, strict=True):
        values = dict(zip(table.columns, row, strict=True))
        assert values["wanted_rmse"] == pytest.approx(share * noisy.y.std())
        assert values["r2"] == pytest.approx(1 - share**2)
        assert values["tau"] == pytest.approx(np.log(2 * start / share**2) / 2)
        assert 0 < values["seconds_low"] < values["seconds_high"]


def test_recommended_options_train_to_the_recommended_error(noisy, made):
    options = {choice.option: choice.value for choice in made.choices}
    assert options["mode"] == "fast" and options["damping"] > 0 and options["validation"] is True
    advised = made.advice[0].values
    trained = fit(noisy, options)
    assert trained.solution["held_out_rmse"].min() <= advised["damped"] * (1 + 1e-9)
    assert advised["damped"] < advised["best"]


def test_the_budget_selects_rows_before_the_start(noisy):
    assert affordable_rows(480, 8, 0.0) == 0
    rows = affordable_rows(480, 8, 1e9)
    assert step_costs(rows, 8).operations <= 1e9 / 600 < step_costs(rows + 1, 8).operations
    small = section(noisy, 600 * step_costs(20, 5).operations, 0)
    assert small.fits[0].solution["rows"][0] == 16 and small.skipped[0].values == {"rows": 20, "all": 60}
    none = section(noisy, 1e4, 0)
    assert not none.fits and [s.code for s in none.skipped] == ["section.adapted.not_rehearsed"]
    assert none.headline.code == "section.adapted.too_large"


def test_rows_are_taken_evenly_and_in_order():
    assert spaced(10, 4).tolist() == [0, 3, 6, 9] and spaced(3, 10).tolist() == [0, 1, 2]


def test_ordered_rows_are_only_split_forward(noisy):
    later = noisy.y.copy()
    later[48:] += 50.0
    one, other = study(noisy, BUDGET, 0), study(tw.read(noisy.X, later), BUDGET, 0)
    assert one.rows == other.rows == 60
    assert np.array_equal(one.rehearsal.trajectory.loss, other.rehearsal.trajectory.loss)
    assert all(a[1].clock == b[1].clock for a, b in zip(one.damped, other.damped, strict=True))


def test_a_survey_does_not_carry_the_parameters_of_every_node(made):
    assert len(json.dumps(to_document(made))) < 200_000


def test_the_mean_is_recommended_where_nothing_is_learned():
    x = np.random.default_rng(1).standard_normal((50, 2))
    turned = x[:, 0] * np.where(np.arange(50) < 40, 1.0, -1.0)  # what is learned is false on the last fifth
    made = section(tw.read(x, turned), BUDGET, 0)
    assert not made.recommended and not made.choices
    assert made.advice[0].code in ("advice.adapted.mean_is_best", "advice.adapted.untrained")


def test_a_lost_rank_makes_the_headline_conditional():
    made = section(table_problem(d=1), BUDGET, 0)
    assert made.headline.code == "section.adapted.conditional"
    assert any(s.code == "advice.adapted.not_followed" for s in made.advice)


def test_real_readings_are_studied_on_part_of_their_rows():
    sample = find_sample("pv-inverter")
    made = section(tw.read(sample.path, sample.target, drop=sample.drop), BUDGET, 0)
    advice = made.advice[0]
    assert made.skipped[0].values["all"] == 480
    assert advice.code == "advice.adapted.damp" and advice.values["damped"] < advice.values["mean"]


def test_classes_show_their_nodes():
    X = np.random.default_rng(0).standard_normal((20, 2))
    made = fit(tw.read(X, (X[:, 0] > 0) * 1.0), {"loss": "ce", "until": "accuracy=1"})
    assert [t.code for t in tables(made)] == ["adapted.promise", "adapted.nodes"]
    table = stopping_table(fit(table_problem(n=12, d=2)))
    assert len(table.rows) == len(WANTED)
