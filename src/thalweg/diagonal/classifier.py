"""The saddle path of the logistic loss as a scikit-learn classifier.

Where the labels can be separated, training has no end: the coefficients grow for ever (outcome `no_minimiser`), and
the last finite saddle may be zero. A rule that needs the end then has no answer, so a share `1 / (N + 2)` of the weight
of each row, `N` the rows of its class, is moved to the other label (Platt's targets, 1999): the loss keeps its
convexity, a minimiser always exists, and probabilities stay away from 0 and 1. `smoothing_` says what was done.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,  # pyright: ignore[reportPrivateUsage]
    validate_data,
)

from thalweg.diagonal.estimators import PathEstimator, linear_values
from thalweg.diagonal.naive import PULL_TOLERANCE
from thalweg.diagonal.path import SaddlePath
from thalweg.diagonal.selection import choose, require_rule
from thalweg.numerics.validation import weights_of_rows
from thalweg.records import InputError, Outcome


class SaddlePathClassifier(ClassifierMixin, PathEstimator):
    """A linear classifier that is a saddle of training a diagonal network with the logistic loss.

    Two classes; for more, `sklearn.multiclass.OneVsRestClassifier(SaddlePathClassifier())`.

    Parameters
    ----------
    stop, time, n_active, gamma : str, float, int, float
        As in `SaddlePathRegressor`, without "cp". "min_l1": the end, the minimiser of the loss of least l1 norm.
    smoothing : float or "auto"
        Share of the weight of each row that is moved to the other label; 0: none, and where the labels can be
        separated the last finite saddle is the end. "auto": none, unless they can and the rule depends on it; then
        Platt's.
    fit_intercept : bool
        A free coefficient that is always active.
    standardize, positive, init_exponents, max_saddles, max_time, tol
        As in `SaddlePathRegressor`.

    Attributes
    ----------
    classes_ : array (2,)
        The labels; the second is the positive class.
    coef_ : array (1, d)
        The coefficients of the saddle kept, in the units of the data.
    intercept_ : array (1,)
        Its intercept.
    smoothing_ : tuple of two floats
        The shares that were moved from each class to the other.
    path_, jump_times_, saddle_, active_, outcome_, n_iter_, n_features_in_, feature_names_in_
        As in `SaddlePathRegressor`; `outcome_` is that of the path kept.

    Notes
    -----
    Sources: specification of the family, 6.2; J. Platt, Advances in Large Margin Classifiers, 1999.
    """

    def __init__(
        self,
        stop="min_l1",
        *,
        time=None,
        n_active=None,
        gamma=1.0,
        smoothing="auto",
        fit_intercept=True,
        standardize=False,
        positive=False,
        init_exponents=None,
        max_saddles=None,
        max_time=None,
        tol=PULL_TOLERANCE,
    ):
        self.stop = stop
        self.time = time
        self.n_active = n_active
        self.gamma = gamma
        self.smoothing = smoothing
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.positive = positive
        self.init_exponents = init_exponents
        self.max_saddles = max_saddles
        self.max_time = max_time
        self.tol = tol

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SaddlePathClassifier:
        """Compute the path of `X (n, d)` and labels `y (n,)` and keep one saddle.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        InputError
            If data or options are unusable.
        """
        require_rule(self.stop, self.time, self.n_active, "logistic")
        share = 0.0 if self.smoothing == "auto" else self.smoothing
        if not isinstance(share, (int, float)) or not 0 <= share < 0.5:
            raise InputError("option_range", name="smoothing", value=self.smoothing, wanted="auto | 0 <= value < 0.5")
        X, positive, weights = self._two_classes(X, y, sample_weight)
        prepared = self._prepare(X, np.where(positive, 1.0, -1.0), weights)
        rows = prepared.apply(X)
        self.smoothing_ = (share, share)
        path = self._path(rows, positive, weights)
        if self.smoothing == "auto" and path.outcome is Outcome.NO_MINIMISER and not self._is_decided(path):
            self.smoothing_ = tuple(1 / (float(weights[side].sum()) + 2) for side in (~positive, positive))
            path = self._path(rows, positive, weights)
        total = float(weights.sum())
        self._keep(path, self._choose(path, total, loss="logistic"), prepared)
        self.coef_, self.intercept_ = self.coef_[np.newaxis], np.array([self.intercept_])
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logarithm of the odds `(m,)` of the second class."""
        return linear_values(self, X)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities `(m, 2)` of the classes."""
        values = self.decision_function(X)
        return np.column_stack([expit(-values), expit(values)])

    def predict(self, X: Any) -> np.ndarray:
        """Return the more probable labels `(m,)`."""
        second = self.decision_function(X) > 0
        return self.classes_[second.astype(int)]

    def _two_classes(self, X: Any, y: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return validated rows, which of them are of the second class, and their weights, none of them zero."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise InputError("target_not_binary", kind=kind)
        weights = weights_of_rows(_check_sample_weight(sample_weight, X, dtype=np.float64), y.size)
        used = weights > 0
        self.classes_ = np.unique(y)
        present = np.unique(y[used])
        if present.size < 2:
            raise InputError("one_class", label=str(present[0]))
        return X[used], y[used] == self.classes_[1], weights[used]

    def _is_decided(self, path: SaddlePath) -> bool:
        """Tell whether the rule chooses a finite saddle however the path would go on from its last."""
        return self.stop == "n_active" and choose(path, self.stop, n_active=self.n_active) < path.count

    def _path(self, rows: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> SaddlePath:
        """Return the path of the labels, a share of each moved to the other: those rows stand twice."""
        moved = weights * np.where(positive, self.smoothing_[1], self.smoothing_[0])
        labels, kept = np.where(positive, 1.0, -1.0), weights - moved
        if moved.any():
            rows, labels = np.vstack([rows, rows]), np.concatenate([labels, -labels])
            kept = np.concatenate([kept, moved])
        return self._smooth_path(rows, labels, kept, "logistic")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
