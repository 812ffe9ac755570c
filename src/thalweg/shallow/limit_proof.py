"""Proof of a limit at which two neurons merge: a strict minimum of its closure model that networks approach.

The closure model `v0 + v_1 psi(z_1) + (p.xt) psi'(z_1) + sum_(j > 1) v_j psi(z_j)` is treated like a network
(specification, section 5.5): gradient and Hessian in balls, and the bound of the third derivative with what the
derivative neuron adds. With `pi = p.xt`, `beta_i = |Li_p xt_i|` and `Pi_i = |pi_i| + rho beta_i`,

    D2_i += 2 beta_i q2 tau_i1 + Pi_i q3 tau_i1^2,   D3_i += 3 beta_i q3 tau_i1^2 + Pi_i q4 tau_i1^3.

Then the drift (`closure.py`) is enclosed over the ball in which the minimum is proved to lie. If it is positive, the
limit is a local infimum of the loss that no network attains there; if negative, networks leave it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import arb, arb_mat, ctx
from jaxtyping import Float
from numpy.typing import ArrayLike

from thalweg.numerics.rounding import gamma
from thalweg.numerics.whitening import upper_norm, upward, whiten
from thalweg.records import Cell, Certificate, InputError, Method, Quantity, Statement, Verdict, digest_of
from thalweg.shallow.activations import activation
from thalweg.shallow.ball_functions import ball_derivatives
from thalweg.shallow.balls import BITS, float_matrix, middles
from thalweg.shallow.batched import Layout
from thalweg.shallow.catalogue import LimitPoint, MinimaCatalogue
from thalweg.shallow.derivatives import Objective, objective

UNDERFLOW = 2.0**-300
"""More than everything in the bound of the third derivative can lose by underflow."""

BISECTIONS = 40
"""Halvings of the exponent of the radius; the lower end is kept."""

SLACK = 2.0**-48
"""Relative distance of a float from the middle of the ball it stands for, with room."""


@dataclass(frozen=True, eq=False)
class LimitSizes:
    """Upper bounds of what the third derivative of a closure model depends on, in whitened coordinates.

    `limits` bound psi and its derivatives everywhere, `slopes (3, n, m)` the first three at the rows; `w (n,)`,
    `residual`, `first (n,)` are weights, `|r_i|` and `|Li DF_i|`; `tau (n, m)`, `alpha`, `v (m,)` are `|Li_Bj xt_i|`,
    `|Li_vj|` and `|v_j|`; `tilt`, `beta (n,)` are `|p.xt_i|` and `|Li_p xt_i|`.
    """

    limits: tuple[float, ...]
    slopes: Float[np.ndarray, "3 n m"]
    w: Float[np.ndarray, " n"]
    residual: Float[np.ndarray, " n"]
    first: Float[np.ndarray, " n"]
    tau: Float[np.ndarray, "n m"]
    alpha: Float[np.ndarray, " m"]
    v: Float[np.ndarray, " m"]
    tilt: Float[np.ndarray, " n"]
    beta: Float[np.ndarray, " n"]
    gauss_newton: float

    def lipschitz(self, rho: float) -> float:
        """Return `M` on the ellipsoid of radius `rho`."""
        step, limits = rho * self.tau, self.limits
        q1, q2, q3 = (np.minimum(step * limits[k + 1] + self.slopes[k - 1], limits[k]) for k in (1, 2, 3))
        tau, V, tilt = self.tau, self.v + rho * self.alpha, self.tilt + rho * self.beta
        second = (2 * self.alpha * q1 * tau + V * q2 * tau**2).sum(axis=1)
        third = (3 * self.alpha * q2 * tau**2 + V * q3 * tau**3).sum(axis=1)
        first = tau[:, 0]
        second += 2 * self.beta * q2[:, 0] * first + tilt * q3[:, 0] * first**2
        third += 3 * self.beta * q3[:, 0] * first**2 + tilt * limits[4] * first**3
        residual = self.residual + rho * (self.first + rho * second)
        s = math.sqrt(2 * float(self.w @ second**2))
        M = 2 * float(self.w @ (residual * third)) + 3 * (math.sqrt(self.gauss_newton) + rho * s) * s
        return M * upward(tau.size + 50) + UNDERFLOW if math.isfinite(M) else math.inf


@dataclass(frozen=True)
class _Proved:
    """Where the minimum lies and how far the loss can be above it."""

    distance: float
    gap: float


def _conclude(sizes: LimitSizes, defect: float, pull: float, stretch: float) -> _Proved | None:
    """Decide the two inequalities of section 5.5 exactly; None if they are not proved."""
    if not (defect < 1 and math.isfinite(pull)):
        return None
    low, high = -600.0, 200.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if 2.0**middle * sizes.lipschitz(2.0**middle) <= (1 - defect) / 2 else (low, middle)
    rho, M = 2.0**low, sizes.lipschitz(2.0**low)
    if not math.isfinite(M):
        return None
    curvature = 1 - Fraction(defect) - Fraction(M) * Fraction(rho)
    if not (curvature > 0 and Fraction(pull) < Fraction(rho) * (curvature + Fraction(M) * Fraction(rho) / 2)):
        return None
    mu = float(curvature) * (1 - 2.0**-50)  # at least half of 1 - defect: J is strongly convex, so |z*| <= |gz| / mu
    return _Proved(stretch * pull / mu * (1 + 2.0**-48), pull**2 / (2 * mu) * (1 + 2.0**-48))


def certify_limit(
    found: MinimaCatalogue, number: int, X: ArrayLike, y: ArrayLike, *, weights: ArrayLike | None = None
) -> Certificate:
    """Prove that a merging limit is a strict minimum of its closure model, and the sign of its drift.

    Parameters
    ----------
    found
        Of `find_minima`, without a ridge.
    number
        Of the limit.
    X, y, weights
        The data of the search.

    Returns
    -------
    Certificate
        "holds": a local infimum of the loss lies at infinity, with this value; "fails": networks leave this limit;
        "undecided" otherwise.

    Raises
    ------
    InputError
        If there is no such limit, or it is not one of merging neurons.
    """
    if not 0 <= number < len(found.limits):
        raise InputError("no_such_point", number=number, count=len(found.limits))
    limit = found.limits[number]
    if limit.kind != "merging":
        raise InputError("limit_not_merging", number=number, kind=limit.kind)
    return prove_limit(limit, objective(X, y, weights), found.activation)


def prove_limit(limit: LimitPoint, data: Objective, name: str) -> Certificate:
    """Prove a merging limit of networks with the activation of this name (`certify_limit`)."""
    d = data.X.shape[1]
    neurons = (limit.parameters.size - 2 - d) // (d + 2)
    layout = Layout(neurons, d, 1, 0, 1)
    with ctx.workprec(BITS), np.errstate(all="ignore"):
        closure = _Closure(data, name, layout, limit)
        proved = closure.proof()
        if proved is None:
            return _certificate(limit, data, neurons, Verdict.UNDECIDED, "reason.shallow.limit_open", {})
        drift, loss = closure.drift(proved.distance), closure.loss
        values: dict[str, Cell] = {
            "low": math.nextafter(float(loss.lower()) - proved.gap, -math.inf), "high": _up(loss),
            "drift_low": -_up(-drift), "drift_high": _up(drift),
        }  # fmt: skip
        if drift > 0:
            return _certificate(limit, data, neurons, Verdict.HOLDS, "reason.shallow.limit", values)
        if drift < 0:
            return _certificate(limit, data, neurons, Verdict.FAILS, "reason.shallow.limit_repels", values)
    return _certificate(limit, data, neurons, Verdict.UNDECIDED, "reason.shallow.limit_drift", values)


class _Closure:
    """The closure model in balls; used within one precision. The merged neuron is the first."""

    def __init__(self, data: Objective, name: str, layout: Layout, limit: LimitPoint) -> None:
        self.data, self.layout = data, layout
        self.theta = np.asarray(limit.parameters, dtype=float)
        self.form = ball_derivatives(name)
        self.w = [2 * arb(weight) for weight in data.weights.tolist()]
        self.n, self.m, self.D = data.n, layout.m, layout.d + 1
        self.xt = [[arb(x) for x in row] for row in data.augmented.tolist()]
        self.name = name
        self._evaluate([arb(t) for t in self.theta.tolist()])

    def _evaluate(self, theta: list[arb]) -> None:
        v, p, B = self._parts(theta)
        self.psi = [[self._derivatives(self._dot(b, x)) for b in B] for x in self.xt]
        self.tilt = [self._dot(p, x) for x in self.xt]
        y = self.data.y.tolist()
        self.residual = [
            theta[0] + sum((a * psi[0] for a, psi in zip(v, row, strict=True)), arb(0)) + t * row[0][1] - arb(target)
            for row, t, target in zip(self.psi, self.tilt, y, strict=True)
        ]
        self.loss = sum((w * r * r for w, r in zip(self.w, self.residual, strict=True)), arb(0)) / 2

    def _parts(self, theta: list[arb]) -> tuple[list[arb], list[arb], list[list[arb]]]:
        inner = theta[self.layout.inner]
        rows = [inner[j * self.D : (j + 1) * self.D] for j in range(self.m)]
        return theta[self.layout.v], theta[self.layout.p], rows

    def _derivatives(self, z: arb) -> tuple[arb, ...]:
        return self.form(z)

    @staticmethod
    def _dot(a: list[arb], b: list[arb]) -> arb:
        return sum((x * y for x, y in zip(a, b, strict=True)), arb(0))

    def _jacobian(self) -> list[list[arb]]:
        """Return the derivatives of the output by the parameters, row by row."""
        v, _, _ = self._parts([arb(t) for t in self.theta.tolist()])
        found = []
        for x, psi, t in zip(self.xt, self.psi, self.tilt, strict=True):
            slopes = [v[j] * psi[j][1] + (t * psi[0][2] if j == 0 else 0) for j in range(self.m)]
            hidden = [slope * entry for slope in slopes for entry in x]
            found.append([arb(1), *(row[0] for row in psi), *(psi[0][1] * entry for entry in x), *hidden])
        return found

    def proof(self) -> _Proved | None:
        """Prove a strict minimum near the given parameters, if that is possible."""
        jacobian = arb_mat(self._jacobian())
        weighted = arb_mat([[w * entry for entry in row] for w, row in zip(self.w, jacobian.tolist(), strict=True)])
        G = jacobian.transpose() * weighted
        gradient = weighted.transpose() * arb_mat([[r] for r in self.residual])
        H = self._with_curvature(G)
        near = middles(H)
        whitening = whiten((near + near.T) / 2)
        if whitening is None or whitening.index:
            return None
        Li = float_matrix(whitening.Li)
        product = Li * H * Li.transpose()
        for p in range(len(near)):
            product[p, p] -= 1
        pulled = (Li * gradient).entries()
        pull = _up(sum((abs(part).upper() ** 2 for part in pulled), arb(0)).sqrt())
        sizes = self._sizes(whitening.Li, middles(jacobian), _norm(Li * G * Li.transpose()))
        stretch = float(np.linalg.norm(whitening.Li)) * upward(whitening.Li.size)
        return _conclude(sizes, _norm(product), pull, stretch)

    def _with_curvature(self, G: arb_mat) -> arb_mat:
        """Add what the residual contributes within each neuron."""
        H, layout = arb_mat(G), self.layout
        v, _, _ = self._parts([arb(t) for t in self.theta.tolist()])
        for x, psi, t, w, r in zip(self.xt, self.psi, self.tilt, self.w, self.residual, strict=True):
            wr = w * r
            for j in range(self.m):
                first = layout.inner.start + j * self.D
                bend = v[j] * psi[j][2] + (t * psi[0][3] if j == 0 else 0)
                for a in range(self.D):
                    outer, cross = layout.v.start + j, wr * psi[j][1] * x[a]
                    H[outer, first + a] += cross
                    H[first + a, outer] += cross
                    for b in range(self.D):
                        H[first + a, first + b] += wr * bend * x[a] * x[b]
                        if j == 0:
                            moved = wr * psi[0][2] * x[a] * x[b]
                            H[layout.p.start + a, first + b] += moved
                            H[first + b, layout.p.start + a] += moved
        return H

    def _sizes(self, Li: np.ndarray, jacobian: np.ndarray, gauss_newton: float) -> LimitSizes:
        """Return upper bounds of everything that the third derivative depends on, from floats near the balls."""
        layout, xt = self.layout, self.data.augmented
        growth = 2 * gamma(self.D + 4) + SLACK

        def reach(columns: slice) -> np.ndarray:
            rows, size = xt @ Li[:, columns].T, np.abs(xt) @ np.abs(Li[:, columns]).T
            return upper_norm(np.abs(rows) + growth * size, axis=1)

        inner = [slice(layout.inner.start + j * self.D, layout.inner.start + (j + 1) * self.D) for j in range(self.m)]
        first = np.abs(jacobian @ Li.T) + (2 * gamma(Li.shape[0] + 4) + SLACK) * (np.abs(jacobian) @ np.abs(Li).T)
        return LimitSizes(
            limits=activation(self.name).bounds,
            slopes=np.array([[[_up(abs(values[k])) for values in row] for row in self.psi] for k in (1, 2, 3)]),
            w=self.data.weights,
            residual=np.array([_up(abs(r)) for r in self.residual]),
            first=upper_norm(first, axis=1),
            tau=np.stack([reach(columns) for columns in inner], axis=1),
            alpha=upper_norm(Li[:, layout.v], axis=0),
            v=np.abs(self.theta[layout.v]),
            tilt=np.array([_up(abs(t)) for t in self.tilt]),
            beta=reach(layout.p),
            gauss_newton=gauss_newton,
        )

    def drift(self, distance: float) -> arb:
        """Return the drift over all parameters within a distance of the given ones."""
        ball = arb(0, distance)
        theta = [arb(t) + ball for t in self.theta.tolist()]
        self._evaluate(theta)
        v, _, _ = self._parts(theta)
        total = arb(0)
        for psi, t, w, r in zip(self.psi, self.tilt, self.w, self.residual, strict=True):
            total += w * r * (v[0] * t * t * psi[0][2] / 2 + t**3 * psi[0][3] / 6)
        self._evaluate([arb(t) for t in self.theta.tolist()])
        return total


def _norm(A: arb_mat) -> float:
    """Return an upper bound of the spectral norm of a symmetric matrix: its largest row sum."""
    return max(_up(sum((abs(A[p, q]).upper() for q in range(A.ncols())), arb(0))) for p in range(A.nrows()))


def _up(ball: arb) -> float:
    """Return a float not below the ball; NaN for what is not finite."""
    value = float(ball.upper())
    return value + abs(value) * SLACK + 2.0**-1000 if ball.is_finite() else math.nan


def _certificate(
    limit: LimitPoint, data: Objective, neurons: int, verdict: Verdict, code: str, values: dict[str, Cell]
) -> Certificate:
    inputs = {"X": data.X, "y": data.y, "weights": data.weights, "theta": limit.parameters}
    return Certificate(
        family="shallow",
        statement=Statement("certificate.shallow.limit", {"width": neurons + 1}),
        verdict=verdict,
        method=Method.PROVED,
        margins={name: Quantity(float(value)) for name, value in values.items()},
        checks=(),
        reason=Statement(code, values),
        inputs=tuple(inputs),
        digest=digest_of(inputs),
    )
