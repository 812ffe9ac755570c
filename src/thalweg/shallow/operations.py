"""How many operations a search for minima takes, before it is made: what a budget is compared with.

An operation of a budget is one of a large dense product. Descents are batches of small arrays, and proofs are partly in
ball arithmetic: one of their multiplications takes as long as ten of those.
"""

from __future__ import annotations

STEPS = 50
"""Steps of a start on average, as measured on problems with three neurons; escapes take as many."""

COST = 10.0
"""Operations of a budget in the time of one multiplication here, measured on searches of the shipped samples."""

OVERHEAD = 2.5e5
"""What a step costs beside its multiplications, as a number of these: calls, and the eigenvalues of small matrices."""


def predicted_operations(n: int, d: int, width: int, starts: int) -> float:
    """Estimate the operations of `find_minima`.

    Parameters
    ----------
    n, d
        Size of the data.
    width
        Number of neurons.
    starts
        How many descents.

    Returns
    -------
    float
        A count, good to a factor of about three: Gauss-Newton matrix, curvature of the residual, eigenvalues.
    """
    P = 1 + width * (d + 2)
    step = n * (P * P + width * (d + 1) ** 2 + 20 * width) + 10.0 * P**3 + OVERHEAD
    return float(COST * starts * STEPS * step)
