"""The saddle path, fast and plain, against scikit-learn's `lars_path`.

All follow every event of their path to the same least-squares or interpolating end, on one thread. The paths differ
(training against penalised fits), with similar numbers of events.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from _record import keep, seconds_in_turns, summary
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import lars_path

import thalweg as tw
from thalweg.data.samples import find_sample
from thalweg.diagonal import naive_path, saddle_path

FEWEST_RUNS, MOST_RUNS, MANY_JUMPS = 15, 301, 50
"""Rounds: a path of a millisecond needs many for a steady median."""


def standardised(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre both, drop constant columns, and scale the others to unit standard deviation."""
    X = X[:, X.std(axis=0) > 0]
    return (X - X.mean(axis=0)) / X.std(axis=0), y - y.mean()


def problems() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return data by name."""
    digits, diabetes = load_digits(), load_diabetes()
    sample = find_sample("tecator-fat")
    tecator = tw.read(sample.path, sample.target, drop=sample.drop)
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((100, 2000))
    return {
        "diabetes 442 x 10": standardised(diabetes.data, diabetes.target),
        "digits 1797 x 61": standardised(digits.data, (digits.target == 3).astype(float)),
        "tecator 215 x 100": standardised(tecator.X, tecator.y),
        "Gaussian 100 x 2000": standardised(wide, wide[:, :10].sum(axis=1) + rng.standard_normal(100)),
    }


def main() -> None:
    """Measure both on every problem."""
    results = {}
    for name, (X, y) in problems().items():
        path = saddle_path(X, y)
        knots = lars_path(X, y, method="lasso")[0]
        works = {
            "saddle_path": lambda X=X, y=y: saddle_path(X, y),
            "lars_path": lambda X=X, y=y: lars_path(X, y, method="lasso"),
            "naive_path": lambda X=X, y=y: naive_path(X, y),
        }
        runs = FEWEST_RUNS if path.count > MANY_JUMPS else MOST_RUNS
        fast, lars, plain = (summary(taken) for taken in seconds_in_turns(works, runs).values())
        results[name] = {
            "jumps": path.count,
            "knots": len(knots),
            "saddle_path": fast,
            "naive_path": plain,
            "lars_path": lars,
            "saddle_path: times faster than lars_path": lars["median"] / fast["median"],
            "saddle_path: times faster than naive_path": plain["median"] / fast["median"],
        }
    keep("saddle_path", results)


if __name__ == "__main__":
    main()
