"""The duality gap of every saddle: how far it can be from the least weighted l1 norm of its own fit.

For any vector `R` whose dual `s = X'R/n` stays in its box, `|s_i| <= a_i`, every `b'` with `X b' = X b` has
`sum a_i |b'_i| >= (X b)'R/n`. At a true saddle, with the integral `R = int (y - X b) dt` of its path, both sides agree:
the difference is the gap (specification of the family, section 7 and correction B9). A dual that leaves its box is
scaled back into it, and all rounding errors are bounded from above, so a small gap is proved, whoever made the path.
In the one-sided network `b' >= 0`, and the box is `s_i <= a_i`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.residuals import sparse_saddles
from thalweg.numerics.column_blocks import ColumnBlocks, upper_norms
from thalweg.numerics.rounding import gamma
from thalweg.records import Cell, Certificate, Method, Quantity, Statement, Verdict, digest_of

if TYPE_CHECKING:
    from thalweg.diagonal.path import SaddlePath

GAP_TOLERANCE = 1e-6
"""Largest proved relative gap at which a saddle counts as the minimum: six digits of its norm."""


def duality_gaps(
    columns: ColumnBlocks,
    supports: Sequence[np.ndarray],
    values: Sequence[np.ndarray],
    integrals: Float[np.ndarray, "m n"],
    exponents: Float[np.ndarray, " d"],
    positive: bool,
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Bound the gaps from above, and how far each dual leaves its box.

    Parameters
    ----------
    columns
        The data.
    supports, values
        Of the saddles after the jumps `1..m`.
    integrals
        One vector `R` a jump: any vectors give a proof, those of the true path a small gap.
    exponents
        The thresholds `a_i`.
    positive
        Whether the network is one-sided.

    Returns
    -------
    tuple
        Gaps relative to the weighted norms of the saddles, and the largest `|s_i| / a_i - 1` (0 inside), both
        infinite for a saddle that is zero or, in the one-sided network, negative somewhere.
    """
    count = len(supports)
    saddles = sparse_saddles(supports, values, columns.d)
    error = columns.product_error(upper_norms(integrals))
    highest, inner, inner_sizes, norms = np.zeros((4, count))
    for block, products in columns.products(integrals):
        bound = np.outer(error, columns.norms[block])
        upper = (products if positive else np.abs(products)) + bound
        highest = np.maximum(highest, (upper / exponents[block]).max(axis=1))
        part = saddles[:, block].tocoo()
        rows, at, b = part.row, part.col, part.data
        shares = b * products[rows, at]
        inner += np.bincount(rows, shares - np.abs(b) * bound[rows, at], count)
        inner_sizes += np.bincount(rows, np.abs(shares), count)
        norms += np.bincount(rows, np.abs(b) * exponents[block][at], count)
    slack = gamma(max((support.size for support in supports), default=0) + 8)
    inner -= slack * inner_sizes
    box = np.maximum(1.0, highest / columns.n * (1 + slack))
    lower = np.where(inner > 0, inner / (columns.n * box) * (1 - slack), -np.inf)
    unusable = (norms == 0.0) | (positive & np.array([bool((b < 0).any()) for b in values], dtype=bool))
    with np.errstate(invalid="ignore", divide="ignore"):
        gaps = (norms * (1 + slack) - lower) / norms * (1 + slack)
    return np.where(unusable, np.inf, gaps), np.where(unusable, np.inf, box - 1.0)


def gap_certificate(path: SaddlePath) -> Certificate:
    """Prove that every saddle of a path is the least weighted l1 norm of its own fit, from what the path holds.

    Parameters
    ----------
    path
        Its saddles, integrals, exponents and (possibly compressed) data are used as they are.

    Returns
    -------
    Certificate
        "holds" only if all gaps are proved small; it speaks of the saddles, not of their times, and of `path.X`.
        `path_certificate` proves times and saddles from the data alone.
    """
    columns = ColumnBlocks(path.X)
    gaps = duality_gaps(columns, path.supports[1:], path.values[1:], path.integrals[1:], path.exponents, path.positive)[
        0
    ]
    worst = float(gaps.max(initial=0.0))
    if worst <= GAP_TOLERANCE:
        verdict, reason = Verdict.HOLDS, Statement("reason.diagonal.gap_closed", {"gap": worst})
    else:
        values: dict[str, Cell] = {"saddle": int(gaps.argmax()) + 1, "gap": worst, "needed": GAP_TOLERANCE}
        verdict, reason = Verdict.UNDECIDED, Statement("reason.diagonal.gap_open", values)
    arrays = {**columns.arrays("X"), "init_exponents": path.exponents}
    return Certificate(
        family="diagonal",
        statement=Statement("certificate.diagonal.saddles", {"saddles": path.count}),
        verdict=verdict,
        method=Method.PROVED,
        margins={"gap_needed": Quantity(GAP_TOLERANCE), "gap": Quantity(worst)},
        checks=(),
        reason=reason,
        inputs=tuple(arrays),
        digest=digest_of(arrays),
    )
