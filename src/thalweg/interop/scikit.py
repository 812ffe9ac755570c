"""scikit-learn's MLPRegressor, and the penalty it really minimises.

Its weights are those of a stationary point of our J, a mean over rows and a sum over outputs, with
`lam (|W_1|^2 + |W_2|^2)`, intercepts free: `lam = alpha / n` for the solver lbfgs and for full batches, `alpha / batch`
for mini-batches; n is the sum of the sample weights where they are given (specification, section 8; scikit-learn 1.9).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.interop.foreign import ForeignModel, chained, known_activation
from thalweg.records import InputError, Statement

AUTO_BATCH = 200
"""Rows of a mini-batch that scikit-learn takes by default."""


def is_perceptron(model: object) -> bool:
    """Tell whether this is a multi-layer perceptron of scikit-learn, without importing it."""
    return any(base.__name__ == "BaseMultilayerPerceptron" for base in type(model).__mro__)


def read_perceptron(model: Any) -> ForeignModel:
    """Return the layers of a fitted MLPRegressor.

    Parameters
    ----------
    model
        Fitted, with the loss "squared_error".

    Returns
    -------
    ForeignModel
        Its layers.

    Raises
    ------
    InputError
        If it is a classifier, has another loss or is not fitted.
    """
    kind = type(model).__name__
    if getattr(model, "out_activation_", "identity") != "identity" or not hasattr(model, "predict"):
        raise InputError("model_output", layer="out_activation_", name=str(getattr(model, "out_activation_", kind)))
    if not hasattr(model, "coefs_"):
        raise InputError("model_not_fitted", kind=kind)
    if getattr(model, "loss", "squared_error") != "squared_error":
        raise InputError("model_loss", loss=str(model.loss))
    activation = known_activation(model.activation, "activation")
    last = len(model.coefs_) - 1
    layers = [
        (f"coefs_[{i}]", np.asarray(W).T, b)
        for i, (W, b) in enumerate(zip(model.coefs_, model.intercepts_, strict=True))
    ]
    notes = [Statement("imported.early_stopping", {})] if getattr(model, "early_stopping", False) else []
    if layers[-1][1].shape[0] > 1:
        notes.append(Statement("imported.several_outputs", {}))
    return chained(kind, layers, [activation] * last, notes)


def penalty(model: Any, rows: int, sample_weight: np.ndarray | None = None) -> tuple[float, tuple[Statement, ...]]:
    """Return the ridge of the weights in our loss, and what is to be said of it.

    Parameters
    ----------
    model
        A fitted MLPRegressor.
    rows
        Number of rows it was trained on.
    sample_weight
        Of these rows, if they were given to `fit`.

    Returns
    -------
    tuple
        `lam`, and notes: where batches of unequal size have no common objective, it says so.
    """
    total = float(rows) if sample_weight is None else float(np.sum(sample_weight))
    batch = min(AUTO_BATCH, rows) if model.batch_size == "auto" else min(int(model.batch_size), rows)
    if model.solver == "lbfgs" or batch >= rows:
        lam = float(model.alpha) / total
        return lam, (Statement("imported.penalty", {"alpha": float(model.alpha), "lam": lam, "size": total}),)
    size = batch * total / rows
    lam = float(model.alpha) / size
    notes = [Statement("imported.penalty", {"alpha": float(model.alpha), "lam": lam, "size": size})]
    if rows % batch or sample_weight is not None:
        notes.append(Statement("imported.no_single_objective", {"batch": batch, "rows": rows}))
    return lam, tuple(notes)
