"""Every replicate is the path of its own rows; intervals, shares and bounds are those of their definitions."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.problems import diabetes
from thalweg.diagonal import bootstrap, naive_path, saddle_path, stability_selection
from thalweg.diagonal.moments import correlations
from thalweg.diagonal.prepare import prepare
from thalweg.diagonal.replicates import NEAR_TIE, TOGETHER, UNSOUND, WIDE
from thalweg.diagonal.stability import unimodal_factor
from thalweg.numerics.resampling import bootstrap_rows, disjoint_pair, stream
from thalweg.records import InputError

seeds = st.integers(0, 2**32 - 1)


def gaussian(n, d, seed=0, features=2, noise=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, X[:, :features] @ np.arange(features + 1.0, 1.0, -1) + noise * rng.standard_normal(n)


def orthogonal(*pulls):
    """Orthogonal columns that the target pulls like this, with a residual that no column sees."""
    return np.tile(np.eye(4), (20, 1)), np.tile(pulls, 20) + np.repeat([1.0, -1.0], 40)


def hostile(seed, n, d):
    """Data of a kind that depends on the seed: plain, with ties, rare 0/1 features, nearly dependent, of all sizes."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    match seed % 6:
        case 1:
            X, y = rng.integers(-2, 3, (n, d)).astype(float), rng.integers(-3, 4, n).astype(float)
        case 2:
            X = (rng.random((n, d)) < 0.15).astype(float)
        case 3:
            y = X @ rng.integers(-1, 2, d).astype(float)
        case 4:
            X = X * 10.0 ** rng.integers(-4, 5, d) + 1e3 * rng.integers(0, 2, d)
            y = y + 1e4
        case 5:
            X[:, -1] = X[:, 0] + 10.0 ** -rng.integers(1, 12) * rng.standard_normal(n)
    return X, y


def literal(X, y, rows, walk=saddle_path, fit_intercept=True, standardize=True, **options):
    """The path of these rows, and the units of its coefficients."""
    prepared = prepare(X[rows], y[rows], fit_intercept=fit_intercept, standardize=standardize)
    return walk(prepared.X, prepared.y, reference_norm=prepared.target_norm, **options), prepared.scale


def first_activations(path):
    times = np.full(path.exponents.size, np.inf)
    for event in reversed(path.events):
        if event.kind == "enter":
            times[event.feature] = event.time
    return times


def assert_is(study, k, path, scale, rtol=1e-6):
    jumps = study.jumps[k][np.isfinite(study.jumps[k])]
    assert jumps == pytest.approx(path.times, rel=rtol)
    assert study.activations.times[k] == pytest.approx(first_activations(path), rel=rtol)
    for i in np.flatnonzero(study.activations.signs[k]):
        entered = int(np.searchsorted(path.times, study.activations.times[k, i] * (1 + 1e-7), side="right"))
        assert np.sign(path.coef(entered)[i]) == study.activations.signs[k, i]
    assert (np.isfinite(study.activations.times[k]) == (study.activations.signs[k] != 0)).all()
    if path.horizon < study.time:
        assert np.isnan(study.coefficients[k]).all()
    else:
        b = path.coef(path.count) / scale
        assert study.coefficients[k] * scale == pytest.approx(b * scale, rel=1e-6, abs=1e-6 * np.abs(b * scale).max())


@settings(max_examples=40)
@given(seeds, st.integers(2, 40), st.integers(1, 7), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_a_draw_is_the_path_of_its_rows(seed, n, d, fit_intercept, standardize, positive, with_exponents):
    X, y = hostile(seed, n, d)
    exponents = np.random.default_rng(seed).uniform(0.5, 2, d) if with_exponents else None
    options = {"fit_intercept": fit_intercept, "standardize": standardize, "positive": positive}
    study = bootstrap(X, y, draws=3, seed=seed, init_exponents=exponents, grid=[1, 3.3, 17], **options)
    active, outcomes = np.zeros((4, d)), Counter()
    for k in range(3):
        path, scale = literal(
            X, y, bootstrap_rows(n, stream(seed, "bootstrap", k)), init_exponents=exponents, **options
        )
        assert_is(study, k, path, scale)
        relative = path.times / path.times[0] if path.count else path.times
        for place, saddle in enumerate(np.searchsorted(relative, [1, 3.3, 17, np.inf], side="right")):
            active[place, path.supports[saddle]] += 1 / 3
        outcomes[path.outcome.value] += 1
    assert np.vstack([study.active, study.active_at_end]) == pytest.approx(active)
    assert study.outcomes == outcomes


@pytest.mark.parametrize("standardize", [True, False])
def test_draws_of_diabetes_go_together_and_are_the_plain_paths(standardize):
    X, y, _ = diabetes()
    study = bootstrap(X, y, draws=60, standardize=standardize)
    assert study.routes[TOGETHER] >= 58
    for k in range(0, 60, 12):
        rows = bootstrap_rows(442, stream(0, "bootstrap", k))
        assert_is(study, k, *literal(X, y, rows, naive_path, standardize=standardize), rtol=1e-8)


@pytest.mark.parametrize(
    ("route", "data"),
    [
        (TOGETHER, gaussian(50, 4)),
        (WIDE, gaussian(10, 12)),
        (WIDE, gaussian(400, 101)),
        (UNSOUND, (np.repeat(gaussian(50, 2)[0], 2, axis=1), gaussian(50, 2)[1])),
        (TOGETHER, orthogonal(4.0, 3.0, 2.001, 2.0)),
        (NEAR_TIE, orthogonal(4.0, 3.0, 2.0, 2.0)),
        (NEAR_TIE, orthogonal(4.0, 3.0, 2.0 + 1e-8, 2.0)),
    ],
    ids=["together", "wide", "more columns than pay", "duplicates", "orthogonal", "ties", "near ties"],
)
def test_the_route_says_why(route, data):
    study = bootstrap(*data, draws=2, fit_intercept=False, block_length=len(data[1]))
    assert study.routes == {route: 2}
    path, scale = literal(*data, np.arange(len(data[1])), fit_intercept=False)
    assert_is(study, 0, path, scale)  # one block is all rows
    assert study.activations.taus == pytest.approx([1.0, 1.0])


def test_a_fit_without_residual_interpolates_in_every_draw():
    X, y = gaussian(30, 3, features=3, noise=0.0)
    assert bootstrap(X, y, draws=5).outcomes == {"interpolated": 5}


def test_rare_features_that_a_draw_lacks_are_constant_in_it():
    X, y = gaussian(40, 3)
    X = np.column_stack([X, np.eye(40)[7], np.ones(40)])
    study = bootstrap(X, y, draws=50)
    for k in range(50):
        has = (bootstrap_rows(40, stream(0, "bootstrap", k)) == 7).any()
        assert np.isfinite(study.activations.times[k]).tolist() == [True, True, True, has, False]
    assert study.activations.probability[4] == 0 and set(study.routes) >= {TOGETHER, UNSOUND}


def test_duplicate_features_share_in_every_draw():
    X, y = gaussian(60, 3)
    study = bootstrap(np.column_stack([X, -X[:, 0]]), y, draws=10)
    assert study.coefficients[:, 3] == pytest.approx(-study.coefficients[:, 0])
    assert (study.activations.ranks[:, 0] == study.activations.ranks[:, 3]).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_data(n):
    X, y = gaussian(n, 2)
    study = bootstrap(X, y, draws=20)
    assert study.draws == 20 and study.to_frame().shape == (2, 16)
    if n == 1:
        assert study.outcomes == {"nothing_to_learn": 20} and np.isnan(study.activations.taus).all()


def test_neither_workers_nor_the_number_of_draws_change_a_draw(monkeypatch):
    monkeypatch.setattr("thalweg.diagonal.resampling.LARGEST_PART", 7)
    X, y = gaussian(60, 5, noise=3)
    one, three = (bootstrap(X, y, draws=30, seed=4, grid=[1, 3], workers=workers) for workers in (1, 3))
    for name in ("jumps", "coefficients", "active", "active_at_end"):
        assert np.array_equal(getattr(one, name), getattr(three, name))
    assert np.array_equal(one.activations.times, three.activations.times) and one.routes == three.routes
    fewer, other = bootstrap(X, y, draws=11, seed=4), bootstrap(X, y, draws=11, seed=5)
    assert fewer.activations.times == pytest.approx(one.activations.times[:11], rel=1e-9)
    assert not np.isclose(fewer.jumps[:, 0], other.jumps[:, 0]).any()


def test_intervals_and_shares_are_those_of_the_draws():
    X, y = gaussian(50, 4, noise=4)
    study = bootstrap(X, y, draws=40, level=0.8, grid=[1.0, 2.0, 8.0])
    for k in range(40):
        path, _ = literal(X, y, bootstrap_rows(50, stream(0, "bootstrap", k)))
        active = np.array([path.coef_at(path.times[0] * t * (1 + 1e-9)) != 0 for t in (1.0, 2.0, 8.0)])
        study.active[:] -= active / 40
        study.active_at_end[:] -= (path.coef(path.count) != 0) / 40
    assert study.active == pytest.approx(0, abs=1e-12) and study.active_at_end == pytest.approx(0, abs=1e-12)
    ordered = np.sort(study.jumps, axis=0)
    jumps = study.jump_interval()
    assert jumps.lower.tolist() == ordered[3, : study.path.count].tolist()
    assert jumps.upper.tolist() == ordered[35, : study.path.count].tolist()
    coefficient = study.coefficient_interval()
    assert (coefficient.lower <= coefficient.median).all() and (coefficient.median <= coefficient.upper).all()
    assert study.activations.raises + study.activations.lowers == pytest.approx(study.activations.probability)


def test_a_path_that_is_stopped_is_not_known_beyond():
    X, y = gaussian(80, 5, features=3)
    whole, stopped = bootstrap(X, y, draws=12, grid=[1, 50]), bootstrap(X, y, draws=12, grid=[1, 50], max_saddles=2)
    assert stopped.outcomes == {"stopped_on_request": 12} and stopped.jumps == pytest.approx(whole.jumps[:, :2])
    assert np.isnan(stopped.coefficients).all() and np.isnan(stopped.coefficient_interval().median).all()
    assert stopped.active[0] == pytest.approx(whole.active[0])
    assert np.isnan(stopped.active[1]).all() and np.isnan(stopped.active_at_end).all()
    time = float(np.median(whole.jumps[:, 2]))
    limited, there = bootstrap(X, y, draws=12, max_time=time, time=time), bootstrap(X, y, draws=12, time=time)
    assert (np.isfinite(limited.activations.times) == (whole.activations.times <= time)).all()
    assert np.isfinite(limited.activations.times).any() and np.isinf(limited.activations.times).any()
    assert limited.coefficients == pytest.approx(there.coefficients)  # up to max_time all is known
    assert limited.path_coefficients == pytest.approx(there.path_coefficients)
    beyond = bootstrap(X, y, draws=12, max_time=time, time=1.1 * time)
    assert np.isnan(beyond.coefficients).all() and np.isnan(beyond.path_coefficients).all()


def test_coefficients_at_a_time_are_those_of_the_saddle_there():
    X, y = gaussian(60, 4)
    study = bootstrap(X, y, draws=5, time=0.6)
    for k in range(5):
        path, scale = literal(X, y, bootstrap_rows(60, stream(0, "bootstrap", k)))
        assert study.coefficients[k] == pytest.approx(path.coef_at(0.6) / scale)
    assert study.path_coefficients == pytest.approx((lambda p, s: p.coef_at(0.6) / s)(*literal(X, y, slice(None))))


def test_frames_have_a_row_a_feature_and_a_row_a_jump():
    X, y = gaussian(60, 3)
    study = bootstrap(X, y, draws=20)
    frame = study.to_frame(["a", "b", "c"])
    assert frame.index.tolist() == ["a", "b", "c"] and frame["rank"].tolist() == [1, 2, 3]
    assert frame.loc["a", "probability"] == 1 and frame.loc["a", "raises"] == 1
    assert study.jumps_to_frame()["time"].tolist() == study.path.times.tolist()


@settings(max_examples=20)
@given(seeds, st.integers(4, 30), st.integers(1, 5))
def test_a_half_is_the_path_of_its_rows(seed, n, d):
    X, y = hostile(seed, n, d)
    study = stability_selection(X, y, draws=4, seed=seed, grid=[1, 2, 10])
    on = np.zeros((3, d))
    for k in range(4):
        rows = disjoint_pair(n, n // 2, stream(seed, "halves", k // 2))[k % 2]
        path, _ = literal(X, y, rows)
        assert study.activations.times[k] == pytest.approx(first_activations(path), rel=1e-6)
        if path.count:
            on += first_activations(path) / path.times[0] <= np.array([[1], [2], [10]]) * (1 + 1e-8)
    assert study.switched_on == pytest.approx(on / 4)
    assert study.rows == n // 2


def test_a_strong_signal_is_stable_and_noise_is_not():
    X, y = gaussian(200, 20, features=3)
    study = stability_selection(X, y)
    until = study.latest(0.75, 1.0)
    assert study.selected(0.75, until).tolist() == [0, 1, 2]
    assert study.bound(0.75, until).worst_case <= 1.0
    noise = stability_selection(X, np.random.default_rng(1).standard_normal(200))
    assert noise.selected(0.75, noise.latest(0.75, 1.0)).size == 0
    assert study.active.shape == (60, 20) and study.active[-1].min() > noise.active[0].max() > 0


def test_the_bounds_hold_for_noise():
    false, worst, unimodal = [], [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        study = stability_selection(rng.standard_normal((40, 12)), rng.standard_normal(40), draws=20, grid=[1.0, 1.4])
        bound = study.bound(0.6, 1.4)
        false.append(study.selected(0.6, 1.4).size)
        worst.append(bound.worst_case)
        unimodal.append(bound.unimodal)
    margin = 3 * np.std(false) / np.sqrt(len(false))
    assert 0 < np.mean(false) <= np.mean(worst) + margin
    assert np.mean(false) <= np.nanmean(unimodal) + margin and np.mean(unimodal) < np.mean(worst)


def test_the_unimodal_factor():
    # at threshold 1 only simultaneous selection in every pair counts: 4 / (2 B) / (1 + 1/B)
    assert unimodal_factor(1.0, 50, 0.1) == pytest.approx(4 * 0.01 / 1.02)
    assert unimodal_factor(0.75, 50, 0.1) == pytest.approx(1 / (2 * (0.5 - 0.01)))
    assert unimodal_factor(0.755, 50, 0.1) == unimodal_factor(0.76, 50, 0.1)  # shares are hundredths
    assert np.isnan(unimodal_factor(0.51, 50, 0.1)) and np.isnan(unimodal_factor(0.9, 50, 0.6))
    assert np.isnan(unimodal_factor(0.55, 50, 0.5))


def test_nothing_is_selected_where_nothing_pulls():
    study = stability_selection(np.ones((10, 2)), np.arange(10.0), draws=4)
    assert study.varying == 0 and study.selected(0.9, 1.0).size == 0
    assert study.bound(0.9, 1.0).worst_case == 0 and study.to_frame().to_numpy().tolist() == [[0.0], [0.0]]


@given(seeds, st.booleans())
def test_correlations_are_those_of_the_drawn_rows(seed, centre):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((30, 3)), rng.standard_normal(30)
    rows = rng.integers(0, 30, 30)
    found = correlations(X, y, np.bincount(rows, minlength=30)[None] / 30, centre=centre, level=1.0)
    drawn, target = X[rows], y[rows]
    if centre:
        drawn, target = drawn - drawn.mean(axis=0), target - target.mean()
    drawn = drawn / np.sqrt((drawn**2).mean(axis=0))
    assert found.gram[0] == pytest.approx(drawn.T @ drawn / 30, abs=1e-12)
    assert found.products[0] == pytest.approx(drawn.T @ target / 30, abs=1e-12)
    assert found.squares[0] == pytest.approx(target @ target / 30)
    assert found.condition[0] == pytest.approx(np.linalg.cond(drawn) ** 2) and found.sound[0]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"draws": 1}, "draws"),
        ({"level": 0.0}, "level"),
        ({"level": 1}, "level"),
        ({"level": np.nan}, "level"),
        ({"block_length": 0}, "block_length"),
        ({"block_length": 11}, "block_length"),
        ({"seed": -1}, "seed"),
        ({"workers": 0}, "workers"),
        ({"time": 0}, "time"),
        ({"time": np.nan}, "time"),
        ({"grid": [0.0, 1.0]}, "grid"),
        ({"grid": [2.0, 1.0]}, "grid"),
        ({"grid": [1.0, np.nan]}, "grid"),
        ({"init_exponents": np.array([1.0, 0.0])}, "init_exponents"),
        ({"init_exponents": np.array([1.0])}, "init_exponents"),
        ({"max_saddles": -1}, "max_saddles"),
        ({"colour": 3}, "colour"),
    ],
)
def test_bad_options_are_refused_in_words(options, name):
    with pytest.raises(InputError, match=name):
        bootstrap(*gaussian(10, 2), **options)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"draws": 3}, "draws"), ({"share": 0.6}, "share"), ({"share": 0.0}, "share"), ({"share": 0.05}, "share")],
)
def test_bad_halves_are_refused_in_words(options, name):
    with pytest.raises(InputError, match=name):
        stability_selection(*gaussian(20, 2), **options)


def test_thresholds_and_times_are_refused_in_words():
    study = stability_selection(*gaussian(20, 2), draws=4, grid=[2.0, 3.0])
    for call, name in (
        (lambda: study.selected(0.5, 2.0), "threshold"),
        (lambda: study.bound(1.1, 2.0), "threshold"),
        (lambda: study.selected(0.7, 1.0), "until"),
        (lambda: study.latest(0.7, 0.0), "most_false"),
    ):
        with pytest.raises(InputError, match=name):
            call()
