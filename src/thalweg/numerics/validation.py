"""Arrays at the border: float64 copies of what a user handed over, or an error naming the first bad rows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import numpy as np

from thalweg.records.errors import InputError

SHOWN = 5
"""How many offending rows or columns a message lists."""


LARGEST, SMALLEST = 1e100, 1e-100
"""Sizes between which squares and products neither overflow nor underflow."""


def has_plain_size(values: np.ndarray) -> bool:
    """Tell whether the finite entries of an array can be squared and summed without overflow or underflow."""
    size = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    return size == 0.0 or SMALLEST <= size <= LARGEST


def list_some(items: object) -> str:
    """Return the first few items as words, with the count of the rest."""
    listed = [str(item) for item in items]  # type: ignore[attr-defined]
    rest = f", ... ({len(listed) - SHOWN} more)" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + rest


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the names most like a mistyped one as words; all of them if none is like it."""
    folded = {known.casefold(): known for known in names}
    near = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.4)
    return list_some([folded[match] for match in near] or list(folded.values()))


def real_array(values: object, name: str, ndim: int) -> np.ndarray:
    """Return `values` as a float64 array of `ndim` dimensions, none of them empty.

    Returns
    -------
    array
        Float64; a view where the input was float64 already.

    Raises
    ------
    InputError
        If the array is not numeric, complex, empty, of other dimension, or holds NaN or infinities.
    """
    array = np.asarray(values)
    if array.dtype.kind == "c":
        raise InputError("array_complex", name=name)
    if array.dtype.kind not in "biuf":
        raise InputError("array_not_numeric", name=name, dtype=str(array.dtype))
    if array.ndim != ndim:
        raise InputError("array_dimension", name=name, found=array.ndim, wanted=ndim)
    if array.size == 0:
        raise InputError("array_empty", name=name, shape=str(array.shape))
    result = np.asarray(array, dtype=np.float64)
    require_finite(result, name)
    return result


def require_finite(array: np.ndarray, name: str) -> None:
    """Refuse NaN and infinities.

    Raises
    ------
    InputError
        If an entry is not finite; names the first such rows (and columns), counted from 0.
    """
    if np.isfinite(array).all():
        return
    bad = np.argwhere(~np.isfinite(np.atleast_1d(array)))
    rows = list_some(dict.fromkeys(bad[:, 0].tolist()))
    columns = list_some(dict.fromkeys(bad[:, 1].tolist())) if array.ndim == 2 else "-"
    raise InputError("array_not_finite", name=name, count=len(bad), rows=rows, columns=columns)


def regression_arrays(X: object, y: object) -> tuple[np.ndarray, np.ndarray]:
    """Return `X (n, d)` and `y (n,)` in float64.

    Returns
    -------
    tuple
        `X` and `y`, finite and not empty.

    Raises
    ------
    InputError
        If either is unusable or their numbers of rows differ.
    """
    X, y = real_array(X, "X", 2), real_array(y, "y", 1)
    if X.shape[0] != y.shape[0]:
        raise InputError("rows_differ", rows_x=X.shape[0], rows_y=y.shape[0])
    return X, y


def weights_of_rows(values: object, n: int) -> np.ndarray:
    """Return the weights of `n` rows in float64: not negative, and not all zero.

    Returns
    -------
    array (n,)
        As they were given, not normalised.

    Raises
    ------
    InputError
        If they are unusable, too few or too many, negative, or all zero.
    """
    weights = real_array(values, "sample_weight", 1)
    if weights.size != n:
        raise InputError("weights_differ", found=weights.size, wanted=n)
    if not (weights >= 0).all():
        raise InputError("option_range", name="sample_weight", value=float(weights.min()), wanted=">= 0")
    if not weights.any():
        raise InputError("weights_zero")
    return weights
