"""The estimators are scikit-learn's kind; what they keep is a run of the adapted flow, chosen by held-out rows."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import make_friedman1, make_moons
from sklearn.utils.estimator_checks import check_estimator

from thalweg.adapted.estimators import DAMPINGS, AdaptedMLPClassifier, AdaptedMLPRegressor
from thalweg.records import InputError, Outcome, Verdict

ALL = (
    AdaptedMLPRegressor((20, 20), max_iter=4),
    AdaptedMLPRegressor(40, "sin", damping=0.0, early_stopping=False, max_iter=5),
    AdaptedMLPClassifier((16,), damping=1e-2, max_iter=5),
)


@pytest.mark.parametrize("estimator", ALL, ids=repr)
def test_scikit_learn_accepts_it(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the checks about themselves
        results = check_estimator(estimator, on_skip=None)
    skipped = {result["check_name"] for result in results if result["status"] != "passed"}
    assert skipped <= {"check_array_api_input"}  # runs only where the environment asks for it


def smooth(seed, n=60, q=1):
    """Return inputs in odd units and targets that depend on them smoothly."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3)) * [1.0, 100.0, 1e-3] + [0.0, 5.0, 1.0]
    Z = (X - [0.0, 5.0, 1.0]) / [1.0, 100.0, 1e-3]
    Y = np.column_stack([np.sin(Z[:, 0]) + Z[:, 1] * Z[:, 2], 40 * Z[:, 1] + 7])[:, :q]
    return X, Y[:, 0] if q == 1 else Y


UNDAMPED = {"damping": 0.0, "early_stopping": False, "random_state": 0}


# ---- regressor ----


@pytest.mark.parametrize("q", [1, 2])
def test_an_undamped_run_reaches_the_cost_that_was_asked_for(q):
    X, Y = smooth(0, q=q)
    found = AdaptedMLPRegressor((40, 40), tol=1e-10, **UNDAMPED).fit(X, Y)
    assert found.outcome_ is Outcome.TARGET_REACHED and found.predict(X).shape == Y.shape
    apart = (found.predict(X) - Y) / Y.std(axis=0)
    cost = (apart.reshape(60, -1) ** 2).sum(axis=1).mean() / 2
    assert cost <= 1e-10 and cost == pytest.approx(found.loss_curve_[-1], rel=1e-4)
    assert found.n_iter_ == found.loss_curve_.size - 1 and found.predicted_curve_ is None
    # The clock is that of the cost (theorem T1).
    assert found.tau_ == pytest.approx(np.log(found.loss_curve_[0] / found.loss_curve_[-1]) / 2)


def test_predictions_follow_the_units_of_the_data():
    X, y = smooth(1)
    new, _ = smooth(2, 20)
    one = AdaptedMLPRegressor((20, 20), random_state=3).fit(X, y)
    other = AdaptedMLPRegressor((20, 20), random_state=3).fit(X * [2.0, 0.25, 8.0] + [1, 0, 0], 64 * y - 5)
    assert other.predict(new * [2.0, 0.25, 8.0] + [1, 0, 0]) == pytest.approx(64 * one.predict(new) - 5, rel=1e-6)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_weight_is_a_number_of_repetitions_and_rows_have_no_order(early_stopping):
    X, y = smooth(4, 40)
    rng = np.random.default_rng(4)
    counts = rng.integers(0, 4, 40)
    model = AdaptedMLPRegressor((20,), early_stopping=early_stopping, random_state=1, max_iter=10)
    weighted = model.fit(X, y, sample_weight=counts).predict(X)
    order = rng.permutation(counts.sum())
    repeated = model.fit(X.repeat(counts, axis=0)[order], y.repeat(counts)[order]).predict(X)
    assert np.array_equal(weighted, repeated)


def test_the_damping_kept_is_the_best_on_held_out_rows():
    X, y = smooth(5)
    found = AdaptedMLPRegressor((40,), random_state=0).fit(X, y)
    assert tuple(found.dampings_) == DAMPINGS
    assert found.dampings_[found.damping_] == min(found.dampings_.values()) == found.fit_.best_validation
    # The parameters kept are those of the clock at which the held-out rows were predicted best.
    clock, values = found.fit_.trajectory.clock_values, found.fit_.trajectory.channels["validation"]
    assert found.tau_ == clock[np.argmin(values)]
    only = AdaptedMLPRegressor((40,), damping=found.damping_, random_state=0).fit(X, y)
    assert np.array_equal(only.predict(X), found.predict(X)) and list(only.dampings_) == [found.damping_]
    # Without early stopping the end of each run counts, and all rows are trained on with the winner.
    end = AdaptedMLPRegressor((40,), early_stopping=False, random_state=0, max_iter=15).fit(X, y)
    again = AdaptedMLPRegressor((40,), damping=end.damping_, early_stopping=False, random_state=0, max_iter=15).fit(
        X, y
    )
    assert end.dampings_[end.damping_] == min(end.dampings_.values())
    assert np.array_equal(end.predict(X), again.predict(X)) and end.fit_.task.model.shape == (60, 1)


def test_damping_filters_noise_that_the_exact_flow_does_not():
    X, y = make_friedman1(300, noise=2.0, random_state=0)
    new, truth = make_friedman1(300, noise=0.0, random_state=1)
    chosen = AdaptedMLPRegressor((30, 30), random_state=0, validation_fraction=0.2).fit(X, y)
    exact = AdaptedMLPRegressor((30, 30), tol=1e-8, **UNDAMPED).fit(X, y)
    assert exact.outcome_ is Outcome.TARGET_REACHED and exact.score(X, y) == pytest.approx(1.0)
    assert ((chosen.predict(new) - truth) ** 2).mean() < 0.9 * ((exact.predict(new) - truth) ** 2).mean()


def test_fewer_parameters_than_targets_are_damped_or_refused():
    X, y = smooth(6, 100)
    found = AdaptedMLPRegressor((4,), random_state=0, max_iter=10).fit(X, y)
    assert tuple(found.dampings_) == DAMPINGS[1:] and found.score(X, y) > 0
    with pytest.raises(InputError) as refused:
        AdaptedMLPRegressor((4,), **UNDAMPED).fit(X, y)
    assert refused.value.code == "adapted_underparametrised"


@pytest.mark.parametrize(
    "options",
    [
        {"damping": -1.0},
        {"damping": "cross"},
        {"damping": 0.1, "mode": "certified"},
        {"mode": "slow"},
        {"validation_fraction": 1.0},
        {"patience": 0.0},
        {"max_iter": 1.5},
        {"activation": "step"},
        {"hidden_layer_sizes": (0,)},
        {"tol": -1.0},
    ],
    ids=repr,
)
def test_options_are_refused_in_words(options):
    with pytest.raises(InputError) as refused:
        AdaptedMLPRegressor(**options).fit(*smooth(7))
    assert refused.value.code == "option_range"


def test_a_column_that_did_not_vary_says_nothing_later():
    X, y = smooth(12)
    still = np.column_stack([X, np.full(60, 3.0)])
    found = AdaptedMLPRegressor((10,), random_state=0, max_iter=5).fit(still, y)
    assert np.array_equal(found.predict(still), found.predict(still + [0, 0, 0, 9.0]))


# ---- the predicted curve ----


@pytest.mark.parametrize("kind", [AdaptedMLPRegressor, AdaptedMLPClassifier])
def test_a_certified_run_follows_the_curve_that_was_known_before_it(kind):
    X, y = smooth(8, 40)
    labels = y if kind is AdaptedMLPRegressor else y > np.median(y)
    found = kind((40, 40), mode="certified", tol=1e-3, **UNDAMPED).fit(X, labels)
    assert found.outcome_ is Outcome.TARGET_REACHED and found.loss_curve_.size > 5
    assert found.predicted_curve_ == pytest.approx(found.loss_curve_, rel=3e-4)
    assert found.certificate_.verdict is Verdict.HOLDS
    assert (found.loss_curve_[1:] < found.loss_curve_[:-1]).all()


# ---- classifier ----


def test_two_classes_are_separated_and_their_odds_are_one_output():
    X, codes = make_moons(200, noise=0.1, random_state=0)
    y = np.where(codes == 1, "good", "bad")
    found = AdaptedMLPClassifier((30,), random_state=0).fit(X[:150], y[:150])
    assert found.classes_.tolist() == ["bad", "good"] and found.score(X[150:], y[150:]) > 0.9
    odds, chances = found.decision_function(X), found.predict_proba(X)
    assert odds.shape == (200,) and np.log(chances[:, 1] / chances[:, 0]) == pytest.approx(odds, rel=1e-6, abs=1e-6)
    assert np.array_equal(found.predict(X) == "good", odds > 0)


def test_more_classes_have_an_output_each_and_the_cost_is_cross_entropy():
    rng = np.random.default_rng(9)
    codes = rng.integers(0, 3, 90)
    X = rng.standard_normal((90, 2)) + 8 * np.array([[0, 0], [1, 0], [0, 1]])[codes]
    weights = rng.uniform(0.5, 2.0, 90)
    found = AdaptedMLPClassifier((80,), tol=1e-2, damping=1e-3, early_stopping=False, random_state=0).fit(
        X, codes + 5, sample_weight=weights
    )
    chances = found.predict_proba(X)
    assert found.classes_.tolist() == [5, 6, 7] and chances.sum(axis=1) == pytest.approx(np.ones(90))
    assert found.decision_function(X).shape == (90, 3)
    cost = -np.average(np.log(chances[np.arange(90), codes]), weights=weights)
    assert cost == pytest.approx(found.loss_curve_[-1], rel=1e-6) and cost <= 1e-2


def test_held_out_rows_are_drawn_class_by_class():
    rng = np.random.default_rng(10)
    X = rng.standard_normal((60, 2))
    y = np.repeat([0, 1, 2], [40, 18, 2])
    found = AdaptedMLPClassifier((8,), random_state=0, max_iter=2, validation_fraction=0.25).fit(X, y)
    trained = found.fit_.task.loss.y.sum(axis=0)
    assert trained.tolist() == [30, 14, 2]  # a quarter of each, rounded; a class of two keeps both


def test_one_class_is_refused_whether_by_labels_or_by_weights():
    X, y = smooth(11)
    labels = y > 0
    for given in ({"y": np.ones(60)}, {"y": labels, "sample_weight": labels * 1.0}):
        with pytest.raises(InputError, match="only one class"):
            AdaptedMLPClassifier((5,)).fit(X, **given)
