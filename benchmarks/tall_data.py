"""Many rows: the saddle path of 50,000 correlated rows of 1,000 columns, against forming their Gram matrix once.

The path first compresses the data to a triangle, then takes several events for every column. The bytes that an
event must move - the working columns once for the pulls, the active columns and their factor for the next saddle - are
set against the bandwidth of this machine, measured by products of a matrix of the same size with a vector.
scikit-learn's `lars_path` is given the Gram matrix, its best setting here.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from _record import keep, seconds_of, summary
from sklearn.linear_model import lars_path
from threadpoolctl import threadpool_limits

from thalweg.diagonal import saddle_path
from thalweg.diagonal.columns import Columns
from thalweg.diagonal.compression import compress

ROWS, COLUMNS, RUNS = 50_000, 1_000, 3


def correlated() -> tuple[np.ndarray, np.ndarray]:
    """Return columns driven by 30 common factors, and a target of all of them with noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, 30)) @ rng.standard_normal((30, COLUMNS)) + rng.standard_normal((ROWS, COLUMNS))
    return np.asfortranarray(X), X @ rng.standard_normal(COLUMNS) + 5 * rng.standard_normal(ROWS)


def bytes_per_event(path) -> float:
    """Return the mean number of bytes that an event has to read at least once."""
    active = np.array([support.size for support in path.supports[1:]], dtype=float)
    m = COLUMNS
    pulls = 8.0 * m * COLUMNS
    saddle = 8.0 * (2 * m * active + 3 * active**2 / 2)  # products and fit; three triangular solves
    return float((pulls + saddle).mean())


def main() -> None:
    """Measure the path and its parts."""
    with threadpool_limits(1):
        X, y = correlated()
        path = saddle_path(X, y)
        whole = summary(seconds_of(lambda: saddle_path(X, y), RUNS, warm_up=False))
        gram = summary(seconds_of(lambda: X.T @ X, RUNS))
        small = compress(Columns(X), y)
        square = np.ascontiguousarray(small.X.T)
        events = summary(seconds_of(lambda: saddle_path(small.X, small.y), RUNS, warm_up=False))
        vector = np.ones(COLUMNS)
        pass_seconds = min(seconds_of(lambda: square @ vector, 50))
        G, r = X.T @ X, X.T @ y
        lars = summary(
            seconds_of(lambda: lars_path(X, y, Xy=r, Gram=G, method="lasso", max_iter=20 * COLUMNS), 1, warm_up=False)
        )
        bandwidth = square.nbytes / pass_seconds
        moved = bytes_per_event(path)
        keep(
            "tall_data",
            {
                f"correlated {ROWS} x {COLUMNS}": {
                    "jumps": path.count,
                    "events that lower the active count": int(
                        (np.diff([support.size for support in path.supports]) < 0).sum()
                    ),
                    "gram": gram,
                    "saddle_path": whole,
                    "saddle_path in Grams": whole["median"] / gram["median"],
                    "events alone": events,
                    "bytes per event": moved,
                    "bandwidth, bytes per second": bandwidth,
                    "seconds per event": events["median"] / path.count,
                    "event in times of its bytes": events["median"] / path.count / (moved / bandwidth),
                    "lars_path with the Gram given": lars,
                    "saddle_path: times faster than Gram and lars_path": (gram["median"] + lars["median"])
                    / whole["median"],
                }
            },
        )


if __name__ == "__main__":
    main()
