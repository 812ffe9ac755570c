"""Seconds from the same first parameters to a cost of 1e-12: Friedman's function at two sizes, and diabetes.

Peers: Adam (warm-up and cosine), L-BFGS, two Levenberg-Marquardt codes and SciPy's trust region, each with the best of
its settings (`_peers.GRID`). One processor, float64. thalweg is timed several times and its median counts, a peer once
a setting: its runs are long. `quick` tries everything on small networks and few seconds.
"""

import statistics
import sys

from _adapted import Problem, diabetes, friedman, ours, pin_to_one_processor
from _peers import GRID, VERSIONS, best_of
from _record import keep

TOL, RUNS, BUDGET = 1e-12, 5, 15.0
"""Cost to reach, runs of thalweg, and seconds of each setting of a peer."""


def compare(problem: Problem, budget: float) -> dict:
    """Return ours, every peer's best, and how many times faster than the best peer ours is."""
    print(problem.name, flush=True)
    reached = [ours(problem, TOL)[0] for _ in range(RUNS)]
    seconds = statistics.median(run.seconds for run in reached)
    peers = {name: best_of(name, problem, TOL, budget) for name in GRID}
    done = [peer["best"]["seconds"] for peer in peers.values() if peer["best"]["done"]]
    return {
        **problem.sizes,
        "thalweg": {"median seconds": seconds, "runs": [vars(run) for run in reached]},
        "peers": peers,
        "times faster than the best peer": min(done) / seconds if done else f"more than {budget / seconds:.3g}",
    }


def main() -> None:
    """Measure every problem."""
    pin_to_one_processor()
    quick = "quick" in sys.argv[1:]
    problems = [friedman(20, 100), diabetes(24)] if quick else [friedman(93), friedman(310), diabetes()]
    budget = 3.0 if quick else BUDGET
    compared = {problem.name: compare(problem, budget) for problem in problems}
    if quick:
        print({name: found["times faster than the best peer"] for name, found in compared.items()})
    else:
        keep("adapted_peers", {"versions": VERSIONS, "seconds of each setting": budget, **compared})


if __name__ == "__main__":
    main()
