"""The best certified minimum of a shallow network in scikit-learn.

Features and targets are standardised inside; a weight of a row counts as repetitions of it. As scikit-learn has it,
`__init__` takes anything and `fit` looks at it; so the parameters have their types in the docstring.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,  # pyright: ignore[reportPrivateUsage]
    check_is_fitted,
    validate_data,
)

from thalweg.records import Certificate, Outcome
from thalweg.shallow.catalogue import MinimaCatalogue
from thalweg.shallow.fit import kept_network
from thalweg.shallow.minima import find_minima
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.options import DEFAULT_RIDGE
from thalweg.shallow.standardise import standardise
from thalweg.texts import text

LARGEST_SEED = 2**31 - 1
"""Seeds are drawn below it from a random state."""


class ShallowRegressor(RegressorMixin, BaseEstimator):
    """A network with one hidden layer at the best strict minimum that many starts found and a certificate proves.

    Parameters
    ----------
    width : int
        Number of hidden neurons.
    activation : str
        "tanh", "logistic", "erf", "arctan", "gauss", "sin", "softplus", "silu" or "gelu".
    starts : int
        How many descents.
    ridge : float
        Penalty of all parameters in standardised units; with 0 there may be no minimiser, and there must be at least as
        many numbers to fit as parameters.
    anchor : None or "random"
        Where the ridge pulls to: zero, or a random point, with which almost surely every minimum is strict.
    random_state : int, RandomState or None
        Of starts and anchor; None is 0: the result is always the same.

    Attributes
    ----------
    net_ : ShallowNet
        Takes standardised features and gives standardised targets.
    certificate_ : Certificate or None
        Its proof; None if no start ended at a certified minimum.
    catalogue_ : MinimaCatalogue
        All minima that were found, and how every start ended.
    outcome_ : Outcome
        How the start of `net_` ended.
    loss_ : float
        Its loss, ridge included, in standardised units.
    n_iter_ : int
        Steps of the longest descent.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    Source: F. Benning, S. Dereich, arXiv 2504.08867.
    """

    net_: ShallowNet
    certificate_: Certificate | None
    catalogue_: MinimaCatalogue
    outcome_: Outcome

    def __init__(self, width=3, *, activation="tanh", starts=24, ridge=DEFAULT_RIDGE, anchor=None, random_state=None):
        self.width = width
        self.activation = activation
        self.starts = starts
        self.ridge = ridge
        self.anchor = anchor
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ShallowRegressor:
        """Find the minima on `X (n, d)`, `y (n,)` or `(n, K)` and keep the best certified one.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        InputError
            If data or options are unusable.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        y = np.asarray(y, dtype=np.float64)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        data = standardise(X, y, weights)
        self.catalogue_ = find_minima(
            data.X, data.y, self.width, activation=self.activation, starts=self.starts, seed=self._seed(),
            ridge=self.ridge, anchor=self.anchor, weights=weights,
        )  # fmt: skip
        self._center, self._scale = data.center, data.scale
        self._target_mean, self._target_scale = data.target_mean, data.target_scale
        self._flat_targets = y.ndim == 1
        self.net_, start, self.outcome_ = kept_network(self.catalogue_)
        best = self.catalogue_.best
        self.certificate_ = None if best is None else self.catalogue_.points[best].certificate
        self.loss_ = float(self.catalogue_.losses[start] if best is None else self.catalogue_.points[best].loss)
        self.n_iter_ = int(self.catalogue_.steps.max())
        if best is None:
            warnings.warn(text("warning.shallow_uncertified", outcome=self.outcome_.say()), ConvergenceWarning, 2)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the predictions `(r,)` or `(r, K)`."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        outputs = self.net_((X - self._center) / self._scale).reshape(len(X), -1)
        outputs = outputs * self._target_scale + self._target_mean
        return outputs[:, 0] if self._flat_targets else outputs

    def _seed(self) -> int:
        state = self.random_state
        if state is None or isinstance(state, (int, np.integer)):
            return int(state or 0)
        return int(check_random_state(state).randint(LARGEST_SEED))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags
