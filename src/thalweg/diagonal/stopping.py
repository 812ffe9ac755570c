"""Where training should stop: inside the plateau with the least held-out error."""

from __future__ import annotations

import numpy as np

from thalweg.diagonal.fit import best_held_out, held_out_mean
from thalweg.records import Fit

NEARLY_BEST = 1.05
"""A held-out error within this factor of the least is not worth further sensors: 5 %, named in the advice."""


def stopping_time(fitted: Fit) -> float | None:
    """Return a time inside the plateau of least held-out error (its geometric middle), None without one."""
    best = best_held_out(fitted)
    if best is None or best == 0:
        return None
    times = fitted.solution["held_out_times"]
    if best == times.size:
        return None  # the end of the path is best: nothing to stop
    return float(np.sqrt(times[best - 1] * times[best]))


def recommended_saddle(fitted: Fit) -> int | None:
    """Return the saddle of the path of all rows at which the recommended stop leaves training.

    Returns
    -------
    int or None
        0 where no saddle beats the start or the mean alone; None where no rows were held out.
    """
    best = best_held_out(fitted)
    if best is None:
        return None
    if best == 0 or fitted.solution["held_out_rmse"][best] >= held_out_mean(fitted):
        return 0
    time = stopping_time(fitted)
    times = fitted.solution["times"]
    return int(times.size if time is None else np.searchsorted(times, time, side="right"))
