"""All minima of a shallow network: 1000 starts to a catalogue, and one start against SciPy and torch.

The data are those of a wider tanh teacher with noise 0.1 (d = 3, m = 3, n = 500, `default_rng(0)`), as in section 4 of
the specification. The catalogue includes proofs, limits at infinity and the outcome of every start. Per start, the same
starts are given to SciPy's trust-exact with the same closed-form Hessian (one network at a time, `Objective`) and to
torch with Adam followed by L-BFGS in double precision, both until |g| < 1e-8; ours goes on to the floor of rounding.
Starts that run to infinity never end for the peers, so the comparison is on starts that end at a minimum; what share of
them the peers finish is kept beside it. One thread; `OPENBLAS_NUM_THREADS=1` is set here.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
from collections import Counter

import numpy as np
from _record import keep, seconds_of, summary
from scipy.optimize import minimize

from thalweg.records import Verdict
from thalweg.shallow import Objective, find_minima
from thalweg.shallow.ends import REST
from thalweg.shallow.multistart import draw_starts, run_descents
from thalweg.shallow.scaling import scaled

WIDTH, FEATURES, ROWS, STARTS, SEED, NOISE = 3, 3, 500, 1000, 0, 0.1
PEER_STARTS, TORCH_STARTS, RUNS = 60, 6, 3
GRADIENT = 1e-8
LONGEST = 2000
"""Iterations of a peer at most."""


def teacher(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return data of a network with three more neurons, target of variance one, and noise."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (ROWS, FEATURES))
    B, v = rng.standard_normal((WIDTH + 3, FEATURES + 1)), rng.standard_normal(WIDTH + 3)
    f = np.tanh(np.column_stack([np.ones(ROWS), X]) @ B.T) @ v
    return X, (f - f.mean()) / f.std() + NOISE * rng.standard_normal(ROWS)


def catalogue(X: np.ndarray, y: np.ndarray, starts: int, runs: int) -> dict:
    """Time the whole catalogue and say what it holds."""
    found = find_minima(X, y, WIDTH, starts=starts)
    taken = seconds_of(lambda: find_minima(X, y, WIDTH, starts=starts), runs, warm_up=False)
    verdicts = Counter((p.kind, p.certificate.verdict is Verdict.HOLDS) for p in found.points)
    return {
        "seconds": summary(taken),
        "starts": found.starts,
        "certified share": found.certified_share,
        "distinct points": {f"{kind}, {'proved' if ok else 'not proved'}": n for (kind, ok), n in verdicts.items()},
        "outcomes": dict(Counter(outcome.value for outcome in found.outcomes)),
        "escapes": dict(Counter(escape or "none" for escape in found.escapes)),
        "limits at infinity": dict(Counter(limit.kind for limit in found.limits)),
        "unexplained starts": sum(
            o.value not in ("converged", "interpolated") and not e
            for o, e in zip(found.outcomes, found.escapes, strict=True)
        ),
    }


def scipy_start(objective: Objective, net, theta: np.ndarray) -> tuple[float, int, float]:
    """Return the gradient norm, iterations and loss of trust-exact."""
    done = minimize(
        lambda t: objective.cost(net.with_theta(t)),
        theta,
        jac=lambda t: objective.gradient(net.with_theta(t)),
        hess=lambda t: objective.hessian(net.with_theta(t)),
        method="trust-exact",
        options={"gtol": GRADIENT, "maxiter": LONGEST},
    )
    return float(np.linalg.norm(done.jac)), int(done.nit), float(done.fun)


def torch_start(X: np.ndarray, y: np.ndarray, theta: np.ndarray) -> tuple[float, int, float]:
    """Return the gradient norm, iterations and loss of Adam (1000 steps) followed by L-BFGS."""
    import torch

    rows, target = torch.tensor(X), torch.tensor(y)
    m = WIDTH
    B = theta[1 + m :].reshape(m, -1)
    arrays = (theta[:1], theta[1 : 1 + m], B[:, 0].copy(), B[:, 1:].copy())
    parts = [torch.tensor(array, requires_grad=True) for array in arrays]

    def loss():
        v0, v, b, w = parts
        return ((torch.tanh(rows @ w.T + b) @ v + v0 - target) ** 2).mean()

    def norm():
        return float(torch.sqrt(sum((p.grad**2).sum() for p in parts)))

    adam = torch.optim.Adam(parts, lr=1e-2)
    for _ in range(1000):
        adam.zero_grad()
        loss().backward()
        adam.step()
    iterations = 1000
    most = {"max_iter": LONGEST * 10, "max_eval": LONGEST * 20, "history_size": 20}
    quasi_newton = torch.optim.LBFGS(
        parts, lr=1, tolerance_grad=1e-9, tolerance_change=0, line_search_fn="strong_wolfe", **most
    )

    def closure():
        quasi_newton.zero_grad()
        value = loss()
        value.backward()
        return value

    quasi_newton.step(closure)
    iterations += quasi_newton.state[parts[0]]["n_iter"]
    value = closure()
    return norm(), iterations, float(value.detach())


def timed(work, starts: np.ndarray) -> dict:
    """Run a peer on each start and summarise times and how often it got there."""
    seconds, norms, iterations = [], [], []
    for theta in starts:
        began = time.perf_counter()
        norm, count, _ = work(theta)
        seconds.append(time.perf_counter() - began)
        norms.append(norm)
        iterations.append(count)
    return {
        "seconds a start": {"mean": float(np.mean(seconds)), "median": float(np.median(seconds))},
        "iterations, median": float(np.median(iterations)),
        "share with |g| < 1e-8": float(np.mean(np.array(norms) < 1.01 * GRADIENT)),
        "largest |g|": float(np.max(norms)),
    }


def main() -> None:
    """Run all parts; `--quick` takes a tenth of the starts, `--no-torch` leaves torch out."""
    quick, with_torch = "--quick" in sys.argv, "--no-torch" not in sys.argv
    X, y = teacher(SEED)
    starts = STARTS // 10 if quick else STARTS
    results: dict = {"catalogue": catalogue(X, y, starts, 1 if quick else RUNS)}
    objective = Objective(X, y)
    problem = scaled(objective, WIDTH, "tanh")
    begin = draw_starts(problem, starts, SEED)
    ends = run_descents(problem, begin)
    good = np.flatnonzero(ends.state == REST)
    ours = seconds_of(lambda: run_descents(problem, begin[good]), 1 if quick else RUNS)
    mean = float(np.median(ours)) / good.size
    results["per start, of those that end at a minimum"] = {
        "starts": int(good.size),
        "thalweg": {"seconds a start, mean": mean, "median |g|": float(np.median(ends.gradient[good])),
                    "largest |g|": float(ends.gradient[good].max())},
    }  # fmt: skip
    here = begin * problem.factor
    peers = {"scipy trust-exact": (lambda t: scipy_start(objective, problem.template, t), PEER_STARTS)}
    if with_torch:
        import torch

        torch.set_num_threads(1)
        peers["torch Adam + L-BFGS"] = (lambda t: torch_start(X, y, t), TORCH_STARTS)
    for name, (work, count) in peers.items():
        chosen = good[: count // 5 if quick else count]
        made = timed(work, here[chosen])
        made["times slower than thalweg, mean"] = made["seconds a start"]["mean"] / mean
        made["times slower than thalweg, median start"] = made["seconds a start"]["median"] / mean
        results["per start, of those that end at a minimum"][name] = made
    keep("shallow_minima", results)


if __name__ == "__main__":
    main()
