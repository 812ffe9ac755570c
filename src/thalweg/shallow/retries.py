"""What it costs to retrain until a certified minimum is found.

With a share p of starts that end certified, `ln(1 - c) / ln(1 - p)` restarts find at least one with probability c. The
share is known from few starts only, so the count comes with that of the exact (Clopper-Pearson) interval of p.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from thalweg.numerics.options import real_number, require, whole_number
from thalweg.numerics.proportions import proportion_interval


@dataclass(frozen=True)
class Retries:
    """Restarts until success.

    Attributes
    ----------
    share, share_low, share_high : float
        Share of starts that were certified, and its interval.
    confidence : float
        Probability with which the restarts find at least one.
    restarts, restarts_low, restarts_high : int or None
        How many are needed; None: no start was certified, so no number is enough.
    seconds, money : tuple of two floats, or None
        What they cost, from low to high; None where no price was given.
    """

    share: float
    share_low: float
    share_high: float
    confidence: float
    restarts: int | None
    restarts_low: int
    restarts_high: int | None
    seconds: tuple[float, float] | None
    money: tuple[float, float] | None


def retries(
    certified: int,
    starts: int,
    *,
    confidence: float = 0.99,
    seconds_per_start: float | None = None,
    price_per_hour: float | None = None,
) -> Retries:
    """Return how many restarts find a certified minimum, and what they cost.

    Parameters
    ----------
    certified, starts
        How many starts were certified, of how many.
    confidence
        Probability of finding at least one.
    seconds_per_start
        What a start takes.
    price_per_hour
        What an hour of the machine costs, in any currency; asks for `seconds_per_start`.

    Returns
    -------
    Retries
        Counts with their interval, seconds and money from low to high.

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    starts = whole_number(starts, "starts", 1)
    certified = whole_number(certified, "certified", 0)
    require(certified <= starts, "certified", certified, f"at most starts = {starts}")
    confidence = real_number(confidence, "confidence", lambda c: 0 < c < 1, "0 < confidence < 1")
    priced = price_per_hour is None or seconds_per_start is not None
    require(priced, "price_per_hour", price_per_hour, "given with seconds_per_start")
    least, most = proportion_interval(certified, starts)
    low, high = _restarts(most, confidence), _restarts(least, confidence)
    seconds = money = None
    if seconds_per_start is not None:
        each = real_number(seconds_per_start, "seconds_per_start", lambda s: 0 <= s < math.inf, ">= 0")
        seconds = (each * (low or 0), math.inf if high is None else each * high)
        if price_per_hour is not None:
            price = real_number(price_per_hour, "price_per_hour", lambda p: 0 <= p < math.inf, ">= 0")
            money = (seconds[0] * price / 3600, seconds[1] * price / 3600)
    return Retries(
        certified / starts, least, most, confidence,
        _restarts(certified / starts, confidence), low or 0, high, seconds, money,
    )  # fmt: skip


def _restarts(share: float, confidence: float) -> int | None:
    if share <= 0:
        return None
    return 1 if share >= 1 else max(1, math.ceil(math.log1p(-confidence) / math.log1p(-share)))
