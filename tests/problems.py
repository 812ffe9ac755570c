"""Named problems with known answers; the specification of each family gives them as golden values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class PathProblem:
    """Data of a diagonal network with its exact jump times and, where known, saddles, losses and duals."""

    name: str
    X: np.ndarray
    y: np.ndarray
    times: tuple[float, ...]
    saddles: tuple[tuple[float, ...], ...] = ()
    losses: tuple[float, ...] = ()
    duals: tuple[tuple[float, ...], ...] = ()


def _from_gram(G, r):
    """Data whose X'X/n is G and X'y/n is r."""
    factor = np.linalg.cholesky(np.array(G)).T
    n = factor.shape[0]
    return factor * np.sqrt(n), np.linalg.solve(factor.T, np.array(r)) * np.sqrt(n)


def _problem(name, X, y, times, **known):
    return PathProblem(name, np.array(X, dtype=float), np.array(y, dtype=float), times, **known)


_C = _from_gram([[1, 0.2], [0.2, 0.2]], [0.2, 0.36])

PATHS = (
    _problem(
        "A: two features vanish together",
        [[-1, 0, 2], [0, 0, 1], [-2, 1, 0]],
        (0, 0, -3),
        (1 / 2, 7 / 4, 7),
        saddles=((6 / 5, 0, 0), (10 / 7, 0, 4 / 7), (0, -3, 0)),
        losses=(3 / 2, 3 / 10, 1 / 14, 0),
        duals=((1, -1 / 2, 0), (1, -3 / 4, 1), (1, -1, 1)),
    ),
    _problem(
        "B: a feature returns with the other sign",
        [[-2, 0, -1], [-2, 1, -1], [1, 0, 0]],
        (-1, -2, -1),
        (3 / 5, 15 / 7, 3, 57 / 7),
        saddles=((5 / 9, 0, 0), (0, 0, 3 / 2), (0, -1, 1), (-1, -1, 3)),
        duals=((1, -2 / 5, 3 / 5), (1, -6 / 7, 1), (5 / 7, -1, 1), (-1, -1, 1)),
    ),
    _problem(
        "C: sign opposite to the first pull",
        *_C,
        (25 / 9, 12.5),
        saddles=((0, 1.8), (-0.2, 2)),
        duals=((5 / 9, 1), (-1, 1)),
    ),
    _problem("D: three at once", np.eye(3), (3, 3, 3), (1.0,), saddles=((3, 3, 3),)),
    _problem("D: one never", np.eye(3), (3, -2, 0), (1.0, 1.5), saddles=((3, 0, 0), (3, -2, 0))),
    _problem("B4: tie at the first jump", np.eye(3), (3, 3, 1), (1.0, 3.0), saddles=((3, 3, 0), (3, 3, 1))),
    _problem(
        "E: duplicate columns share",
        [[1, 1, 0, -2], [2, 2, 1, 0], [0, 0, 1, 1]],
        (1, 3, 2),
        (3 / 7, 9 / 11, 9),
        saddles=((7 / 10, 7 / 10, 0, 0), (1 / 3, 1 / 3, 11 / 6, 0), (1 / 6, 1 / 6, 7 / 3, -1 / 3)),
    ),
    # Correction B1 of the specification: degenerate walls; the literal algorithm makes a third, false jump.
    _problem("B1: degenerate walls stay put", [[0, 0, 0, 1], [-2, -3, 1, 1], [-1, 1, 0, 1]], (1, 1, 3), (3 / 5, 3 / 2)),
)

DIABETES_TIMES = (
    0.4655399040, 0.4970124238, 0.9759421418, 1.3984094500, 3.3966154792, 4.9783576965, 6.4090675660,
    22.1208318957, 80.6932114073, 87.5873956159, 215.5235298654,
)  # fmt: skip
# The last loss is that of correction B6: half the mean squared error of ordinary least squares.
DIABETES_LOSSES = (
    2964.942448, 1945.228293, 1602.595038, 1541.525672, 1507.678132, 1456.879135, 1454.558780, 1439.231051,
    1436.447487, 1430.672602, 1430.598035, 1429.848174,
)  # fmt: skip
DIABETES_ENTERS = (2, 8, 3, 6, 1, 9, 4, 7, 5, 0, 6)


def diabetes():
    """Centred diabetes data of scikit-learn and the norm of the raw target."""
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    return X - X.mean(axis=0), y - y.mean(), float(np.linalg.norm(y))


def table_problem(n=60, d=5, seed=0, noise=0.1, **changes):
    """A thalweg Problem of Gaussian data with two true features, for tests that need any data."""
    import thalweg as tw

    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    y = 3 * X[:, 0] + (X[:, 1] if d > 1 else 0) + noise * rng.standard_normal(n)
    return tw.read(changes.get("X", X), changes.get("y", y))
