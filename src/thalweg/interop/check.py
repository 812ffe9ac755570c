"""Check a model trained elsewhere: is it wasteful, is its minimum a proved strict one, how many steps remain.

A model with one hidden layer and an analytic activation becomes a shallow net; it is classified as it is, then
polished - float32 weights are stationary to seven digits only - and the minimum is certified. Any other model gets the
diagnostics of `outside.py`, named as such.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from thalweg.interop.foreign import ForeignModel
from thalweg.interop.outside import Outside, outside_theorem
from thalweg.interop.reading import read_model
from thalweg.interop.scikit import is_perceptron, penalty
from thalweg.interop.shallow_models import is_shallow, shallow_net
from thalweg.numerics.validation import real_array, weights_of_rows
from thalweg.records import Statement
from thalweg.shallow import Advice, Classification, ShallowNet, advise, classify
from thalweg.shallow.activations import activation as find_activation
from thalweg.shallow.refine import Refined, refine


@dataclass(frozen=True, eq=False)
class ModelCheck:
    """What was found about a model.

    Attributes
    ----------
    model : ForeignModel
        As it was read.
    net : ShallowNet or None
        As a shallow net; None if it is outside the theorem.
    classification : Classification or None
        Is it wasteful.
    advice : Advice or None
        What remains of its training.
    refined : Refined or None
        The polished net with its certificate.
    ridge : float
        Penalty of the weights in our loss, biases free.
    outside : Outside or None
        Diagnostics of a model outside the theorem.
    """

    model: ForeignModel
    net: ShallowNet | None = None
    classification: Classification | None = None
    advice: Advice | None = None
    refined: Refined | None = None
    ridge: float = 0.0
    outside: Outside | None = None

    def statements(self) -> tuple[Statement, ...]:
        """Return everything that was found, sentence by sentence."""
        said = self.model.notes
        for part in (self.classification, self.advice, self.outside):
            said += () if part is None else part.statements()
        if self.refined is None:
            return said
        return (*said, Statement("imported.polished", {"moved": self.refined.moved}), self.refined.certificate.reason)

    def __str__(self) -> str:
        return "\n".join(map(str, self.statements()))


def check(
    model: object,
    X: ArrayLike,
    y: ArrayLike,
    *,
    ridge: float | None = None,
    sample_weight: ArrayLike | None = None,
    activation: str | None = None,
    layout: str | None = None,
) -> ModelCheck:
    """Check a model of another library on the data it was trained on.

    Parameters
    ----------
    model
        Anything that `read_model` reads.
    X : array (n, d)
        Features as the model saw them, scaled as there.
    y : array (n,) or (n, K)
        Targets.
    ridge
        Penalty of the squared weights, biases free, beside the mean squared error; by default that of an MLPRegressor,
        else none.
    sample_weight : array (n,), optional
        Of the rows.
    activation, layout
        As for `read_model`.

    Returns
    -------
    ModelCheck
        Classification, remaining steps, polished net and certificate; or diagnostics outside the theorem.

    Raises
    ------
    InputError
        If the model cannot be read or an argument is unusable.
    """
    read = read_model(model, activation=activation, layout=layout)
    X, y = real_array(X, "X", 2), real_array(y, "y", 2 if np.ndim(y) == 2 else 1)
    weights = None if sample_weight is None else weights_of_rows(sample_weight, len(X))
    if ridge is None and is_perceptron(model):
        ridge, notes = penalty(model, len(X), weights)
        read = replace(read, notes=(*read.notes, *notes))
    lam = ridge or 0.0
    if not is_shallow(read) or not find_activation(read.activations[0]).is_analytic:
        return ModelCheck(read, ridge=lam, outside=outside_theorem(read, X, y, weights=weights))
    net = shallow_net(read)
    penalties = weight_penalties(net, lam)
    advice = advise(net, X, y, ridge=penalties, weights=weights)
    refined = refine(net, X, y, ridge=penalties, weights=weights)
    return ModelCheck(read, net, classify(net, X, y, weights=weights), advice, refined, lam)


def weight_penalties(net: ShallowNet, ridge: float) -> np.ndarray:
    """Return the ridge of each parameter: that of the weights, none of the biases."""
    K, m = net.outputs, net.width
    penalties = np.zeros(net.parameter_count)
    penalties[K : K * (1 + m)] = ridge
    penalties[K * (1 + m) :].reshape(m, net.features + 1)[:, 1:] = ridge
    return penalties
