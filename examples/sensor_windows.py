"""Sliding windows of a sensor: the rank check finds those that nearly repeat, then a network predicts the next value.

Real records every quarter of an hour (pvanalytics). Windows of 32 values predict the one that follows. Of a sensor that
stands still at night, many windows nearly repeat each other: the rank condition fails, and training along the predicted
curve would have to tell apart what hardly differs. The rank check says so; windows that nearly repeat an earlier one
are dropped, and it is asked again. Rows are ordered in time, so the split is forward: training, then the windows that
choose damping and stopping time on the same clock, then windows never seen. Run it: a few seconds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from thalweg.adapted import AdaptedFit, Mlp, closeness, fit, rank_check
from thalweg.adapted.duplicates import NEAR
from thalweg.data.samples import find_sample

SENSORS = ("dc_power", "poa_irradiance")
WINDOW, HIDDEN = 32, (64, 64)
TRAINING, CHOOSING = 0.6, 0.75
"""Shares of the windows at which the second and the third part begin."""

DAMPINGS = (0.0, 1e-3, 1e-2, 1e-1, 1.0)


def windows(values: Float[np.ndarray, " t"]) -> tuple[Float[np.ndarray, "n w"], Float[np.ndarray, "n 1"]]:
    """Return windows and the value after each."""
    rows = np.lib.stride_tricks.sliding_window_view(values, WINDOW + 1)
    return rows[:, :-1].copy(), rows[:, -1:].copy()


def apart(X: Float[np.ndarray, "n w"]) -> np.ndarray:
    """Return the rows that are no near duplicate of an earlier one that is kept."""
    radius = 2 * NEAR * float(np.sqrt((X**2).sum(axis=1).mean()))  # twice: those that are left are larger in the mean
    kept: list[int] = []
    for row in range(len(X)):
        if not kept or np.sqrt(((X[kept] - X[row]) ** 2).sum(axis=1)).min() > radius:
            kept.append(row)
    return np.array(kept)


def best_run(network: Mlp, training, choosing) -> AdaptedFit:
    """Return the run whose damping and stopping time predict the choosing part best."""
    runs = [
        fit(network, network.initial(0), training, validation=choosing, damping=damping, tol=1e-8, max_steps=80)
        for damping in DAMPINGS
    ]
    return min(runs, key=lambda run: run.best_validation or np.inf)


def study(name: str, values: Float[np.ndarray, " t"]) -> None:
    """Check, thin, train and judge one sensor."""
    X, y = windows(values)
    first, second = int(TRAINING * len(X)), int(CHOOSING * len(X))
    mean, sd = values[: first + WINDOW].mean(), values[: first + WINDOW].std()
    inputs, targets = (X - mean) / sd, (y - mean) / sd
    network = Mlp((WINDOW, *HIDDEN, 1))
    print(f"\n{name}: {len(X)} windows of {WINDOW} values; the first {first} are trained on\n{'-' * 78}")
    print(rank_check(network, network.initial(0), inputs[:first], targets[:first], trials=0, nested=False))
    near = closeness(inputs[:first]).near_rows
    kept = np.arange(first)
    if near:
        kept = apart(inputs[:first])
        print(f"\n{near} windows have a near duplicate; {first - kept.size} that repeat an earlier one are dropped:")
        print(rank_check(network, network.initial(0), inputs[kept], targets[kept], trials=0, nested=False))
    run = best_run(network, (inputs[kept], targets[kept]), (inputs[first:second], targets[first:second]))
    print(f"\nDamping {run.options['damping']:g}, stopped at tau = {run.best_tau:.3f} of {run.tau:.3f}: training cost "
          f"{run.cost:.3g}, held-out cost while choosing {run.best_validation:.3g}")  # fmt: skip
    line = np.linalg.lstsq(np.c_[X[:first], np.ones(first)], y[:first], rcond=None)[0]
    guesses = {
        "network": run.predict(inputs[second:]) * sd + mean,
        "least squares": np.c_[X[second:], np.ones(len(X) - second)] @ line,
        "as it was a quarter of an hour ago": X[second:, -1:],
    }
    print(f"Root mean squared error on the last {len(X) - second} windows, never seen before:")
    for guess, values_then in guesses.items():
        print(f"  {guess:36s}{float(np.sqrt(((values_then - y[second:]) ** 2).mean())):10.2f}")


def main() -> None:
    """Study every sensor."""
    table = pd.read_csv(find_sample("pv-inverter").path, index_col=0)
    for name in SENSORS:
        study(name, table[name].to_numpy())
    print("\nFive days are few: which guess wins changes with the sensor and the weather of the last day.")


if __name__ == "__main__":
    main()
