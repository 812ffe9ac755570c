"""The saddle path as a selector of features for scikit-learn pipelines."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from thalweg.diagonal.classifier import SaddlePathClassifier
from thalweg.diagonal.cross_validation import RULES
from thalweg.diagonal.estimators import PathEstimator, SaddlePathRegressor, SaddlePathRegressorCV
from thalweg.diagonal.naive import PULL_TOLERANCE
from thalweg.diagonal.selection import activation_times
from thalweg.records import InputError


class SaddlePathSelector(SelectorMixin, PathEstimator):
    """A selector of features: those that are active at a chosen saddle.

    Parameters
    ----------
    n_features_to_select : int, optional
        At most so many: the last saddle before more are active. None: `rule` decides.
    loss : str
        "squared" (numbers, or classes as numbers) or "logistic" (two classes, without the rules of cross-validation).
    rule : str
        "1se" or "min" (cross-validation), or "min_l1", "plateau", "aic", "bic", "cp", "ebic".
    cv : int, splitter or iterable
        For the rules of cross-validation, as in `SaddlePathRegressorCV`.
    fit_intercept, standardize, positive, init_exponents, max_saddles, max_time, tol
        As in `SaddlePathRegressor`.
    n_jobs : int, optional
        Processes of the cross-validation.

    Attributes
    ----------
    estimator_ : SaddlePathRegressor, SaddlePathRegressorCV or SaddlePathClassifier
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
        loss="squared",
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
        self.loss = loss
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

        Raises
        ------
        InputError
            If data or options are unusable.
        """
        if self.loss not in ("squared", "logistic"):
            raise InputError("option_range", name="loss", value=self.loss, wanted="squared | logistic")
        validate_data(self, X, dtype=np.float64)
        self.estimator_ = self._estimator().fit(X, y, sample_weight=sample_weight)
        self.activation_time_ = activation_times(self.estimator_.path_)
        return self

    def _estimator(self) -> SaddlePathRegressor | SaddlePathRegressorCV | SaddlePathClassifier:
        """Return the estimator whose rule is asked for, not fitted."""
        options = {"fit_intercept": self.fit_intercept, "standardize": self.standardize, **self._options()}
        one_path = SaddlePathClassifier if self.loss == "logistic" else SaddlePathRegressor
        if self.n_features_to_select is not None:
            return one_path("n_active", n_active=self.n_features_to_select, **options)
        if self.rule in RULES and self.loss == "squared":
            return SaddlePathRegressorCV(cv=self.cv, rule=self.rule, n_jobs=self.n_jobs, **options)
        return one_path(self.rule, **options)

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        mask = np.zeros(self.activation_time_.size, dtype=bool)
        mask[self.estimator_.active_] = True
        return mask
