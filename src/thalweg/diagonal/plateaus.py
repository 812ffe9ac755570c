"""Plateaus of a recorded loss: intervals of logarithmic time in which it hardly changes.

A network that starts near zero learns in jumps: the loss rests on plateaus whose lengths grow in proportion to the
time they begin at, so they are sought on a logarithmic clock. The definition is our own and uses no model: the
longest interval over which the loss stays within a share of its total range, then the longest beside it, and so on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from thalweg.records import record

PLATEAU_SHARE = 0.02
"""The loss may vary on a plateau by this share of its range: the last step of golden problem A is 5 % of the range,
and the jitter of small batches left by the running median is mostly below 2 %."""

PLATEAU_RATIO = 1.25
"""A plateau ends at a step at least this many times the one it began at: two records more than the running median
spans at 40 records a decade."""

MEDIAN_RECORDS = 5
"""Width of the running median of the loss: it removes up to two wild records in a row and moves no edge."""


@record
class Plateau:
    """The loss rests near `loss` (the median) from step `start` to step `end`, both recorded."""

    start: float
    end: float
    loss: float


def origin(steps: Float[np.ndarray, " k"]) -> float:
    """Return the first positive step: on a logarithmic clock a record at step 0 stands there."""
    positive = steps[steps > 0]
    return float(positive[0]) if positive.size else 1.0


def loss_plateaus(
    steps: Float[np.ndarray, " k"],
    losses: Float[np.ndarray, " k"],
    share: float = PLATEAU_SHARE,
    ratio: float = PLATEAU_RATIO,
) -> tuple[Plateau, ...]:
    """Find the plateaus of a loss: disjoint, in the order of time, the longest chosen first.

    Parameters
    ----------
    steps : array (k,)
        Increasing, not negative.
    losses : array (k,)
        Finite; a running median over `MEDIAN_RECORDS` records is taken first.
    share
        By how much the loss may vary on a plateau, as a share of its range over the record.
    ratio
        Least ratio of the last step of a plateau to its first.

    Returns
    -------
    tuple of Plateau
        Intervals from record to record; none can be prolonged without varying more or meeting a longer one.
    """
    from scipy.ndimage import median_filter

    smooth = median_filter(losses, MEDIAN_RECORDS, mode="nearest")
    reach = _reach(smooth, share * float(np.ptp(smooth)))
    chosen = sorted(_longest_first(np.maximum(steps, origin(steps)), reach, ratio))
    return tuple(Plateau(float(steps[i]), float(steps[j]), float(np.median(losses[i : j + 1]))) for i, j in chosen)


def _reach(values: Float[np.ndarray, " k"], tolerance: float) -> Int[np.ndarray, " k"]:
    """Return for each record the last one up to which the values span no more than the tolerance."""
    reach = np.empty(values.size, dtype=np.int64)
    highs: deque[int] = deque()  # candidates for the maximum of the window, values falling
    lows: deque[int] = deque()
    end = 0
    for start in range(values.size):
        while end < values.size:
            high = max(values[end], values[highs[0]] if highs else -np.inf)
            low = min(values[end], values[lows[0]] if lows else np.inf)
            if high - low > tolerance:
                break
            while highs and values[highs[-1]] <= values[end]:
                highs.pop()
            while lows and values[lows[-1]] >= values[end]:
                lows.pop()
            highs.append(end)
            lows.append(end)
            end += 1
        reach[start] = end - 1
        for candidates in (highs, lows):
            if candidates[0] == start:
                candidates.popleft()
    return reach


def _longest_first(
    clock: Float[np.ndarray, " k"], reach: Int[np.ndarray, " k"], least: float
) -> Iterator[tuple[int, int]]:
    """Yield the interval of the largest ratio of ends (the earliest of equals), then those on both sides of it."""
    pieces = [(0, clock.size - 1)]
    while pieces:
        first, last = pieces.pop()
        if first >= last:
            continue
        ends = np.minimum(reach[first:last], last)
        ratios = clock[ends] / clock[first:last]
        longest = int(np.argmax(ratios))
        if ratios[longest] < least:
            continue
        start, end = first + longest, int(ends[longest])
        yield start, end
        pieces += [(first, start - 1), (end + 1, last)]
