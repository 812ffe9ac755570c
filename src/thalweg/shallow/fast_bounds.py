"""What a certificate needs, in floating point with every rounding error bounded (specification, section 5.5).

Features are first scaled by exact powers of two to sizes between 1 and 2, which changes nothing in whitened
coordinates and keeps every product far from underflow. Each computed quantity carries a bound of its error: of the
arguments `z`, of psi and its derivatives, of residuals, of the sums. Errors of matrices are bounded after whitening by
norms of columns, `|Li E Li'| <= l' E l` with `l_p = |Li_:p|`, so that no further product of matrices is needed: what
they add is of the order of the rounding errors in either form. Valid for tanh and the logistic function on machines
that pass `numerics.platform`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from thalweg.numerics.rounding import UNIT_ROUNDOFF as U
from thalweg.numerics.whitening import Whitening, largest_eigenvalue, product_rounding, upper_norm, upward, whiten
from thalweg.shallow.centre import Centre
from thalweg.shallow.derivatives import PIECE, Objective, jacobian_rows
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.third_derivative import Sizes

LARGEST = 2.0**100
"""Of weights, targets and penalties: products of a few of them stay far from overflow."""

LARGEST_WHITENING = 2.0**150
"""Of the entries of `Li`."""

UNDERFLOW = 2.0**-600
"""More, per row, than everything that underflows can add."""

PSI_ERRORS = (4 * U, 12 * U, 24 * U, 80 * U)
"""Absolute errors of psi and its derivatives at an exact argument, for tanh and the logistic function."""

FAST = ("tanh", "logistic")
"""Activations whose errors are known."""


@dataclass(frozen=True, eq=False)
class Bounds:
    """Everything that the two inequalities of a certificate and its Euclidean form need.

    Attributes
    ----------
    whitening
        In the coordinates of the user.
    H, gradient
        Computed, in the coordinates of the user.
    defect : float
        `eps >= |Li H Li' - S|`.
    pull : float
        `|Li grad J|`.
    sizes
        What the third derivative depends on.
    stretch, spread : float
        `|Li|` and `|Li^-1|^2`.
    """

    whitening: Whitening
    H: Float[np.ndarray, "P P"]
    gradient: Float[np.ndarray, " P"]
    defect: float
    pull: float
    sizes: Sizes
    stretch: float
    spread: float


@dataclass(frozen=True, eq=False)
class Scaled:
    """A problem after features were multiplied by exact powers of two.

    `units` are the sizes of the new parameters in terms of the old: `theta = units * theta_scaled`.
    """

    net: ShallowNet
    objective: Objective
    units: Float[np.ndarray, " P"]


def scaled(net: ShallowNet, objective: Objective) -> Scaled | None:
    """Scale every feature to a largest entry between 1 and 2; None if that is not exact or sizes are extreme."""
    largest = np.abs(objective.X).max(axis=0)
    exponents = np.where(largest > 0, 1 - np.frexp(largest)[1], 0)
    per_neuron = np.concatenate([[0], exponents])
    unit_exponents = np.concatenate([np.zeros(net.outputs * (net.width + 1), int), np.tile(per_neuron, net.width)])
    X = np.ldexp(objective.X, exponents)
    theta = np.ldexp(net.theta, -unit_exponents)
    ridge = np.ldexp(objective.penalties(net), 2 * unit_exponents)
    anchor = None if objective.anchor is None else np.ldexp(objective.anchor, -unit_exponents)
    back = [(np.ldexp(X, -exponents), objective.X), (np.ldexp(theta, unit_exponents), net.theta)]
    back.append((np.ldexp(ridge, -2 * unit_exponents), objective.penalties(net)))
    if anchor is not None and objective.anchor is not None:
        back.append((np.ldexp(anchor, unit_exponents), objective.anchor))
    parts = (theta, objective.y, ridge, np.zeros(1) if anchor is None else anchor)
    if not (all(np.array_equal(*pair) for pair in back) and all((np.abs(part) <= LARGEST).all() for part in parts)):
        return None
    twin = copy.copy(objective)
    vars(twin).pop("augmented", None)
    for name, value in (("X", X), ("ridge", ridge), ("anchor", anchor)):
        object.__setattr__(twin, name, value)
    return Scaled(net.with_theta(theta), twin, np.ldexp(1.0, unit_exponents))


def fast_bounds(problem: Scaled) -> Bounds | None:
    """Bound everything in floating point.

    Parameters
    ----------
    problem
        With tanh or the logistic function.

    Returns
    -------
    Bounds or None
        None where the Hessian has no whitening coordinates of reasonable size: it is singular.
    """
    with np.errstate(all="ignore"):
        _, gradient, G, R = problem.objective.curvatures(problem.net)
        whitening = usable_whitening(G + R)
        if whitening is None:
            return None
        return Measurement(problem, whitening, gradient, G, R).bounds(evaluated_rows(problem))


def usable_whitening(H: Float[np.ndarray, "P P"]) -> Whitening | None:
    """Return whitening coordinates, None if there are none of reasonable size."""
    whitening = whiten(H)
    return whitening if whitening is not None and np.abs(whitening.Li).max() <= LARGEST_WHITENING else None


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows: computed values, bounds of their errors (`e_`), and bounds of true and computed values (capitals)."""

    xt: np.ndarray
    w: np.ndarray
    z: np.ndarray
    e_z: np.ndarray
    psi: tuple[np.ndarray, ...]
    e: tuple[np.ndarray, ...]
    r: np.ndarray
    e_r: np.ndarray

    @cached_property
    def tops(self) -> tuple[np.ndarray, ...]:
        """Bounds of psi and its first three derivatives, true and computed."""
        return tuple(np.abs(value) + 2 * error for value, error in zip(self.psi, self.e, strict=True))

    @cached_property
    def R(self) -> np.ndarray:
        """Bound `|r|`, true and computed."""
        return np.abs(self.r) + 2 * self.e_r


def evaluated_rows(problem: Scaled) -> Iterator[Rows]:
    """Evaluate the network piece by piece, as the sums do, with bounds of all errors."""
    net, objective = problem.net, problem.objective
    B, D, sups = net.B.T, net.features + 1, net.psi.bounds
    v, v0, size_v = net.output_weights, net.output_bias, np.abs(net.output_weights)
    for start in range(0, objective.n, PIECE):
        rows = slice(start, start + PIECE)
        xt, y = objective.augmented[rows], objective.targets[rows]
        z = xt @ B
        e_z = (D + 2) * U * (np.abs(xt) @ np.abs(B)) + UNDERFLOW
        psi = net.psi.derivatives(z, 3)
        e = tuple(e_z * sups[k + 1] + PSI_ERRORS[k] for k in range(4))
        r = psi[0] @ v + v0 - y
        terms = np.abs(v0) + (np.abs(psi[0]) + 2 * e[0]) @ size_v + np.abs(y)
        e_r = e[0] @ size_v + (net.width + 6) * U * terms + UNDERFLOW
        yield Rows(xt, objective.weights[rows], z, e_z, psi, e, r, e_r)


class Measurement:
    """One pass over the rows that collects all bounds; everything here is in scaled coordinates."""

    def __init__(
        self,
        problem: Scaled,
        whitening: Whitening,
        gradient: np.ndarray,
        G: np.ndarray,
        R: np.ndarray,
    ) -> None:
        self.net, self.objective, self.units = problem.net, problem.objective, problem.units
        self.whitening, self.gradient, self.G, self.R, self.H = whitening, gradient, G, R, G + R
        self.norms = whitening.column_norms()
        self.size_v = np.abs(self.net.output_weights)
        n, m, K, P = self.objective.n, self.net.width, self.net.outputs, self.net.parameter_count
        pieces = -(-n // PIECE)
        # Of sums over the rows: roots and products of factors, products with output weights, sums of three blocks.
        self.g_sum = (min(n, PIECE) + pieces + K + 20) * U
        self.g_P = (P + 8) * U
        self.slack = upward(n + m + P + 64)

    def bounds(self, pieces: Iterable[Rows], defect: float | None = None, pull: float | None = None) -> Bounds:
        """Go through the rows and put everything together; defect and pull may be known better."""
        net, P, K = self.net, self.net.parameter_count, self.net.outputs
        first = K * (net.width + 1)
        tau_of = self._tau_factors(first)
        alpha = np.sqrt(np.square(self.norms[K:first].reshape(net.width, K)).sum(axis=1)) * self.slack
        v = np.sqrt(np.square(self.size_v).sum(axis=1)) * self.slack
        centre = Centre(net, self.whitening, self.norms, alpha, v, self.g_sum, self.g_P)
        gauss_error = other_error = plain_error = trace = 0.0
        gradient_error = np.zeros(P)
        collected: list[tuple[np.ndarray, ...]] = []
        for rows in pieces:
            phi, epsilon, reach = self._amplified(rows, self.norms)
            whitened = self._whitened_jacobian(rows)
            length = upper_norm(whitened, axis=2) + self.g_P * phi
            gauss_error += float(rows.w @ (2 * epsilon * length + epsilon**2 + self.g_sum * phi**2).sum(axis=1))
            other_error += self._block_error(rows, self.norms, reach)
            unit_phi, unit_epsilon, unit_reach = self._amplified(rows, 1 / self.units)
            both = 2 * unit_epsilon * unit_phi + unit_epsilon**2 + self.g_sum * unit_phi**2
            plain_error += 2 * float(rows.w @ both.sum(axis=1)) + self._block_error(rows, 1 / self.units, unit_reach)
            self._add_gradient_error(rows, gradient_error)
            total = np.sqrt(np.square(length + epsilon).sum(axis=1)) * self.slack
            trace += 2 * float(rows.w @ total**2)
            residual = np.sqrt(np.square(np.abs(rows.r) + rows.e_r).sum(axis=1)) * self.slack
            slopes = tuple(np.abs(rows.psi[k]) + rows.e[k] for k in (1, 2, 3))
            tau = tau_of(rows.xt, reach)
            centre.add(rows, whitened, phi, epsilon, tau, reach)
            collected.append((rows.z, rows.e_z, *slopes, residual, total, tau))
        z, e_z, q1, q2, q3, residual, total, tau = (np.concatenate(parts) for parts in zip(*collected, strict=True))
        gauss_error = 2 * gauss_error + self._underflow(self.norms)
        gauss_newton = min(trace * self.slack, self._gauss_newton(gauss_error))
        second, central = centre.bounds(gauss_newton)
        sizes = Sizes(
            psi=net.psi,
            w=self.objective.weights,
            z=z,
            z_error=e_z,
            derivatives=(q1, q2, q3),
            residual=residual,
            first=total,
            tau=tau,
            alpha=alpha,
            v=v,
            gauss_newton=gauss_newton,
            second=second,
            central=central,
        )
        if defect is None:
            evaluation = gauss_error + other_error + self._ridge_error(self.norms)
            defect = (self.whitening.defect(self.H, self.norms) + evaluation) * self.slack
        return Bounds(
            whitening=Whitening(self.whitening.Li * self.units, self.whitening.signs, self.whitening.is_triangular),
            H=self.H / self.units / self.units[:, None],
            gradient=self.gradient / self.units,
            defect=defect,
            pull=self._pull(gradient_error) if pull is None else pull,
            sizes=sizes,
            stretch=self._stretch(),
            spread=self._spread(defect, plain_error),
        )

    def _amplified(self, rows: Rows, norms: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return `|DF_ik|.l`, `E_ik.l` for the errors `E` of `DF`, and `|xt_i|.l_Bj`, for a vector `l`."""
        K, first = self.net.outputs, self.net.outputs * (self.net.width + 1)
        m, D = self.net.width, self.net.features + 1
        outer, inner = norms[K:first].reshape(m, K), norms[first:].reshape(m, D)
        reach = np.abs(rows.xt) @ inner.T
        phi = norms[:K] + rows.tops[0] @ outer + (rows.tops[1] * reach) @ self.size_v
        epsilon = rows.e[0] @ outer + (rows.e[1] * reach) @ self.size_v + 2 * U * phi + UNDERFLOW * norms.sum()
        return phi, epsilon, reach

    def _whitened_jacobian(self, rows: Rows) -> np.ndarray:
        """Return the computed `Li DF_ik`, as rows."""
        jacobian = jacobian_rows(self.net, rows.xt, rows.psi[0], rows.psi[1])
        n, K, P = jacobian.shape
        return self.whitening.apply(jacobian.reshape(n * K, P)).reshape(n, K, P)

    def _block_error(self, rows: Rows, norms: np.ndarray, reach: np.ndarray) -> float:
        """Bound the whitened error of the blocks in which the residual enters."""
        K, first = self.net.outputs, self.net.outputs * (self.net.width + 1)
        outer = norms[K:first].reshape(self.net.width, K)
        R, e_r = rows.R, rows.e_r
        slope, bend = rows.tops[1], rows.tops[2]
        growing = e_r + self.g_sum * R
        cross = growing * ((slope * reach) @ outer) + R * ((rows.e[1] * reach) @ outer)
        square = reach**2
        curved = growing * ((bend * square) @ self.size_v) + R * ((rows.e[2] * square) @ self.size_v)
        return 2 * float(rows.w @ (2 * cross + curved).sum(axis=1))

    def _add_gradient_error(self, rows: Rows, total: np.ndarray) -> None:
        """Add twice the weighted error of `DF' r` for these rows, entry by entry."""
        net, K, first = self.net, self.net.outputs, self.net.outputs * (self.net.width + 1)
        R, growing = rows.R, rows.e_r + self.g_sum * rows.R
        wR, wg = 2 * rows.w[:, None] * R, 2 * rows.w[:, None] * growing
        total[:K] += wg.sum(axis=0)
        total[K:first] += (rows.e[0].T @ wR + rows.tops[0].T @ wg).ravel()
        slope = rows.tops[1]
        share = (rows.e[1] + 2 * U * slope) * (wR @ self.size_v.T) + slope * (wg @ self.size_v.T)
        total[first:] += (share.T @ np.abs(rows.xt)).reshape(net.width * (net.features + 1))

    def _tau_factors(self, first: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """Return the function that bounds `|Li_Bj xt_i|` at some rows, from the quadratic form of each neuron."""
        m, D, P = self.net.width, self.net.features + 1, self.net.parameter_count
        inner = self.whitening.Li[:, first:].reshape(P, m, D)
        columns = inner.transpose(1, 0, 2)
        forms = columns.transpose(0, 2, 1) @ columns
        growth = (P + D * D + 16) * U

        def tau(xt: np.ndarray, reach: np.ndarray) -> np.ndarray:
            square = growth * reach**2
            for c in range(D):
                factor = forms[:, c, c:] * np.where(np.arange(c, D) > c, 2.0, 1.0)
                square += (xt[:, c : c + 1] * xt[:, c:]) @ factor.T
            # A computed form may be negative by rounding, never by more than what is added here once more.
            square = np.maximum(square, 0.0) + growth * reach**2
            return np.sqrt(square) * self.slack + 2.0**-500

        return tau

    def _gauss_newton(self, evaluation: float) -> float:
        Li = self.whitening.Li
        computed = largest_eigenvalue((Li @ self.G) @ Li.T)
        return (computed + product_rounding(self.G, self.norms) + evaluation) * self.slack

    def _underflow(self, norms: np.ndarray) -> float:
        return self.objective.n * UNDERFLOW * float(norms.sum()) ** 2

    def _ridge_error(self, norms: np.ndarray) -> float:
        """Bound the rounding of the ridge and of the sum of the blocks."""
        blocks = np.abs(self.G) + np.abs(self.R)
        ridge = 12 * U * float(self.objective.penalties(self.net) @ norms**2)
        return ridge + 4 * U * float(norms @ (blocks @ norms))

    def _pull(self, error: np.ndarray) -> float:
        moved = np.abs(self.objective.displacement(self.net))
        error = error + 16 * U * self.objective.penalties(self.net) * moved + self.objective.n * UNDERFLOW
        Li = self.whitening.Li
        parts = np.abs(Li @ self.gradient) + np.abs(Li) @ (error + self.g_P * np.abs(self.gradient))
        return float(upper_norm(parts[None], axis=1)[0]) * self.slack

    def _spread(self, defect: float, error: float) -> float:
        """Bound `|Li^-1|^2` in the coordinates of the user; `error` bounds that of the Hessian there."""
        inverse, Li = 1 / self.units, self.whitening.Li
        if self.whitening.index == 0:  # (1 - eps) (Li' Li)^-1 <= H
            H = np.abs(self.H) * inverse * inverse[:, None]
            rounding = error + self._ridge_error(inverse) + self._underflow(inverse)
            return (float(H.sum(axis=1).max()) + rounding) / (1 - defect) * self.slack if defect < 1 else np.inf
        # An indefinite H says nothing of Li; with X near the inverse, Li^-1 = X (Li X)^-1.
        X = np.linalg.inv(Li)
        apart = np.abs(Li @ X - np.eye(len(Li))) + self.g_P * (np.abs(Li) @ np.abs(X))
        left = float(upper_norm(apart.reshape(1, -1), axis=1)[0]) * self.slack
        sizes = np.abs(X) * inverse[:, None]
        square = float(sizes.sum(axis=0).max() * sizes.sum(axis=1).max()) * self.slack
        return square / (1 - left) ** 2 * self.slack if left < 1 else np.inf

    def _stretch(self) -> float:
        Li = np.abs(self.whitening.Li * self.units)
        return float(np.sqrt(Li.sum(axis=0).max() * Li.sum(axis=1).max())) * self.slack
