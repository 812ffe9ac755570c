"""Which wavelengths tell the fat content of meat? The saddle path and LassoLarsCV on the same held-out spectra.

Real near-infrared spectra (Tecator; 215 samples, 100 channels). Both choose how far to go by five-fold
cross-validation on the training rows alone; the rows held out are drawn ten times. Run it: about 20 seconds.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
from sklearn.linear_model import LassoLarsCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import thalweg as tw
from thalweg.data.samples import find_sample
from thalweg.diagonal import SaddlePathRegressorCV

REPEATS = 10


def main() -> None:
    """Compare held-out error, number of channels and time."""
    warnings.filterwarnings("ignore")  # LassoLars names every channel that it drops for nearly repeating another
    sample = find_sample("tecator-fat")
    problem = tw.read(sample.path, sample.target, drop=sample.drop)
    models = {
        "saddle path, least error": SaddlePathRegressorCV(rule="min"),
        "saddle path, one standard error": SaddlePathRegressorCV(rule="1se"),
        "LassoLarsCV": LassoLarsCV(cv=5),
    }
    results: dict[str, list[tuple[float, int, float]]] = {name: [] for name in models}
    for repeat in range(REPEATS):
        X, X_test, y, y_test = train_test_split(problem.X, problem.y, test_size=0.3, random_state=repeat)
        for name, model in models.items():
            started = time.perf_counter()
            fitted = make_pipeline(StandardScaler(), model).fit(X, y)
            taken = time.perf_counter() - started
            error = float(np.sqrt(np.mean((y_test - fitted.predict(X_test)) ** 2)))
            results[name].append((error, int(np.count_nonzero(fitted[-1].coef_)), taken))
    print(f"Fat content, {problem.y.size} spectra; mean over {REPEATS} draws of 30 % held-out rows\n")
    print(f"{'model':34s}{'held-out RMSE':>16s}{'channels':>10s}{'seconds':>9s}")
    for name, rows in results.items():
        error, channels, taken = np.mean(rows, axis=0)
        spread = np.std([row[0] for row in rows], ddof=1)
        print(f"{name:34s}{error:9.3f} ± {spread:.2f}{channels:10.1f}{taken:9.3f}")
    print(f"{'always the mean':34s}{np.std(problem.y):9.3f}")


if __name__ == "__main__":
    main()
