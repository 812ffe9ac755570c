"""Far more columns than rows: the verified saddle path against LARS, celer, skglm and a linear program.

Gaussian data with ten true columns and noise of unit size. The saddle path and `lars_path` run to their interpolating
end, which both reach with the same least l1 norm; HiGHS computes that end alone. celer and skglm compute a grid of 100
Lasso penalties down to a thousandth of the largest, and single Lasso solutions: at the last jump up to which the
running mean of the saddle path is one, from zero (cold) and from the solution at a penalty 5 % larger (warm), to the
relative duality gap that the running mean has. One thread; give `small` or `large` to run one size alone.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import warnings

import numpy as np
from _record import keep, seconds_of, summary
from celer import celer_path
from scipy.optimize import linprog
from skglm.datafits import Quadratic
from skglm.penalties import L1
from skglm.solvers import AndersonCD
from skglm.utils.jit_compilation import compiled_clone
from sklearn.linear_model import lars_path
from threadpoolctl import threadpool_limits

from thalweg.diagonal import saddle_path
from thalweg.diagonal.duality import duality_gaps
from thalweg.numerics.column_blocks import ColumnBlocks

HIGHS = ("highs-ds", "highs-ipm")
SIZES = {"small": (300, 20_000, 5), "large": (1000, 100_000, 3)}
GRID = 100
MOST_KNOTS = 5_000
"""More than any path here has: by default `lars_path` stops after 500. It keeps no path here: faster, and 2 GB less."""


def gaussian(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the data of one size."""
    rng = np.random.default_rng(0)
    X = np.asfortranarray(rng.standard_normal((n, d)))
    return X, X[:, :10].sum(axis=1) + rng.standard_normal(n)


def lasso_gap(X: np.ndarray, y: np.ndarray, b: np.ndarray, alpha: float) -> float:
    """Return the duality gap of a Lasso solution, relative to the loss at zero."""
    n = y.size
    residual = y - X @ b
    scale = min(1.0, alpha * n / np.abs(X.T @ residual).max())
    primal = residual @ residual / (2 * n) + alpha * np.abs(b).sum()
    dual = (y @ y - np.sum((y - scale * residual) ** 2)) / (2 * n)
    return float((primal - dual) / (y @ y / (2 * n)))


def least_norm(X: np.ndarray, y: np.ndarray, method: str) -> float:
    """Return the least l1 norm of an interpolating `b` by a linear program."""
    d = X.shape[1]
    found = linprog(np.ones(2 * d), A_eq=np.hstack([X, -X]), b_eq=y, method=method)
    return float(found.fun)


def anderson(X: np.ndarray, y: np.ndarray, alpha: float, tol: float, start: np.ndarray | None = None) -> np.ndarray:
    """Solve one Lasso with skglm."""
    solver = AndersonCD(tol=tol, fit_intercept=False, max_iter=200, warm_start=start is not None)
    fit_of = None if start is None else X @ start
    return solver.solve(X, y, compiled_clone(Quadratic()), compiled_clone(L1(alpha)), start, fit_of)[0]


def single_solutions(X: np.ndarray, y: np.ndarray, alpha: float, wanted: float, runs: int) -> dict:
    """Time celer and skglm to a certified gap at one penalty."""
    results = {}

    def celer_at(at: float, tol: float, start: np.ndarray | None = None) -> np.ndarray:
        return celer_path(X, y, "lasso", alphas=[at], coef_init=start, tol=tol, max_iter=200)[1][:, 0]

    for name, solve in (("celer", celer_at), ("skglm", lambda *given: anderson(X, y, *given))):
        tol = 1e-4
        while lasso_gap(X, y, solve(alpha, tol), alpha) > wanted and tol > 1e-16:
            tol /= 10
        before = solve(1.05 * alpha, tol)
        results[name] = {
            "tol": tol,
            "gap reached": lasso_gap(X, y, solve(alpha, tol), alpha),
            "cold": summary(seconds_of(lambda solve=solve, tol=tol: solve(alpha, tol), runs)),
            "warm": summary(
                seconds_of(lambda solve=solve, tol=tol, before=before: solve(alpha, tol, before.copy()), runs)
            ),
        }
    return results


def measure(name: str, n: int, d: int, runs: int) -> dict:
    """Measure all at one size."""
    X, y = gaussian(n, d)
    path = saddle_path(X, y)
    ours = summary(seconds_of(lambda: saddle_path(X, y), runs))
    rounds = 1 if d > 50_000 else 3

    def lars_to_its_end() -> object:
        return lars_path(X, y, method="lasso", max_iter=MOST_KNOTS, return_path=False)

    lars = summary(seconds_of(lars_to_its_end, rounds, warm_up=d <= 50_000))
    certificates = summary(seconds_of(path.certificate, 1, warm_up=False))
    last = slice(path.count, None)

    def certify_the_end() -> float:
        blocks = ColumnBlocks(X)
        end = (path.supports[last], path.values[last], path.integrals[last])
        return float(duality_gaps(blocks, *end, path.exponents, False)[0][0])

    ends = summary(seconds_of(certify_the_end, runs))
    end = float(np.abs(path.values[-1]).sum())
    results = {
        "jumps": path.count,
        "outcome": path.outcome.value,
        "least l1 norm": end,
        "certificate of every saddle": path.certificate().verdict.value,
        "time of this certificate": certificates,
        "proved gap of the end": certify_the_end(),
        "time of this proof": ends,
        "saddle_path": ours,
        "lars_path": lars,
        "saddle_path: times faster than lars_path": lars["median"] / ours["median"],
        "with the end certified: times faster than lars_path": lars["median"] / (ours["median"] + ends["median"]),
        "with every saddle certified: times faster than lars_path": lars["median"]
        / (ours["median"] + certificates["median"]),
    }
    penalties = np.geomspace(1.0, 1e-3, GRID) / path.times[0]
    grid = summary(
        seconds_of(lambda: celer_path(X, y, "lasso", alphas=penalties, tol=1e-6), rounds, warm_up=d <= 50_000)
    )
    results |= {"celer, grid of 100": grid, "saddle_path in celer grids": ours["median"] / grid["median"]}
    t = float(path.times[path.lasso_equivalent_until - 1])
    mean = path.running_mean(t)
    gap = max(lasso_gap(X, y, mean, 1 / t), 1e-14)
    part = summary(seconds_of(lambda: saddle_path(X, y, max_time=t), runs))
    results["one Lasso solution"] = {
        "penalty over the largest": float(path.times[0] / t),
        "jumps": path.lasso_equivalent_until,
        "gap of the running mean": gap,
        "saddle_path up to it": part,
        **single_solutions(X, y, 1 / t, gap, 3),
    }
    if name == "small":
        for method in HIGHS:
            taken = summary(seconds_of(lambda method=method: least_norm(X, y, method), 1, warm_up=False))
            results[method] = taken
            results[f"saddle_path: times faster than {method}"] = taken["median"] / ours["median"]
    return results


def main() -> None:
    """Measure the sizes asked for."""
    warnings.filterwarnings("ignore")
    chosen = sys.argv[1:] or list(SIZES)
    with threadpool_limits(1):
        for name in chosen:
            n, d, runs = SIZES[name]
            keep(f"wide_data_{name}", {f"Gaussian {n} x {d}": measure(name, n, d, runs)})


if __name__ == "__main__":
    main()
