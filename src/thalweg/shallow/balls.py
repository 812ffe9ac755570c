"""What a certificate needs in ball arithmetic: gradient and Hessian enclosed to many digits (specification, 5.5).

Arguments, psi and its derivatives, residuals, gradient and Hessian are computed with balls; what enters only the bound
of the third derivative is taken from their midpoints in floating point, with errors bounded as in `fast_bounds.py`. The
whitening matrix is a floating one: any is admissible. Gram matrices use that the product of two neurons' rows is
`(a'_j a'_k) (xt xt')`: products of pairs of neurons times products of pairs of features, a quarter of the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from flint import arb, arb_mat, ctx

from thalweg.shallow.ball_functions import ball_derivatives
from thalweg.shallow.derivatives import PIECE
from thalweg.shallow.fast_bounds import Bounds, Measurement, Rows, Scaled, usable_whitening

BITS = 128
"""Digits of the balls: 38 decimals."""

NEAR = 2.0**-52
"""Relative distance of a float from the ball it stands for, at most, besides the ball's radius."""

TINY = 2.0**-1000


def ball_bounds(problem: Scaled, bits: int = BITS) -> Bounds | None:
    """Bound everything with balls.

    Parameters
    ----------
    problem
        With any analytic activation.
    bits
        Of the balls.

    Returns
    -------
    Bounds or None
        None where the Hessian has no whitening coordinates of reasonable size.
    """
    with ctx.workprec(bits), np.errstate(all="ignore"):
        balls = BallDerivatives(problem)
        gradient, G, H = balls.gradient, balls.gauss_newton, balls.hessian
        G_near, H_near = middles(G), middles(H)
        whitening = usable_whitening(H_near)
        if whitening is None:
            return None
        Li = float_matrix(whitening.Li)
        product = Li * H * Li.transpose()
        for p, sign in enumerate(whitening.signs.tolist()):
            product[p, p] -= int(sign)
        defect = _upper(max(_row_sums(product), key=float))
        pulled = (Li * gradient).entries()
        pull = _upper(sum((abs(part).upper() ** 2 for part in pulled), arb(0)).sqrt())
        measurement = Measurement(problem, whitening, middles(gradient)[:, 0], G_near, H_near - G_near)
        return measurement.bounds(balls.rows(), defect, pull)


class BallDerivatives:
    """Values and derivatives of a loss in balls, in scaled coordinates; used within one precision."""

    def __init__(self, problem: Scaled) -> None:
        self.problem, self.net, self.objective = problem, problem.net, problem.objective
        objective, net = self.objective, self.net
        self.n, self.m, self.K, self.D = objective.n, net.width, net.outputs, net.features + 1
        self.w = [2 * arb(weight) for weight in objective.weights.tolist()]
        self.xt = float_matrix(objective.augmented)
        self.v = net.output_weights.tolist()
        form = ball_derivatives(net.activation)
        self.z = (self.xt * float_matrix(net.B).transpose()).entries() if self.m else []
        self.psi = list(zip(*(form(z) for z in self.z), strict=True)) if self.m else [(), (), (), ()]

    @cached_property
    def residual(self) -> list[list[arb]]:
        """Output minus target, output by output."""
        value = self._matrix(self.psi[0]) * float_matrix(self.net.output_weights) if self.m else arb_mat(self.n, self.K)
        bias, y = self.net.output_bias.tolist(), self.objective.targets.tolist()
        return [[value[i, k] + (arb(bias[k]) - y[i][k]) for i in range(self.n)] for k in range(self.K)]

    @cached_property
    def weighted(self) -> list[list[arb]]:
        """Residuals times twice the weights of the rows, output by output."""
        return [[w * r for w, r in zip(self.w, column, strict=True)] for column in self.residual]

    @cached_property
    def _crossed(self) -> list[arb_mat]:
        """`2 sum_i w_i r_ik a'_ij xt_i` as an (m, D) matrix for each output."""
        return [self._matrix(self._times(self.psi[1], column)).transpose() * self.xt for column in self.weighted]

    @cached_property
    def gradient(self) -> arb_mat:
        """The gradient as a column."""
        K, m, D, net = self.K, self.m, self.D, self.net
        found = [sum(column, arb(0)) for column in self.weighted]
        if m:
            outer = self._matrix(self.psi[0]).transpose() * arb_mat([
                list(row) for row in zip(*self.weighted, strict=True)
            ])
            found += [outer[j, k] for j in range(m) for k in range(K)]
            crossed = self._crossed
            found += [
                sum((crossed[k][j, c] * self.v[j][k] for k in range(K)), arb(0)) for j in range(m) for c in range(D)
            ]
        ridge, theta = self.objective.penalties(net).tolist(), net.theta.tolist()
        centre = [0.0] * len(theta) if self.objective.anchor is None else self.objective.anchor.tolist()
        terms = zip(found, ridge, theta, centre, strict=True)
        return arb_mat([[g + 2 * arb(lam) * (arb(t) - t0)] if lam else [g] for g, lam, t, t0 in terms])

    @cached_property
    def gauss_newton(self) -> arb_mat:
        """`2 sum_i w_i DF_i' DF_i`."""
        K, m, D = self.K, self.m, self.D
        first, P = K * (m + 1), self.net.parameter_count
        G = [[arb(0)] * P for _ in range(P)]
        outer, mixed, inner = self._grams
        for j in range(m + 1):
            for i in range(m + 1):
                for k in range(K):
                    G[j * K + k][i * K + k] = outer[j, i]
        for j in range(m):
            for c in range(D):
                p = first + j * D + c
                for i in range(m + 1):
                    for k in range(K):
                        G[p][i * K + k] = G[i * K + k][p] = mixed[i, j * D + c] * self.v[j][k]
        pairs, places = _pairs(m), {pair: number for number, pair in enumerate(_pairs(D))}
        for number, (j, i) in enumerate(pairs):
            weight = sum((arb(self.v[j][k]) * self.v[i][k] for k in range(K)), arb(0))
            block = [inner[number, q] * weight for q in range(len(places))]
            for (c, e), q in places.items():
                for a, b in ((c, e), (e, c)):
                    G[first + j * D + a][first + i * D + b] = block[q]
                    G[first + i * D + b][first + j * D + a] = block[q]
        return arb_mat(G)

    @cached_property
    def hessian(self) -> arb_mat:
        """The Hessian, ridge included."""
        K, m, D, first = self.K, self.m, self.D, self.K * (self.m + 1)
        H = arb_mat(self.gauss_newton)
        for p, lam in enumerate(self.objective.penalties(self.net).tolist()):
            if lam:
                H[p, p] += 2 * arb(lam)
        if not m:
            return H
        share = [arb(0)] * (self.n * m)
        for k, column in enumerate(self.weighted):
            outputs = [row[k] for row in self.v] * self.n
            terms = zip(share, self._times(self.psi[2], column), outputs, strict=True)
            share = [total + term * v for total, term, v in terms]
        curvature = self._matrix(share).transpose() * self._feature_pairs
        for j in range(m):
            for q, (c, e) in enumerate(_pairs(D)):
                H[first + j * D + c, first + j * D + e] += curvature[j, q]
                if c != e:
                    H[first + j * D + e, first + j * D + c] += curvature[j, q]
            for k in range(K):
                for c in range(D):
                    H[K + j * K + k, first + j * D + c] += self._crossed[k][j, c]
                    H[first + j * D + c, K + j * K + k] += self._crossed[k][j, c]
        return H

    def rows(self) -> Iterator[Rows]:
        """Yield the rows in floating point, each number with its distance from its ball."""
        shape = (self.n, self.m)
        z, *psi = (_near(part, shape) for part in (self.z, *self.psi))
        r = _near([ball for row in zip(*self.residual, strict=True) for ball in row], (self.n, self.K))
        for start in range(0, self.n, PIECE):
            at = slice(start, start + PIECE)
            yield Rows(
                xt=self.objective.augmented[at],
                w=self.objective.weights[at],
                z=z[0][at],
                e_z=z[1][at],
                psi=tuple(values[at] for values, _ in psi),
                e=tuple(errors[at] for _, errors in psi),
                r=r[0][at],
                e_r=r[1][at],
            )

    @cached_property
    def _grams(self) -> tuple[arb_mat, arb_mat, arb_mat]:
        """Weighted products of the columns `[1, a]`, of these with `a' (x) xt`, and of pairs with pairs."""
        n, m = self.n, self.m
        if not m:
            return arb_mat([[sum(self.w, arb(0))]]), arb_mat(0, 0), arb_mat(0, 0)
        a, slope = self.psi[0], self.psi[1]
        basis = arb_mat([[arb(1), *a[i * m : (i + 1) * m]] for i in range(n)])
        weighted = [[w * s for s in slope[i * m : (i + 1) * m]] for i, w in enumerate(self.w)]
        xt = [[self.xt[i, c] for c in range(self.D)] for i in range(n)]
        hidden = arb_mat([[s * x for s in row for x in features] for row, features in zip(weighted, xt, strict=True)])
        pairs = _pairs(m)
        products = arb_mat([[row[j] * slope[i * m + k] for j, k in pairs] for i, row in enumerate(weighted)])
        scaled = arb_mat([[w, *(w * entry for entry in a[i * m : (i + 1) * m])] for i, w in enumerate(self.w)])
        transposed = basis.transpose()
        return transposed * scaled, transposed * hidden, products.transpose() * self._feature_pairs

    @cached_property
    def _feature_pairs(self) -> arb_mat:
        """The products of pairs of augmented features."""
        pairs, X = _pairs(self.D), self.xt
        return arb_mat([[X[i, c] * X[i, e] for c, e in pairs] for i in range(self.n)])

    def _matrix(self, entries: tuple[arb, ...] | list[arb]) -> arb_mat:
        return arb_mat(self.n, self.m, list(entries))

    def _times(self, entries: tuple[arb, ...], column: list[arb]) -> list[arb]:
        """Multiply each row of (n, m) entries by its factor."""
        m = self.m
        return [entry * factor for i, factor in enumerate(column) for entry in entries[i * m : (i + 1) * m]]


def float_matrix(A: np.ndarray) -> arb_mat:
    """Return a matrix of exact numbers."""
    return arb_mat(A.shape[0], A.shape[1], A.ravel().tolist())


def middles(A: arb_mat) -> np.ndarray:
    """Return the midpoints, rounded to floats."""
    return np.array([float(entry) for entry in A.entries()]).reshape(A.nrows(), A.ncols())


def _near(balls: list[arb] | tuple[arb, ...], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return floats near the balls, and bounds of their distances from all points of them."""
    values = np.array([float(ball) for ball in balls], dtype=float).reshape(shape)
    radii = np.array([float(ball.rad()) for ball in balls], dtype=float).reshape(shape)
    return values, np.abs(values) * NEAR + radii * (1 + 2.0**-50) + TINY


def _row_sums(A: arb_mat) -> list[arb]:
    return [sum((abs(A[p, q]).upper() for q in range(A.ncols())), arb(0)) for p in range(A.nrows())]


def _upper(ball: arb) -> float:
    """Return a float not below the ball; NaN for what is not finite."""
    return float(ball.upper()) * (1 + 2.0**-50) + TINY if ball.is_finite() else float("nan")


def _pairs(count: int) -> list[tuple[int, int]]:
    return [(first, second) for first in range(count) for second in range(first, count)]
