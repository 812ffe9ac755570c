"""The sensors, and how far back, that tell the temperature of a photovoltaic inverter half an hour ahead.

Real records every quarter of an hour (pvanalytics). Each sensor enters with its last eight values; the target is the
inverter's temperature two records later. Rows are ordered in time, so every split looks forward: cross-validation
judges each fold on later rows, and the last quarter of the records is never seen before the comparison with
LassoLarsCV, with the last known temperature and with the mean. Run it: a few seconds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.linear_model import LassoLarsCV
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from thalweg.data.samples import find_sample
from thalweg.diagonal import SaddlePathRegressorCV, activation_times

LAGS, AHEAD = range(8), 2
FIRST = 8
"""Features that are listed: the ones to look at first."""


def lagged() -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Return the last values of every sensor, the temperature to predict, and the one known now."""
    sample = find_sample("pv-inverter")
    table = pd.read_csv(sample.path, index_col=0).drop(columns="das_temperature")  # repeats ac_power
    columns = {f"{name}, {15 * lag} min ago": table[name].shift(lag) for lag in LAGS for name in table}
    target = table[sample.target].shift(-AHEAD)
    features = pd.DataFrame(columns)
    complete = features.notna().all(axis=1) & target.notna()
    return features[complete], target[complete], table[sample.target][complete]


def main() -> None:
    """Compare forward held-out errors and print what switches on when."""
    features, target, known = lagged()
    first = int(0.75 * len(target))
    past, future = slice(0, first), slice(first, None)
    models = {
        "saddle path, least error": SaddlePathRegressorCV(cv=TimeSeriesSplit(5), rule="min"),
        "saddle path, one standard error": SaddlePathRegressorCV(cv=TimeSeriesSplit(5), rule="1se"),
        "LassoLarsCV": LassoLarsCV(cv=TimeSeriesSplit(5)),
    }
    print(f"{len(target)} records, {features.shape[1]} lagged features; the last {len(target) - first} held out\n")
    print(f"{'model':34s}{'RMSE, degrees':>14s}{'features':>10s}")
    for name, model in models.items():
        fitted = make_pipeline(StandardScaler(), model).fit(features[past], target[past])
        error = float(np.sqrt(np.mean((target[future] - fitted.predict(features[future])) ** 2)))
        print(f"{name:34s}{error:14.3f}{np.count_nonzero(fitted[-1].coef_):10d}")
    for name, guess in (("temperature stays as it is", known[future]), ("always the mean", target[past].mean())):
        print(f"{name:34s}{float(np.sqrt(np.mean((target[future] - guess) ** 2))):14.3f}")

    model = make_pipeline(StandardScaler(), SaddlePathRegressorCV(cv=TimeSeriesSplit(5))).fit(
        features[past], target[past]
    )
    path = model[-1].path_
    print(f"\nThe first {FIRST} features to switch on, in time t / ln(1/alpha):")
    first_entries = activation_times(path)
    for i in np.argsort(first_entries)[:FIRST]:
        print(f"{first_entries[i]:10.4f}  {features.columns[i]}")


if __name__ == "__main__":
    main()
