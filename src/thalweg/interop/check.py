"""Check a model trained elsewhere: is it wasteful, is its minimum a proved strict one, how many steps remain.

A model with one hidden layer and an analytic activation becomes a shallow net; it is classified as it is, then
polished - float32 weights are stationary to seven digits only - and the minimum is certified. Any other model gets the
diagnostics of `outside.py`, named as such.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from thalweg.interop.chain_derivatives import arguments
from thalweg.interop.foreign import ForeignModel
from thalweg.interop.outside import Outside, outside_theorem
from thalweg.interop.reading import read_model
from thalweg.interop.scikit import is_perceptron, penalty
from thalweg.interop.shallow_models import foreign_model, is_shallow, shallow_net
from thalweg.numerics.options import require
from thalweg.numerics.validation import real_array, weights_of_rows
from thalweg.records import Cell, Certificate, Method, Quantity, Statement, Verdict, digest_of
from thalweg.shallow import (
    Advice,
    Classification,
    Objective,
    Reduction,
    Refined,
    ShallowNet,
    advise,
    classify,
    reduce,
    refine,
)
from thalweg.shallow.activations import activation as find_activation
from thalweg.shallow.certificate import METHODS, ShallowCertificate, certify
from thalweg.shallow.standardise import standardise

SCALED = {"features": "imported.scaled_features", "all": "imported.scaled_all"}
"""What may be brought to mean 0 and deviation 1 before the model sees it, and what is said then."""


@dataclass(frozen=True, eq=False)
class ModelCheck:
    """What was found about a model.

    Attributes
    ----------
    model : ForeignModel
        As it was read.
    certificate : Certificate
        Of the polished net, or of the model as it is if none was made; "not covered" outside the theorem.
    error, explained : float
        Mean over rows of the squared error, summed over outputs, and the share of the targets' variance that the model
        explains; NaN for constant targets.
    net : ShallowNet or None
        As a shallow net; None if it is outside the theorem.
    classification : Classification or None
        Is it wasteful.
    reduction : Reduction or None
        The smaller net, if there is one with the same function but for the tolerance of the classification.
    advice : Advice or None
        What remains of its training.
    refined : Refined or None
        The polished net with its certificate; None if it was not asked for. A redundant net without ridge is reduced
        first.
    ridge : float or array (P,)
        Penalty of the weights in our loss, biases free; or of each parameter.
    outside : Outside or None
        Diagnostics of a model outside the theorem.
    """

    model: ForeignModel
    certificate: Certificate
    error: float
    explained: float
    net: ShallowNet | None = None
    classification: Classification | None = None
    reduction: Reduction | None = None
    advice: Advice | None = None
    refined: Refined | None = None
    ridge: float | Float[np.ndarray, " P"] = 0.0
    outside: Outside | None = None

    def fit_statements(self) -> tuple[Statement, ...]:
        """Return what was noticed while reading, and how well the model fits the data."""
        said = (*self.model.notes, Statement("imported.error", {"error": self.error}))
        if np.isnan(self.explained):
            return said
        code = "imported.explained" if self.explained > 0 else "imported.worse_than_mean"
        return (*said, Statement(code, {"explained": self.explained}))

    def worth_statements(self) -> tuple[Statement, ...]:
        """Return whether the model is wasteful, and what smaller net does the same."""
        said = () if self.classification is None else self.classification.statements()
        if self.reduction is None:
            return said
        values: dict[str, Cell] = {"neurons": self.reduction.net.width, "bound": self.reduction.bound}
        code = "imported.reduced_minimal" if self.reduction.minimal else "imported.reduced"
        return (*said, Statement(code, values))

    def remaining_statements(self) -> tuple[Statement, ...]:
        """Return what remains of the training."""
        return () if self.advice is None else self.advice.statements()

    def proof_statements(self) -> tuple[Statement, ...]:
        """Return what polishing did, and why the verdict of the certificate is what it is."""
        if self.refined is None:
            return (self.certificate.reason,)
        code = "imported.polished_smaller" if self.starts_smaller else "imported.polished"
        made = self.refined
        values: dict[str, Cell] = {"moved": made.moved, "before": made.loss_before, "after": made.loss_after}
        return (Statement(code, values), self.certificate.reason)

    @property
    def starts_smaller(self) -> bool:
        """Whether the polished net has fewer neurons than the model."""
        return self.refined is not None and self.net is not None and self.refined.net.width < self.net.width

    def statements(self) -> tuple[Statement, ...]:
        """Return everything that was found, sentence by sentence."""
        if self.outside is not None:
            return (*self.fit_statements(), *self.outside.statements())
        parts = (self.fit_statements, self.worth_statements, self.remaining_statements, self.proof_statements)
        return tuple(statement for part in parts for statement in part())

    def __str__(self) -> str:
        return "\n".join(map(str, self.statements()))


@dataclass(frozen=True, eq=False)
class _Subject:
    """A model with the loss it is judged by; `net` and `penalties` only within the theorem."""

    model: ForeignModel
    data: Objective
    weights: Float[np.ndarray, " n"] | None
    ridge: float | Float[np.ndarray, " P"]
    method: str
    net: ShallowNet | None = None
    penalties: Float[np.ndarray, " P"] | float = 0.0

    def certify(self, net: ShallowNet, ridge: Float[np.ndarray, " P"] | float) -> ShallowCertificate:
        """Certify a net on the data of this model."""
        return certify(net, self.data.X, self.data.y, ridge=ridge, weights=self.weights, method=self.method)


def check(
    model: object,
    X: ArrayLike,
    y: ArrayLike,
    *,
    ridge: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    activation: str | None = None,
    layout: str | None = None,
    scale: str = "none",
    method: str = "fast",
    polish: bool = True,
) -> ModelCheck:
    """Check a model of another library on the data it was trained on.

    Parameters
    ----------
    model
        Anything that `read_model` reads, or a ShallowNet.
    X : array (n, d)
        Features as the model saw them, scaled as there.
    y : array (n,) or (n, K)
        Targets.
    ridge : float or array (P,), optional
        Penalty of the squared weights, biases free, beside the mean squared error, or of each parameter in the flat
        layout of a ShallowNet; by default that of an MLPRegressor, else none.
    sample_weight : array (n,), optional
        Of the rows.
    activation, layout
        As for `read_model`.
    scale
        "features" or "all": bring the features, or the targets too, to mean 0 and deviation 1 first, as
        scikit-learn's StandardScaler does.
    method
        Of the certificate: "fast" or "balls".
    polish
        Whether to refine the model before it is certified; weights of fewer than 64 bits always are.

    Returns
    -------
    ModelCheck
        Classification, remaining steps, polished net and certificate; or diagnostics outside the theorem.

    Raises
    ------
    InputError
        If the model cannot be read or an argument is unusable.
    """
    subject = _subject(model, X, y, ridge, sample_weight, activation, layout, scale, method)
    read, data, net = subject.model, subject.data, subject.net
    if net is None:
        diagnosed = _diagnosed(subject)
        error, explained = _fit(read, data)
        found = _not_covered(subject, diagnosed)
        return ModelCheck(read, found, error, explained, ridge=subject.ridge, outside=diagnosed)
    data.require_fits(net)
    weights, penalties = subject.weights, subject.penalties
    classification = classify(net, data.X, data.y, weights=weights)
    reduction = reduce(net, data.X, data.y, tolerance=_tolerance(classification), weights=weights)
    smaller = reduction if reduction.net.width < net.width else None
    advice = advise(net, data.X, data.y, ridge=penalties, weights=weights)
    polished = _polished(subject, net, smaller) if polish or read.is_narrow else None
    certificate = subject.certify(net, penalties) if polished is None else polished.certificate
    return ModelCheck(
        read, certificate, *_fit(read, data), net, classification, smaller, advice, polished, subject.ridge
    )  # fmt: skip


def certify_model(
    model: object,
    X: ArrayLike,
    y: ArrayLike,
    *,
    ridge: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    activation: str | None = None,
    layout: str | None = None,
    scale: str = "none",
    method: str = "fast",
) -> Certificate:
    """Certify a model of another library as it is, weights of fewer bits taken for the numbers they are.

    Parameters
    ----------
    model, X, y, ridge, sample_weight, activation, layout, scale, method
        As for `check`.

    Returns
    -------
    Certificate
        That the model is next to a strict minimum of its loss; "not covered" outside the theorem.

    Raises
    ------
    InputError
        If the model cannot be read or an argument is unusable.
    """
    subject = _subject(model, X, y, ridge, sample_weight, activation, layout, scale, method)
    if subject.net is None:
        return _not_covered(subject, _diagnosed(subject))
    return subject.certify(subject.net, subject.penalties)


def _subject(
    model: object,
    X: ArrayLike,
    y: ArrayLike,
    ridge: ArrayLike | None,
    sample_weight: ArrayLike | None,
    activation: str | None,
    layout: str | None,
    scale: str,
    method: str,
) -> _Subject:
    if isinstance(model, ShallowNet):
        read = foreign_model(model)
    else:
        read = read_model(model, activation=activation, layout=layout)
    X, y = real_array(X, "X", 2), real_array(y, "y", 2 if np.ndim(y) == 2 else 1)
    for name, value, allowed in (("scale", scale, ("none", *SCALED)), ("method", method, METHODS)):
        require(value in allowed, name, repr(value), " | ".join(allowed))
    weights = None if sample_weight is None else weights_of_rows(sample_weight, len(X))
    if ridge is None and is_perceptron(model):
        ridge, notes = penalty(model, len(X), weights)
        read = replace(read, notes=(*read.notes, *notes))
    if scale in SCALED:
        read = replace(read, notes=(*read.notes, Statement(SCALED[scale], {})))
    data = Objective(*_scaled(X, y, scale), weights)
    ridge = 0.0 if ridge is None else ridge
    penalised = real_array(ridge, "ridge", min(np.ndim(ridge), 1))
    lam = float(penalised) if penalised.ndim == 0 else penalised
    if not is_shallow(read) or not find_activation(read.activations[0]).is_analytic:
        return _Subject(read, data, weights, lam, method)
    net = shallow_net(read)
    penalties = weight_penalties(net, lam) if isinstance(lam, float) else lam
    return _Subject(read, data, weights, lam, method, net, penalties)


def _scaled(X: np.ndarray, y: np.ndarray, scale: str) -> tuple[np.ndarray, np.ndarray]:
    if scale not in SCALED:
        return X, y
    made = standardise(X, y)
    return made.X, made.y if scale == "all" else y


def _fit(model: ForeignModel, data: Objective) -> tuple[float, float]:
    """Return the mean squared error, and the share of the variance that is explained."""
    share = data.weights[:, None]
    error = float((share * (arguments(model, data.X)[-1] - data.targets) ** 2).sum())
    if not np.ptp(data.targets[data.weights > 0], axis=0).any():
        return error, np.nan
    spread = float((share * (data.targets - data.weights @ data.targets) ** 2).sum())
    return error, 1 - error / spread


def _tolerance(classification: Classification) -> float:
    """Return what a smaller net may differ by in its parameters: nothing, unless the net is nearly redundant."""
    near = classification.verdict == "near_redundant" and classification.distance <= classification.tolerance
    return classification.tolerance if near else 0.0


def _polished(subject: _Subject, net: ShallowNet, smaller: Reduction | None) -> Refined:
    """Refine the net; a redundant one without ridge from its smaller form, since its own minima are never strict."""
    data, ridge = subject.data, subject.penalties
    if smaller is not None and not np.any(ridge):
        net, ridge = smaller.net, 0.0
    found = refine(net, data.X, data.y, ridge=ridge, weights=subject.weights)
    return found if subject.method == "fast" else replace(found, certificate=subject.certify(found.net, ridge))


def _diagnosed(subject: _Subject) -> Outside:
    data = subject.data
    return outside_theorem(subject.model, data.X, data.y, weights=subject.weights, ridge=subject.ridge)


def _not_covered(subject: _Subject, diagnosed: Outside) -> Certificate:
    """Return what a certificate says of a model outside the theorem: nothing is proved."""
    model, data = subject.model, subject.data
    held = {f"{layer.name}.{part}": getattr(layer, part) for layer in model.layers for part in ("weights", "bias")}
    inputs = {**held, "X": data.X, "y": data.y, "weights": data.weights, "ridge": np.array(subject.ridge)}
    size: dict[str, Cell] = {"layers": len(model.layers), "parameters": model.parameter_count, "rows": data.n}
    return Certificate(
        family="shallow",
        statement=Statement("imported.claim", size),
        verdict=Verdict.NOT_COVERED,
        method=Method.FLOAT,
        margins={"gradient": Quantity(diagnosed.gradient_norm)},
        checks=(),
        reason=Statement("imported.nothing_proved", {}),
        inputs=tuple(inputs),
        digest=digest_of(inputs),
    )


def weight_penalties(net: ShallowNet, ridge: float) -> np.ndarray:
    """Return the ridge of each parameter: that of the weights, none of the biases."""
    K, m = net.outputs, net.width
    penalties = np.zeros(net.parameter_count)
    penalties[K : K * (1 + m)] = ridge
    penalties[K * (1 + m) :].reshape(m, net.features + 1)[:, 1:] = ridge
    return penalties
