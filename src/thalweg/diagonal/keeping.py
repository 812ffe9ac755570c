"""Columns that are forced in: target and features are freed of what these explain, and the path runs on the rest.

Least squares on kept and other columns together is least squares of the freed target on the freed other columns,
with the kept coefficients `(y - X b) ~ Z c` after it (Frisch and Waugh, Econometrica 1 (1933); Lovell, JASA 58 (1963)).
So every saddle, which is the least-squares fit on its own support, becomes the joint one on kept columns and support.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import solve_triangular

from thalweg.numerics.dependence import CONSTANT, EXACT_DEPENDENCE, duplicate_groups, independent_columns
from thalweg.numerics.validation import nearest
from thalweg.records import InputError

FREE, STILL, DETERMINED = 0, 1, 2
"""What a column carries of its own: something; nothing, for it is constant; nothing, for kept columns determine it."""


@dataclass(frozen=True, eq=False)
class Kept:
    """Least-squares coefficients of the target and of every feature on the kept columns, all of them centred.

    `columns (p,)` are the kept ones, increasing; `own` those of them that the others before them do not determine.
    The rest have the coefficient zero throughout.
    """

    columns: Int[np.ndarray, " p"]
    target: Float[np.ndarray, " p"]
    weights: Float[np.ndarray, "p d"]
    own: Int[np.ndarray, " r"]

    def has_own(self, d: int) -> Bool[np.ndarray, " d"]:
        """Tell which of `d` columns are kept and carry something of their own."""
        return np.isin(np.arange(d), self.own)

    def coefficients(self, slopes: Float[np.ndarray, " d"]) -> Float[np.ndarray, " p"]:
        """Return the coefficients of the kept columns that fit best beside `slopes (d,)` of the others."""
        return self.target - self.weights @ slopes


def kept_columns(names: Sequence[str], keep: Sequence[str]) -> Int[np.ndarray, " p"]:
    """Return the places of the kept names, increasing.

    Returns
    -------
    array (p,)
        Each once.

    Raises
    ------
    InputError
        If a name is not that of a feature.
    """
    place = {name: i for i, name in enumerate(names)}
    for name in keep:
        if name not in place:
            raise InputError("keep_no_feature", column=name, near=nearest(name, names))
    return np.array(sorted({place[name] for name in keep}), dtype=np.int64)


def free_of_kept(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], columns: Int[np.ndarray, " p"], raw_norm: float
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"], Kept]:
    """Return what the kept columns do not explain of `X` and `y`, and the coefficients of what they do.

    Parameters
    ----------
    X, y
        Centred data, constant columns zero.
    columns
        The kept ones.
    raw_norm
        Norm of the target as measured: what is left of it within its rounding is zero.

    Returns
    -------
    tuple
        In the first the kept columns, and those that they determine, are exactly zero.
    """
    p, d = columns.size, X.shape[1]
    norms = np.linalg.norm(X[:, columns], axis=0)
    own, _ = independent_columns(X[:, columns], norms)
    target, weights = np.zeros(p), np.zeros((p, d))
    if own:
        Q, R = np.linalg.qr(X[:, columns[own]] / norms[own])
        rest, on_features = _outside(Q, X)
        y, on_target = _outside(Q, y)
        target[own] = solve_triangular(R, on_target) / norms[own]
        weights[own] = solve_triangular(R, on_features) / norms[own, None]
        rest[:, np.linalg.norm(rest, axis=0) <= EXACT_DEPENDENCE * np.linalg.norm(X, axis=0)] = 0.0
        for group in duplicate_groups(X):  # products of equal columns may differ in their last bit
            (first, _), *copies = group
            for i, sign in copies:
                rest[:, i] = sign * rest[:, first]
        y = np.zeros_like(y) if np.linalg.norm(y) <= CONSTANT * raw_norm else y
        X = rest
    X[:, columns], weights[:, columns] = 0.0, 0.0
    return X, y, Kept(columns, target, weights, columns[own])


def _outside(Q: Float[np.ndarray, "n p"], A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the part of A outside the span of Q, and the coordinates of the part inside."""
    first = Q.T @ A
    A = A - Q @ first
    second = Q.T @ A  # removes what rounding left of the first pass
    return A - Q @ second, first + second
