"""The interval of a probability that was seen as so many successes of so many draws (Clopper and Pearson 1934)."""

from __future__ import annotations

LEVEL = 0.95
"""Coverage of an interval unless another is asked for."""


def proportion_interval(successes: int, draws: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson for a probability: it covers at least as often as it says.

    Parameters
    ----------
    successes, draws
        Counts; without draws the interval is all of [0, 1].
    level
        Coverage.

    Returns
    -------
    tuple
        Lower and upper end.
    """
    from scipy.special import betaincinv  # scipy.stats would take a second to import

    tail = (1.0 - level) / 2.0
    low = float(betaincinv(successes, draws - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, draws - successes, 1.0 - tail)) if successes < draws else 1.0
    return low, high
