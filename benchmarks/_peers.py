"""Peers that train the same network from the same parameters, each with a grid of settings of which the best counts.

Every trainer is timed from the first parameters to a cost `|r|^2/(2N)`, compilation apart: what is compiled is called
once on the same shapes before the clock starts. Each setting is given the same number of seconds.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import equinox
import jax
import jax.numpy as jnp
import lineax
import numpy as np
import optax
import optimistix
import scipy.optimize
import torch
from _adapted import Problem, Reached
from torch_levenberg_marquardt import training as torch_training
from torch_levenberg_marquardt.damping import StandardDampingStrategy

VERSIONS = {
    name: metadata.version(name)
    for name in ("jax", "optax", "optimistix", "lineax", "equinox", "torch", "torch-levenberg-marquardt")
}
COST_SCALE = 1e6
"""Factor of the cost that L-BFGS minimises, so that its differences of costs keep their digits."""

ADAM_CHUNK = 200
"""Steps of Adam between two looks at cost and clock."""

LARGEST_JACOBIAN = 2**31
"""Bytes of a Jacobian that a peer may form: beyond it the peer is left out, and it is said."""


class _Enough(Exception):
    """Raised inside a peer that cannot be stopped otherwise."""


class _Watch:
    """Clock and lowest cost of a peer."""

    def __init__(self, tol: float, budget: float) -> None:
        self.tol, self.budget, self.lowest, self.steps = tol, budget, np.inf, 0
        self.started = time.perf_counter()
        self.seconds = 0.0

    def sees(self, cost: float) -> bool:
        """Take note of a cost; tell whether to stop."""
        self.steps += 1
        self.seconds = time.perf_counter() - self.started
        self.lowest = min(self.lowest, cost)
        return self.lowest <= self.tol or self.seconds > self.budget

    def reached(self, setting: str, per: int = 1) -> Reached:
        return Reached(self.lowest, self.seconds, self.lowest <= self.tol, self.steps * per, setting)


def adam(problem: Problem, tol: float, budget: float, rate: float) -> Reached:
    """Adam with warm-up over a twentieth and a cosine to zero over as many steps as the budget allows."""
    start = jnp.asarray(problem.flat[0])

    def compiled(total: int) -> Any:
        schedule = optax.warmup_cosine_decay_schedule(0.0, rate, max(1, total // 20), total)
        rule = optax.adam(schedule)

        def step(carry: Any, _: None) -> Any:
            vector, state = carry
            cost, slope = jax.value_and_grad(problem.cost)(vector)
            change, state = rule.update(slope, state)
            return (vector + change, state), cost

        return rule, jax.jit(lambda carry: jax.lax.scan(step, carry, None, length=ADAM_CHUNK))

    rule, chunk = compiled(10 * ADAM_CHUNK)
    carry = (start, rule.init(start))
    jax.block_until_ready(chunk(carry))
    started = time.perf_counter()
    jax.block_until_ready(chunk(carry))
    total = ADAM_CHUNK * max(1, int(budget / (time.perf_counter() - started)))
    rule, chunk = compiled(total)
    carry = (start, rule.init(start))
    jax.block_until_ready(chunk(carry))
    watch = _Watch(tol, budget)
    for _ in range(total // ADAM_CHUNK):
        carry, costs = chunk(carry)
        if watch.sees(float(costs.min())):
            break
    return watch.reached(f"rate {rate:g}, {total} steps planned", ADAM_CHUNK)


def lbfgs(problem: Problem, tol: float, budget: float, memory: int) -> Reached:
    """L-BFGS of SciPy on the compiled cost and gradient, the cost scaled, no rule of its own to stop."""
    compiled = jax.jit(jax.value_and_grad(lambda vector: COST_SCALE * problem.cost(vector)))
    jax.block_until_ready(compiled(problem.flat[0]))
    watch = _Watch(tol, budget)

    def both(vector: np.ndarray) -> tuple[float, np.ndarray]:
        cost, slope = compiled(vector)
        if watch.sees(float(cost) / COST_SCALE):
            raise _Enough
        return float(cost), np.asarray(slope)

    options = {"maxcor": memory, "maxiter": 10**9, "maxfun": 10**9, "ftol": 0.0, "gtol": 0.0, "maxls": 50}
    with contextlib.suppress(_Enough):
        scipy.optimize.minimize(both, problem.flat[0], jac=True, method="L-BFGS-B", options=options)
    return watch.reached(f"memory {memory}")


def optimistix_lm(problem: Problem, tol: float, budget: float, linear: str) -> Reached:
    """Levenberg-Marquardt of optimistix, stepped one compiled step at a time."""
    solver = {
        "CG to 1e-1": lambda: lineax.Normal(lineax.CG(rtol=1e-1, atol=1e-300, max_steps=2000)),
        "CG to 1e-3": lambda: lineax.Normal(lineax.CG(rtol=1e-3, atol=1e-300, max_steps=2000)),
        "QR": lineax.QR,
    }[linear]()
    rule = optimistix.LevenbergMarquardt(rtol=1e-300, atol=1e-300, linear_solver=solver)
    start, N = jnp.asarray(problem.flat[0]), len(problem.X)

    def residual(vector: Any, _: Any) -> tuple[Any, None]:
        return problem.residual(vector), None

    tags: frozenset[object] = frozenset()
    state = rule.init(residual, start, None, {}, jax.eval_shape(lambda: residual(start, None)[0]), None, tags)
    step = equinox.filter_jit(lambda y, state: rule.step(residual, y, None, {}, state, tags)[:2])
    jax.block_until_ready(step(start, state)[0])
    watch, y = _Watch(tol, budget), start
    while True:
        y, state = step(y, state)
        if watch.sees(float(state.f_info.as_min()) / N):
            return watch.reached(linear)


def scipy_least_squares(problem: Problem, tol: float, budget: float, solver: str) -> Reached:
    """SciPy's trust region on the compiled residual and Jacobian; its Levenberg-Marquardt asks for `NQ >= K`."""
    (N, Q), start = problem.Y.shape, problem.flat[0]
    residual = jax.jit(lambda vector: problem.residual(vector).ravel())
    jacobian = jax.jit(jax.jacrev(lambda vector: problem.residual(vector).ravel()))
    if solver == "lsmr":
        forward = jax.jit(lambda v, d: jax.jvp(residual, (v,), (d.ravel(),))[1])
        backward = jax.jit(lambda v, w: jax.vjp(residual, v)[1](w.ravel())[0])

        def slope(vector: np.ndarray) -> Any:
            return scipy.sparse.linalg.LinearOperator(
                (N * Q, start.size), dtype=float,
                matvec=lambda d: np.asarray(forward(vector, d)), rmatvec=lambda w: np.asarray(backward(vector, w)),
            )  # fmt: skip

        slope(start).rmatvec(slope(start).matvec(start))
    else:

        def slope(vector: np.ndarray) -> Any:
            return np.asarray(jacobian(vector))

        slope(start)
    residual(start).block_until_ready()
    watch = _Watch(tol, budget)

    def rows(vector: np.ndarray) -> np.ndarray:
        found = np.asarray(residual(vector))
        if watch.sees(float(found @ found) / (2 * N)):
            raise _Enough
        return found

    with contextlib.suppress(_Enough):
        scipy.optimize.least_squares(
            rows, start, jac=slope, method="trf", tr_solver=solver, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=10**6
        )
    return watch.reached(f"trf, {solver}")


def torch_lm(problem: Problem, tol: float, budget: float, setting: tuple[str, float]) -> Reached:
    """torch-levenberg-marquardt in float64: the solve of its choice and the damping it starts with."""
    torch.set_num_threads(1)
    method, damping = setting
    layers: list[torch.nn.Module] = []
    for W, b in problem.params:
        linear = torch.nn.Linear(W.shape[1], W.shape[0], dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(W))
            linear.bias.copy_(torch.tensor(b))
        layers += [linear, torch.nn.Tanh()]
    strategy = StandardDampingStrategy(starting_value=damping, min_value=1e-14)
    trainer = torch_training.LevenbergMarquardtModule(
        torch.nn.Sequential(*layers[:-1]), damping_strategy=strategy, solve_method=method
    )
    X, Y = torch.tensor(problem.X), torch.tensor(problem.Y)
    watch, scale = _Watch(tol, budget), Y.shape[1] / 2
    while True:
        _, loss, stop, _ = trainer.training_step(X, Y)
        if watch.sees(float(loss) * scale) or stop:
            return watch.reached(f"{method}, damping {damping:g}")


Peer = Callable[[Problem, float, float, Any], Reached]

GRID: dict[str, tuple[Peer, tuple[Any, ...]]] = {
    "Adam": (adam, (1e-3, 3e-3, 1e-2)),
    "L-BFGS": (lbfgs, (10, 20, 50)),
    "optimistix LevenbergMarquardt": (optimistix_lm, ("CG to 1e-1", "CG to 1e-3", "QR")),
    "SciPy least_squares": (scipy_least_squares, ("exact", "lsmr")),
    "torch-levenberg-marquardt": (torch_lm, (("cholesky", 1e-3), ("cholesky", 1e-6), ("solve", 1e-3))),
}
"""Peers with the settings that are tried."""


def left_out(name: str, setting: Any, problem: Problem) -> str | None:
    """Return why a setting cannot be tried on a problem, or None."""
    N, Q = problem.Y.shape
    K = problem.network.parameter_count
    rows = {"QR": N * Q + K, "exact": N * Q}.get(setting, N * Q if name.startswith("torch") else 0)
    size = 8.0 * rows * K
    return f"forms a matrix of {size / 2**30:.3g} GB" if size > LARGEST_JACOBIAN else None


def best_of(name: str, problem: Problem, tol: float, budget: float) -> dict[str, Any]:
    """Run a peer with every setting; return all of them and the best: the fastest, else the lowest."""
    run, settings = GRID[name]
    tried, refused = [], {}
    for setting in settings:
        reason = left_out(name, setting, problem)
        if reason:
            refused[str(setting)] = reason
            continue
        try:
            tried.append(run(problem, tol, budget, setting))
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            refused[str(setting)] = str(error).splitlines()[0]
            continue
        print(f"  {name}: {tried[-1]}", flush=True)
    if not tried:
        return {"best": {"done": False}, "tried": [], "left out": refused}
    best = min(tried, key=lambda reached: (not reached.done, reached.seconds if reached.done else reached.cost))
    return {"best": vars(best), "tried": [vars(reached) for reached in tried], "left out": refused}
