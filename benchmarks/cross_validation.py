"""Five-fold cross-validation over training time against scikit-learn's `LassoLarsCV`, on one thread.

Both follow every event of the path of every fold and of all rows, and judge each on held-out rows.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import warnings

from _record import keep, seconds_of, summary
from saddle_path import problems
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoLarsCV

from thalweg.diagonal import SaddlePathRegressorCV

RUNS = 3


def main() -> None:
    """Measure both on every problem."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    results = {}
    for name, (X, y) in problems().items():
        ours, theirs = SaddlePathRegressorCV(), LassoLarsCV()
        fast = summary(seconds_of(lambda X=X, y=y, model=ours: model.fit(X, y), RUNS))
        lars = summary(seconds_of(lambda X=X, y=y, model=theirs: model.fit(X, y), RUNS))
        results[name] = {
            "steps of the error": int(ours.times_.size),
            "least mean squared error": float(ours.validation_.mean.min()),
            "least mean squared error of LassoLarsCV": float(theirs.mse_path_.mean(axis=1).min()),
            "SaddlePathRegressorCV": fast,
            "LassoLarsCV": lars,
            "times faster": lars["median"] / fast["median"],
        }
    keep("cross_validation", results)


if __name__ == "__main__":
    main()
