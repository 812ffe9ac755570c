"""Pictures of where to stop show the numbers they are drawn from, in both languages."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import lars_path

from tests.problems import diabetes
from thalweg.diagonal import cross_validate, saddle_path
from thalweg.diagonal.plot_selection import cross_validation_curve, lasso_comparison
from thalweg.diagonal.smooth_path import smooth_path
from thalweg.records import InputError


def gaussian(seed, n=40, d=6):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, X[:, 0] - X[:, 1] + rng.standard_normal(n)


def line(picture, name):
    return next(trace for trace in picture.figure.data if trace.name == name)


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_pictures_have_titles_words_tables_and_labelled_axes(lang):
    X, y = gaussian(0)
    pictures = (
        cross_validation_curve(cross_validate(X, y), "<b>yield</b>", lang),
        lasso_comparison(saddle_path(X, y), X, y, target_name="<b>yield</b>", lang=lang),
    )
    for picture in pictures:
        assert picture.title and picture.alternative.say(lang) and picture.tables
        assert picture.figure.layout.xaxis.title.text and picture.figure.layout.annotations
        assert "<b>" not in picture.figure.to_json()
        for table in picture.tables:
            assert table.rows and all(len(row) == len(table.columns) for row in table.rows)


def test_the_curve_shows_the_mean_its_band_and_both_choices():
    found = cross_validate(*gaussian(1), folds=4)
    picture = cross_validation_curve(found)
    mean, low, high = line(picture, "mean over folds"), *picture.figure.data[:2]
    assert np.array_equal(mean.x[1:-1], found.times[1:]) and np.array_equal(mean.y[:-1], found.mean)
    assert np.array(low.y) == pytest.approx(
        np.array(mean.y) - np.append(found.standard_error, found.standard_error[-1])
    )
    assert np.array(high.y) == pytest.approx(2 * np.array(mean.y) - np.array(low.y))
    assert {trace.line.shape for trace in (mean, low, high)} == {"hv"}
    for rule, name in (("min", "least held-out error"), ("1se", "earliest within one standard error")):
        mark = line(picture, name)
        assert mark.y == (found.mean[found.step(rule)],)
        assert mark.x[0] == found.time(rule) or found.step(rule) in (0, found.times.size - 1)
    in_time, by_active = picture.tables
    assert [row[1] for row in in_time.rows] == found.mean[:100].tolist()
    assert [row[1] for row in by_active.rows] == found.by_active()[1].tolist()


def test_a_curve_without_jumps_is_a_level_line():
    picture = cross_validation_curve(cross_validate(gaussian(2)[0], np.ones(40)))
    assert set(line(picture, "mean over folds").y) == {0.0}


def test_training_and_the_lasso_part_at_the_ninth_jump_of_the_diabetes_data():
    X, y, _ = diabetes()
    path = saddle_path(X, y)
    picture = lasso_comparison(path, X, y)
    values = picture.alternative.values
    assert (values["until"], values["jumps"]) == (9, 11) and values["time"] == pytest.approx(80.6932114073)
    assert values["before"] < 1e-10 < 0.1 < values["after"]
    (mark,) = picture.figure.layout.shapes
    assert mark.x0 == mark.x1 == pytest.approx(80.6932114073)
    assert [row[3] < 1e-8 for row in picture.tables[0].rows] == [True] * 9 + [False] * 2


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_lines_are_the_running_mean_and_the_lasso(seed, positive):
    X, y = gaussian(seed, 12, 5)
    exponents = np.random.default_rng(seed).uniform(0.5, 2, 5)
    path = saddle_path(X, y, init_exponents=exponents, positive=positive)
    if path.count == 0:
        return
    picture = lasso_comparison(path, X, y, positive=positive, feature_names=[str(i) for i in range(5)])
    penalties, _, solutions = lars_path(X / exponents, y, method="lasso", positive=positive)
    for trained in (trace for trace in picture.figure.data if trace.name and trace.name.isdigit()):
        i = int(trained.name)
        lasso = next(t for t in picture.figure.data if t.legendgroup == trained.name and t.line.dash == "dot")
        for t, mean, other in list(zip(trained.x, trained.y, lasso.y, strict=True))[::37]:
            assert np.nan_to_num(mean) == pytest.approx(path.running_mean(t)[i], abs=1e-9)
            expected = np.interp(1 / t, penalties[::-1], solutions[i, ::-1]) / exponents[i]
            assert np.nan_to_num(other) == pytest.approx(expected, abs=1e-9)
    assert picture.alternative.values["before"] < 1e-7


def test_nothing_is_drawn_of_a_path_without_jumps_or_of_other_data():
    X, y = gaussian(3)
    with pytest.raises(InputError, match="nothing to draw"):
        lasso_comparison(saddle_path(X, np.zeros(40)), X, y)
    with pytest.raises(InputError, match="squared"):
        lasso_comparison(smooth_path(X, y > 0, loss="logistic"), X, y)
    with pytest.raises(InputError, match="feature_names"):
        lasso_comparison(saddle_path(X, y), X, y, feature_names=["a"])
