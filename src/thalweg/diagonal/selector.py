"""The saddle path as a selector of features for scikit-learn pipelines."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted

from thalweg.diagonal.cross_validation import RULES
from thalweg.diagonal.estimators import PathEstimator, SaddlePathRegressor, SaddlePathRegressorCV, regression_data
from thalweg.diagonal.naive import PULL_TOLERANCE
from thalweg.diagonal.selection import activation_times


class SaddlePathSelector(SelectorMixin, PathEstimator):
    """A selector of features: those that are active at a chosen saddle.

    Parameters
    ----------
    n_features_to_select
        At most so many: the last saddle before more are active. None: `rule` decides.
    rule
        "1se" or "min" (cross-validation), or "min_l1", "plateau", "aic", "bic", "cp", "ebic".
    cv
        For the rules of cross-validation, as in `SaddlePathRegressorCV`.
    fit_intercept, standardize, positive, init_exponents, max_saddles, max_time, tol
        As in `SaddlePathRegressor`.
    n_jobs
        Processes of the cross-validation.

    Attributes
    ----------
    estimator_ : SaddlePathRegressor or SaddlePathRegressorCV
        What has chosen the saddle.
    activation_time_ : array (d,)
        When each feature is active for the first time, infinite if never: the earlier, the more it pulls.
    n_features_in_, feature_names_in_
        As in scikit-learn.
    """

    def __init__(
        self,
        n_features_to_select=None,
        *,
        rule="1se",
        cv=5,
        fit_intercept=True,
        standardize=False,
        positive=False,
        init_exponents=None,
        max_saddles=None,
        max_time=None,
        tol=PULL_TOLERANCE,
        n_jobs=None,
    ):
        self.n_features_to_select = n_features_to_select
        self.rule = rule
        self.cv = cv
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.positive = positive
        self.init_exponents = init_exponents
        self.max_saddles = max_saddles
        self.max_time = max_time
        self.tol = tol
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SaddlePathSelector:
        """Choose features of `X (n, d)` for the target `y (n,)`.

        Returns
        -------
        self
            Fitted.
        """
        X, y, weights = regression_data(self, X, y, sample_weight)
        self.estimator_ = self._estimator().fit(X, y, sample_weight=weights)
        self.activation_time_ = activation_times(self.estimator_.path_)
        return self

    def _estimator(self) -> SaddlePathRegressor | SaddlePathRegressorCV:
        """Return the estimator whose rule is asked for, not fitted."""
        options = {"fit_intercept": self.fit_intercept, "standardize": self.standardize, **self._options()}
        if self.n_features_to_select is not None:
            return SaddlePathRegressor("n_active", n_active=self.n_features_to_select, **options)
        if self.rule in RULES:
            return SaddlePathRegressorCV(cv=self.cv, rule=self.rule, n_jobs=self.n_jobs, **options)
        return SaddlePathRegressor(self.rule, **options)

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        mask = np.zeros(self.activation_time_.size, dtype=bool)
        mask[self.estimator_.active_] = True
        return mask
