"""Pictures of resampled orders hold the numbers of the study, in both languages, with names as plain text."""

import numpy as np
import pytest

from thalweg.diagonal import bootstrap, jitter, stability_selection
from thalweg.diagonal.plot_resampling import activation_timeline, jitter_strip, stability_map
from thalweg.records import InputError
from thalweg.texts import LANGUAGES

NAMES = ["<b>bold</b>", "b", "c", "d"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 4))
    X[:, 3] = np.eye(30)[4]  # rare: a third of the samples lack it
    return X, 3 * X[:, 0] - 2 * X[:, 1] + rng.standard_normal(30)


def drawn(picture, mode):
    return [trace for trace in picture.figure.data if trace.mode == mode]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_timeline_shows_intervals_and_who_never_switches_on(data, lang):
    study = bootstrap(*data, draws=50)
    picture = activation_timeline(study, NAMES, lang)
    found, order = study.activations, study.activations.order.tolist()
    assert picture.figure.layout.yaxis.ticktext[0] == "&lt;b&gt;bold&lt;/b&gt;"
    assert [row[0] for row in picture.tables[0].rows] == [NAMES[i] for i in order]
    diamonds = drawn(picture, "markers")[-1]
    assert list(diamonds.x) == [found.reference[i] for i in order]
    bars = {y: (x0, x1) for bar in drawn(picture, "lines")
            for x0, x1, y in zip(bar.x[::3], bar.x[1::3], bar.y[::3], strict=True)}  # fmt: skip
    right = 10 ** picture.figure.layout.xaxis.range[1]
    for row, i in enumerate(order):
        assert bars[row] == pytest.approx((found.time.lower[i], min(found.time.upper[i], right)))
    arrows = [y for trace in drawn(picture, "markers") if trace.marker.symbol == "triangle-right" for y in trace.y]
    assert arrows == [order.index(3)] and np.isinf(found.time.upper[3])
    assert NAMES[0] in picture.alternative.say(lang) and "nan" not in picture.alternative.say(lang)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_map_shows_the_shares_of_halves(data, lang):
    study = stability_selection(*data, draws=20)
    picture = stability_map(study, NAMES, lang)
    (heat,) = picture.figure.data
    order = study.activations.order
    assert np.array_equal(heat.z, study.active[:, order].T) and len(heat.x) == study.grid.size + 1
    assert (np.diff(heat.x) > 0).all() and heat.x[0] < study.grid[0] and heat.x[-1] > study.grid[-1]
    first = picture.tables[0].rows[0]
    assert first[0] == NAMES[0] and first[1:] == tuple(study.active[[0, 10, 20, 30, 39, 49, 59], 0])
    assert picture.alternative.say(lang)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_strip_shows_every_tau(data, lang):
    study = jitter(*data, draws=10, most_steps=2500)
    picture = jitter_strip(study, lang)
    for box, disturbance, row in zip(picture.figure.data, study.disturbances, picture.tables[0].rows, strict=True):
        taus = disturbance.activations.taus
        assert sorted(box.y) == sorted(taus[~np.isnan(taus)]) and row[0] == box.name
        assert row[2] == disturbance.activations.tau.median and row[4] == np.isnan(taus).sum()
    least = min(disturbance.activations.tau.median for disturbance in study.disturbances)
    assert picture.alternative.values["tau"] == least
    assert picture.alternative.say(lang)


def test_pictures_of_nothing():
    X, y = np.ones((8, 2)), np.arange(8.0)
    assert activation_timeline(bootstrap(X, y, draws=2), "ab").tables[0].rows[0][1] == 0.0
    assert stability_map(stability_selection(X, y, draws=2), "ab").figure.data[0].z.tolist() == [[0.0], [0.0]]
    assert "nan" in jitter_strip(jitter(X, y, draws=2)).alternative.say()


def test_names_must_be_as_many_as_columns(data):
    with pytest.raises(InputError, match="feature_names"):
        activation_timeline(bootstrap(*data, draws=2), ["a"])
    with pytest.raises(InputError, match="feature_names"):
        stability_map(stability_selection(*data, draws=2), ["a"])
