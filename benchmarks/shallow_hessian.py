"""The exact Hessian of a shallow network: closed form beside automatic differentiation, on one core.

Peers: `jax.hessian` (compiled, float64, one pass over all rows), and the dense matrix of curvlinops (PyTorch), if it is
installed (`pip install curvlinops-for-pytorch`). All agree to rounding, which is checked before they are timed.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import importlib.util

import numpy as np
from _record import keep, seconds_of, summary

from thalweg.shallow import Objective, ShallowNet

SHAPES = ((2000, 3, 14), (4000, 10, 40))
"""Rows, features, neurons: 71 and 481 parameters."""

REPEATS = {"thalweg": 20, "jax.hessian": 3, "curvlinops": 2}


def problem(n: int, d: int, m: int) -> tuple[ShallowNet, Objective]:
    """Return a random network and random data."""
    rng = np.random.default_rng([n, d, m])
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    net = ShallowNet("tanh", 0.0, rng.standard_normal(m), rng.standard_normal(m), rng.standard_normal((m, d)))
    return net, Objective(X, y)


def with_jax(net: ShallowNet, objective: Objective):
    """Return a function that computes the Hessian by `jax.hessian`."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    m, X, y = net.width, jnp.asarray(objective.augmented), jnp.asarray(objective.y)

    def cost(theta):
        B = theta[1 + m :].reshape(m, -1)
        return jnp.mean(jnp.square(theta[0] + jnp.tanh(X @ B.T) @ theta[1 : 1 + m] - y))

    compiled, theta = jax.jit(jax.hessian(cost)), jnp.asarray(net.theta)
    return lambda: np.asarray(compiled(theta))


def with_curvlinops(net: ShallowNet, objective: Objective):
    """Return a function that computes the Hessian of the same loss in PyTorch, with the order of its parameters."""
    import torch
    from curvlinops import HessianLinearOperator

    torch.set_num_threads(1)
    m, d = net.width, net.features
    model = torch.nn.Sequential(torch.nn.Linear(d, m), torch.nn.Tanh(), torch.nn.Linear(m, 1)).double()
    arrays = (net.w, net.b, net.v[None], np.array([net.v0]))
    with torch.no_grad():
        for parameter, array in zip(model.parameters(), arrays, strict=True):
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))
    data = [(torch.from_numpy(objective.X), torch.from_numpy(objective.y)[:, None])]
    parameters = list(model.parameters())
    eye = torch.eye(net.parameter_count, dtype=torch.float64)

    def dense():
        operator = HessianLinearOperator(model, torch.nn.MSELoss(), parameters, data, check_deterministic=False)
        return (operator @ eye).detach().numpy()

    w = 1 + m + np.arange(m)[:, None] * (d + 1) + np.arange(1, d + 1)
    b = 1 + m + np.arange(m) * (d + 1)
    order = np.concatenate([w.ravel(), b, np.arange(1, 1 + m), [0]])
    return dense, order


def measure(n: int, d: int, m: int) -> dict[str, object]:
    """Compare and time one shape."""
    net, objective = problem(n, d, m)
    H = objective.hessian(net)
    size = float(np.abs(H).max())
    works = {"thalweg": lambda: objective.hessian(net), "jax.hessian": with_jax(net, objective)}
    differences = {"jax.hessian": float(np.abs(works["jax.hessian"]() - H).max()) / size}
    if importlib.util.find_spec("curvlinops"):
        works["curvlinops"], order = with_curvlinops(net, objective)
        differences["curvlinops"] = float(np.abs(works["curvlinops"]() - H[np.ix_(order, order)]).max()) / size
    if not max(differences.values()) < 1e-12:
        raise SystemExit(f"the Hessians differ: {differences}")
    times = {name: summary(seconds_of(work, REPEATS[name])) for name, work in works.items()}
    ours = times["thalweg"]["median"]
    return {
        "parameters": net.parameter_count,
        "seconds": times,
        "times faster": {name: taken["median"] / ours for name, taken in times.items() if name != "thalweg"},
        "relative difference": differences,
    }


def main() -> None:
    """Measure all shapes, on one core: XLA takes all it is given."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    keep("shallow_hessian", {f"{n} rows, {d} features, {m} neurons": measure(n, d, m) for n, d, m in SHAPES})


if __name__ == "__main__":
    main()
