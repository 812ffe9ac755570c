"""Losses with a logarithmic link: cross-entropy of several logits or of one, and Poisson.

All three are `sum_k (mu_k - y_k ln mu_k)` of means `mu(x) > 0` up to a constant, with the mean as gradient:
`grad = mu - y`. Their natural flow `x' = -H^+ (mu - y)` moves the means on straight lines,

    mu(tau) = y + exp(-tau) (mu_0 - y),

at one rate for all samples, whatever the weights (specification, section 7, corrections A6 to A10). The cost above its
floor is a divergence, `sum_k (mu_k - y_k - y_k ln(mu_k / y_k))`, computed term by term without cancellation: for labels
of one class it is `-ln p_c`, and `C(tau) = -mean ln(1 - exp(-tau) (1 - p_c(0)))`.

Where a label is zero the target logit is infinite: then steps of the clock are at most one.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.linalg import helmert

from thalweg.adapted.loss_base import Loss
from thalweg.numerics.validation import list_some
from thalweg.records.errors import InputError

LONGEST = 1.0
"""Largest step of the clock where a target logit is infinite (correction A7): it moves by at most one a step."""

SUM_SLACK = 1e-6
"""Probabilities may miss the sum one by this: float32 labels do. They are divided by their sum."""

SHARE_SLACK = 1e-12
"""Shares of samples are compared up to rounding of their weights."""

LATEST_CHANGE = 64.0
"""From this clock on predictions are those of the labels: the start has a share of `1e-28`."""


def log_mixture(share: float, clock: float, logarithm: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return `ln(1 - share + share exp(d))` for `d` from minus infinity on, exact to rounding of its own size.

    Parameters
    ----------
    share
        Between 0 and 1.
    clock
        `-ln(1 - share)`, which a share near one no longer shows.
    logarithm
        The values `d`.

    Returns
    -------
    array
        `d` where the share is one.
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        change = share * np.expm1(logarithm)
        near = np.log1p(np.maximum(change, -0.5))
        far = np.logaddexp(np.log(share) + logarithm, -clock)
    return np.where((change > -0.5) & np.isfinite(change), near, far)


def exponential_excess(d: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return `exp(d) - 1 - d`, not negative, without cancellation near zero."""
    with np.errstate(over="ignore"):
        plain = np.expm1(d) - d
    small = np.where(np.abs(d) < 0.1, d, 0.0)
    series = np.ones_like(small)
    for k in range(11, 2, -1):
        series = 1.0 + series * small / k
    return np.where(np.abs(d) < 0.1, small * small / 2.0 * series, plain)


class LogLinkLoss(Loss):
    """What these losses share; `means` are the labels as means `(N, M)`."""

    def __init__(self, y: object, weights: object = None) -> None:
        super().__init__(y, weights)
        self.means = self.label_means()
        self.support = self.means > 0
        self.log_labels = np.log(self.means, where=self.support, out=np.full_like(self.means, -math.inf))
        self.longest = math.inf if self.support.all() else LONGEST

    @abstractmethod
    def label_means(self) -> Float[np.ndarray, "N M"]:
        """Return the labels as means."""

    @abstractmethod
    def log_means(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N M"]:
        """Return `ln mu(x)`, exact to rounding of its own size."""

    @abstractmethod
    def lifted(self, logarithms: Float[np.ndarray, "N M"]) -> Float[np.ndarray, "N Q"]:
        """Return the displacement of the outputs that changes `ln mu` so, up to what the means do not see."""

    def log_label_mean(self) -> float:
        """Return the weighted mean over samples of `sum_k y_k ln y_k`."""
        return self.mean((self.means * np.where(self.support, self.log_labels, 0.0)).sum(axis=1))

    def excess(self, x: Float[np.ndarray, "N Q"]) -> float:
        """Return the weighted mean divergence of the labels from the means."""
        logs = self.log_means(x)
        with np.errstate(over="ignore", invalid="ignore"):
            inside = self.means * exponential_excess(np.where(self.support, logs - self.log_labels, 0.0))
            outside = np.where(self.support, 0.0, np.exp(logs))
        return self.mean((inside + outside).sum(axis=1))

    def differences(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N M"]:
        """Return `mu - y`, exact to rounding of its own size."""
        logs = self.log_means(x)
        with np.errstate(over="ignore"):
            inside = self.means * np.expm1(np.where(self.support, logs - self.log_labels, 0.0))
            return np.where(self.support, inside, np.exp(logs))

    def residual(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N Q"]:
        """Return `sqrt(m_j) (mu_j - y_j)` (correction A10)."""
        return self.root_weights * self.differences(x)

    def displacement(self, x: Float[np.ndarray, "N Q"], dtau: float) -> Float[np.ndarray, "N Q"]:
        """Return the way from `x` to the target of the clock `dtau` later."""
        logs = log_mixture(-math.expm1(-dtau), dtau, self.log_labels - self.log_means(x))
        return self.lifted(logs)

    def wanted(self, x: Float[np.ndarray, "N Q"], dtau: float) -> Float[np.ndarray, "N R"]:
        """Return the way to the target logits, projected and scaled."""
        way, head = self.displacement(x, dtau), self.head()
        return self.root_weights * (way if head is None else way @ head)

    def velocity(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N R"]:
        """Return the natural velocity `(y - mu)/mu` of `ln mu`, projected and scaled; infinite where `mu` is lost."""
        with np.errstate(over="ignore"):
            way, head = self.lifted(np.expm1(self.log_labels - self.log_means(x))), self.head()
        return self.root_weights * (way if head is None else way @ head)

    def metric_root(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N R R"]:
        """Return roots of the curvature `H(x)`, projected."""
        values, vectors = np.linalg.eigh(self.curvature(x))
        return (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ vectors.transpose(0, 2, 1)

    @abstractmethod
    def curvature(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N R R"]:
        """Return the second derivative of a sample's loss in its projected outputs."""

    def line(self, x0: Float[np.ndarray, "N Q"], tau: float) -> Float[np.ndarray, "N Q"]:
        """Return the outputs whose means are `y + exp(-tau) (mu_0 - y)`."""
        return x0 + self.displacement(x0, tau)

    def law(self, x0: Float[np.ndarray, "N Q"]) -> Callable[[float], float]:
        """Return the cost above the floor as a function of the clock (A8: weights enter the mean alone)."""
        logs = self.log_means(x0)
        start = (logs - np.where(self.support, self.log_labels, 0.0))[self.support]
        shares = (self.weights[:, None] * self.means)[self.support] / self.weights.size
        with np.errstate(over="ignore"):
            outside = self.mean(np.where(self.support, 0.0, np.exp(logs)).sum(axis=1))

        def excess(tau: float) -> float:
            fading = math.exp(-tau)
            absent = math.inf if tau == 0.0 else -math.log(-math.expm1(-tau))
            inside = exponential_excess(log_mixture(fading, absent, start))
            return float(shares @ inside) + fading * outside

        return excess


class Poisson(LogLinkLoss):
    """Counts with the mean `exp(x)`: `C = mean sum_q (exp(x_q) - y_q x_q)`."""

    name = "poisson"

    def __init__(self, y: object, weights: object = None) -> None:
        super().__init__(y, weights)
        self.floor = self.mean(self.means.sum(axis=1)) - self.log_label_mean()

    def label_means(self) -> Float[np.ndarray, "N Q"]:
        """Return the counts.

        Returns
        -------
        array (N, Q)
            The targets themselves.

        Raises
        ------
        InputError
            If one is negative.
        """
        negative = np.flatnonzero((self.y < 0).any(axis=1))
        if negative.size:
            raise InputError("counts_negative", rows=list_some(negative))
        return self.y

    def log_means(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N Q"]:
        """Return the outputs."""
        return x

    def lifted(self, logarithms: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N Q"]:
        """Return the change of `ln mu`."""
        return logarithms

    def curvature(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N R R"]:
        """Return `diag(mu)`."""
        return np.exp(self.log_means(x))[:, :, None] * np.eye(x.shape[1])


class CrossEntropy(LogLinkLoss):
    """Probabilities of `Q` classes from `Q` logits: `C = -mean sum_k y_k ln p_k`, `p = softmax(x)`.

    All but `line` depends on the logits of a sample up to a common shift, so projected outputs carried back by
    `head` serve as well; `line` keeps their mean.
    """

    name = "ce"

    def __init__(self, y: object, weights: object = None) -> None:
        super().__init__(y, weights)
        self.floor = -self.log_label_mean() + 0.0
        classes = self.means.shape[1]
        self._head = np.ascontiguousarray(helmert(classes).T) if self.y.shape[1] > 1 else None

    @property
    def is_hard(self) -> bool:
        """Whether every label is one class."""
        return bool((self.support.sum(axis=1) == 1).all())

    @property
    def accuracy_limit(self) -> float:
        """Largest share of right predictions that any function of the inputs attains."""
        return self.mean(self.means.max(axis=1))

    def head(self) -> Float[np.ndarray, "Q R"] | None:
        """Return an orthonormal basis of the logits of sum zero: probabilities see nothing else (correction A6)."""
        return self._head

    def label_means(self) -> Float[np.ndarray, "N M"]:
        """Return the probabilities, divided by their sum.

        Returns
        -------
        array (N, Q)
            Rows of sum one.

        Raises
        ------
        InputError
            If a row is not a probability distribution.
        """
        sums = self.y.sum(axis=1)
        wrong = np.flatnonzero((self.y < 0).any(axis=1) | (np.abs(sums - 1.0) > SUM_SLACK))
        if wrong.size:
            raise InputError("adapted_labels_probabilities", count=wrong.size, rows=list_some(wrong))
        return self.y / sums[:, None]

    def log_means(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N M"]:
        """Return `ln softmax(x)`; also a probability next to one keeps all its digits."""
        top = x.argmax(axis=1)[:, None]
        below = x - np.take_along_axis(x, top, axis=1)
        others = np.exp(below)
        np.put_along_axis(others, top, 0.0, axis=1)
        return below - np.log1p(others.sum(axis=1, keepdims=True))

    def lifted(self, logarithms: Float[np.ndarray, "N M"]) -> Float[np.ndarray, "N Q"]:
        """Return the change of `ln p` less its mean: logits keep theirs."""
        return logarithms - logarithms.mean(axis=1, keepdims=True)

    def curvature(self, x: Float[np.ndarray, "N Q"]) -> Float[np.ndarray, "N R R"]:
        """Return `B'(diag p - p p')B` for the head `B`."""
        p, head = np.exp(self.log_means(x)), self._head
        assert head is not None
        mixed = p @ head
        return np.einsum("nk,kr,ks->nrs", p, head, head) - mixed[:, :, None] * mixed[:, None, :]

    def probabilities(self, x0: Float[np.ndarray, "N Q"], tau: float = 0.0) -> Float[np.ndarray, "N M"]:
        """Return the probabilities at clock `tau` of the orbit that starts at `x0`: `y + exp(-tau) (p_0 - y)`."""
        return self.means * -math.expm1(-tau) + math.exp(-tau) * np.exp(self.log_means(x0))

    def accuracy_at(self, x0: Float[np.ndarray, "N Q"], tau: float = 0.0) -> float:
        """Return the weighted share of right predictions at clock `tau`; of a soft label its own share counts."""
        predictions = self.probabilities(x0, tau).argmax(axis=1)[:, None]
        return self.mean(np.take_along_axis(self.means, predictions, axis=1)[:, 0])

    def accuracy_time(self, x0: Float[np.ndarray, "N Q"], share: float = 1.0) -> float:
        """Return the clock from which on at least this share of the predictions is right.

        A prediction that is right stays right, for probabilities move on straight lines. For labels of one class a
        sample is right after `ln(1 - p_c + max_k p_k)` (correction A9); else the share, which only grows, is bisected.

        Parameters
        ----------
        x0
            Logits at the start.
        share
            Between 0 and 1.

        Returns
        -------
        float
            The limit from above; infinite beyond `accuracy_limit`.
        """
        if share > self.accuracy_limit + SHARE_SLACK:
            return math.inf
        if self.accuracy_at(x0) >= share - SHARE_SLACK:
            return 0.0
        return self._hard_time(x0, share) if self.is_hard else self._soft_time(x0, share)

    def _hard_time(self, x0: Float[np.ndarray, "N Q"], share: float) -> float:
        p = self.probabilities(x0)
        right = p[self.support]
        best_other = np.where(self.support, 0.0, p).max(axis=1)
        times = np.maximum(0.0, np.log1p(best_other - right))
        order = np.argsort(times, kind="stable")
        shares = np.cumsum(self.weights[order]) / self.weights.size
        first = int(np.searchsorted(shares, share - SHARE_SLACK))
        return float(times[order[min(first, order.size - 1)]])

    def _soft_time(self, x0: Float[np.ndarray, "N Q"], share: float) -> float:
        early, late = 0.0, LATEST_CHANGE
        while late - early > 4e-16 * late:
            middle = (early + late) / 2.0
            if middle in (early, late):
                break
            if self.accuracy_at(x0, middle) >= share - SHARE_SLACK:
                late = middle
            else:
                early = middle
        return late


class Logistic(CrossEntropy):
    """The probability of one of two classes from a single logit: `C = -mean (y ln s + (1 - y) ln(1 - s))`."""

    def label_means(self) -> Float[np.ndarray, "N 2"]:
        """Return the probabilities of both classes.

        Returns
        -------
        array (N, 2)
            That of the first class, and the label.

        Raises
        ------
        InputError
            If a label is not between 0 and 1.
        """
        wrong = np.flatnonzero(((self.y < 0) | (self.y > 1)).any(axis=1))
        if wrong.size:
            raise InputError("adapted_labels_probabilities", count=wrong.size, rows=list_some(wrong))
        return np.hstack([1.0 - self.y, self.y])

    def log_means(self, x: Float[np.ndarray, "N 1"]) -> Float[np.ndarray, "N 2"]:
        """Return `ln (1 - s)` and `ln s` with `s = 1/(1 + exp(-x))`."""
        return np.hstack([-np.logaddexp(0.0, x), -np.logaddexp(0.0, -x)])

    def lifted(self, logarithms: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 1"]:
        """Return the change of the logit `ln(s/(1 - s))`."""
        return logarithms[:, 1:] - logarithms[:, :1]

    def differences(self, x: Float[np.ndarray, "N 1"]) -> Float[np.ndarray, "N 1"]:
        """Return `s - y`."""
        return super().differences(x)[:, 1:]

    def curvature(self, x: Float[np.ndarray, "N 1"]) -> Float[np.ndarray, "N 1 1"]:
        """Return `s (1 - s)`."""
        return np.exp(self.log_means(x).sum(axis=1))[:, None, None]
