"""Does training keep what was printed before it? The curve, the precision, and the forecast.

- certified mode: the largest relative distance of the cost from the curve known before the run, over twelve decades;
- mixed precision: how far the cost falls with a factor in single and residuals in double precision;
- the forecast after three steps against the whole run, in steps and seconds, on a dozen problems.

One processor. `quick` takes the small problems alone.
"""

import statistics
import sys

import numpy as np
from _adapted import Problem, diabetes, digits, friedman, ours, pin_to_one_processor
from _record import keep

DECADES, FORECAST_TOL, MADE_AT, RUNS = 12, 1e-12, 3, 5
"""Decades of the certified run, cost of the forecast runs, step of the forecast, runs of each."""


def certified(problem: Problem) -> dict:
    """Return how far a certified run strays from its curve."""
    start = float(problem.cost(problem.flat[0]))
    reached, made = ours(problem, start * 10.0**-DECADES, mode="certified")
    predicted, loss = made.trajectory.predicted, made.trajectory.loss
    return {
        **problem.sizes,
        "outcome": made.outcome.value,
        "seconds": reached.seconds,
        "nodes": int(loss.size),
        "decades": float(np.log10(loss[0] / loss[-1])),
        "largest distance from the curve": float(np.abs(loss / predicted - 1).max()),
        "certificate": made.certificate().verdict.value,
    }


def mixed(problem: Problem) -> dict:
    """Return how far mixed precision gets, and double precision for comparison."""
    found = {}
    for precision in ("mixed", "float64"):
        reached, made = ours(problem, 0.0, precision=precision, max_steps=30)
        found[precision] = {"cost": reached.cost, "steps": reached.steps, "outcome": made.outcome.value}
    return found


def forecast(problem: Problem) -> dict:
    """Return forecast over actual, the median of several runs."""
    steps, seconds = [], []
    for _ in range(RUNS):
        _, made = ours(problem, FORECAST_TOL)
        early = next((one for one in made.forecasts if one.made_at == MADE_AT), None)
        if early is None:
            return {"steps": len(made.seconds) - 1}
        steps.append(early.steps[1] / (len(made.seconds) - 1))
        seconds.append(early.seconds[1] / float(made.seconds[-1]))
    factor = statistics.median(seconds)
    return {
        "steps": len(made.seconds) - 1,
        "forecast steps over actual": statistics.median(steps),
        "forecast seconds over actual": factor,
        "within 1.5": 1 / 1.5 <= factor <= 1.5,
    }


def dozen(quick: bool) -> list[Problem]:
    """Return the problems of the forecast: both sizes of Friedman's function, other rows and seeds, and real data."""
    small = [friedman(60, rows, seed) for rows, seed in ((200, 1), (400, 2), (600, 3))] + [diabetes(60), digits(500)]
    if quick:
        return small
    large = [friedman(93), friedman(93, seed=4), friedman(150, seed=5), friedman(310), diabetes(93), digits(300)]
    return [*small, *large, digits(300, (150, 100))]


def main() -> None:
    """Measure all three."""
    pin_to_one_processor()
    quick = "quick" in sys.argv[1:]
    curves = [diabetes(60)] if quick else [friedman(93), diabetes(), friedman(310), digits(300)]
    results = {
        "certified": {problem.name: certified(problem) for problem in curves},
        "mixed precision": {
            problem.name: mixed(problem) for problem in (friedman(60, 300) if quick else friedman(93),)
        },
        "forecast after three steps": {
            f"{number}: {problem.name}, N = {len(problem.X)}": forecast(problem)
            for number, problem in enumerate(dozen(quick), 1)
        },
    }
    if quick:
        print(results)
    else:
        keep("adapted_certified", results)


if __name__ == "__main__":
    main()
