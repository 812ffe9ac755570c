"""The estimators are scikit-learn's kind, and what they keep is the saddle of the path that they say."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, nnls
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from tests.problems import DIABETES_LOSSES, DIABETES_TIMES
from thalweg.diagonal import (
    SaddlePathClassifier,
    SaddlePathRegressor,
    SaddlePathRegressorCV,
    SaddlePathSelector,
    cross_validate,
    information_criteria,
    least_squares_variance,
    longest_plateau,
    saddle_path,
)
from thalweg.diagonal.prepare import prepare
from thalweg.records import InputError, Outcome

seeds = st.integers(0, 2**32 - 1)

ALL = (
    SaddlePathRegressor(),
    SaddlePathRegressor("time", time=50.0),
    SaddlePathRegressor("n_active", n_active=3),
    SaddlePathRegressor("plateau", standardize=True),
    SaddlePathRegressor("aic", fit_intercept=False),
    SaddlePathRegressor("bic", positive=True),
    SaddlePathRegressor("ebic", noise_variance=1.0),
    SaddlePathRegressor("cp"),
    SaddlePathRegressorCV(),
    SaddlePathRegressorCV(cv=3, rule="1se", standardize=True),
    SaddlePathClassifier(),
    SaddlePathClassifier("bic", smoothing=0.01, standardize=True),
    SaddlePathSelector(),
    SaddlePathSelector(2),
    SaddlePathSelector(rule="bic"),
)


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_scikit_learn_accepts_it(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the checks about themselves
        results = check_estimator(estimator, on_skip=None)
    skipped = {result["check_name"] for result in results if result["status"] != "passed"}
    assert skipped <= {"check_array_api_input"}  # runs only where the environment asks for it


def gaussian(seed, n=40, d=6, noise=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, X[:, 0] - 2 * X[:, 1] + noise * rng.standard_normal(n) + 5.0


def minimum_l1(X, y):
    """Return the least l1 norm of all coefficients that fit centred data exactly."""
    n, d = X.shape
    Z, target = X - X.mean(axis=0), y - y.mean()
    return linprog(np.ones(2 * d), A_eq=np.hstack([Z, -Z]), b_eq=target, method="highs").fun


# ---- regressor ----


@settings(max_examples=15)
@given(seeds)
def test_the_end_is_least_squares_where_rows_outnumber_columns(seed):
    X, y = gaussian(seed)
    ours, theirs = SaddlePathRegressor().fit(X, y), LinearRegression().fit(X, y)
    assert ours.coef_ == pytest.approx(theirs.coef_, abs=1e-9)
    assert ours.intercept_ == pytest.approx(theirs.intercept_)
    assert ours.predict(X) == pytest.approx(theirs.predict(X)) and ours.outcome_ is Outcome.CONVERGED
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y))


@settings(max_examples=15)
@given(seeds)
def test_the_end_is_the_exact_fit_of_least_l1_norm_where_columns_outnumber_rows(seed):
    X, y = gaussian(seed, 10, 25)
    found = SaddlePathRegressor().fit(X, y)
    assert found.predict(X) == pytest.approx(y, abs=1e-7) and found.outcome_ is Outcome.INTERPOLATED
    assert np.abs(found.coef_).sum() == pytest.approx(minimum_l1(X, y), rel=1e-7)


@settings(max_examples=15)
@given(seeds)
def test_the_positive_end_is_nonnegative_least_squares(seed):
    X, y = gaussian(seed)
    found = SaddlePathRegressor(positive=True, fit_intercept=False).fit(X, y)
    assert found.coef_ == pytest.approx(nnls(X, y)[0], abs=1e-9) and found.intercept_ == 0.0


def test_diabetes():
    X, y = load_diabetes(return_X_y=True)
    found = SaddlePathRegressor().fit(X, y)
    assert found.jump_times_ == pytest.approx(DIABETES_TIMES, rel=1e-9)
    assert found.path_.losses == pytest.approx(DIABETES_LOSSES, abs=1e-6)
    assert (found.n_iter_, found.saddle_, found.n_features_in_) == (11, 11, 10)
    stopped = SaddlePathRegressor("time", time=1.0).fit(X, y)
    assert stopped.active_.tolist() == [2, 3, 8] and stopped.outcome_ is Outcome.STOPPED_ON_REQUEST
    assert ((stopped.predict(X) - y) ** 2).mean() / 2 == pytest.approx(DIABETES_LOSSES[3], abs=1e-6)


@settings(max_examples=15)
@given(seeds, st.booleans(), st.booleans())
def test_the_coefficients_are_those_of_the_path_in_the_units_of_the_data(seed, intercept, standardize):
    X, y = gaussian(seed)
    X = X * np.array([1, 10, 100, 0.1, 3, 7.0]) + 4
    options = {"fit_intercept": intercept, "standardize": standardize}
    prepared = prepare(X, y, **options)
    path = saddle_path(prepared.X, prepared.y, reference_norm=prepared.target_norm)
    for t in [0.0, *path.times, path.times[-1] * 2]:
        found = SaddlePathRegressor("time", time=t, **options).fit(X, y)
        assert found.saddle_ == path.saddle_at(t)
        assert found.predict(X) == pytest.approx(prepared.target_mean + prepared.apply(X) @ path.coef_at(t))
        assert found.active_.tolist() == np.flatnonzero(found.coef_).tolist()


def test_a_time_is_refused_where_the_path_was_ended_before_it():
    X, y = gaussian(0)
    whole = SaddlePathRegressor().fit(X, y)
    t = float(np.sqrt(whole.jump_times_[3] * whole.jump_times_[4]))
    assert SaddlePathRegressor("time", time=t, max_saddles=5).fit(X, y).saddle_ == 4
    with pytest.raises(InputError, match="beyond the known path"):
        SaddlePathRegressor("time", time=t, max_saddles=2).fit(X, y)
    with pytest.raises(InputError, match="beyond the known path"):
        SaddlePathRegressor("time", time=t, max_time=t / 2).fit(X, y)


def test_rules_keep_the_saddle_that_their_criterion_chooses():
    X, y = gaussian(1, 30, 8, noise=3.0)
    prepared = prepare(X, y, fit_intercept=True, standardize=False)
    path = saddle_path(prepared.X, prepared.y, reference_norm=prepared.target_norm)
    table = information_criteria(path, 30)
    assert SaddlePathRegressor("aic").fit(X, y).saddle_ == np.argmin(table.aic)
    assert SaddlePathRegressor("bic").fit(X, y).saddle_ == np.argmin(table.bic)
    assert SaddlePathRegressor("ebic", gamma=0.3).fit(X, y).saddle_ == np.argmin(
        information_criteria(path, 30, gamma=0.3).ebic
    )
    noise = least_squares_variance(prepared.X, prepared.y, 30)
    cp = information_criteria(path, 30, noise_variance=noise).cp
    assert SaddlePathRegressor("cp").fit(X, y).saddle_ == np.argmin(cp)
    assert SaddlePathRegressor("cp", noise_variance=1e4).fit(X, y).saddle_ == 0
    assert SaddlePathRegressor("plateau").fit(X, y).saddle_ == longest_plateau(path)


def test_the_criteria_count_a_weight_as_rows():
    X, y = gaussian(2, 20, 5, noise=3.0)
    counts = np.random.default_rng(2).integers(0, 5, 20)
    for rule in ("aic", "bic", "ebic", "cp"):
        weighted = SaddlePathRegressor(rule).fit(X, y, sample_weight=counts)
        repeated = SaddlePathRegressor(rule).fit(X.repeat(counts, axis=0), y.repeat(counts))
        assert weighted.saddle_ == repeated.saddle_
        assert weighted.coef_ == pytest.approx(repeated.coef_, abs=1e-9)


def test_exponents_are_penalty_factors():
    X, y = gaussian(3)
    favoured = SaddlePathRegressor(init_exponents=np.array([1, 1, 1, 1, 1, 1e-3])).fit(X, y)
    assert favoured.path_.supports[1].tolist() == [5]
    cloned = clone(favoured)
    assert cloned.init_exponents is not favoured.init_exponents and cloned.fit(X, y).saddle_ == favoured.saddle_


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"stop": "best"}, "option_range"),
        ({"stop": "time"}, "option_missing"),
        ({"stop": "n_active"}, "option_missing"),
        ({"loss": "hinge"}, "option_range"),
        ({"max_saddles": -1}, "option_range"),
        ({"tol": 2.0}, "option_range"),
        ({"init_exponents": np.ones(3)}, "length_differs"),
        ({"stop": "ebic", "gamma": -1.0}, "option_range"),
    ],
)
def test_options_are_refused_in_words(options, code):
    with pytest.raises(InputError) as refused:
        SaddlePathRegressor(**options).fit(*gaussian(4))
    assert refused.value.code == code


def test_unusable_weights_are_refused():
    X, y = gaussian(5)
    for weights in (np.zeros(40), -np.ones(40), np.ones(39)):
        with pytest.raises(ValueError, match="weight|sample_weight"):
            SaddlePathRegressor().fit(X, y, sample_weight=weights)


@pytest.mark.parametrize("intercept", [True, False])
def test_poisson_and_huber_end_where_their_pulls_vanish(intercept):
    rng = np.random.default_rng(12)
    X = rng.standard_normal((60, 4)) + 1
    counts = rng.poisson(np.exp(0.5 * X[:, 0] - 0.3 * X[:, 2]))
    found = SaddlePathRegressor(loss="poisson", fit_intercept=intercept, standardize=True).fit(X, counts)
    left = counts - found.predict(X)
    assert X.T @ left == pytest.approx(np.zeros(4), abs=1e-8) and (found.predict(X) > 0).all()
    y = X[:, 0] + rng.standard_cauchy(60)
    robust = SaddlePathRegressor(loss="huber", huber_delta=1.0, fit_intercept=intercept).fit(X, y)
    clipped = np.clip(y - robust.predict(X), -1, 1)
    assert X.T @ clipped == pytest.approx(np.zeros(4), abs=1e-8)
    if intercept:
        assert left.sum() == pytest.approx(0, abs=1e-8) and clipped.sum() == pytest.approx(0, abs=1e-8)


def test_the_criteria_of_counts_are_those_of_the_poisson_likelihood():
    from scipy.stats import poisson

    rng = np.random.default_rng(13)
    X = rng.standard_normal((60, 4))
    counts = rng.poisson(np.exp(0.5 * X[:, 0]))
    whole = SaddlePathRegressor(loss="poisson").fit(X, counts)
    table = information_criteria(whole.path_, 60, loss="poisson")
    times = [0.0, *whole.jump_times_]
    fits = [SaddlePathRegressor("time", time=t * (1 + 1e-9), loss="poisson").fit(X, counts) for t in times]
    minus_twice = [-2 * poisson.logpmf(counts, fit.predict(X)).sum() for fit in fits]
    assert np.diff(table.deviance) == pytest.approx(np.diff(minus_twice))
    assert SaddlePathRegressor("bic", loss="poisson").fit(X, counts).saddle_ == np.argmin(table.bic)
    for rule, loss in (("cp", "poisson"), ("bic", "huber")):
        with pytest.raises(InputError, match="stop"):
            SaddlePathRegressor(rule, loss=loss, huber_delta=1.0).fit(X, counts)


# ---- classifier ----


def labelled(seed, n=80, d=4):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * np.array([1.0, 2.0, 0.5, 1.0])[:d] + 1
    return X, np.where(rng.random(n) < 1 / (1 + np.exp(-X[:, 0] + 0.7 * X[:, 1])), "yes", "no")


def test_the_golden_logistic_path():
    rng = np.random.default_rng(7)
    X = rng.integers(-2, 3, (40, 4)).astype(float)
    p = 1 / (1 + np.exp(-X @ (1, -0.7, 0, 0.3)))
    y = np.where(rng.random(40) < p, 1, -1)
    found = SaddlePathClassifier(fit_intercept=False).fit(X, y)
    assert found.jump_times_ == pytest.approx((2.7586206897, 4.7665243875, 24.4041646069, 61.7077337969))
    assert found.coef_[0] == pytest.approx((1.2557059001, -0.6986942133, 0.1363589579, 0.0532974732), abs=1e-9)
    assert found.intercept_.tolist() == [0.0] and found.smoothing_ == (0.0, 0.0)
    two = SaddlePathClassifier("n_active", n_active=2, fit_intercept=False).fit(X, y)
    assert two.coef_[0] == pytest.approx((1.2434794302, -0.6831739853, 0, 0), abs=1e-9)


@pytest.mark.parametrize("standardize", [True, False])
def test_the_end_is_the_logistic_regression_without_penalty(standardize):
    X, y = labelled(14)
    weights = np.random.default_rng(14).uniform(0, 2, y.size)
    ours = SaddlePathClassifier(standardize=standardize).fit(X, y, sample_weight=weights)
    theirs = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000).fit(X, y, sample_weight=weights)
    assert ours.classes_.tolist() == ["no", "yes"]
    assert ours.coef_ == pytest.approx(theirs.coef_, abs=1e-5)
    assert ours.intercept_ == pytest.approx(theirs.intercept_, abs=1e-5)
    assert ours.predict_proba(X) == pytest.approx(theirs.predict_proba(X), abs=1e-5)


def test_before_the_first_feature_the_odds_are_those_of_the_classes():
    X, y = labelled(15)
    share = (y == "yes").mean()
    found = SaddlePathClassifier("n_active", n_active=0).fit(X, y)
    assert found.predict_proba(X)[:, 1] == pytest.approx(np.full(80, share))
    assert not found.coef_.any() and found.active_.size == 0


def test_the_criteria_of_labels_are_those_of_the_logistic_likelihood():
    X, y = labelled(16)
    whole = SaddlePathClassifier().fit(X, y)
    table = information_criteria(whole.path_, 80, loss="logistic")
    at_end = -2 * np.log(whole.predict_proba(X)[np.arange(80), (y == "yes").astype(int)]).sum()
    assert table.deviance[-1] == pytest.approx(at_end)
    assert SaddlePathClassifier("aic").fit(X, y).saddle_ == np.argmin(table.aic)
    with pytest.raises(InputError, match="stop"):
        SaddlePathClassifier("cp").fit(X, y)


def test_separated_labels_are_smoothed_and_it_is_said():
    X, _ = labelled(17)
    y = X[:, 1] > 1
    plain = SaddlePathClassifier(smoothing=0).fit(X, y)
    assert plain.outcome_ is Outcome.NO_MINIMISER and plain.saddle_ == 0 and plain.smoothing_ == (0, 0)
    smoothed = SaddlePathClassifier().fit(X, y)
    assert smoothed.smoothing_ == pytest.approx((1 / ((~y).sum() + 2), 1 / (y.sum() + 2)))
    assert smoothed.outcome_ is Outcome.CONVERGED and smoothed.score(X, y) > 0.95
    # At the minimiser the mean probability is that of the smoothed labels.
    below, above = smoothed.smoothing_
    assert smoothed.predict_proba(X)[:, 1].mean() == pytest.approx(np.where(y, 1 - above, below).mean())


def test_a_number_of_features_that_is_reached_before_separation_needs_no_smoothing():
    rng = np.random.default_rng(19)
    X = rng.standard_normal((20, 30))
    y = X[:, 0] + rng.standard_normal(20) > 0
    plain = SaddlePathClassifier(smoothing=0).fit(X, y)
    assert plain.outcome_ is Outcome.NO_MINIMISER
    largest = max(support.size for support in plain.path_.supports)
    for count in range(largest + 1):
        found = SaddlePathClassifier("n_active", n_active=count).fit(X, y)
        if count < largest:
            assert found.smoothing_ == (0.0, 0.0)
            assert np.array_equal(found.coef_[0], plain.path_.coef(found.saddle_))
        else:
            assert found.smoothing_ != (0.0, 0.0)


def test_more_classes_go_one_against_the_rest():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(InputError, match="Only binary classification is supported"):
        SaddlePathClassifier().fit(X, y)
    model = make_pipeline(StandardScaler(), OneVsRestClassifier(SaddlePathClassifier("bic"))).fit(X, y)
    assert model.score(X, y) > 0.9 and model.predict_proba(X).sum(axis=1) == pytest.approx(np.ones(150))


def test_one_class_and_bad_smoothing_are_refused():
    X, y = labelled(18)
    with pytest.raises(InputError, match="only one class"):
        SaddlePathClassifier().fit(X, y, sample_weight=y == "yes")
    for smoothing in (0.5, -0.1, "much"):
        with pytest.raises(InputError, match="smoothing"):
            SaddlePathClassifier(smoothing=smoothing).fit(X, y)


# ---- cross-validation ----


def test_the_cross_validated_regressor_is_cross_validate():
    X, y = gaussian(6)
    found = SaddlePathRegressorCV(standardize=True, rule="1se").fit(X, y)
    same = cross_validate(X, y, folds=KFold(5), standardize=True)
    assert np.array_equal(found.mse_path_, same.fold_errors.T) and np.array_equal(found.times_, same.times)
    assert (found.time_, found.saddle_) == (same.time("1se"), same.saddle("1se"))
    at = SaddlePathRegressor("time", time=found.time_, standardize=True).fit(X, y)
    assert found.coef_ == pytest.approx(at.coef_) and found.intercept_ == pytest.approx(at.intercept_)


def test_rows_in_the_order_of_time_take_forward_splits():
    X, y = gaussian(7, 60)
    found = SaddlePathRegressorCV(cv=TimeSeriesSplit(4)).fit(X, y)
    assert np.array_equal(found.mse_path_, cross_validate(X, y, folds=4, ordered=True, standardize=False).fold_errors.T)


def test_groups_reach_the_splitter():
    from sklearn.model_selection import LeaveOneGroupOut

    X, y = gaussian(8)
    found = SaddlePathRegressorCV(cv=LeaveOneGroupOut()).fit(X, y, groups=np.arange(40) % 4)
    assert found.mse_path_.shape[1] == 4


def test_the_rule_is_validated():
    with pytest.raises(InputError, match="min | 1se"):
        SaddlePathRegressorCV(rule="median").fit(*gaussian(9))


# ---- in the company of scikit-learn ----


def test_a_grid_search_finds_the_number_of_features():
    X, y = gaussian(10, 80, 8)
    search = GridSearchCV(SaddlePathRegressor("n_active"), {"n_active": range(6)}, cv=4).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] < 0 < scores[1] < scores[2] and scores[2:] == pytest.approx(scores[2], abs=0.02)
    assert set(search.best_estimator_.active_) >= {0, 1}


def test_a_selector_in_a_pipeline_keeps_names():
    pandas = pytest.importorskip("pandas")
    X, y = gaussian(11, 80, 8)
    names = [f"sensor {i}" for i in range(8)]
    frame = pandas.DataFrame(X, columns=names)
    model = make_pipeline(StandardScaler(), SaddlePathSelector(rule="bic"), LinearRegression())
    model.set_output(transform="pandas").fit(frame, y)
    selector = model[1]
    assert selector.get_feature_names_out().tolist() == ["sensor 0", "sensor 1"]
    assert model[:-1].transform(frame).columns.tolist() == ["sensor 0", "sensor 1"]
    assert selector.get_support().tolist() == [True, True] + [False] * 6
    assert selector.feature_names_in_.tolist() == names
    assert np.argsort(selector.activation_time_)[:2].tolist() == [1, 0]


def test_a_selector_says_when_each_feature_acts_and_keeps_at_most_as_many_as_asked():
    X, y = load_diabetes(return_X_y=True)
    for count in range(1, 8):
        found = SaddlePathSelector(count, max_saddles=9).fit(X, y)
        order = (2, 8, 3, 6, 1, 9, 4, 7)[:count]
        assert np.flatnonzero(found.get_support()).tolist() == sorted(order)
        assert found.activation_time_[2] == pytest.approx(DIABETES_TIMES[0])
        assert np.isinf(found.activation_time_[0])
    # Eight features are active twice: at the ninth jump feature 5 takes the place of feature 6.
    assert not SaddlePathSelector(8).fit(X, y).get_support()[[0, 6]].any()
    by_rule = SaddlePathSelector(cv=10).fit(X, y)
    assert by_rule.get_support().sum() < 10 and by_rule.estimator_.rule == "1se"


def test_a_selector_of_features_for_classes():
    X, y = labelled(20, 200)
    found = SaddlePathSelector(loss="logistic", rule="ebic", standardize=True).fit(X, y)
    assert found.get_support().tolist() == [True, True, False, False]
    for wrong in ({"loss": "logistic"}, {"loss": "logistic", "rule": "cp"}, {"loss": "huber"}):
        with pytest.raises(InputError, match="is not possible"):
            SaddlePathSelector(**wrong).fit(X, y)


def test_importing_the_family_does_not_import_scikit_learn():
    code = (
        "import sys, thalweg.diagonal as d; assert 'sklearn' not in sys.modules;"
        "assert d.SaddlePathSelector.__module__ == 'thalweg.diagonal.selector' and 'sklearn' in sys.modules;"
        "assert not hasattr(d, 'SaddlePath2')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
