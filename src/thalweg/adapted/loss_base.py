"""What the training loop asks of a loss, and the squared loss.

With the rank condition every output velocity is at hand, so a loss decides where the outputs go, and its cost along
that orbit is a law known beforehand (specification, T1 and section 7). The clock `tau` is dimensionless: gradients of
the loss shrink by `exp(-tau)`.

Weights `m_j > 0` are normalised to mean one; `sqrt(m_j)` multiplies row `j` of the residual and of the displacement
once, and everything below runs on the scaled quantities (correction A3).
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from thalweg.numerics.validation import real_array, weights_of_rows
from thalweg.records.errors import InputError

FARTHEST = 4096.0
"""A clock beyond which no law is searched: `exp(-tau)` has long become zero in float64."""

TINY = 5e-324
"""The least positive float64; a cost that became zero is searched as if it were this."""


class Loss(ABC):
    """A loss on the targets `y (N, Q)`; outputs `x (N, Q)` are those of the network before any scaling.

    Parameters
    ----------
    y
        Targets, one row a sample.
    weights
        Positive; divided by their mean. Ones if not given.

    Attributes
    ----------
    floor : float
        Least cost that any function of the inputs attains.
    longest : float
        Largest step of the clock that `wanted` may be asked for.
    is_certified : bool
        Whether `line` and `predicted` are known before the run.
    is_linear : bool
        Whether `wanted` is the residual times a number, so that a direction serves every length of step.
    merges_by_mean : bool
        Whether samples of equal inputs may be replaced by one with their mean label.
    """

    name: ClassVar[str]
    is_linear: ClassVar[bool] = False
    merges_by_mean: ClassVar[bool] = True
    shared: ClassVar[tuple[str, ...]] = ()
    """Names of arrays that belong to all samples together."""

    def __init__(self, y: object, weights: object = None) -> None:
        self.y: Float[np.ndarray, "N Q"] = real_array(y, "Y", 2)
        N = self.y.shape[0]
        given = np.ones(N) if weights is None else weights_of_rows(weights, N)
        if not (given > 0).all():
            raise InputError("option_range", name="weights", value=float(given.min()), wanted="> 0")
        self.weights: Float[np.ndarray, " N"] = given * (N / given.sum())
        self.root_weights: Float[np.ndarray, "N 1"] = np.sqrt(self.weights)[:, None]
        self.floor: float = 0.0
        self.longest: float = math.inf
        self.is_certified: bool = True

    def head(self) -> Float[np.ndarray, "Q R"] | None:
        """Return what multiplies the outputs on the right before the Jacobian is taken; nothing if they stay."""
        return None

    def mean(self, rows: Float[np.ndarray, " N"]) -> float:
        """Return the weighted mean over samples."""
        return float(self.weights @ rows) / self.weights.size

    def cost(self, x: Float[np.ndarray, "N Q"]) -> float:
        """Return the weighted mean of the loss of a sample."""
        return self.floor + self.excess(x)

    @abstractmethod
    def excess(self, x: Float[np.ndarray, "N Q"]) -> float:
        """Return the cost above the floor, exact to rounding of its own size even where it is tiny."""

    @abstractmethod
    def residual(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N Q"]:
        """Return the vector whose length judges a step, rows scaled: it is zero at a minimiser alone."""

    @abstractmethod
    def wanted(self, x: Float[np.ndarray, "N Q"], dtau: float) -> Float[np.ndarray, "N R"]:
        """Return the displacement of the projected and scaled outputs that moves the clock by `dtau`."""

    @abstractmethod
    def velocity(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N R"]:
        """Return the limit of `wanted(x, dtau) / dtau`: the velocity of the projected and scaled outputs."""

    def metric_root(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N R R"] | None:
        """Return roots of the curvature of a sample's loss in the projected outputs; nothing for ones.

        An underparametrised run projects the velocity in this metric (theorem T9), so that every step descends.

        Returns
        -------
        array (N, R, R) or None
            Symmetric.
        """
        return None

    def restrict(self, rows: Any) -> Loss:
        """Return the same loss on some of its samples, with their weights as they are."""
        part = copy.copy(self)
        N = len(self.y)
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray) and value.shape[:1] == (N,) and name not in self.shared:
                setattr(part, name, value[rows])
        return part

    @abstractmethod
    def line(self, x0: Float[np.ndarray, "N Q"], tau: float) -> Float[np.ndarray, "N Q"] | None:
        """Return the outputs at clock `tau` of the orbit that starts at `x0`; nothing without a law."""

    def law(self, x0: Float[np.ndarray, "N Q"]) -> Callable[[float], float]:
        """Return the cost above the floor as a function of the clock, for many evaluations.

        Returns
        -------
        callable
            From one clock to one number.

        Raises
        ------
        InputError
            If the loss has no law.
        """
        if not self.is_certified:
            raise InputError("adapted_no_law", loss=self.name)

        def excess(tau: float) -> float:
            there = self.line(x0, tau)
            assert there is not None  # the loss is certified
            return self.excess(there)

        return excess

    def predicted(self, x0: Float[np.ndarray, "N Q"], tau: Any) -> Any:
        """Return the cost at each clock of `tau`, known before the run; nothing without a law.

        Parameters
        ----------
        x0
            Outputs at the start.
        tau
            A number or an array of any shape.

        Returns
        -------
        float or array
            Of the shape of `tau`.
        """
        if not self.is_certified:
            return None
        clocks, law = np.asarray(tau, dtype=float), self.law(x0)
        return (self.floor + np.array([law(float(one)) for one in clocks.ravel()]).reshape(clocks.shape))[()]

    def time_to(self, x0: Float[np.ndarray, "N Q"], cost: float) -> float:
        """Return the first clock at which the law is at most `cost`.

        Returns
        -------
        float
            Zero if it is so at the start; infinite at or below the floor.
        """
        law, wanted = self.law(x0), cost - self.floor
        if self.excess(x0) <= wanted:
            return 0.0
        if wanted <= 0.0:
            return math.inf

        def gap(tau: float) -> float:
            return math.log(max(law(tau), TINY)) - math.log(wanted)

        late = 1.0
        while gap(late) > 0.0:
            late *= 2.0
            if late > FARTHEST:
                return math.inf
        return float(brentq(gap, 0.0, late, xtol=1e-14, rtol=1e-15))  # pyright: ignore[reportArgumentType]

    def require_start(self, x0: Float[np.ndarray, "N Q"]) -> None:
        """Refuse outputs at the start that do not fit the targets or have no cost.

        Raises
        ------
        InputError
            If the shapes differ, or the cost is not finite; names the rows.
        """
        if np.shape(x0) != self.y.shape:
            raise InputError("adapted_outputs_shape", found=str(np.shape(x0)), wanted=str(self.y.shape))
        real_array(x0, "apply_fn(params, X)", 2)
        if not math.isfinite(self.cost(x0)):
            raise InputError("adapted_cost_not_finite", loss=self.name, largest=float(np.abs(x0).max()))


class L2(Loss):
    """Half the squared distance: `C = sum_j m_j |x_j - y_j|^2 / (2 sum m)`, plus what merged duplicates force.

    Parameters
    ----------
    y
        Targets.
    weights
        Positive; ones if not given.
    floor
        Cost that samples of equal inputs and unequal labels force, which `y` as their means no longer shows.
    """

    name = "l2"
    is_linear = True

    def __init__(self, y: object, weights: object = None, floor: float = 0.0) -> None:
        super().__init__(y, weights)
        self.floor = float(floor)

    def excess(self, x: Float[np.ndarray, "N Q"]) -> float:
        """Return `sum_j m_j |x_j - y_j|^2 / (2 sum m)`."""
        scaled = self.residual(x).ravel()
        return float(scaled @ scaled) / (2.0 * self.weights.size)

    def residual(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N Q"]:
        """Return `sqrt(m_j) (x_j - y_j)`."""
        return self.root_weights * (x - self.y)

    def wanted(self, x: Float[np.ndarray, "N Q"], dtau: float) -> Float[np.ndarray, "N R"]:
        """Return the residual times `exp(-dtau) - 1`; at `dtau` infinite the whole way."""
        return math.expm1(-dtau) * self.residual(x)

    def velocity(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N R"]:
        """Return minus the residual."""
        return -self.residual(x)

    def line(self, x0: Float[np.ndarray, "N Q"], tau: float) -> Float[np.ndarray, "N Q"]:
        """Return `y + exp(-tau) (x0 - y)`."""
        return self.y + math.exp(-tau) * (x0 - self.y)

    def predicted(self, x0: Float[np.ndarray, "N Q"], tau: Any) -> Any:
        """Return `floor + (C_0 - floor) exp(-2 tau)` (T1 with correction A3)."""
        return self.floor + self.excess(x0) * np.exp(-2.0 * np.asarray(tau, dtype=float))[()]

    def time_to(self, x0: Float[np.ndarray, "N Q"], cost: float) -> float:
        """Return `ln((C_0 - floor)/(cost - floor))/2`, at least zero (T2); infinite at or below the floor."""
        return exponential_time(self.excess(x0), cost - self.floor)


def exponential_time(excess: float, wanted: float) -> float:
    """Return when `excess exp(-2 tau)` is at most `wanted`: zero if it is now, infinite if `wanted` is not positive."""
    if excess <= wanted:
        return 0.0
    return (math.log(excess) - math.log(wanted)) / 2.0 if wanted > 0.0 else math.inf
