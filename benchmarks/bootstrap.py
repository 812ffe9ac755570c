"""Bootstrap of the order of activation: a thousand paths, beside scikit-learn's LARS on the same samples.

All draw the same rows and prepare every sample by itself (centre, unit deviation), on one thread. `lars_path` gets the
prepared rows, `lars_path_gram` the Gram matrix of the prepared rows (its best setting; timed with and without the
preparation), `saddle_path` the prepared rows one sample after another. `bootstrap` does all of it, draws, intervals
of ranks, times and coefficients included.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from _record import keep, seconds_of, summary
from sklearn.datasets import load_diabetes
from sklearn.linear_model import lars_path, lars_path_gram

from thalweg.diagonal import bootstrap, saddle_path
from thalweg.diagonal.prepare import Prepared, prepare
from thalweg.numerics.resampling import bootstrap_rows, stream

RUNS = 5


def problems() -> dict[str, tuple[np.ndarray, np.ndarray, int]]:
    """Return data and number of samples by name."""
    diabetes = load_diabetes()
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 30)) + 0.5 * rng.standard_normal((1000, 1))
    return {
        "diabetes 442 x 10": (diabetes.data, diabetes.target, 1000),
        "correlated Gaussian 1000 x 30": (X, X[:, :5].sum(axis=1) + rng.standard_normal(1000), 200),
    }


def samples(X: np.ndarray, y: np.ndarray, draws: int) -> list[Prepared]:
    """Return the samples that `bootstrap` draws, each prepared by itself."""
    rows = [bootstrap_rows(y.size, stream(0, "bootstrap", k)) for k in range(draws)]
    return [prepare(X[r], y[r], fit_intercept=True, standardize=True) for r in rows]


def grams(drawn: list[Prepared]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return what `lars_path_gram` wants."""
    return [(sample.X.T @ sample.y, sample.X.T @ sample.X) for sample in drawn]


def main() -> None:
    """Measure all on every problem."""
    results = {}
    for name, (X, y, draws) in problems().items():
        n = y.size
        drawn = samples(X, y, draws)
        pairs = grams(drawn)
        work = {
            "bootstrap": lambda X=X, y=y, draws=draws: bootstrap(X, y, draws=draws).to_frame(),
            "samples, saddle_path one by one": lambda X=X, y=y, draws=draws: [
                saddle_path(s.X, s.y, reference_norm=s.target_norm) for s in samples(X, y, draws)
            ],
            "samples, lars_path one by one": lambda X=X, y=y, draws=draws: [
                lars_path(s.X, s.y, method="lasso") for s in samples(X, y, draws)
            ],
            "samples, lars_path_gram one by one": lambda X=X, y=y, n=n, draws=draws: [
                lars_path_gram(Xy=r, Gram=G, n_samples=n, method="lasso") for r, G in grams(samples(X, y, draws))
            ],
            "lars_path_gram alone, samples and Gram matrices given": lambda pairs=pairs, n=n: [
                lars_path_gram(Xy=r, Gram=G, n_samples=n, method="lasso") for r, G in pairs
            ],
        }
        taken: dict[str, list[float]] = {what: [] for what in work}
        for _ in range(RUNS):  # in turns, so that a busy machine is busy for all of them
            for what, job in work.items():
                taken[what] += seconds_of(job, 1)
        times = {what: summary(seconds) for what, seconds in taken.items()}
        fastest = times["bootstrap"]["min"]
        study = bootstrap(X, y, draws=draws)
        exact = [saddle_path(s.X, s.y, reference_norm=s.target_norm).times for s in drawn]
        differences = [np.abs(study.jumps[k, : t.size] / t - 1).max() for k, t in enumerate(exact)]
        results[name] = {
            "samples": draws,
            "seconds": times,
            **{
                f"bootstrap: times faster than {what} (least times)": times[what]["min"] / fastest
                for what in work
                if what != "bootstrap"
            },
            "largest relative difference of a jump time to saddle_path": float(max(differences)),
            "routes": study.routes,
        }
    keep("bootstrap", results)


if __name__ == "__main__":
    main()
