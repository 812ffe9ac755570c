"""The direction of a step: `(G + lambda) w = u`, `delta = D^T w`, with `G = D D^T` and `u` the wanted displacement.

With `lambda = 0` it is `delta = D^+ u`, the horizontal lift of theorem T1; with `lambda > 0` the filter of T7. Routes:

- `exact`: one Cholesky factor of the whole `G (NQ, NQ)`; for one output the same as
- `gram_mean`: conjugate gradients with products `D (D^T w)`, preconditioned by the mean over outputs of the diagonal
  blocks of `G`, one `N x N` factor (correction A-REC): `Q^3` times cheaper than the whole;
- `mixed`: the factor in single precision, conjugate gradients with products in double precision (correction A16).

What was reached, `D delta`, is known from the solve and is returned: step control needs it (correction A11).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from thalweg.adapted.factors import Linearisation, namespace
from thalweg.numerics.resampling import stream

JITTER = 1e-8
"""Relative shift of the mean Gram matrix as a preconditioner: it is solved against exactly, so this costs nothing."""

SINGLE_JITTER = 1e-6
"""The same for a factor in single precision, whose rounding is 6e-8 of the largest eigenvalue times the size."""

MOST_ITERATIONS = 400
"""Conjugate gradients beyond this would cost more than a new linearisation with more damping."""

INVERSE_STEPS = 20
"""Steps of inverse iteration: an upper estimate within a few percent (specification, section 3)."""

REFINED, MOST_REFINEMENTS = 1e-11, 6
"""Relative residual that a refined solve must reach where more is asked for, and how often it may try."""

REFINE_ABOVE = 1e10
"""Estimated condition number above which a direct solve is refined once."""


class RankLossError(Exception):
    """The Gram matrix has no Cholesky factor at this damping."""


@dataclass(frozen=True, eq=False)
class Direction:
    """A step `delta (K,)`, the change `reached (N, Q)` of the outputs that it makes to first order, and its cost."""

    delta: Any
    reached: Any
    iterations: int = 0


@dataclass(frozen=True, eq=False)
class Factor:
    """A factored matrix: the whole Gram matrix, or the mean one as a preconditioner for each output."""

    lin: Linearisation
    damping: float
    mean: float
    whole: bool
    exact: bool
    cholesky: Any
    condition: float

    @property
    def shift(self) -> float:
        """`lambda`: the damping in units of the mean eigenvalue."""
        return self.damping * self.mean

    def apply(self, u: Any) -> Any:
        """Return the inverse times `u (N, Q)`."""
        right = u.reshape(-1, 1) if self.whole else u
        return _cho_solve(self.cholesky, right).reshape(u.shape)

    def solve(self, u: Float[Any, "N Q"], tolerance: float) -> Direction:
        """Return the step for the wanted displacement `u`, to a relative residual of `tolerance` where it iterates.

        A direct solve is refined once where the condition asks for it, and again and again where the tolerance does.

        Returns
        -------
        Direction
            With what it reaches.

        Raises
        ------
        RankLossError
            If refinement does not converge: the Gram matrix has too few digits.
        """
        if not self.exact:
            return _conjugate_gradients(self, u, tolerance)
        w = self.apply(u)
        delta = self.lin.pull(w)
        if self.condition <= REFINE_ABOVE and tolerance > REFINED:
            return Direction(delta, u - self.shift * w)
        size = last = _norm(u)
        for _ in range(MOST_REFINEMENTS if tolerance <= REFINED else 1):
            residual = u - self.lin.push(delta) - self.shift * w
            before, last = last, _norm(residual)
            if last <= tolerance * size or last > 0.5 * before:
                break
            w = w + self.apply(residual)
            delta = self.lin.pull(w)
        if tolerance <= REFINED and last > REFINED * size:
            raise RankLossError
        return Direction(delta, u - self.shift * w)

    def smallest_singular_value(self) -> float:
        """Return an upper estimate of `sigma_min(D)` by inverse iteration on the factor; NaN without an exact one."""
        if not self.exact:
            return float("nan")
        rng = stream(0, "smallest eigenvalue", 0)
        u = rng.standard_normal(self.lin.outputs.shape)
        for _ in range(INVERSE_STEPS):
            u = self.apply(u / _norm(u))
        return float(np.sqrt(max(1.0 / _norm(u) - self.shift, 0.0)))


def factor(lin: Linearisation, damping: float, route: str, precision: str = "float64") -> Factor:
    """Factor `G + lambda I` for one linearisation.

    Parameters
    ----------
    lin
        The network at the current point.
    damping
        `lambda` in units of `tr(G) / (N Q)`.
    route
        "exact" or "gram_mean".
    precision
        "float64", or "mixed" for a factor in single precision.

    Returns
    -------
    Factor
        Whose `solve` gives steps.

    Raises
    ------
    RankLossError
        If there is no Cholesky factor: more damping is needed.
    """
    N, Q = lin.outputs.shape
    whole = route == "exact" and Q > 1
    preconditions = not whole and Q > 1
    if precision == "mixed" or preconditions:
        try:
            return _factor(lin, damping, whole, np.float32, SINGLE_JITTER)
        except RankLossError:
            if not preconditions:
                raise
    return _factor(lin, damping, whole, np.float64, JITTER if preconditions else 0.0)


def _factor(lin: Linearisation, damping: float, whole: bool, dtype: Any, jitter: float) -> Factor:
    """Factor the Gram matrix, or the mean one, in one precision; a jitter tells that it only preconditions."""
    matrix = (lin.gram if whole else lin.mean_gram)(dtype)
    mean = float(matrix.trace()) / matrix.shape[0]
    if not (np.isfinite(mean) and mean > 0):
        raise RankLossError
    cholesky, condition = _cholesky(matrix, (damping + jitter) * mean)
    return Factor(lin, damping, mean, whole, jitter == 0.0, cholesky, condition)


def _cholesky(matrix: Any, shift: float) -> tuple[Any, float]:
    """Return a lower factor and a cheap lower estimate of the condition number: the squared ratio of its pivots."""
    xp = namespace(matrix)
    if xp is np:
        import scipy.linalg

        matrix.flat[:: matrix.shape[0] + 1] += shift
        try:
            lower, _ = scipy.linalg.cho_factor(matrix.T, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            raise RankLossError from None
    else:
        lower = xp.linalg.cholesky(matrix + shift * xp.eye(matrix.shape[0], dtype=matrix.dtype))
    pivots = np.asarray(lower.diagonal(), dtype=np.float64)
    if not (np.isfinite(pivots).all() and pivots.min() > 0):
        raise RankLossError
    return lower, float((pivots.max() / pivots.min()) ** 2)


def _cho_solve(lower: Any, right: Any) -> Any:
    """Solve in the precision of the factor; the right-hand side is normalised first, so that nothing underflows."""
    xp = namespace(right)
    size = float(xp.abs(right).max()) or 1.0
    right = (right / size).astype(lower.dtype)
    if xp is np:
        import scipy.linalg

        solved = scipy.linalg.cho_solve((lower, True), right, check_finite=False)
    else:
        import jax.scipy.linalg

        solved = jax.scipy.linalg.cho_solve((lower, True), right)
    return solved.astype(np.float64) * size


def _conjugate_gradients(factor: Factor, u: Any, tolerance: float) -> Direction:
    """Solve `(D D^T + lambda) w = u` by preconditioned conjugate gradients; `D^T w` is carried along."""
    lin, shift = factor.lin, factor.shift
    w, delta = 0.0 * u, None
    residual = u
    wanted = tolerance * _norm(u)
    z = factor.apply(residual)
    p, rho = z, _dot(residual, z)
    count = 0
    while count < MOST_ITERATIONS and _norm(residual) > wanted and rho > 0:
        pulled = lin.pull(p)
        product = lin.push(pulled) + shift * p
        step = rho / _dot(p, product)
        if not np.isfinite(step):
            raise RankLossError
        w, residual = w + step * p, residual - step * product
        delta = step * pulled if delta is None else delta + step * pulled
        z = factor.apply(residual)
        rho, before = _dot(residual, z), rho
        p = z + (rho / before) * p
        count += 1
    if delta is None:
        delta = lin.pull(w)
    return Direction(delta, u - residual - shift * w, count)


def _norm(array: Any) -> float:
    return float((array * array).sum()) ** 0.5


def _dot(left: Any, right: Any) -> float:
    return float((left * right).sum())
