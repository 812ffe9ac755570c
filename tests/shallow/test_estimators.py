"""ShallowRegressor is an estimator like others, and keeps the best certified minimum."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import check_estimator

from tests.shallow.landscapes import STEP, STEP_Y, teacher
from thalweg.records import InputError, Verdict
from thalweg.shallow import Objective, ShallowRegressor


def test_passes_the_checks_of_scikit_learn():
    check_estimator(ShallowRegressor(width=2, starts=2))


def test_keeps_the_lowest_certified_minimum():
    X, y = teacher(2, 2, 80, 0)
    X, y = 30 * X + 100, 5 * y - 7
    model = ShallowRegressor(2, starts=12, ridge=0.0).fit(X, y)
    assert model.certificate_.verdict is Verdict.HOLDS
    certified = [model.catalogue_.points[i].loss for i in model.catalogue_.minima if model.catalogue_.is_certified(i)]
    assert model.loss_ == min(certified)
    assert np.mean((model.predict(X) - y) ** 2) == pytest.approx(model.loss_ * y.var(), rel=1e-9)
    assert model.score(X, y) > 0.9
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    assert np.linalg.norm(Objective(Z, (y - y.mean()) / y.std()).gradient(model.net_)) < 1e-12


def test_says_when_nothing_could_be_certified():
    with pytest.warns(ConvergenceWarning, match="could be proved"):
        model = ShallowRegressor(1, starts=3, ridge=0.0).fit(STEP, STEP_Y)
    assert model.certificate_ is None and model.outcome_.value == "no_minimiser"


def test_refuses_what_cannot_be_fitted():
    X, y = teacher(1, 1, 20, 0)
    with pytest.raises(InputError, match="2 more"):
        ShallowRegressor(7, ridge=0.0).fit(X, y)
    with pytest.raises(InputError, match="tann"):
        ShallowRegressor(activation="tann").fit(X, y)


def test_random_states_choose_the_starts():
    X, y = teacher(2, 1, 30, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        one, other = (ShallowRegressor(2, starts=3, random_state=s).fit(X, y) for s in (1, np.random.RandomState(1)))
    assert not np.array_equal(one.catalogue_.losses, other.catalogue_.losses)
