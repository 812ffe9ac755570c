"""What the benchmarks of the adapted family share: problems, networks, and how far a trainer got."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from sklearn.datasets import load_diabetes, load_digits, make_friedman1

from thalweg.adapted.mlp import Mlp
from thalweg.adapted.result import AdaptedFit
from thalweg.adapted.training import fit

jax.config.update("jax_enable_x64", True)


def pin_to_one_processor() -> None:
    """Let nothing of this process run beside itself: some libraries ignore the numbers of threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


@dataclass(frozen=True, eq=False)
class Problem:
    """Standardised data, a network and its first parameters."""

    name: str
    X: np.ndarray
    Y: np.ndarray
    network: Mlp
    seed: int = 0

    @property
    def params(self) -> Any:
        """The first parameters."""
        return self.network.initial(self.seed)

    @cached_property
    def flat(self) -> tuple[np.ndarray, Callable[[Any], Any]]:
        """The first parameters as one vector, and what gives their tree back."""
        vector, back = ravel_pytree(self.params)
        return np.asarray(vector), back

    def residual(self, vector: Any) -> Any:
        """Return `x - y (N, Q)` for a vector of parameters, for JAX."""
        return self.network(self.flat[1](vector), jnp.asarray(self.X)) - jnp.asarray(self.Y)

    def cost(self, vector: Any) -> Any:
        """Return `|r|^2/(2N)`."""
        return (self.residual(vector) ** 2).sum() / (2 * len(self.X))

    @property
    def sizes(self) -> dict[str, int]:
        """Numbers of samples, outputs and parameters."""
        return {"N": len(self.X), "Q": self.Y.shape[1], "K": self.network.parameter_count}


@dataclass(frozen=True)
class Reached:
    """Lowest cost within `seconds`, and whether it was asked for."""

    cost: float
    seconds: float
    done: bool
    steps: int
    setting: str = ""


def standardised(rows: np.ndarray) -> np.ndarray:
    """Return columns of mean zero and deviation one; constant ones are zero."""
    sd = rows.std(axis=0)
    return (rows - rows.mean(axis=0)) / np.where(sd > 0, sd, 1.0)


def friedman(hidden: int, rows: int = 1000, seed: int = 0) -> Problem:
    """Return Friedman's first function without noise; two hidden layers of equal width."""
    X, y = make_friedman1(rows, random_state=seed)
    network = Mlp((10, hidden, hidden, 1))
    return Problem(f"friedman, K = {network.parameter_count}", standardised(X), standardised(y[:, None]), network, seed)


def diabetes(hidden: int = 93) -> Problem:
    """Return the diabetes data; two hidden layers of equal width."""
    X, y = load_diabetes(return_X_y=True)
    network = Mlp((10, hidden, hidden, 1))
    return Problem("diabetes", standardised(X), standardised(y[:, None].astype(float)), network)


def digits(rows: int, hidden: tuple[int, ...] = (400,)) -> Problem:
    """Return the first images of the digits with their classes as ten numbers each."""
    X, y = load_digits(return_X_y=True)
    network = Mlp((64, *hidden, 10))
    return Problem(f"digits {rows} x 10", standardised(X[:rows]), np.eye(10)[y[:rows]], network)


def ours(problem: Problem, tol: float, **options: Any) -> tuple[Reached, AdaptedFit]:
    """Train with `thalweg`: nothing is compiled."""
    params = problem.params
    started = time.perf_counter()
    made = fit(problem.network, params, (problem.X, problem.Y), tol=tol, **options)
    seconds = time.perf_counter() - started
    return Reached(made.cost, seconds, made.cost <= tol, len(made.seconds) - 1, made.route.name), made
