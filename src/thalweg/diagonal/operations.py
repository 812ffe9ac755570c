"""How many multiplications a saddle path takes, before it is computed: what a budget is compared with."""

from __future__ import annotations

import numpy as np

from thalweg.diagonal.compression import WORTH_COMPRESSING


def predicted_operations(n: int, d: int, jumps: int) -> float:
    """Estimate the multiplications of a saddle path on `n` rows, `d` features.

    Parameters
    ----------
    n, d
        Size of the data.
    jumps
        How many jumps are computed; about half as many features are active in the end.

    Returns
    -------
    float
        A count, good to a factor of about three: the compression of many rows, and for each jump one product with
        all columns, four with the active ones and as many solves with their factor.
    """
    m = d if n >= WORTH_COMPRESSING * (d + 1) else n
    compression = 2.0 * n * d**2 if m < n else 0.0
    p = np.minimum(np.arange(1, jumps + 1) / 2, min(m, d))
    return compression + float((1.0 * m * d + 4.0 * m * p + 4.0 * p**2).sum())
