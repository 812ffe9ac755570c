"""One step of a stiff flow by Rodas5P, an L-stable Rosenbrock method of order 5 with a stiffly accurate end.

The flow couples its coordinates only through the few whose coefficients are not negligible. The step solves for
these, `p` of them, and carries the residual's integral along: everything else follows from it in one product.

Source of the coefficients: G. Steinebach, Construction of Rosenbrock-Wanner method Rodas5P and numerical benchmarks
within the Julia Differential Equations package, BIT Numerical Mathematics 63 (2023).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.linalg.lapack import dgetrf, dgetrs  # pyright: ignore[reportAttributeAccessIssue]  (compiled)

ORDER = 5

GAMMA = 0.21193756319429014

_ROWS = (
    (),
    (3.0,),
    (2.849394379747939, 0.45842242204463923),
    (-6.954028509809101, 2.489845061869568, -10.358996098473584),
    (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
    (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946),
)
_COUPLINGS = (
    (),
    (-14.155112264123755,),
    (-17.97296035885952, -2.859693295451294),
    (147.12150275711716, -1.41221402718213, 71.68940251302358),
    (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
    (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
    (30.91273214028599, -3.1208243349937974, 77.79954646070892, 34.28646028294783, -19.097331116725623,
     -28.087943162872662),
    (37.80277123390563, -3.2571969029072276, 112.26918849496327, 66.9347231244047, -40.06618937091002,
     -54.66780262877968, -9.48861652309627),
)  # fmt: skip
# The last two stages start where the one before ended: the end point solves a stiff system exactly.
STAGES = (*_ROWS, (*_ROWS[5], 1.0), (*_ROWS[5], 1.0, 1.0))
WEIGHTS = (*_ROWS[5], 1.0, 1.0, 1.0)


def _triangle(rows: tuple[tuple[float, ...], ...]) -> Float[np.ndarray, "8 8"]:
    square = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        square[i, : len(row)] = row
    return square


_A, _C, _B = _triangle(STAGES), _triangle(_COUPLINGS), np.array(WEIGHTS)

# The integral feeds nothing back: its stages are a linear image of the residuals, and two rows of it are enough.
_INTEGRAL = GAMMA * np.linalg.solve((np.eye(_B.size) - GAMMA * _C).T, np.column_stack([_B, np.eye(_B.size)[-1]])).T


def rosenbrock_step(
    residual: Callable[[np.ndarray], np.ndarray],
    start: Float[np.ndarray, " p"],
    speeds: Float[np.ndarray, "n p"],
    slopes: Float[np.ndarray, "n p"],
    h: float,
) -> tuple[Float[np.ndarray, "2 p"], Float[np.ndarray, "2 n"]]:
    """Advance `dy/dt = r(y) speeds` together with the integral of the residual `r` by one step.

    Parameters
    ----------
    residual
        `y (p,) -> r (n,)`.
    start : array (p,)
        `y` at the start.
    speeds : array (n, p)
        How the residual moves `y`.
    slopes : array (n, p)
        Derivative of `r` at the start.
    h
        Length of the step.

    Returns
    -------
    tuple of arrays (2, p), (2, n)
        Change and estimated error of `y`, and of the integral; not finite if a stage left the domain.
    """
    n, p = slopes.shape
    factor, pivots, _ = dgetrf(np.eye(p) / (GAMMA * h) - speeds.T @ slopes, overwrite_a=1) if p else (None, None, 0)
    couplings = _C / h
    stages, residuals = np.zeros((_B.size, p)), np.empty((_B.size, n))
    for i in range(_B.size):
        r = residuals[i] = residual(start + _A[i, :i] @ stages[:i])
        if p:
            stages[i] = dgetrs(factor, pivots, r @ speeds + couplings[i, :i] @ stages[:i])[0]
    integral = h * (_INTEGRAL @ residuals + (_INTEGRAL @ stages) @ slopes.T)
    return np.array([_B @ stages, stages[-1]]), integral
