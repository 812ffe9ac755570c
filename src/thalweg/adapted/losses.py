"""The losses of the family by name: how targets become rows of numbers, and which law follows.

| loss | of a sample | targets | outputs on the orbit | law |
|---|---|---|---|---|
| l2 | half the squared distance | any numbers | `y + exp(-tau) (x_0 - y)` | `exp(-2 tau)` |
| ce | minus log-likelihood, softmax or one logit | classes or probabilities | `p = y + exp(-tau) (p_0 - y)` | exact |
| poisson | `exp(x) - y x` | counts | `exp(x) = y + exp(-tau) (exp(x_0) - y)` | exact |
| huber | half the square up to delta, then its tangent | any numbers | outliers at constant speed first | exact |
| `ConvexLoss` | a user's function of every output | any numbers | gradient `exp(-tau)` times | if strictly convex |
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from thalweg.adapted.convex_losses import Convex, ConvexLoss, Huber
from thalweg.adapted.log_losses import CrossEntropy, Logistic, LogLinkLoss, Poisson
from thalweg.adapted.loss_base import L2, Loss
from thalweg.numerics.options import require
from thalweg.numerics.validation import list_some, real_array
from thalweg.records.errors import InputError

__all__ = [
    "LOSSES", "L2", "Convex", "ConvexLoss", "CrossEntropy", "Huber", "LogLinkLoss", "Logistic", "Loss", "Poisson",
    "label_rows", "loss_on", "merges_by_mean",
]  # fmt: skip

LOSSES = ("l2", "ce", "poisson", "huber")


def _require_known(loss: object) -> None:
    known = isinstance(loss, ConvexLoss) or loss in LOSSES
    require(known, "loss", repr(loss), ", ".join(LOSSES) + ", ConvexLoss(cost, gradient, hessian)")


def merges_by_mean(loss: str | ConvexLoss) -> bool:
    """Tell whether samples of equal inputs may be replaced by one with their mean label: costs differ by a number."""
    return loss in ("l2", "ce", "poisson")


def label_rows(loss: str | ConvexLoss, Y: object, outputs: int) -> Float[np.ndarray, "N Q"]:
    """Return targets as rows of `Q` numbers.

    Parameters
    ----------
    loss
        A name of `LOSSES`, or a `ConvexLoss`.
    Y
        `(N, Q)`, or `(N,)` for one output; for "ce" also classes `(N,)` counted from 0.
    outputs
        Number of outputs of the network: for "ce" the number of classes, or one for the logit of two.

    Returns
    -------
    array (N, Q)
        Classes become probabilities: one for the class, zero for the others.

    Raises
    ------
    InputError
        If the loss is unknown, classes are not counted from 0, or the shape does not fit.
    """
    _require_known(loss)
    values = np.asarray(Y)
    if loss == "ce" and values.ndim == 1:
        return _class_rows(real_array(values, "Y", 1), outputs)
    rows = real_array(values, "Y", 2 if values.ndim == 2 else 1)
    rows = rows if rows.ndim == 2 else rows[:, None]
    if rows.shape[1] != outputs:
        raise InputError("adapted_outputs_shape", found=f"(N, {outputs})", wanted=str(rows.shape))
    return rows


def _class_rows(classes: Float[np.ndarray, " N"], outputs: int) -> Float[np.ndarray, "N Q"]:
    count = max(outputs, 2)
    wrong = np.flatnonzero((classes != np.floor(classes)) | (classes < 0) | (classes >= count))
    if wrong.size and outputs == 1 and ((classes >= 0) & (classes <= 1)).all():
        return classes[:, None]  # probabilities of the second class
    if wrong.size:
        raise InputError("adapted_labels_classes", last=count - 1, count=wrong.size, rows=list_some(wrong))
    if outputs == 1:
        return classes[:, None]
    rows = np.zeros((classes.size, outputs))
    rows[np.arange(classes.size), classes.astype(int)] = 1.0
    return rows


def loss_on(
    loss: str | ConvexLoss,
    Y: Float[np.ndarray, "N Q"],
    weights: Float[np.ndarray, " N"] | None = None,
    *,
    huber_delta: float | None = None,
    floor: float = 0.0,
) -> Loss:
    """Return a loss on targets.

    Parameters
    ----------
    loss
        A name of `LOSSES`, or a `ConvexLoss`.
    Y
        Rows from `label_rows`.
    weights
        Positive; ones if not given.
    huber_delta
        Needed by "huber": the distance from which on a sample counts as an outlier.
    floor
        Cost that merged duplicates force, for "l2"; the other losses see it in their labels.

    Returns
    -------
    Loss
        What the training loop asks.

    Raises
    ------
    InputError
        If the loss is unknown, or its targets or options are unusable.
    """
    _require_known(loss)
    if huber_delta is not None and loss != "huber":
        kind = loss if isinstance(loss, str) else type(loss).__name__
        raise InputError("adapted_unused", name="huber_delta", other=f"loss={kind}")
    if isinstance(loss, ConvexLoss):
        return Convex(Y, weights, functions=loss)
    if loss == "l2":
        return L2(Y, weights, floor)
    if loss == "poisson":
        return Poisson(Y, weights)
    if loss == "huber":
        if huber_delta is None:
            raise InputError("option_missing", rule="huber", name="huber_delta")
        return Huber(Y, weights, delta=huber_delta)
    return (Logistic if np.shape(Y)[1] == 1 else CrossEntropy)(Y, weights)
