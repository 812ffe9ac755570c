"""Data with more rows than columns in triangular form: the same path from a d x d problem.

With `[X y] = Q [C c]` (Q orthonormal, C upper triangular) the residuals `c - C b` and `y - X b` have the same products
with the columns; the part of `y` that no column sees is a constant of the loss. Multiplied by `sqrt(d/n)`, the small
data keep the clock, which depends on the factor 1/n of the loss. A Gram matrix alone gives the same by a pivoted
Cholesky factorisation, at the price of squaring the condition number (correction B14).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.columns import BLOCK_BYTES, Columns

WORTH_COMPRESSING = 1.5
"""From this ratio of rows to columns on, the factorisation costs less than it saves."""

GRAM_CONDITION = 1e3
"""Up to this condition the Cholesky factor of `X'X` is as good as that of an orthogonalisation, and cheaper: the
factor is exact for a Gram matrix off by rounding, which is the square of the condition times rounding in X."""

GRAM_OPERATIONS = 1e6
"""Multiplications `n d^2` from which forming `X'X` first saves more than its condition estimate costs."""

RANK = 1e-14
"""Pivots of a Gram matrix below this share of its largest entry are rounding."""

CONTRADICTION = 1e-6
"""Products that differ by this share from those of any data are not products of data, whatever rounding they carry."""


@dataclass(frozen=True, eq=False)
class Compressed:
    """`X (m, d)`, `y (m,)` with the same path, and the loss that no coefficient can change."""

    X: Float[np.ndarray, "m d"]
    y: Float[np.ndarray, " m"]
    constant_loss: float


def is_tall(shape: tuple[int, int]) -> bool:
    """Tell whether data of `n` rows and `d` columns are worth compressing."""
    return shape[0] >= WORTH_COMPRESSING * (shape[1] + 1)


def compress(columns: Columns, y: Float[np.ndarray, " n"]) -> Compressed:
    """Return tall data in triangular form.

    Parameters
    ----------
    columns
        The data `(n, d)`, `n > d`.
    y
        Their target.

    Returns
    -------
    Compressed
        With `m = d` rows.
    """
    n, d = columns.shape
    R = _triangle(columns, y)
    scale = np.sqrt(d / n)
    return Compressed(scale * R[:d, :d], scale * R[:d, d], float(R[d, d]) ** 2 / (2 * n))


def compress_if_tall(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> Compressed:
    """Return tall data in triangular form, others as they are."""
    return compress(Columns(X), y) if is_tall(X.shape) else Compressed(X, y, 0.0)


def from_gram(
    gram: Float[np.ndarray, "d d"], products: Float[np.ndarray, " d"], target_square: float, rows: float
) -> Compressed:
    """Return data that have this Gram matrix and these products with the target.

    Parameters
    ----------
    gram
        `X'X`, symmetric and positive semidefinite.
    products
        `X'y`.
    target_square
        `y'y`.
    rows
        `n`, or the sum of the weights.

    Returns
    -------
    Compressed
        With as many rows as the rank.

    Raises
    ------
    numpy.linalg.LinAlgError
        If no data have these products.
    """
    from scipy.linalg import solve_triangular
    from scipy.linalg.lapack import dpstrf  # pyright: ignore[reportAttributeAccessIssue]

    sizes = np.sqrt(np.maximum(np.diag(gram), 0.0))
    unit = np.where(sizes > 0, sizes, 1.0)
    factor, pivots, rank, _ = dpstrf(gram / np.outer(unit, unit), tol=RANK * max(sizes.size, 1))
    pivots = pivots - 1
    triangle = np.triu(factor)[:rank]
    target = solve_triangular(triangle[:, :rank], (products / unit)[pivots[:rank]], trans=1)
    X = np.empty((rank, sizes.size))
    X[:, pivots] = triangle
    X *= unit
    seen = np.column_stack([X.T @ X / np.outer(unit, unit), X.T @ target / unit])
    given = np.column_stack([gram / np.outer(unit, unit), products / unit])
    if not (np.abs(seen - given).max(axis=0) <= CONTRADICTION * np.maximum(np.abs(given).max(axis=0), 1e-300)).all():
        raise np.linalg.LinAlgError
    scale = np.sqrt(max(rank, 1) / rows)
    return Compressed(scale * X, scale * target, max(target_square - float(target @ target), 0.0) / (2 * rows))


def _triangle(columns: Columns, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, "d1 d1"]:
    """Return the triangular factor of `[X y]`."""
    n, d = columns.shape
    if columns.is_plain and n * d**2 >= GRAM_OPERATIONS and (factor := _by_gram(columns.data, y)) is not None:
        return factor
    if columns.is_plain:
        return np.asarray(np.linalg.qr(np.column_stack([columns.data, y]), mode="r"))
    R = np.zeros((0, d + 1))
    height = max(4 * d, BLOCK_BYTES // (8 * d))
    for start in range(0, n, height):
        block = slice(start, min(start + height, n))
        stacked = np.vstack([R, np.column_stack([columns.rows_of(block), y[block]])])
        R = np.asarray(np.linalg.qr(stacked, mode="r"))
    return R


def _by_gram(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, "d1 d1"] | None:
    """Return the factor from the Gram matrix where that is accurate, else None."""
    from scipy.linalg import solve_triangular

    gram = X.T @ X
    sizes = np.sqrt(np.diag(gram))
    if not sizes.all():
        return None
    try:
        factor = np.linalg.cholesky(gram / np.outer(sizes, sizes)).T
    except np.linalg.LinAlgError:
        return None
    inverse_size = np.abs(solve_triangular(factor, np.eye(sizes.size))).sum(axis=0).max()
    if inverse_size * np.abs(factor).sum(axis=0).max() > GRAM_CONDITION:
        return None
    R = factor * sizes
    target = np.linalg.solve(factor.T, (y @ X) / sizes)
    rest = y - X @ solve_triangular(R, target)
    # One step of refinement: the products of the columns with what is left are rounding, and go where they belong.
    target += solve_triangular(R, X.T @ rest, trans=1)
    last = np.array([np.linalg.norm(y - X @ solve_triangular(R, target))])
    return np.block([[R, target[:, None]], [np.zeros((1, sizes.size)), last[:, None]]])
