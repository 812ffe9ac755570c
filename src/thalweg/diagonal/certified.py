"""What a certificate on arrays speaks of: stored data with the thresholds of the network, and their digest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.naive import PULL_TOLERANCE, ROUNDINGS
from thalweg.numerics.column_blocks import ColumnBlocks
from thalweg.numerics.validation import real_array
from thalweg.records import InputError


@dataclass(frozen=True, eq=False)
class CertifiedData:
    """Columns of X, target and exponents; `arrays` are those that were given, by name."""

    columns: ColumnBlocks
    y: Float[np.ndarray, " n"]
    exponents: Float[np.ndarray, " d"]
    positive: bool
    arrays: dict[str, np.ndarray]


def certified_data(X: object, y: object, init_exponents: object | None, positive: bool) -> CertifiedData:
    """Take in the data of a certificate.

    Parameters
    ----------
    X : array or SciPy sparse matrix (n, d)
        Never copied whole.
    y : array (n,)
        The target.
    init_exponents : array (d,) or None
        The thresholds `a_i`; 1 for all unless given.
    positive
        Whether the network is one-sided.

    Returns
    -------
    CertifiedData
        With `y` and exponents in float64.

    Raises
    ------
    InputError
        If an array is unusable or the sizes do not fit.
    """
    columns, y = ColumnBlocks(X), real_array(y, "y", 1)
    if columns.n != y.size:
        raise InputError("rows_differ", rows_x=columns.n, rows_y=y.size)
    arrays = {**columns.arrays("X"), "y": y}
    if init_exponents is None:
        return CertifiedData(columns, y, np.ones(columns.d), positive, arrays)
    a = real_array(init_exponents, "init_exponents", 1)
    if a.size != columns.d:
        raise InputError("length_differs", name="init_exponents", found=a.size, wanted=columns.d)
    if not (a > 0).all():
        raise InputError("option_range", name="init_exponents", value=float(a.min()), wanted="> 0")
    return CertifiedData(columns, y, a, positive, {**arrays, "init_exponents": a})


def column_pull_tolerance(data: CertifiedData, reference_norm: float | None) -> Float[np.ndarray, " d"]:
    """Return the size up to which the path takes the pull of a column for zero (`naive.pull_tolerance`)."""
    norms, n = data.columns.norms, data.y.size
    initial = np.abs(data.columns.all_products(data.y[None])[0]) / n
    per_norm = float(np.divide(initial, norms, out=np.zeros_like(norms), where=norms > 0).max())
    level = float(np.linalg.norm(data.y)) if reference_norm is None else reference_norm
    return norms * max(PULL_TOLERANCE * per_norm, ROUNDINGS * level / n)
