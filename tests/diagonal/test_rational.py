"""All algorithms against exact rational arithmetic on whole-number problems, event by event."""

import importlib
from unittest import mock

import numpy as np
import pytest

from tests.diagonal.rational import rational_path
from tests.problems import PATHS
from thalweg.diagonal import batches, naive_path, saddle_path

tiny = mock.patch.multiple(batches, SHORTEST=1, LONGEST=2, FEWEST=1, FIRST=1, INTRUDERS=0, BASIS=3)
worthwhile = mock.patch.object(importlib.import_module("thalweg.diagonal.saddle_path"), "WORTH_BATCHES", 1)


def batched_path(X, y, *, positive):
    """Run on working sets so small that they fail often; data with few columns take the usual way."""
    with tiny, worthwhile:
        return saddle_path(X, y, positive=positive)


def compare(seed):
    """Compare all paths with the exact one on one random problem; return the number of jumps."""
    rng = np.random.default_rng(seed)
    n, d = rng.integers(1, 6), rng.integers(1, 6)
    X, y = rng.integers(-3, 4, (n, d)), rng.integers(-3, 4, n)
    positive = bool(rng.integers(2))
    times, fits = rational_path(X.tolist(), y.tolist(), positive)
    for path in (naive_path, saddle_path, batched_path) if d >= 2 * n else (naive_path, saddle_path):
        found = path(X, y, positive=positive)
        assert found.count == len(times), (seed, path.__name__, found.times, [float(t) for t in times])
        assert found.times == pytest.approx([float(t) for t in times], rel=1e-9), seed
        for k, fit in enumerate(fits, start=1):
            assert X @ found.coef(k) == pytest.approx([float(v) for v in fit], abs=1e-9), (seed, k)
    return len(times)


def test_the_oracle_knows_the_golden_values():
    for problem in PATHS:
        whole = np.array_equal(problem.X, np.rint(problem.X)) and np.array_equal(problem.y, np.rint(problem.y))
        if whole:
            times, _ = rational_path(problem.X.astype(int).tolist(), problem.y.astype(int).tolist())
            assert [float(t) for t in times] == pytest.approx(list(problem.times), rel=1e-15)


def test_five_hundred_random_problems():
    assert sum(compare(seed) for seed in range(500)) > 500


@pytest.mark.long
def test_ten_thousand_random_problems():
    assert sum(compare(seed) for seed in range(1000, 11000)) > 10_000
