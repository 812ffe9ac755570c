"""From what a user hands over to what is trained: labels as rows, equal inputs merged, the loss with its floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from thalweg.adapted.duplicates import Merged, merge_duplicates
from thalweg.adapted.loss_base import Loss
from thalweg.adapted.losses import ConvexLoss, label_rows, loss_on, merges_by_mean
from thalweg.numerics.validation import list_some, weights_of_rows
from thalweg.records import InputError, Statement


@dataclass(frozen=True, eq=False)
class Prepared:
    """Inputs `X (G, ...)` after merging, the loss on their targets, what was merged, and what there is to say."""

    X: Any
    loss: Loss
    merged: Merged | None
    notes: tuple[Statement, ...]
    kind: str | ConvexLoss
    outputs: int
    huber_delta: float | None

    def held_out(self, data: tuple[Any, ...]) -> tuple[Any, Loss]:
        """Return held-out inputs and the same loss on their targets; a third entry weighs them."""
        X, Y = np.asarray(data[0]), label_rows(self.kind, data[1], self.outputs)
        _require_numbers(X)
        _require_rows(X, Y)
        return X, loss_on(self.kind, Y, data[2] if len(data) > 2 else None, huber_delta=self.huber_delta)


def prepare(
    data: tuple[Any, Any], loss: str | ConvexLoss, outputs: int, weights: Any = None, *, merge: bool = True,
    huber_delta: float | None = None,
) -> Prepared:  # fmt: skip
    """Return inputs and loss for training.

    Parameters
    ----------
    data
        `(X, Y)`; the first axis counts samples.
    loss
        A name, or a user's convex function.
    outputs
        Number `Q` of outputs of the network.
    weights
        Not negative, `(N,)`; samples of weight zero are dropped. Ones if not given.
    merge
        Whether samples of equal inputs become one, with their mean label and summed weight.
    huber_delta
        Of the loss "huber".

    Returns
    -------
    Prepared
        Its notes say what was merged and which loss that forces.

    Raises
    ------
    InputError
        If inputs are not finite numbers (rows are named), or rows of inputs and targets differ in number.
    """
    X = np.asarray(data[0])
    _require_numbers(X)
    Y = label_rows(loss, data[1], outputs)
    _require_rows(X, Y)
    if not merge:
        given = None if weights is None else weights_of_rows(weights, len(X))
        rows = slice(None) if given is None else np.flatnonzero(given > 0)
        kept = None if given is None else given[rows]
        made = loss_on(loss, Y[rows], kept, huber_delta=huber_delta)
        return Prepared(X[rows], made, None, (), loss, outputs, huber_delta)
    merged = merge_duplicates(X, Y, weights, equal_labels=not merges_by_mean(loss))
    made = loss_on(loss, merged.Y, merged.weights, huber_delta=huber_delta, floor=merged.floor if loss == "l2" else 0.0)
    notes = (_merged_note(merged),) if merged.repeated else ()
    return Prepared(merged.X, made, merged, notes, loss, outputs, huber_delta)


def _merged_note(merged: Merged) -> Statement:
    return Statement(
        "adapted.merged",
        {"repeated": merged.repeated, "conflicts": int(merged.conflicts.size), "floor": float(merged.floor)},
    )


def _require_numbers(X: np.ndarray) -> None:
    """Refuse inputs that are no numbers, or not finite; names the first rows."""
    if X.dtype.kind not in "biuf":
        raise InputError("array_not_numeric", name="X", dtype=str(X.dtype))
    if X.ndim == 0 or X.size == 0:
        raise InputError("array_empty", name="X", shape=str(X.shape))
    bad = ~np.isfinite(X.reshape(len(X), -1))
    if bad.any():
        rows, columns = np.flatnonzero(bad.any(axis=1)), np.flatnonzero(bad.any(axis=0))
        raise InputError(
            "array_not_finite", name="X", count=int(bad.sum()), rows=list_some(rows), columns=list_some(columns)
        )


def _require_rows(X: np.ndarray, Y: Float[np.ndarray, "N Q"]) -> None:
    if len(X) != len(Y):
        raise InputError("rows_differ", rows_x=len(X), rows_y=len(Y))
