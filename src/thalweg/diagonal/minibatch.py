"""Gradient descent of many diagonal networks at once, on all rows or on minibatches, at any initialisation.

With `b = (w+^2 - w-^2)/2`, `w+- (0) = alpha^a`, a step of size `eta` multiplies `w+-` by `1 +- eta g`, `g` being the
pull on the rows of the step; only squares of weights matter, so `ln|w+-|` is all that is kept and no `alpha` is too
small. The one-sided network `b = u^2` has `w+` alone, `b = w+^2`. What is wanted is when each feature switches on: the
first time `eta * steps / ln(1/alpha)` at which its column carries more than a given size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from thalweg.diagonal.path import SaddlePath
from thalweg.numerics.options import require

SWITCHED_ON = 0.01
"""A feature of a trained network is on when its column carries this share of the target (root mean squares)."""

ORDERS_AT_ONCE = 2**22
"""Row numbers in the shuffled orders that are held at a time: tens of megabytes."""

DIVERGED = 1e50
"""A coefficient this many times the size of the target will not come back."""


@dataclass(frozen=True, eq=False)
class Descent:
    """How gradient descent is run: all of it but the data.

    Attributes
    ----------
    log_inverse_alpha : float
        `ln(1/alpha)`.
    exponents : array (d,)
        Of the initialisation.
    positive : bool
        Whether the network is the one-sided one.
    step_size, steps : float, int
        `eta` and the number of steps.
    batch_size : int or None
        Rows a step; each epoch takes every row once, in an order of its own. None: all rows in every step.
    """

    log_inverse_alpha: float
    exponents: Float[np.ndarray, " d"]
    positive: bool
    step_size: float
    steps: int
    batch_size: int | None

    @property
    def time(self) -> float:
        """The time on the clock `t / ln(1/alpha)` at the end."""
        return self.steps * self.step_size / self.log_inverse_alpha


def switching_times(
    X: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    descent: Descent,
    sizes: Float[np.ndarray, " d"],
    streams: list[np.random.Generator],
) -> tuple[Float[np.ndarray, "m d"], Int[np.ndarray, "m d"], Bool[np.ndarray, " m"]]:
    """Run one descent for each random stream and return when its coefficients first exceed the given sizes.

    Parameters
    ----------
    X, y
        The data as the network sees them.
    descent
        Step, batches, initialisation.
    sizes
        Positive; infinite: never asked for.
    streams
        For the orders of the rows; unused where steps take all rows.

    Returns
    -------
    tuple of arrays
        Times on the clock `t / ln(1/alpha)`, infinite: not within the steps; signs of the coefficients then, 0 for
        never; and which runs diverged: those switch nothing on.
    """
    size = max(1, ORDERS_AT_ONCE // y.size)
    groups = [_switching_times(X, y, descent, sizes, streams[i : i + size]) for i in range(0, len(streams), size)]
    times, signs, diverged = (np.concatenate(found) for found in zip(*groups, strict=True))
    return times, signs, diverged


def _switching_times(
    X: np.ndarray, y: np.ndarray, descent: Descent, sizes: np.ndarray, streams: list[np.random.Generator]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m, d = len(streams), X.shape[1]
    up = np.tile(-descent.log_inverse_alpha * descent.exponents, (m, 1))
    down = up.copy()
    signs, diverged = np.zeros((m, d), dtype=np.int64), np.zeros(m, dtype=bool)
    times, limit = np.full((m, d), np.inf), DIVERGED * max(float(np.abs(y).max()), 1e-300)
    b = _coefficients(up, down, descent.positive)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for done, rows in _rows_of_steps(y.size, descent, streams):
            pull = _pull(X, y, b, rows)
            up += np.log(np.abs(1 + descent.step_size * pull))
            down += np.log(np.abs(1 - descent.step_size * pull))
            b = _coefficients(up, down, descent.positive)
            diverged |= ~(np.abs(b).max(axis=1) < limit)
            new = (np.abs(b) > sizes) & np.isinf(times)
            times[new] = done * descent.step_size / descent.log_inverse_alpha
            signs[new] = np.sign(b[new])
    times[diverged], signs[diverged] = np.inf, 0
    return times, signs, diverged


def _rows_of_steps(
    n: int, descent: Descent, streams: list[np.random.Generator]
) -> Iterator[tuple[int, np.ndarray | None]]:
    """Yield the number of each step, from 1, and its rows, one line a run; None: all rows."""
    done, size = 0, n if descent.batch_size is None else descent.batch_size
    while done < descent.steps:
        order = None if descent.batch_size is None else np.stack([rng.permutation(n) for rng in streams])
        for start in range(0, n, size):
            done += 1
            yield done, None if order is None else order[:, start : start + size]
            if done == descent.steps:
                return


def _pull(X: np.ndarray, y: np.ndarray, b: Float[np.ndarray, "m d"], rows: np.ndarray | None) -> np.ndarray:
    if rows is None:
        return (y - b @ X.T) @ X / y.size
    batch = X[rows]
    residual = y[rows] - np.matmul(batch, b[:, :, None])[:, :, 0]
    return np.matmul(residual[:, None, :], batch)[:, 0, :] / rows.shape[1]


def _coefficients(up: np.ndarray, down: np.ndarray, positive: bool) -> Float[np.ndarray, "m d"]:
    return np.exp(2 * up) if positive else 0.5 * (np.exp(2 * up) - np.exp(2 * down))


def largest_stable_step(X: Float[np.ndarray, "n d"], path: SaddlePath, batch_size: int) -> float:
    """Return the largest step at which descent stays near the saddles of a path.

    The largest eigenvalue of `X'X/n`, on a batch raised by the largest squared row over the batch size (a bound of the
    second moment), times the largest coefficient: the Hessian of the loss in the weights at the saddles.

    Parameters
    ----------
    X
        The data as the network sees them.
    path
        Their path.
    batch_size
        Rows a step.

    Returns
    -------
    float
        1 for a path without jumps, where nothing moves.
    """
    largest = max((float(np.abs(values).max()) for values in path.values if values.size), default=0.0)
    curvature = float(np.linalg.norm(X, 2)) ** 2 / X.shape[0] + float((X**2).sum(axis=1).max()) / batch_size
    return 1.0 / (largest * curvature) if largest > 0 else 1.0


def covered(path: SaddlePath, time_a_step: float, most_steps: int) -> tuple[float, int]:
    """Return the time in the middle of the last plateau that a descent reaches, and the number of its jump.

    Parameters
    ----------
    path
        In the limit.
    time_a_step
        `eta / ln(1/alpha)`.
    most_steps
        Of the descent.

    Returns
    -------
    tuple
        Time and jump; one step and 0 for a path without jumps.
    """
    if path.count == 0:
        return time_a_step, 0
    middles = np.sqrt(path.times[:-1] * path.times[1:])
    if np.isinf(path.horizon):
        middles = np.append(middles, 1.5 * path.times[-1])
    reached = int((middles <= most_steps * time_a_step).sum())
    first = float(middles[0]) if middles.size else float(path.times[0])
    require(reached > 0, "most_steps", most_steps, f">= {int(np.ceil(first / time_a_step))}")
    return float(middles[reached - 1]), reached


def switching_sizes(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
    """Return the sizes of coefficients at which columns carry `SWITCHED_ON` of the target; infinite: zero columns."""
    norms = np.linalg.norm(X, axis=0)
    return np.divide(SWITCHED_ON * np.linalg.norm(y), norms, out=np.full(norms.shape, np.inf), where=norms > 0)


def read_path(path: SaddlePath, sizes: Float[np.ndarray, " d"], jumps: int) -> Float[np.ndarray, " d"]:
    """Return when the coefficients of a path first exceed these sizes, up to a jump; infinite: not until then."""
    times = np.full(sizes.size, np.inf)
    for k in range(jumps, 0, -1):
        times[path.supports[k][np.abs(path.values[k]) > sizes[path.supports[k]]]] = path.times[k - 1]
    return times
