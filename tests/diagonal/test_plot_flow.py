"""The pictures of training from finite initialisations are drawn in every language, with their numbers."""

import numpy as np
import pytest

from tests.problems import PATHS
from thalweg.diagonal import alpha_needed, diagonal_flow, heteroclinic_orbit, saddle_path
from thalweg.diagonal.plot_flow import drawing_times, dual_race, flow_overlay, path_film, saddle_tour, visibility
from thalweg.records import InputError
from thalweg.texts import LANGUAGES

A = PATHS[0]
PATH = saddle_path(A.X, A.y)
NAMES = ("first", "<b>second</b>", "third")


def texts_of(figure):
    layout = figure.layout
    axes = [layout.xaxis.title.text, layout.scene.xaxis.title.text, *(note.text for note in layout.annotations)]
    return [words for words in [*axes, *(trace.name for trace in figure.data)] if words]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_pictures_have_words_lines_and_tables(lang):
    times = drawing_times(PATH, 12)
    flows = [
        diagonal_flow(A.X, A.y, log10_alpha=-8, times=times),
        diagonal_flow(A.X, A.y, log10_alpha=-3, times=times, depth=3),
        diagonal_flow(A.X, A.y, log10_alpha=-8, times=times, step_size=0.1),
    ]
    pictures = (
        flow_overlay(PATH, flows, NAMES, lang),
        dual_race(PATH, NAMES, lang),
        saddle_tour(PATH, NAMES, lang, jumps=2),
        saddle_tour(PATH, NAMES, lang, features=(0, 2, 1), jumps=1),
        path_film(PATH, NAMES, lang, jumps=2),
        visibility(PATH, lang),
    )
    for picture in pictures:
        assert picture.title and picture.alternative.say(lang) and picture.figure.data
        assert all(table.rows for table in picture.tables)
        assert not any("<b>" in words for words in texts_of(picture.figure))
        assert picture.figure.to_json()


def test_tables_say_what_is_drawn():
    overlay = flow_overlay(PATH, [diagonal_flow(A.X, A.y, log10_alpha=-1e4, times=[0.9, 1.1, 4.0])], NAMES)
    assert [row[1] for row in overlay.tables[0].rows] == [1, 2] and max(row[3] for row in overlay.tables[0].rows) < 1e-6
    assert [row[0] for row in dual_race(PATH, NAMES).tables[0].rows] == ["first", "third", "<b>second</b>"]
    assert [row[1] for row in dual_race(PATH, NAMES).tables[0].rows] == pytest.approx(A.times)
    lengths = [heteroclinic_orbit(PATH, k).length for k in (1, 2)]
    assert [row[2] for row in path_film(PATH, NAMES, jumps=2).tables[0].rows] == pytest.approx(lengths, rel=1e-3)
    assert [row[2] for row in visibility(PATH).tables[0].rows] == [alpha_needed(PATH, k) for k in (1, 2, 3)]
    assert [row[0] for row in saddle_tour(PATH, NAMES, jumps=1).tables[0].rows] == [0, 1]


def test_three_axes_show_a_whole_path_of_three_features():
    tour = saddle_tour(PATH, NAMES)
    assert tour.alternative.values["percent"] == pytest.approx(100)
    shown = tour.figure.data[1]
    drawn = np.column_stack([shown.x, shown.y, shown.z])
    dense = np.array([PATH.coef(k) for k in range(4)])
    gaps = [np.linalg.norm(points[:, None] - points[None], axis=2) for points in (drawn, dense)]
    assert gaps[0] == pytest.approx(gaps[1], abs=1e-5)  # a rotation


def test_wide_and_one_sided_paths_are_drawn():
    rng = np.random.default_rng(0)
    names = [f"column {i}" for i in range(20)]
    path = saddle_path(rng.standard_normal((8, 20)), rng.standard_normal(8))
    assert len(path_film(path, names, jumps=3).tables[0].rows) == 3 and len(dual_race(path, names).figure.data) == 12
    assert len(visibility(path).figure.data[0].x) == path.count
    positive = saddle_path(np.eye(2), np.array([1.0, -1.0]), positive=True)
    assert saddle_tour(positive, names, positive=True).figure.data and dual_race(positive, names).figure.data


def test_a_path_without_jumps_has_nothing_to_draw():
    path = saddle_path(np.eye(3), np.zeros(3))
    for draw in (lambda: flow_overlay(path, [], NAMES), lambda: dual_race(path, NAMES), lambda: visibility(path),
                 lambda: saddle_tour(path, NAMES), lambda: path_film(path, NAMES)):  # fmt: skip
        with pytest.raises(InputError, match="no jump"):
            draw()
