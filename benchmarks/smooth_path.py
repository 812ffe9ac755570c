"""The saddle path of other losses, against l1-penalised logistic regression at as many penalties as there are jumps.

The paths differ (training against penalised fits): the peer solves, with scikit-learn's liblinear at its default
tolerance, one penalty `1/t` for each jump time `t`; `smooth_path` finds the times and solves to rounding. One thread.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from _record import keep, seconds_of, summary
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from thalweg.diagonal import SaddlePath, smooth_path

RUNS = 5


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return standardised pixels and the digit."""
    X, digit = load_digits(return_X_y=True)
    X = X[:, X.std(axis=0) > 0]
    return (X - X.mean(axis=0)) / X.std(axis=0), digit.astype(float)


def gaussian() -> tuple[np.ndarray, np.ndarray]:
    """Return a wide table with twenty true features, and a predictor."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((10_000, 100))
    return X, 0.3 * X[:, :20] @ rng.standard_normal(20) - 1


def penalised(X: np.ndarray, y: np.ndarray, path: SaddlePath) -> None:
    """Fit l1-penalised logistic regressions at the penalties `1/t` of the jumps."""
    for t in path.times:
        model = LogisticRegression(l1_ratio=1, C=t / y.size, solver="liblinear", fit_intercept=False)
        model.fit(X, y)


def main() -> None:
    """Measure every loss; the logistic one also against the peer."""
    (X, digit), (wide, eta) = digits(), gaussian()
    rng = np.random.default_rng(1)
    label = (rng.random(eta.size) < 1 / (1 + np.exp(-eta))).astype(float)
    intercept = np.ones((digit.size, 1))
    cases: dict[str, tuple[np.ndarray, np.ndarray, dict]] = {
        "digits 1797 x 61, 3 or not, logistic": (X, (digit == 3).astype(float), {"loss": "logistic"}),
        "digits 1797 x 61, the digit, poisson with intercept": (
            X, digit, {"loss": "poisson", "unpenalised": intercept},
        ),
        "digits 1797 x 61, the digit, huber with intercept": (
            X, digit, {"loss": "huber", "huber_delta": 2.0, "unpenalised": intercept},
        ),
        "Gaussian 10000 x 100, logistic": (wide, label, {"loss": "logistic"}),
    }  # fmt: skip
    results = {}
    for name, (data, y, options) in cases.items():
        path = smooth_path(data, y, **options)
        taken = summary(seconds_of(lambda data=data, y=y, options=options: smooth_path(data, y, **options), RUNS))
        results[name] = {"jumps": path.count, "outcome": path.outcome.value, "smooth_path": taken}
        if options["loss"] == "logistic":
            peer = summary(seconds_of(lambda data=data, y=y, path=path: penalised(data, y, path), 1))
            results[name]["liblinear at as many penalties"] = peer
    keep("smooth_path", results)


if __name__ == "__main__":
    main()
