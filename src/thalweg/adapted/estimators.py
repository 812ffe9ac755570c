"""Plain networks trained along the adapted flow, in scikit-learn: regression and classification.

The exact flow shrinks signal and noise alike (specification, section 2), so by default part of the rows is held out,
the same runs are made with several dampings (T7), each is watched on the clock `tau`, and the parameters of the best
held-out value of all are kept. Inputs, and the targets of a regression, are standardised by the rows that are trained
on. A weight of a row counts as repetitions of it, and the order of rows does not matter: equal rows are first counted
and sorted. As scikit-learn has it, `__init__` takes anything and `fit` looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,  # pyright: ignore[reportPrivateUsage]
    check_is_fitted,
    validate_data,
)

from thalweg.adapted.mlp import Mlp
from thalweg.adapted.result import AdaptedFit
from thalweg.adapted.training import fit as train
from thalweg.numerics.dependence import CONSTANT
from thalweg.numerics.options import require, whole_number
from thalweg.numerics.resampling import stream
from thalweg.numerics.validation import weights_of_rows
from thalweg.records import Certificate, InputError

DAMPINGS = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)
"""Dampings that are compared on held-out rows, in units of the mean eigenvalue of the Gram matrix (section 7)."""

LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True, eq=False)
class _Rows:
    """Distinct rows with their summed weights, in an order that depends on nothing but themselves."""

    X: np.ndarray
    Y: np.ndarray
    weights: np.ndarray

    def part(self, rows: np.ndarray) -> _Rows:
        return _Rows(self.X[rows], self.Y[rows], self.weights[rows])


@dataclass(frozen=True, eq=False)
class _Scale:
    """Mean and scale of columns: `(column - mean) / scale`."""

    mean: np.ndarray
    scale: np.ndarray

    def apply(self, rows: np.ndarray) -> np.ndarray:
        return (rows - self.mean) / self.scale

    def undo(self, rows: np.ndarray) -> np.ndarray:
        return rows * self.scale + self.mean


class _AdaptedMLP(BaseEstimator):
    """What both share: data, held-out rows, the choice of the damping, and what a run leaves."""

    hidden_layer_sizes: Any
    activation: str
    damping: Any
    early_stopping: bool
    tol: float
    mode: str
    max_iter: int
    random_state: Any
    validation_fraction: float
    patience: float

    fit_: AdaptedFit
    network_: Mlp
    damping_: float

    _loss = "l2"

    def _train(self, rows: _Rows, outputs: int) -> None:
        """Choose the damping, train, and keep the run."""
        self._check_options()
        seed = int(check_random_state(self.random_state).randint(LARGEST_SEED))
        hidden = np.atleast_1d(self.hidden_layer_sizes).tolist()
        self.network_ = Mlp((rows.X.shape[1], *hidden, outputs), self.activation)
        chosen = self.damping == "validation"
        if not (chosen or self.early_stopping):
            self._keep(rows, None, float(self.damping), seed)
            return
        held = _held_out(rows.Y, self.validation_fraction, seed, stratified=self._loss == "ce")
        part, other = rows.part(~held), rows.part(held)
        runs = [self._run(part, other, damping, seed) for damping in self._dampings(part, outputs)]
        values = [self._value(run) for run in runs]
        self.dampings_ = {run.options["damping"]: value for run, value in zip(runs, values, strict=True)}
        best = int(np.argmin(values))
        if self.early_stopping:
            self._keep(part, runs[best], float(runs[best].options["damping"]), seed)
        else:
            self._keep(rows, None, float(runs[best].options["damping"]), seed)

    def _check_options(self) -> None:
        damping, other = self.damping, isinstance(self.damping, str)
        require(damping == "validation" if other else damping >= 0, "damping", damping, "validation | value >= 0")
        require(self.mode == "fast" or other or damping == 0, "damping", damping, "0 where mode is not fast")
        require(0 < self.validation_fraction < 1, "validation_fraction", self.validation_fraction, "0 < value < 1")
        require(self.tol >= 0, "tol", self.tol, ">= 0")
        whole_number(self.max_iter, "max_iter", 0)

    def _dampings(self, rows: _Rows, outputs: int) -> tuple[float, ...]:
        """Return what is compared: other modes know no damping, and too few parameters ask for some."""
        if self.damping != "validation":
            return (float(self.damping),)
        if self.mode != "fast":
            return DAMPINGS[:1]
        return DAMPINGS if self.network_.parameter_count >= len(rows.X) * outputs else DAMPINGS[1:]

    def _run(self, rows: _Rows, held_out: _Rows | None, damping: float, seed: int) -> AdaptedFit:
        """Train on some rows, judged on others; the run ends where these stop getting better if that is asked for."""
        X_scale, Y_scale = self._scales(rows)
        judged: dict[str, Any] = {}
        if held_out is not None:
            judged["validation"] = X_scale.apply(held_out.X), Y_scale.apply(held_out.Y), held_out.weights
            judged["patience"] = self.patience if self.early_stopping else np.inf
        return train(
            self.network_, self.network_.initial(seed), (X_scale.apply(rows.X), Y_scale.apply(rows.Y)),
            loss=self._loss, mode=self.mode, tol=self.tol, damping=damping, weights=rows.weights,
            max_steps=self.max_iter, seed=seed, **judged,
        )  # fmt: skip

    def _value(self, run: AdaptedFit) -> float:
        """Return the held-out value that counts: the best on the clock, or that of the end."""
        values = run.trajectory.channels["validation"]
        found = values.min() if self.early_stopping else values[-1]
        return float(found) if np.isfinite(found) else np.inf

    def _keep(self, rows: _Rows, run: AdaptedFit | None, damping: float, seed: int) -> None:
        """Set the fitted attributes; a run that was not made yet is made."""
        self.fit_ = self._run(rows, None, damping, seed) if run is None else run
        self._X_scale, self._Y_scale = self._scales(rows)
        self.damping_ = damping
        self.tau_ = self.fit_.best_tau
        self.n_iter_ = len(self.fit_.seconds) - 1
        self.outcome_ = self.fit_.outcome
        self.loss_curve_ = self.fit_.trajectory.loss
        self.predicted_curve_ = self.fit_.trajectory.predicted

    def _scales(self, rows: _Rows) -> tuple[_Scale, _Scale]:
        """Return how inputs and targets are scaled: columns that do not vary are zero, classes stay as they are."""
        ones = _Scale(np.zeros(1), np.ones(1))
        targets = _scale_of(rows.Y, rows.weights, 1.0) if self._loss == "l2" else ones
        return _scale_of(rows.X, rows.weights, np.inf), targets

    def _raw(self, X: Any) -> np.ndarray:
        """Return the outputs of the network for new rows."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self.fit_.predict(self._X_scale.apply(X))

    @property
    def certificate_(self) -> Certificate:
        """What the run proves of itself, by plain forward passes at its nodes."""
        check_is_fitted(self)
        return self.fit_.certificate()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.target_tags.required = True
        return tags


class AdaptedMLPRegressor(RegressorMixin, _AdaptedMLP):
    """A network trained on half the mean squared error along a curve that its start determines.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Neurons of the hidden layers.
    activation : str
        "tanh", "logistic", "softplus", "sin", "relu" or "identity".
    damping : "validation" or float
        Filter of noise, in units of the mean eigenvalue of the Gram matrix. "validation": the best of `DAMPINGS` on
        held-out rows; without the 0 where there are fewer parameters than training outputs.
    early_stopping : bool
        Keep the parameters of the clock at which the held-out rows were predicted best. Otherwise held-out rows only
        choose the damping, by the end of the run, and all rows are trained on with it.
    tol : float
        Cost at which a run ends: half the mean squared error of the standardised targets.
    mode : str
        "fast"; "certified" or "ode" for an undamped run along the predicted curve.
    max_iter : int
        Most steps of a run.
    random_state : int, RandomState or None
        Of the initial parameters and the held-out rows.
    validation_fraction : float
        Share of rows held out, where any are.
    patience : float
        Time on the clock `tau` without a better held-out value after which a run ends.

    Attributes
    ----------
    damping_, tau_ : float
        Damping, and clock of the parameters kept.
    dampings_ : dict
        Held-out value of every damping that was compared, where rows were held out.
    n_iter_ : int
        Steps of the run.
    loss_curve_ : array (k,)
        Cost at its nodes, over the rows trained on.
    predicted_curve_ : array (k,) or None
        The curve that was known before the run, where the mode promises one.
    certificate_ : Certificate
        What the run proves of itself.
    outcome_ : Outcome
        How it ended.
    fit_, network_ : AdaptedFit, Mlp
        The run and the network, in standardised units.
    n_features_in_, feature_names_in_
        As in scikit-learn.
    """

    def __init__(
        self,
        hidden_layer_sizes=(100, 100),
        activation="tanh",
        *,
        damping="validation",
        early_stopping=True,
        tol=1e-6,
        mode="fast",
        max_iter=100,
        random_state=None,
        validation_fraction=0.1,
        patience=1.0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.damping = damping
        self.early_stopping = early_stopping
        self.tol = tol
        self.mode = mode
        self.max_iter = max_iter
        self.random_state = random_state
        self.validation_fraction = validation_fraction
        self.patience = patience

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> AdaptedMLPRegressor:
        """Train on `X (n, d)` and targets `y (n,)` or `(n, q)`.

        Returns
        -------
        self
            Fitted.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2)
        targets = np.asarray(y, dtype=np.float64)
        self._flat = targets.ndim == 1
        rows = _distinct(self, X, targets.reshape(len(X), -1), sample_weight)
        self._train(rows, rows.Y.shape[1])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the predictions, `(m,)` or `(m, q)` as the targets were."""
        raw = self._raw(X)
        found = self._Y_scale.undo(raw)
        return found[:, 0] if self._flat else found

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class AdaptedMLPClassifier(ClassifierMixin, _AdaptedMLP):
    """A network trained on cross-entropy by its natural flow, on which probabilities move along straight lines.

    Parameters
    ----------
    hidden_layer_sizes, activation, damping, early_stopping, mode, max_iter, random_state, validation_fraction, patience
        As in `AdaptedMLPRegressor`; held-out rows are drawn class by class, and judged by cross-entropy.
    tol : float
        Mean cross-entropy at which a run ends. It has no minimiser for pure classes, so this is not zero.

    Attributes
    ----------
    classes_ : array (q,)
        The labels.
    damping_, tau_, dampings_, n_iter_, loss_curve_, predicted_curve_, certificate_, outcome_, fit_, network_
        As in `AdaptedMLPRegressor`; the cost is the mean cross-entropy. Two classes have one output, the logarithm of
        their odds.
    n_features_in_, feature_names_in_
        As in scikit-learn.
    """

    _loss = "ce"

    def __init__(
        self,
        hidden_layer_sizes=(100, 100),
        activation="tanh",
        *,
        damping="validation",
        early_stopping=True,
        tol=1e-4,
        mode="fast",
        max_iter=100,
        random_state=None,
        validation_fraction=0.1,
        patience=1.0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.damping = damping
        self.early_stopping = early_stopping
        self.tol = tol
        self.mode = mode
        self.max_iter = max_iter
        self.random_state = random_state
        self.validation_fraction = validation_fraction
        self.patience = patience

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> AdaptedMLPClassifier:
        """Train on `X (n, d)` and labels `y (n,)`.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        InputError
            If there is only one class.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        rows = _distinct(self, X, codes.reshape(-1, 1).astype(np.float64), sample_weight)
        present = np.unique(rows.Y)
        if present.size < 2:
            raise InputError("one_class", label=str(self.classes_[int(present[0])]))
        count = self.classes_.size
        labels = rows.Y if count == 2 else np.eye(count)[rows.Y[:, 0].astype(int)]
        self._train(_Rows(rows.X, labels, rows.weights), labels.shape[1])
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logarithm of the odds `(m,)` of two classes, or the logits `(m, q)` of more."""
        raw = self._raw(X)
        return raw[:, 0] if raw.shape[1] == 1 else raw

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities `(m, q)` of the classes."""
        raw = self._raw(X)
        return np.hstack([expit(-raw), expit(raw)]) if raw.shape[1] == 1 else softmax(raw, axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable labels `(m,)`."""
        most = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most]


def _distinct(estimator: BaseEstimator, X: np.ndarray, Y: np.ndarray, sample_weight: Any) -> _Rows:
    """Return the distinct rows of positive weight, sorted, with their weights summed."""
    weights = weights_of_rows(_check_sample_weight(sample_weight, X, dtype=np.float64), len(X))
    used = weights > 0
    joined, group = np.unique(np.hstack([X, Y])[used], axis=0, return_inverse=True)
    d = X.shape[1]
    return _Rows(joined[:, :d], joined[:, d:], np.bincount(group.ravel(), weights[used]))


def _scale_of(rows: np.ndarray, weights: np.ndarray, still: float) -> _Scale:
    """Return the weighted mean and deviation of columns; `still` is the scale of one that does not vary."""
    mean = weights @ rows / weights.sum()
    deviation = np.sqrt(weights @ (rows - mean) ** 2 / weights.sum())
    return _Scale(mean, np.where(deviation > CONSTANT * np.abs(rows).max(axis=0), deviation, still))


def _held_out(Y: np.ndarray, fraction: float, seed: int, *, stratified: bool) -> np.ndarray:
    """Return which rows are held out: of every class the same share, at least one row in all and one left of each."""
    groups = np.unique(Y, axis=0, return_inverse=True)[1].ravel() if stratified else np.zeros(len(Y), dtype=int)
    held = np.zeros(len(Y), dtype=bool)
    order = stream(seed, "held-out rows", 0).permutation(len(Y))
    for group in range(groups.max() + 1):
        members = order[groups[order] == group]
        held[members[: min(round(fraction * members.size), members.size - 1)]] = True
    if not held.any():
        held[order[np.argmax(np.bincount(groups)[groups[order]])]] = True
    return held
