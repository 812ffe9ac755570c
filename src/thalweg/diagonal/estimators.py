"""The saddle path in scikit-learn: what all estimators share, and the regressors.

Each estimator computes a path and keeps one of its saddles (`selection.choose`). `path_` holds the whole path in
prepared units (centred; scaled if asked), `coef_` and `intercept_` the chosen saddle in the units of the data. A weight
of a row counts as repetitions of it: weight 2 is the row twice. As scikit-learn has it, `__init__` takes anything and
`fit` looks at it; so the parameters have their types in the docstrings.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import check_cv
from sklearn.utils.validation import (
    _check_sample_weight,  # pyright: ignore[reportPrivateUsage]
    check_is_fitted,
    validate_data,
)

from thalweg.diagonal.cross_validation import RULES, cross_validate
from thalweg.diagonal.losses import LOSSES
from thalweg.diagonal.naive import PULL_TOLERANCE
from thalweg.diagonal.path import SaddlePath
from thalweg.diagonal.prepare import Prepared, prepare
from thalweg.diagonal.saddle_path import saddle_path
from thalweg.diagonal.selection import (
    CRITERIA,
    choose,
    information_criteria,
    known_until,
    least_squares_variance,
    require_rule,
)
from thalweg.diagonal.smooth_path import smooth_path
from thalweg.records import InputError


class PathEstimator(BaseEstimator):
    """What all share: the options of a path, and the attributes that a chosen saddle leaves."""

    stop: str
    time: float | None
    n_active: int | None
    gamma: float
    fit_intercept: bool
    standardize: bool
    positive: bool
    init_exponents: np.ndarray | None
    max_saddles: int | None
    max_time: float | None
    tol: float

    path_: SaddlePath
    coef_: np.ndarray
    intercept_: Any
    saddle_: int

    def _options(self) -> dict[str, Any]:
        """Return the options of `saddle_path`."""
        names = ("positive", "init_exponents", "max_saddles", "max_time", "tol")
        return {name: getattr(self, name) for name in names}

    def _options_of_rule(self) -> dict[str, Any]:
        """Return the same, ending the path at `time` where that is the rule."""
        options = self._options()
        if self.stop == "time":
            options["max_time"] = min(end for end in (self.time, self.max_time) if end is not None)
        return options

    def _prepare(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> Prepared:
        return prepare(X, y, fit_intercept=self.fit_intercept, standardize=self.standardize, sample_weight=weights)

    def _choose(
        self,
        path: SaddlePath,
        rows: float,
        noise_variance: float | None = None,
        loss: str = "squared",
    ) -> int:
        """Return the saddle that the rule `stop` keeps."""
        criteria = None
        if self.stop in CRITERIA:
            criteria = information_criteria(
                path, rows, intercept=self.fit_intercept, noise_variance=noise_variance, gamma=self.gamma, loss=loss
            )
        known = known_until(path, self.max_saddles, self._options_of_rule()["max_time"])
        return choose(path, self.stop, time=self.time, n_active=self.n_active, criteria=criteria, known=known)

    def _smooth_path(
        self, rows: np.ndarray, y: np.ndarray, weights: np.ndarray | None, loss: str, **more: Any
    ) -> SaddlePath:
        """Return the path of another loss than the square, with a free intercept if one is fitted."""
        free = np.ones((y.size, 1)) if self.fit_intercept else None
        return smooth_path(
            rows, y, loss=loss, sample_weight=weights, unpenalised=free, **more, **self._options_of_rule()
        )

    def _keep(self, path: SaddlePath, saddle: int, prepared: Prepared) -> None:
        """Set the fitted attributes that all estimators have."""
        self.path_, self.saddle_ = path, saddle
        self.outcome_ = path.outcome
        self.jump_times_ = path.times
        self.active_ = path.supports[saddle]
        self.n_iter_ = path.count
        self.coef_ = path.coef(saddle) / prepared.scale
        offset = prepared.target_mean if path.unpenalised is None else path.unpenalised[saddle, 0]
        self.intercept_ = float(offset - self.coef_ @ prepared.center)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.target_tags.required = True
        return tags


class SaddlePathRegressor(RegressorMixin, PathEstimator):
    """A linear model that is a saddle of training a diagonal network: sparse, and chosen by when training stops.

    Parameters
    ----------
    stop : str
        Which saddle is kept. "min_l1": the end, the least-squares solution of least l1 norm. "time": where training
        rests at `time`. "n_active": the last before more than `n_active` features are active. "plateau": the longest on
        a logarithmic clock. "aic", "bic", "cp", "ebic": the least criterion (optimistic: see `selection`).
    time, n_active : float, int
        For the rules of these names.
    noise_variance : float, optional
        Of the target, for the criteria; "cp" estimates it by least squares where rows outnumber columns.
    gamma : float
        Of "ebic", 0 to 1.
    fit_intercept : bool
        Centre features and target.
    standardize : bool
        Divide each column by its standard deviation: without it the order of activation depends on units.
    positive : bool
        The one-sided network: coefficients are never negative.
    init_exponents : array (d,), optional
        Initialisation `alpha^a_i` of each feature: penalty factors.
    loss : str
        "squared", "poisson" (counts; predictions are `exp` of the linear model) or "huber".
    huber_delta : float, optional
        Where the Huber loss turns straight, in units of the target.
    max_saddles, max_time : int, float, optional
        End the path early.
    tol : float
        Relative size below which pulls are zero.

    Attributes
    ----------
    path_ : SaddlePath
        The path in prepared units.
    jump_times_ : array (m,)
        Its jump times.
    saddle_ : int
        Number of the saddle kept.
    coef_ : array (d,)
        Its coefficients, in the units of the data.
    intercept_ : float
        Its intercept.
    active_ : array
        Its features.
    outcome_ : Outcome
        How the path ended.
    n_iter_ : int
        Number of jumps.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    Source: S. Pesme, N. Flammarion, NeurIPS 2023.
    """

    def __init__(
        self,
        stop="min_l1",
        *,
        time=None,
        n_active=None,
        noise_variance=None,
        gamma=1.0,
        fit_intercept=True,
        standardize=False,
        positive=False,
        init_exponents=None,
        loss="squared",
        huber_delta=None,
        max_saddles=None,
        max_time=None,
        tol=PULL_TOLERANCE,
    ):
        self.stop = stop
        self.time = time
        self.n_active = n_active
        self.noise_variance = noise_variance
        self.gamma = gamma
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.positive = positive
        self.init_exponents = init_exponents
        self.loss = loss
        self.huber_delta = huber_delta
        self.max_saddles = max_saddles
        self.max_time = max_time
        self.tol = tol

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SaddlePathRegressor:
        """Compute the path of `X (n, d)`, `y (n,)` and keep one saddle.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        InputError
            If data or options are unusable.
        """
        if self.loss not in LOSSES or self.loss == "logistic":
            raise InputError("option_range", name="loss", value=self.loss, wanted="squared | poisson | huber")
        require_rule(self.stop, self.time, self.n_active, self.loss)
        X, y, weights = regression_data(self, X, y, sample_weight)
        prepared = self._prepare(X, y, weights)
        if self.loss == "squared":
            options = self._options_of_rule()
            path = saddle_path(prepared.X, prepared.y, reference_norm=prepared.target_norm, **options)
        else:
            path = self._smooth_path(prepared.apply(X), y, weights, self.loss, huber_delta=self.huber_delta)
        rows = float(y.size if weights is None else weights.sum())
        noise = self.noise_variance
        if self.stop == "cp" and noise is None:
            noise = least_squares_variance(prepared.X, prepared.y, rows, intercept=self.fit_intercept)
        self._keep(path, self._choose(path, rows, noise, self.loss), prepared)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the predictions `(m,)` of the saddle kept."""
        values = linear_values(self, X)
        return np.exp(values) if self.loss == "poisson" else values


class SaddlePathRegressorCV(RegressorMixin, PathEstimator):
    """A saddle of training a diagonal network, chosen by cross-validation over training time.

    Parameters
    ----------
    cv : int, splitter or iterable
        Number of folds (unshuffled, as everywhere in scikit-learn), a splitter, or (training, held-out) pairs; for
        rows in the order of time `TimeSeriesSplit()`.
    rule : str
        "min": least mean squared error; "1se": the earliest time within one standard error of it.
    fit_intercept, standardize, positive, init_exponents, max_saddles, max_time, tol
        As in `SaddlePathRegressor`.
    n_jobs : int, optional
        Processes; the result does not depend on it.

    Attributes
    ----------
    times_ : array (g,)
        Where the steps of the error begin: zero and the jump times of all folds.
    mse_path_ : array (g, f)
        Held-out mean squared error of every fold on every step.
    time_ : float
        The chosen time, inside its step.
    validation_ : CrossValidation
        Everything else about the choice.
    path_, jump_times_, saddle_, coef_, intercept_, active_, outcome_, n_iter_
        As in `SaddlePathRegressor`, of all rows.
    """

    def __init__(
        self,
        *,
        cv=5,
        rule="min",
        fit_intercept=True,
        standardize=False,
        positive=False,
        init_exponents=None,
        max_saddles=None,
        max_time=None,
        tol=PULL_TOLERANCE,
        n_jobs=None,
    ):
        self.cv = cv
        self.rule = rule
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.positive = positive
        self.init_exponents = init_exponents
        self.max_saddles = max_saddles
        self.max_time = max_time
        self.tol = tol
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> SaddlePathRegressorCV:
        """Cross-validate `X (n, d)`, `y (n,)` and keep the chosen saddle of the path of all rows.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        InputError
            If data or options are unusable.
        """
        if self.rule not in RULES:
            raise InputError("option_range", name="rule", value=self.rule, wanted=" | ".join(RULES))
        X, y, weights = regression_data(self, X, y, sample_weight)
        validation = cross_validate(
            X,
            y,
            folds=check_cv(self.cv),
            groups=groups,
            sample_weight=weights,
            fit_intercept=self.fit_intercept,
            standardize=self.standardize,
            n_jobs=self.n_jobs,
            **self._options(),
        )
        self._keep(validation.path, validation.saddle(self.rule), validation.prepared)
        self.validation_ = validation
        self.times_, self.mse_path_ = validation.times, validation.fold_errors.T
        self.time_ = validation.time(self.rule)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the predictions `(m,)` of the saddle kept."""
        return linear_values(self, X)


def regression_data(
    estimator: BaseEstimator, X: Any, y: Any, sample_weight: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return validated data in float64."""
    X, y = validate_data(estimator, X, y, dtype=np.float64, y_numeric=True)
    weights = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
    return X, np.asarray(y, dtype=np.float64), weights


def linear_values(estimator: PathEstimator, X: Any) -> np.ndarray:
    """Return the value `(m,)` of the linear model at new rows."""
    check_is_fitted(estimator)
    X = validate_data(estimator, X, dtype=np.float64, reset=False)
    return X @ np.ravel(estimator.coef_) + estimator.intercept_
