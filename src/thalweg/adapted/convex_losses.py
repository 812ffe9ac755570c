"""Losses that are sums over single outputs: Huber, and a convex function of the user's.

**Huber.** `C = mean sum_q huber(x_q - y_q)`; the orbit is that of the Euclidean flow `x' = -huber'(x - y)`, which is
the natural one where the curvature is one and stays defined where it is zero. A distance `d > delta` shrinks by
`delta` a unit of the clock until it is `delta`, then by `exp(-tau)`: a closed form, and outliers wait their turn.

**A convex function.** If it is strictly convex, the natural flow makes the gradient of every output `exp(-tau)` times
that of the start, at one rate for any loss (specification, section 7); where the outputs are then is the root of a
monotone function, found here by Newton's method between two ends. If it is convex only, there is no such law: outputs
move along `-gradient / hessian`, each by at most one (correction A7).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from thalweg.adapted.loss_base import Loss
from thalweg.numerics.options import real_number
from thalweg.numerics.validation import list_some
from thalweg.records.errors import InputError

Function = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A function of outputs `(N, Q)` and targets `(N, Q)`, entry by entry."""

LONGEST = 1.0
"""Largest step of the clock where a minimiser may be infinite, and of an output without a law (correction A7)."""

LEAST_CURVATURE = 1e-8
"""Curvatures below this share of the largest are taken for it: the bound of a step decides there."""

EXPANSIONS, NEWTON_STEPS = 64, 200
"""Doublings of the interval that must hold a root, and steps within it; bisection alone needs about 60."""

ROUNDING = 4e-16
"""A Newton step below this share of an output is rounding."""

DIFFERENCE, DERIVATIVE_SLACK = 1e-4, 1e-4
"""Step of the central difference that tests a user's derivatives, relative to the outputs, and the error allowed."""


class Huber(Loss):
    """Half the square of `x - y` up to `delta`, from there on its tangent.

    Parameters
    ----------
    y
        Targets.
    weights
        Positive; ones if not given.
    delta
        Distance from which on a sample counts as an outlier, in units of the target.
    """

    name = "huber"
    merges_by_mean = False

    def __init__(self, y: object, weights: object = None, *, delta: float) -> None:
        super().__init__(y, weights)
        self.delta = real_number(delta, "delta", lambda value: 0 < value < math.inf, "> 0")

    def excess(self, x: Float[np.ndarray, "N Q"]) -> float:
        """Return the weighted mean of the loss; its floor is zero."""
        distance = np.abs(x - self.y)
        inside = np.minimum(distance, self.delta)
        return self.mean((inside * (distance - inside / 2.0)).sum(axis=1))

    def residual(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N Q"]:
        """Return `sqrt(m_j) (x_j - y_j)`: unlike the gradient it shrinks for outliers too."""
        return self.root_weights * (x - self.y)

    def wanted(self, x: Float[np.ndarray, "N Q"], dtau: float) -> Float[np.ndarray, "N R"]:
        """Return the way along the orbit; at `dtau` infinite the whole way."""
        return self.root_weights * self._way(x, dtau)

    def velocity(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N R"]:
        """Return minus the gradient."""
        return -self.root_weights * np.clip(x - self.y, -self.delta, self.delta)

    def line(self, x0: Float[np.ndarray, "N Q"], tau: float) -> Float[np.ndarray, "N Q"]:
        """Return the outputs at clock `tau` of the Euclidean flow."""
        return x0 + self._way(x0, tau)

    def _way(self, x: Float[np.ndarray, "N Q"], tau: float) -> Float[np.ndarray, "N Q"]:
        apart = x - self.y
        distance = np.abs(apart)
        straight = np.clip(distance / self.delta - 1.0, 0.0, None)  # clock at which an outlier ceases to be one
        shrinking = np.minimum(distance, self.delta) * np.expm1(-np.maximum(tau - straight, 0.0))
        return np.sign(apart) * (shrinking - self.delta * np.minimum(straight, tau))


@dataclass(frozen=True)
class ConvexLoss:
    """A user's convex function of one output and its target, for every output alike.

    Parameters
    ----------
    cost, gradient, hessian
        Functions of outputs `x (N, Q)` and targets `y (N, Q)` that return the loss of every entry and its first and
        second derivative by `x`, all `(N, Q)`.
    least
        A cost that the loss never falls below; the law is told above it.
    is_strictly_convex
        Whether the second derivative is positive everywhere. Then the loss curve is known before the run.
    """

    cost: Function
    gradient: Function
    hessian: Function
    least: float = 0.0
    is_strictly_convex: bool = False


class Convex(Loss):
    """A user's `ConvexLoss` on targets."""

    name = "convex"
    merges_by_mean = False

    def __init__(self, y: object, weights: object = None, *, functions: ConvexLoss) -> None:
        super().__init__(y, weights)
        self.functions = functions
        self.floor = real_number(functions.least, "least", math.isfinite, "a number")
        self.is_certified = functions.is_strictly_convex
        self.longest = LONGEST

    def entries(self, part: str, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N Q"]:
        """Return what the user's function `part` gives for every output.

        Returns
        -------
        array (N, Q)
            Infinities and NaN included.

        Raises
        ------
        InputError
            If that is not one number for every output.
        """
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            values = np.asarray(getattr(self.functions, part)(x, self.y), dtype=float)
        if values.shape != self.y.shape:
            raise InputError("adapted_loss_shape", function=part, found=str(values.shape), wanted=str(self.y.shape))
        return values

    def excess(self, x: Float[np.ndarray, "N Q"]) -> float:
        """Return the weighted mean of the loss above `least`."""
        return self.mean(self.entries("cost", x).sum(axis=1)) - self.floor

    def cost(self, x: Float[np.ndarray, "N Q"]) -> float:
        """Return the weighted mean of the loss."""
        return self.mean(self.entries("cost", x).sum(axis=1))

    def residual(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N Q"]:
        """Return `sqrt(m_j)` times the gradient."""
        return self.root_weights * self.entries("gradient", x)

    def wanted(self, x: Float[np.ndarray, "N Q"], dtau: float) -> Float[np.ndarray, "N R"]:
        """Return the way to where the gradient is `exp(-dtau)` times this one, or the bounded natural direction."""
        if self.is_certified:
            return self.root_weights * (self._root(x, math.exp(-dtau)) - x)
        natural = self.entries("gradient", x) / self._curvature(x)
        return self.root_weights * np.clip(math.expm1(-dtau) * natural, -1.0, 1.0)

    def velocity(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N R"]:
        """Return the natural velocity `-gradient / hessian`; where there is no law, bounded like `wanted`."""
        natural = -self.entries("gradient", x) / self._curvature(x)
        return self.root_weights * (natural if self.is_certified else np.clip(natural, -1.0, 1.0))

    def metric_root(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N R R"]:
        """Return the roots of the second derivatives."""
        return np.sqrt(self._curvature(x))[:, :, None] * np.eye(x.shape[1])

    def _curvature(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N Q"]:
        """Return second derivatives, bounded from below relative to the largest."""
        curvature = self.entries("hessian", x)
        self._require_convex(curvature < 0)
        return np.maximum(curvature, LEAST_CURVATURE * max(float(curvature.max()), LEAST_CURVATURE))

    def line(self, x0: Float[np.ndarray, "N Q"], tau: float) -> Float[np.ndarray, "N Q"] | None:
        """Return the outputs whose gradients are `exp(-tau)` times those of `x0`; nothing unless strictly convex."""
        return self._root(x0, math.exp(-tau)) if self.is_certified else None

    def require_start(self, x0: Float[np.ndarray, "N Q"]) -> None:
        """Refuse a start without cost, and functions that are not the derivatives of each other.

        Raises
        ------
        InputError
            If a function gives another shape or no finite numbers, is not the derivative of the other, is not convex,
            or has costs below `least`.
        """
        super().require_start(x0)
        for part in ("cost", "gradient", "hessian"):
            bad = ~np.isfinite(self.entries(part, x0))
            if bad.any():
                raise InputError("adapted_loss_values", function=part, rows=list_some(np.flatnonzero(bad.any(axis=1))))
        self._require_convex(self.entries("hessian", x0) < 0)
        if self.excess(x0) < 0.0:
            raise InputError("option_range", name="least", value=self.floor, wanted=f"<= {self.cost(x0):g}")
        self._require_derivative("cost", "gradient", x0)
        self._require_derivative("gradient", "hessian", x0)

    def _require_convex(self, negative: Bool[np.ndarray, "N Q"]) -> None:
        if negative.any():
            raise InputError("adapted_loss_not_convex", rows=list_some(np.flatnonzero(negative.any(axis=1))))

    def _require_derivative(self, part: str, derivative: str, x: Float[np.ndarray, "N Q"]) -> None:
        """Refuse a derivative that is none; in most entries, for a kink may lie within a difference."""
        step = DIFFERENCE * (1.0 + np.abs(x))
        above, below = self.entries(part, x + step), self.entries(part, x - step)
        found, stated = (above - below) / (2.0 * step), self.entries(derivative, x)
        size = np.maximum(np.abs(stated), np.abs(found)) + (np.abs(above) + np.abs(below)) + 1e-300
        wrong = np.abs(found - stated) > DERIVATIVE_SLACK * size
        if wrong.mean() > 0.5:
            row, column = np.argwhere(wrong)[0]
            raise InputError(
                "adapted_loss_derivative",
                function=derivative, of=part, row=int(row), found=f"{found[row, column]:.4g}",
                stated=f"{stated[row, column]:.4g}",
            )  # fmt: skip

    def _root(self, x: Float[np.ndarray, "N Q"], share: float) -> Float[np.ndarray, "N Q"]:
        """Return where every gradient is `share` times that at `x`: Newton's method kept between two ends."""
        gradient = self.entries("gradient", x)
        wanted = share * gradient
        near, far = self._ends(x, gradient, wanted)
        at = x.copy()
        for _ in range(NEWTON_STEPS):
            miss = self.entries("gradient", at) - wanted
            before = np.sign(miss) == np.sign(gradient)
            near, far = np.where(before, at, near), np.where(before, far, at)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                step = miss / self.entries("hessian", at)
            settled = (miss == 0.0) | (np.abs(step) <= ROUNDING * np.abs(at))
            if settled.all():
                return at
            between = (np.minimum(near, far) < at - step) & (at - step < np.maximum(near, far))
            at = np.where(settled, at, np.where(between, at - step, (near + far) / 2.0))
        return at

    def _ends(
        self, x: Float[np.ndarray, "N Q"], gradient: Float[np.ndarray, "N Q"], wanted: Float[np.ndarray, "N Q"]
    ) -> tuple[Float[np.ndarray, "N Q"], Float[np.ndarray, "N Q"]]:
        """Return ends between which the wanted gradients lie."""
        near, length = x, np.where(gradient == 0.0, 0.0, 1.0)
        far = x - np.sign(gradient)
        for _ in range(EXPANSIONS):
            short = np.sign(gradient) * (self.entries("gradient", far) - wanted) > 0
            if not short.any():
                return near, far
            near, length = np.where(short, far, near), np.where(short, 2.0 * length, length)
            far = np.where(short, far - np.sign(gradient) * length, far)
        raise InputError("adapted_loss_not_convex", rows=list_some(np.flatnonzero(short.any(axis=1))))
