"""The flow from a finite initialisation against SciPy's stiff integrators on the same equations.

The problem is Gaussian, 20 x 40, `default_rng(21)`: the first seed whose path has 32 jumps. All integrate it past the
last jump and are asked for the coefficients in the middle of every plateau and once inside every transition. SciPy
gets the dual with its analytic Jacobian and clipped exponents, at `rtol = 1e-8, atol = 1e-9 / ln(1/alpha)`. Errors are
those of the coefficients: on plateaus against the saddles (at finite alpha they are the flow's own), and inside the
transitions against our flow with `tol = 1e-10`. A wide problem, 60 x 600 and its first 40 jumps, shows what the
coupling of few coordinates is for: SciPy factors d x d matrices.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from _record import keep, seconds_of, summary
from scipy.integrate import solve_ivp

from thalweg.diagonal import diagonal_flow, saddle_path

SEED, RUNS = 21, 5
WIDE, WIDE_JUMPS = (60, 600), 40
LARGEST_EXPONENT = 50.0


def gaussian(seed: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return Gaussian data."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape), rng.standard_normal(shape[0])


def scipy_flow(
    X: np.ndarray, y: np.ndarray, log10_alpha: float, times: np.ndarray, method: str
) -> tuple[np.ndarray, int]:
    """Integrate the scaled dual with one of SciPy's methods; return coefficients and evaluations."""
    n, d = X.shape
    gram, first, l = X.T @ X / n, X.T @ y / n, -log10_alpha * np.log(10)

    def coefficients(s):
        up, down = (np.exp(np.minimum(2 * l * (sign * s - 1), LARGEST_EXPONENT)) for sign in (1, -1))
        return (up - down) / 2, up + down

    done = solve_ivp(
        lambda t, s: first - gram @ coefficients(s)[0],
        (0, times[-1]),
        np.zeros(d),
        method=method,
        jac=lambda t, s: -gram * (l * coefficients(s)[1]),
        t_eval=times,
        rtol=1e-8,
        atol=1e-9 / l,
    )
    return coefficients(done.y)[0].T, done.nfev


def compared(X: np.ndarray, y: np.ndarray, path, log10_alpha: float, methods: tuple[str, ...], runs: int) -> dict:
    """Time our flow and SciPy's methods, and compare what they return."""
    middles = (path.times[:-1] + path.times[1:]) / 2
    saddles = np.array([path.coef(k) for k in range(1, path.count)])
    times = np.sort(np.concatenate([middles, path.times + 2 / (-log10_alpha * np.log(10))]))
    resting = np.isin(times, middles)

    def ours(tol: float) -> tuple[np.ndarray, int]:
        flow = diagonal_flow(X, y, log10_alpha=log10_alpha, times=times, tol=tol)
        return flow.coefficients, flow.steps

    reference = ours(1e-10)[0]
    works = {f"thalweg, tol {tol:g}": lambda tol=tol: ours(tol) for tol in (1e-6, 1e-5)}
    for method in methods:
        works[f"scipy {method}"] = lambda method=method: scipy_flow(X, y, log10_alpha, times, method)
    results = {}
    for name, work in works.items():
        found, effort = work()
        if len(found) < len(times):
            results[name] = {"gave up after this share of the times": len(found) / len(times)}
            continue
        results[name] = {
            "seconds": summary(seconds_of(work, runs)),
            "steps" if name.startswith("thalweg") else "evaluations": effort,
            "largest error on plateaus": float(np.abs(found[resting] - saddles).max()),
            "median error on plateaus": float(np.median(np.abs(found[resting] - saddles).max(axis=1))),
            "largest error inside transitions": float(np.abs(found[~resting] - reference[~resting]).max()),
        }
    return results


def main() -> None:
    """Measure all at three initialisations, and the wide problem at one."""
    X, y = gaussian(SEED, (20, 40))
    path = saddle_path(X, y)
    results: dict[str, object] = {"20 x 40, jumps": path.count, "20 x 40, last jump": float(path.times[-1])}
    for log10_alpha in (-8.0, -100.0, -1e6):
        name = f"20 x 40, alpha = 1e{log10_alpha:g}"
        results[name] = compared(X, y, path, log10_alpha, ("Radau", "BDF", "LSODA"), RUNS)
    X, y = gaussian(0, WIDE)
    wide = saddle_path(X, y, max_saddles=WIDE_JUMPS)
    results["60 x 600, alpha = 1e-1e+06"] = compared(X, y, wide, -1e6, ("LSODA",), 1)
    keep("flow", results)


if __name__ == "__main__":
    main()
