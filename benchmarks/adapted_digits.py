"""Ten outputs: the digits to a cost of 1e-12 with 3000, 10,000 and 17,970 numbers to fit, against the best peers.

The Gram matrix of the largest has 17,970 rows and is never formed: conjugate gradients preconditioned by its mean over
outputs. Peers as in `adapted_peers`, each with the best of its settings and the same seconds for every setting; at the
largest size L-BFGS alone, whose cost is told when its time is over. One processor, float64, compilation apart. thalweg
is timed several times, a peer once a setting. `quick` takes few images and few seconds.
"""

import statistics
import sys

from _adapted import digits, ours, pin_to_one_processor
from _peers import GRID, VERSIONS, best_of
from _record import keep

TOL, RUNS = 1e-12, 5
SIZES = {
    300: (tuple(GRID), 15.0),
    1000: (("L-BFGS", "optimistix LevenbergMarquardt"), 35.0),
    1797: (("L-BFGS",), 110.0),
}
"""Images: peers, and seconds for each of their settings."""


def main() -> None:
    """Measure every size."""
    pin_to_one_processor()
    quick = "quick" in sys.argv[1:]
    sizes = {60: (tuple(GRID), 2.0)} if quick else SIZES
    results = {}
    for rows, (names, budget) in sizes.items():
        problem = digits(rows)
        print(problem.name, flush=True)
        runs = [ours(problem, TOL) for _ in range(RUNS)]
        seconds = statistics.median(reached.seconds for reached, _ in runs)
        peers = {name: best_of(name, problem, TOL, budget) for name in names}
        done = [peer["best"]["seconds"] for peer in peers.values() if peer["best"]["done"]]
        results[problem.name] = {
            **problem.sizes,
            "thalweg": {
                "median seconds": seconds,
                "runs": [vars(reached) for reached, _ in runs],
                "conjugate gradients": int(runs[-1][1].trajectory.channels["iterations"].sum()),
            },
            "seconds of each setting": budget,
            "peers": peers,
            "times faster than the best peer": min(done) / seconds if done else f"more than {budget / seconds:.3g}",
        }
        print(
            {name: results[problem.name][name] for name in ("thalweg", "times faster than the best peer")}, flush=True
        )
    if not quick:
        keep("adapted_digits", {"versions": VERSIONS, **results})


if __name__ == "__main__":
    main()
