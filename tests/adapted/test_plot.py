"""Pictures show the numbers of the run, in both languages, with words and tables beside them."""

import numpy as np
import pytest

import thalweg as tw
from tests.problems import table_problem
from thalweg.adapted.fit import fit, predict
from thalweg.adapted.mlp import Mlp
from thalweg.adapted.plot import figures, forecast_curve
from thalweg.adapted.training import fit as train
from thalweg.reports.numbers import headings, show_cell
from thalweg.texts import LANGUAGES

CODES = [
    "loss_curve",
    "line_deviation",
    "held_out_curve",
    "cost_curve_seconds_held_out",
    "orbit_curve",
    "spectrum_curve",
]


@pytest.fixture(scope="module")
def made():
    return fit(table_problem(n=30, d=3, noise=1.0))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_pictures_have_titles_words_tables_and_labelled_axes(made, lang):
    pictures = figures(made, lang)
    assert [picture.code for picture in pictures] == [f"adapted.{code}" for code in CODES]
    for picture in pictures:
        assert picture.title and picture.alternative.say(lang)
        assert picture.figure.layout.xaxis.title.text and picture.figure.layout.annotations[0].text
        for table in picture.tables:
            assert table.rows and all(len(row) == len(headings(table, lang)) for row in table.rows)
            assert all(show_cell(cell, lang) for row in table.rows for cell in row)


def test_the_loss_lies_on_the_curve_that_is_drawn(made):
    traces = figures(made)[0].figure.data
    curve, run = traces[-2], traces[-1]
    assert np.array_equal(run.y, made.trajectory.loss)
    assert np.allclose(curve.y, made.trajectory.loss[0] * np.exp(-2 * np.asarray(curve.x)))
    low, high = traces[0].y, traces[1].y
    assert (low <= run.y).all() and (run.y <= high).all()


def test_spectrum_and_conditioning_agree_with_the_jacobian(made):
    orbit, spectrum = figures(made)[-2:]
    start = np.asarray(spectrum.figure.data[0].y)
    assert start.size == 30 and (np.diff(start) <= 0).all()
    relative = np.asarray(orbit.figure.data[0].y)
    assert relative[0] == pytest.approx(np.sqrt(start[-1] / start[0]), rel=1e-6)
    assert np.allclose(orbit.figure.data[1].y, 1.0)


def test_fast_runs_show_their_bound_and_money_its_axis():
    made = fit(table_problem(n=20, d=2), {"mode": "fast", "rate": 100.0})
    codes = [picture.code for picture in figures(made)]
    assert codes[0] == "adapted.loss_bound" and "adapted.cost_curve_money_held_out" in codes
    bound, run = figures(made)[0].figure.data
    assert (np.asarray(run.y) <= np.asarray(bound.y) * (1 + 1e-9)).all()


@pytest.mark.parametrize(("rate", "name"), [(None, "seconds"), (100.0, "money")])
def test_classes_show_what_training_buys_in_right_answers(rate, name):
    X = np.random.default_rng(0).standard_normal((40, 2))
    problem = tw.read(X, (X[:, 0] + X[:, 1] ** 2 > 0.5) * 1.0)
    made = fit(problem, {"loss": "ce", "until": "accuracy=1", "rate": rate})
    picture = next(p for p in figures(made) if p.code == f"adapted.accuracy_curve_{name}_held_out")
    shares = np.asarray(picture.figure.data[0].y)
    right = (predict(made, problem.X) == problem.y).mean()
    assert shares.size == made.trajectory.loss.size and shares[-1] == right == 1.0 > shares[0]
    assert picture.alternative.say() and len(picture.tables[0].rows) == shares.size
    few = tw.read(X[:9], problem.y[:9])
    codes = [p.code for p in figures(fit(few, {"loss": "ce", "rate": rate, "tol": 1e-2}))]
    assert f"adapted.accuracy_curve_{name}" in codes


def test_a_run_without_steps_is_not_drawn():
    made = fit(tw.read(np.ones((12, 2)), np.arange(12.0)), {"until": "loss=0.1"})
    assert made.trajectory.loss.size == 1 and figures(made) == ()


def test_events_on_the_way_stand_in_a_table():
    made = fit(table_problem(d=1))  # the rank is lost to rounding, and the line cannot be followed
    tables = figures(made)[0].tables
    assert tables[-1].code == "adapted.events" and "line" in tables[-1].rows[-1][1].say()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_forecasts_stand_beside_what_the_run_took(lang):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((12, 2)), rng.standard_normal((12, 1))
    network = Mlp((2, 24, 1))
    run = train(network, network.initial(0), (X, Y), mode="certified", tol=1e-8)
    picture = forecast_curve(run, lang)
    assert picture.alternative.values["actual"] == run.seconds[-1]
    assert len(picture.tables[0].rows) == len(run.forecasts) > 2
