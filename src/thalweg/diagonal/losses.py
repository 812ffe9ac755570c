"""Convex losses of a linear predictor: value, residual and curvature, row by row.

With `L(b) = sum_k w_k loss_k(x_k'b) / n` and weights `w` of mean one, the pull is `g = -grad L = X'(w * residual)/n`:
the mirror identity behind the saddle path uses of the loss only that it is convex and smooth (specification of the
family, section 6.2). Derivatives are with respect to the predictor `eta = X b`.

| loss | of a row | target |
|---|---|---|
| squared | `(y - eta)^2 / 2` | any number |
| logistic | `ln(1 + exp(-y eta))` | labels -1 and +1, or 0 and 1 (read as -1 and +1) |
| poisson | half the deviance, `mu - y + y ln(y / mu)` with `mu = exp(eta)` | counts >= 0 |
| huber | `(y - eta)^2 / 2` up to `|y - eta| = delta`, from there on its tangent | any number |
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from thalweg.numerics.validation import list_some
from thalweg.records import InputError

LOSSES = ("squared", "logistic", "poisson", "huber")

SMALL_STEP = 1.0
"""Up to this size a change of the predictor is put through `expm1`, which keeps small differences of the loss exact."""


@dataclass(frozen=True, eq=False)
class Loss(ABC):
    """A convex loss on the targets `y (n,)`."""

    y: Float[np.ndarray, " n"]

    @abstractmethod
    def value(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the loss of each row at the predictor `eta`."""

    @abstractmethod
    def residual(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return minus the first derivative."""

    @abstractmethod
    def curvature(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the second derivative."""

    @abstractmethod
    def change(self, eta: Float[np.ndarray, " n"], step: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the change of the loss from `eta` to `eta + step`, exact to rounding even where it is tiny."""

    @property
    def sizes(self) -> Float[np.ndarray, " n"]:
        """Sizes of the numbers whose difference is the residual at `eta = 0`, added: rounding is relative to them."""
        return np.abs(self.y)

    @property
    def recession(self) -> Float[np.ndarray, " n"]:
        """Which way the predictor of a row may go for ever without loss: up (1), down (-1), or neither (0).

        Without such a way in any row every minimisation over a polyhedron has a solution.
        """
        return np.zeros_like(self.y)


class Squared(Loss):
    """Half the squared error."""

    def value(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return `(y - eta)^2 / 2`."""
        return (self.y - eta) ** 2 / 2

    def residual(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return `y - eta`."""
        return self.y - eta

    def curvature(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return ones."""
        return np.ones_like(eta)

    def change(self, eta: Float[np.ndarray, " n"], step: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the change of the loss."""
        return step * (step / 2 - (self.y - eta))


class Logistic(Loss):
    """The logistic loss of labels `y` -1 and +1: minus the log-likelihood of `P(+1) = 1 / (1 + exp(-eta))`."""

    def value(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return `ln(1 + exp(-y eta))`."""
        return np.logaddexp(0.0, -self.y * eta)

    def residual(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return `y P(-y)`."""
        return self.y * expit(-self.y * eta)

    def curvature(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return `P(+1) P(-1)`."""
        return expit(eta) * expit(-eta)

    def change(self, eta: Float[np.ndarray, " n"], step: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the change of the loss."""
        margin, more = self.y * eta, self.y * step
        small = np.clip(more, -SMALL_STEP, SMALL_STEP)
        exact = np.log1p(expit(-margin) * np.expm1(-small))
        if np.array_equal(small, more):
            return exact
        far = np.logaddexp(0.0, -margin - more) - np.logaddexp(0.0, -margin)
        return np.where(small == more, exact, far)

    @property
    def sizes(self) -> Float[np.ndarray, " n"]:
        """One: the residual is a label as 0 or 1 minus a probability."""
        return np.ones_like(self.y)

    @property
    def recession(self) -> Float[np.ndarray, " n"]:
        """The loss of a row falls for ever towards its own label."""
        return self.y


class Poisson(Loss):
    """Half the Poisson deviance with the logarithmic link: minus the log-likelihood up to a constant."""

    def value(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return `exp(eta) - y + y ln(y / exp(eta))`, which is never negative."""
        counted = self.y > 0
        above = eta - np.log(np.where(counted, self.y, 1.0))
        with np.errstate(over="ignore"):
            return np.where(counted, self.y * (np.expm1(above) - above), np.exp(eta))

    def residual(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return `y - exp(eta)`."""
        return self.y - np.exp(eta)

    def curvature(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return `exp(eta)`."""
        with np.errstate(over="ignore"):
            return np.exp(eta)

    def change(self, eta: Float[np.ndarray, " n"], step: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the change of the loss; NaN or infinite where it overflows."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.exp(eta) * np.expm1(step) - self.y * step

    @property
    def sizes(self) -> Float[np.ndarray, " n"]:
        """The count and the expected count 1 at zero."""
        return self.y + 1.0

    @property
    def recession(self) -> Float[np.ndarray, " n"]:
        """The loss of a row without counts falls for ever towards minus infinity."""
        return np.where(self.y == 0, -1.0, 0.0)


@dataclass(frozen=True, eq=False)
class Huber(Loss):
    """Half the squared error up to `|y - eta| = delta`, from there on its tangent: outliers pull with bounded force."""

    delta: float

    def value(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the loss of each row."""
        size = np.abs(self.y - eta)
        inner = np.minimum(size, self.delta)
        return inner * (size - inner / 2)

    def residual(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return `y - eta`, clipped."""
        return np.clip(self.y - eta, -self.delta, self.delta)

    def curvature(self, eta: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return one for the rows that are not clipped, else zero."""
        return (np.abs(self.y - eta) <= self.delta).astype(np.float64)

    def change(self, eta: Float[np.ndarray, " n"], step: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the change of the loss."""
        before, after = self.residual(eta), self.residual(eta + step)
        # Where a row stays on one piece of the loss the mean residual is exact; the others cross an edge.
        inside = self.curvature(eta) * self.curvature(eta + step) > 0
        across = self.value(eta + step) - self.value(eta)
        return np.where(inside | (before == after), -step * (before + after) / 2, across)


def loss_on(name: str, y: Float[np.ndarray, " n"], huber_delta: float | None = None) -> Loss:
    """Return the loss of this name on the targets, or say why they do not fit it.

    Parameters
    ----------
    name
        One of `LOSSES`.
    y
        Finite targets.
    huber_delta
        Where the Huber loss turns straight, in units of the target.

    Returns
    -------
    Loss
        With labels as -1 and +1.

    Raises
    ------
    InputError
        If the name is unknown, or the targets or `huber_delta` are none of this loss.
    """
    if name not in LOSSES:
        raise InputError("option_range", name="loss", value=name, wanted=" | ".join(LOSSES))
    if huber_delta is not None and name != "huber":
        raise InputError("option_range", name="huber_delta", value=huber_delta, wanted="loss = huber")
    if name == "squared":
        return Squared(y)
    if name == "logistic":
        return Logistic(_signs_of(y))
    if name == "poisson":
        if (y < 0).any():
            raise InputError("counts_negative", rows=list_some(np.flatnonzero(y < 0).tolist()))
        return Poisson(y)
    if huber_delta is None:
        raise InputError("huber_delta_needed", most=1.345 * _robust_deviation(y))
    if not 0 < huber_delta < np.inf:
        raise InputError("option_range", name="huber_delta", value=huber_delta, wanted="> 0")
    return Huber(y, float(huber_delta))


def _signs_of(y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return labels as -1 and +1."""
    labels = set(np.unique(y).tolist())
    if not (labels <= {-1.0, 1.0} or labels <= {0.0, 1.0}):
        raise InputError("labels_not_two", labels=list_some(sorted(labels)))
    return np.where(y > 0, 1.0, -1.0)


def _robust_deviation(y: Float[np.ndarray, " n"]) -> float:
    """Return the standard deviation that a normal sample of this median absolute deviation has."""
    return float(np.median(np.abs(y - np.median(y)))) / 0.6745
