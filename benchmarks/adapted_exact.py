"""A million parameters trained to rounding, in units of one gradient: 1000 samples of Friedman's function.

One exact Gauss-Newton step needs the Gram matrix of a Jacobian of 10^9 numbers, which is never formed. Its time, and
that of the whole training from random parameters to a cost of 1e-24, are divided by the time of one gradient of the
same loss: compiled by XLA, and by hand in NumPy. One processor, float64, compilation apart. `quick` takes 10^4
parameters.
"""

import sys

import jax
from _adapted import friedman, ours, pin_to_one_processor
from _record import keep, seconds_in_turns, summary

from thalweg.adapted.loss_base import L2
from thalweg.adapted.solve import factor
from thalweg.adapted.training import make_task

TOL, RUNS, MILLION, TEN_THOUSAND = 1e-24, 7, 994, 93
"""Cost to reach, runs, and the widths of the hidden layers."""


def main() -> None:
    """Measure gradients, steps and whole runs in turns."""
    pin_to_one_processor()
    quick = "quick" in sys.argv[1:]
    problem = friedman(TEN_THOUSAND if quick else MILLION)
    gradient = jax.jit(jax.grad(problem.cost))
    start = jax.numpy.asarray(problem.flat[0])
    model = make_task(problem.network, problem.params, problem.X, L2(problem.Y)).model

    def by_hand():
        lin = model.linearise(model.theta.copy())  # a copy: nothing is left from an earlier pass
        return lin.pull((lin.outputs - problem.Y) / len(problem.X))

    def step():
        lin = model.linearise(model.theta.copy())
        return factor(lin, 0.0, "exact").solve(problem.Y - lin.outputs, 0.1)

    runs = []
    works = {
        "gradient by XLA": lambda: jax.block_until_ready(gradient(start)),
        "gradient by NumPy": by_hand,
        "one exact step": step,
        "training": lambda: runs.append(ours(problem, TOL)[0]),
    }
    taken = {name: summary(seconds) for name, seconds in seconds_in_turns(works, RUNS).items()}
    unit = {name: taken[f"gradient by {name}"]["median"] for name in ("XLA", "NumPy")}
    results = {
        **problem.sizes,
        "cost at the end": runs[-1].cost,
        "steps": runs[-1].steps,
        "seconds": taken,
        "training in gradients": {name: taken["training"]["median"] / seconds for name, seconds in unit.items()},
        "one step in gradients": {name: taken["one exact step"]["median"] / seconds for name, seconds in unit.items()},
    }
    if quick:
        print(results)
    else:
        keep("adapted_exact", results)


if __name__ == "__main__":
    main()
