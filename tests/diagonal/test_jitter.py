"""Disturbed orders: closed forms on orthogonal designs, and descent beside descent on the weights themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from tests.problems import PATHS, diabetes
from thalweg.diagonal import jitter, saddle_path
from thalweg.diagonal.jitter import KINDS
from thalweg.diagonal.minibatch import Descent, covered, switching_times
from thalweg.diagonal.prepare import prepare
from thalweg.numerics.resampling import stream
from thalweg.records import InputError

LIMIT = ("noise", "exponents", "initialisation")
PULLS = np.array([1.2, -1.0])
MANY = 4000


def orthogonal(n=12):
    """Two orthonormal columns times sqrt(n), and a target that pulls them with `PULLS`, but not alone."""
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((n, 3)))[0] * np.sqrt(n)
    return Q[:, :2], Q[:, :2] @ PULLS + 0.5 * Q[:, 2]


def flips(kind, **amounts):
    """The share of draws in which the second feature comes first."""
    X, y = orthogonal()
    study = jitter(X, y, kinds=[kind], draws=MANY, fit_intercept=False, standardize=False, **amounts)
    taus = study[kind].activations.taus
    assert set(taus.tolist()) <= {-1.0, 1.0}
    return (taus < 0).mean()


def assert_share(found, probability):
    assert 0.02 < probability < 0.5
    assert found == pytest.approx(probability, abs=4 * np.sqrt(probability * (1 - probability) / MANY))


def test_noise_flips_an_orthogonal_order_as_often_as_it_should():
    # Feature i arrives at 1/|r_i + e_i|, e_i normal: |A| < |B| where A - B and A + B, independent, differ in sign.
    sd = 1.5
    deviation = sd * np.sqrt(2 / 12)
    minus, plus = (norm.cdf((PULLS[0] + s * PULLS[1]) / deviation) for s in (-1, 1))
    assert_share(flips("noise", noise_sd=sd), (1 - minus) * plus + minus * (1 - plus))


def test_exponents_flip_an_orthogonal_order_as_often_as_they_should():
    # a_1 / |r_1| > a_2 / |r_2| with ln a_i normal
    assert_share(flips("exponents", exponent_sd=0.2), norm.cdf(-np.log(1.2) / (0.2 * np.sqrt(2))))


def test_prefactors_flip_an_orthogonal_order_as_often_as_they_should():
    # (1 - c z_1) / 1.2 > (1 - c z_2) / 1, c = spread / ln(1/alpha)
    c = 1.0 / (4 * np.log(10))
    wanted = norm.cdf(-0.2 / (c * np.hypot(1.0, 1.2)))
    assert_share(flips("initialisation", init_spread=1.0, log10_alpha=-4.0), wanted)


def test_smaller_alpha_makes_prefactors_matter_less():
    coarse, fine = (flips("initialisation", init_spread=2.0, log10_alpha=a) for a in (-4.0, -100.0))
    assert coarse > 0.1 and fine == 0.0


@pytest.mark.parametrize("problem", PATHS, ids=lambda p: p.name)
def test_without_disturbance_the_order_is_the_same(problem):
    study = jitter(
        problem.X,
        problem.y,
        kinds=LIMIT,
        draws=3,
        relative_noise=0.0,
        exponent_sd=0.0,
        init_spread=0.0,
        fit_intercept=False,
        standardize=False,
    )
    for kind in LIMIT:
        found = study[kind].activations
        assert found.times == pytest.approx(np.tile(found.reference, (3, 1)), rel=1e-9)
        defined = np.unique(found.reference[np.isfinite(found.reference)]).size > 1 or np.isinf(found.reference).any()
        assert found.taus[defined] == pytest.approx(1.0) if defined else np.isnan(found.taus).all()
        assert (found.agreement[0] == 1).all() and (found.agreement[1] == 1).all()


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.integers(1, 6), st.booleans(), st.booleans())
def test_a_draw_is_the_path_of_the_disturbed_problem(seed, n, d, standardize, positive):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)) * rng.uniform(0.1, 10, d), rng.standard_normal(n) + 5
    a = rng.uniform(0.5, 2, d)
    options = {"standardize": standardize, "positive": positive, "init_exponents": a, "draws": 2, "seed": seed}
    study = jitter(X, y, kinds=LIMIT, noise_sd=0.7, exponent_sd=0.3, init_spread=0.5, **options)
    for k in range(2):
        z = {kind: stream(seed, kind, k).standard_normal(n if kind == "noise" else d) for kind in LIMIT}
        for kind, target, exponents in (
            ("noise", y + 0.7 * z["noise"], a),
            ("exponents", y, a * np.exp(0.3 * z["exponents"])),
            ("initialisation", y, a - 0.5 * z["initialisation"] / (8 * np.log(10))),
        ):
            prepared = prepare(X, target, fit_intercept=True, standardize=standardize)
            path = saddle_path(prepared.X, prepared.y, init_exponents=exponents, positive=positive)
            wanted = np.full(d, np.inf)
            for event in reversed(path.events):
                if event.kind == "enter":
                    wanted[event.feature] = event.time
            assert study[kind].activations.times[k] == pytest.approx(wanted, rel=1e-6)


def test_descent_on_all_rows_has_the_golden_times_of_its_step():
    # Golden values I: steps of 0.1 on problem A. At finite alpha the error is O(1/l): extrapolated from two alphas.
    A, found = PATHS[0], []
    for decades in (20, 40):
        l = decades * np.log(10)
        run = Descent(l, np.ones(3), False, 0.1, int(70 * l), None)
        times, signs, diverged = switching_times(A.X, A.y, run, np.full(3, 0.01), [np.random.default_rng(0)])
        assert signs.tolist() == [[1, -1, 1]] and not diverged.any()
        found.append(times[0])
    assert 2 * found[1] - found[0] == pytest.approx([0.1 / np.log(1.2), 6.47744508, 1.84784022], rel=5e-3)


@pytest.mark.parametrize("positive", [False, True])
def test_minibatch_descent_is_that_on_the_weights(positive, monkeypatch):
    rng = np.random.default_rng(1)
    X, sizes = rng.standard_normal((20, 4)), np.array([0.05, 0.1, 0.2, 0.01])
    y = X @ [2.0, 1.0, -1.0, 0.5] + rng.standard_normal(20)
    a, l, eta, steps = np.array([1.0, 0.7, 1.2, 1.0]), 3 * np.log(10), 0.05, 600
    run = Descent(l, a, positive, eta, steps, 6)  # the last batch of an epoch has 2 of the 20 rows
    monkeypatch.setattr("thalweg.diagonal.minibatch.ORDERS_AT_ONCE", 20)  # one run after the other
    found, signs, _ = switching_times(X, y, run, sizes, [stream(0, "x", 0), stream(0, "x", 1)])
    for k in range(2):
        rng, rows = stream(0, "x", k), []
        while len(rows) < steps:
            order = rng.permutation(20)
            rows += [order[start : start + 6] for start in range(0, 20, 6)]
        up, down, times = np.exp(-l * a), np.exp(-l * a), np.full(4, np.inf)
        for step, batch in enumerate(rows[:steps], start=1):
            b = up**2 if positive else (up**2 - down**2) / 2
            g = X[batch].T @ (y[batch] - X[batch] @ b) / batch.size
            up, down = up * (1 + eta * g), down * (1 - eta * g)
            b = up**2 if positive else (up**2 - down**2) / 2
            times[(np.abs(b) > sizes) & np.isinf(times)] = step * eta / l
        assert found[k] == pytest.approx(times)
        assert ((signs[k] != 0) == np.isfinite(times)).all()
    assert not np.array_equal(found[0], found[1]) and np.isfinite(found).any()


def test_descent_keeps_the_order_where_the_plateaus_are_long():
    X, y = orthogonal(40)
    study = jitter(X, 3 * y + X[:, 0], kinds=["descent"], draws=8, fit_intercept=False, log10_alpha=-30.0)
    assert study["descent"].activations.taus == pytest.approx(1.0) and study["descent"].amounts["jumps"] == 2
    assert study["descent"].amounts["tau_of_all_rows"] == 1.0


def test_a_step_that_is_too_long_diverges_and_is_counted():
    X, y, _ = diabetes()
    study = jitter(X, y, kinds=["descent"], draws=3, step_size=0.05, most_steps=400)
    found = study["descent"]
    assert found.amounts["diverged"] == 3 and np.isinf(found.activations.times).all()
    assert np.isnan(found.activations.taus).all() and study.to_frame().loc["descent", "undefined"] == 3


def test_as_many_jumps_are_covered_as_fit_into_the_steps():
    X, y, _ = diabetes()
    path = saddle_path(X / X.std(axis=0), y)
    middles = np.append(np.sqrt(path.times[:-1] * path.times[1:]), 1.5 * path.times[-1])
    for k in (1, 4, path.count):
        assert covered(path, middles[k - 1] / 1000, 1000) == (pytest.approx(middles[k - 1]), k)
    with pytest.raises(InputError, match=">= 1001"):
        covered(path, middles[0] / 1000.5, 1000)
    stopped = saddle_path(X / X.std(axis=0), y, max_saddles=3)
    assert covered(stopped, 1.0, 10**6)[1] == 2  # how long the third plateau lasts is not known


def test_same_seed_same_result_whoever_works(monkeypatch):
    monkeypatch.setattr("thalweg.diagonal.resampling.LARGEST_PART", 3)
    X, y = np.random.default_rng(0).standard_normal((30, 4)), np.random.default_rng(1).standard_normal(30)
    one, two = (jitter(X, y, draws=8, seed=2, workers=workers, most_steps=1500) for workers in (1, 2))
    other = jitter(X, y, draws=8, seed=3, most_steps=1500)
    for kind in KINDS:
        assert np.array_equal(one[kind].activations.times, two[kind].activations.times)
        assert not np.array_equal(one[kind].activations.times, other[kind].activations.times)
    assert one.to_frame().index.tolist() == list(KINDS)


def test_nothing_to_learn_leaves_no_order():
    study = jitter(np.ones((6, 2)), np.arange(6.0), draws=2)
    for kind in KINDS:
        assert np.isnan(study[kind].activations.taus).all()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"kinds": ["colour"]}, "kinds"),
        ({"kinds": []}, "kinds"),
        ({"kinds": ["noise", "noise"]}, "kinds"),
        ({"noise_sd": -1.0}, "noise_sd"),
        ({"noise_sd": 1.0, "relative_noise": 0.1}, "noise_sd"),
        ({"relative_noise": np.inf}, "relative_noise"),
        ({"exponent_sd": np.nan}, "exponent_sd"),
        ({"init_spread": -0.1}, "init_spread"),
        ({"init_spread": 50.0}, "init_spread"),
        ({"log10_alpha": 0.0}, "log10_alpha"),
        ({"log10_alpha": -np.inf}, "log10_alpha"),
        ({"step_size": 0.0}, "step_size"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 31}, "batch_size"),
        ({"most_steps": 0}, "most_steps"),
        ({"most_steps": 1}, "most_steps"),
        ({"draws": 1}, "draws"),
        ({"level": 1.0}, "level"),
        ({"colour": 1}, "colour"),
    ],
)
def test_bad_options_are_refused_in_words(options, name):
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=name):
        jitter(rng.standard_normal((30, 3)), rng.standard_normal(30), **options)


def test_a_kind_that_was_not_asked_for_is_not_there():
    study = jitter(*orthogonal(), kinds=["noise"], draws=2)
    with pytest.raises(KeyError):
        study["descent"]
