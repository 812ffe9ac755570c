"""Which saddle of a path to keep: information criteria, the longest plateau, a time or a number of features.

A saddle is the least-squares fit on its own support and signs, so with the support fixed its degrees of freedom are
the number of active features. That the data chose the support is not counted: the criteria are optimistic
(specification 6.4). Cross-validation, which does count it, is in `cross_validation.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from thalweg.diagonal.path import SaddlePath
from thalweg.records import Cell, DataTable, InputError, Outcome

CRITERIA = ("aic", "bic", "cp", "ebic")

STOPS = ("min_l1", "time", "n_active", "plateau", *CRITERIA)

LIKELIHOODS = ("squared", "logistic", "poisson")
"""Losses that are half the mean deviance of a probability model; Huber's is none."""


@dataclass(frozen=True, eq=False)
class Criteria:
    """The information criteria of every saddle; smaller is better.

    Attributes
    ----------
    times : array (k,)
        When the saddle is reached; 0 for the zero saddle.
    active : array (k,)
        Number of active features.
    degrees : array (k,)
        Degrees of freedom: independent active features, and the intercept.
    deviance : array (k,)
        Minus twice the log-likelihood (Poisson: beside that of a fit of its own to each row).
    aic, bic, ebic : arrays (k,)
        Akaike's, Schwarz's and Chen and Chen's extended criterion.
    cp : array (k,) or None
        Mallows' statistic, which estimates the error of prediction in units of the noise variance; None where no
        noise variance is known.
    """

    times: Float[np.ndarray, " k"]
    active: Int[np.ndarray, " k"]
    degrees: Int[np.ndarray, " k"]
    deviance: Float[np.ndarray, " k"]
    aic: Float[np.ndarray, " k"]
    bic: Float[np.ndarray, " k"]
    ebic: Float[np.ndarray, " k"]
    cp: Float[np.ndarray, " k"] | None

    def to_table(self) -> DataTable:
        """Return one row a saddle."""
        shown = [self.times, self.active, self.degrees, self.deviance, self.aic, self.bic, self.ebic]
        names = ["time", "active", "degrees", "deviance", "aic", "bic", "ebic"]
        if self.cp is not None:
            shown, names = [*shown, self.cp], [*names, "cp"]
        rows: list[tuple[Cell, ...]] = [
            (k, *cells) for k, cells in enumerate(zip(*(column.tolist() for column in shown), strict=True))
        ]
        return DataTable("diagonal.criteria", ("saddle", *names), tuple(rows))


def information_criteria(
    path: SaddlePath,
    rows: float,
    *,
    intercept: bool = True,
    noise_variance: float | None = None,
    gamma: float = 1.0,
    loss: str = "squared",
) -> Criteria:
    """Compute the information criteria of every saddle of a path.

    Parameters
    ----------
    path
        Of one of the `LIKELIHOODS`.
    rows
        Number of rows `n` (of weighted rows: the sum of their weights).
    intercept
        Whether an intercept was fitted: one more degree of freedom.
    noise_variance
        Of the target, if it is known; without it the squared loss profiles it out, `n ln(RSS/n)`, and Cp is None.
    gamma
        Of EBIC, 0 (BIC) to 1 (for more features than a power of `n`).
    loss
        "squared", "logistic" or "poisson".

    Returns
    -------
    Criteria
        One entry a saddle, the zero saddle first.

    Raises
    ------
    InputError
        If an option is out of its range, or the noise variance is unknown and a saddle has as many degrees of
        freedom as rows: it fits anything, and its likelihood has no bound.

    Notes
    -----
    Sources: H. Akaike 1974; G. Schwarz 1978; C. L. Mallows 1973; J. Chen and Z. Chen, Biometrika 2008.
    """
    _refuse_bad_options(gamma, noise_variance, loss)
    d = path.exponents.size
    free = np.array([_independent(path, support) for support in path.supports])
    degrees = free + int(intercept)
    squares = 2.0 * rows * path.losses
    deviance = squares if loss != "squared" else _gaussian_deviance(squares, degrees, rows, noise_variance)
    bic = deviance + math.log(rows) * degrees
    subsets = np.array([math.lgamma(d + 1) - math.lgamma(p + 1) - math.lgamma(d - p + 1) for p in free.tolist()])
    return Criteria(
        times=np.concatenate([[0.0], path.times]),
        active=np.array([support.size for support in path.supports]),
        degrees=degrees,
        deviance=deviance,
        aic=deviance + 2.0 * degrees,
        bic=bic,
        ebic=bic + 2.0 * gamma * subsets,
        cp=None if noise_variance is None or loss != "squared" else squares / noise_variance - rows + 2.0 * degrees,
    )


def _refuse_bad_options(gamma: float, noise_variance: float | None, loss: str) -> None:
    """Refuse options of the criteria that are out of their range."""
    if not 0 <= gamma <= 1:
        raise InputError("option_range", name="gamma", value=gamma, wanted="0 <= gamma <= 1")
    if noise_variance is not None and not 0 < noise_variance < math.inf:
        raise InputError("option_range", name="noise_variance", value=noise_variance, wanted="> 0")
    if loss not in LIKELIHOODS:
        raise InputError("option_range", name="loss", value=loss, wanted=" | ".join(LIKELIHOODS))


def _gaussian_deviance(
    squares: Float[np.ndarray, " k"], degrees: Int[np.ndarray, " k"], rows: float, noise_variance: float | None
) -> Float[np.ndarray, " k"]:
    """Return minus twice the log-likelihood of residual sums of squares, of known or of profiled noise."""
    if noise_variance is not None:
        return rows * math.log(2 * math.pi * noise_variance) + squares / noise_variance
    saturated = degrees >= rows
    if saturated.any():
        raise InputError("criterion_unbounded", saddle=int(np.argmax(saturated)), rows=rows)
    with np.errstate(divide="ignore"):  # an exact fit has an infinite likelihood
        return rows * (np.log(2 * np.pi * squares / rows) + 1.0)


def least_squares_variance(
    X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], rows: float, *, intercept: bool = True
) -> float:
    """Estimate the noise variance from the least-squares fit with all features.

    Parameters
    ----------
    X, y
        Prepared data (weighted rows included).
    rows
        Number of rows (of weighted rows: the sum of their weights).
    intercept
        Whether the data were centred: one more degree of freedom.

    Returns
    -------
    float
        Residual sum of squares over the degrees of freedom that are left.

    Raises
    ------
    InputError
        If none is left, or the fit is exact.
    """
    fitted, _, rank, _ = np.linalg.lstsq(X, y, rcond=None)
    left = rows - int(rank) - int(intercept)
    residual = y - X @ fitted
    squares = float(residual @ residual) * rows / y.size
    if left <= 0 or squares == 0:
        raise InputError("noise_variance_needed", rows=rows, rank=int(rank))
    return squares / left


def longest_plateau(path: SaddlePath) -> int:
    """Return the saddle at which training rests longest on a logarithmic clock: `ln(t_{k+1}/t_k)` is largest.

    Returns
    -------
    int
        The last plateau, which has no end, does not count unless there is no other; nor does the zero saddle.
    """
    if path.count < 2:
        return path.count
    return int(np.argmax(np.diff(np.log(path.times)))) + 1


def choose(
    path: SaddlePath,
    rule: str,
    *,
    time: float | None = None,
    n_active: int | None = None,
    criteria: Criteria | None = None,
    known: float | None = None,
) -> int:
    """Return the number of the saddle that a rule keeps.

    Parameters
    ----------
    path
        The path.
    rule
        "min_l1" (the end), "time", "n_active", "plateau", "aic", "bic", "cp" or "ebic".
    time
        For "time": where the limit rests at this time.
    n_active
        For "n_active": the last saddle before more features than this are active for the first time.
    criteria
        For the criteria: theirs.
    known
        Time up to which the path is known; `path.horizon` unless given.

    Returns
    -------
    int
        From 0 to `path.count`.

    Raises
    ------
    InputError
        If there is no such rule, or what it needs is missing or out of range.
    """
    require_rule(rule, time, n_active)
    if rule == "min_l1":
        return path.count
    if rule == "plateau":
        return longest_plateau(path)
    if time is not None and rule == "time":
        return path.count if path.horizon < time <= (known or 0.0) else path.saddle_at(time)
    if n_active is not None and rule == "n_active":
        return at_most(np.array([support.size for support in path.supports]), n_active)
    values = None if criteria is None else getattr(criteria, rule)
    if values is None:
        raise InputError("option_missing", name="noise_variance" if rule == "cp" else "criteria", rule=rule)
    return int(np.argmin(values))


def require_rule(rule: str, time: float | None, n_active: int | None, loss: str = "squared") -> None:
    """Refuse a rule that does not exist for a loss or lacks what it needs.

    Raises
    ------
    InputError
        Which option is missing or out of range.
    """
    if loss == "squared":
        rules = STOPS
    else:  # Mallows' statistic belongs to the squared loss, the others to likelihoods
        rules = tuple(r for r in STOPS if r not in CRITERIA or (r != "cp" and loss in LIKELIHOODS))
    if rule not in rules:
        raise InputError("option_range", name="stop", value=rule, wanted=" | ".join(rules))
    for name, value in (("time", time), ("n_active", n_active)):
        if rule != name:
            continue
        if value is None:
            raise InputError("option_missing", name=name, rule=rule)
        if not value >= 0:
            raise InputError("option_range", name=name, value=value, wanted=">= 0")


def at_most(active: Int[np.ndarray, " k"], limit: int) -> int:
    """Return the last saddle before more than `limit` features are active for the first time."""
    more = active > limit
    return int(np.argmax(more)) - 1 if more.any() else active.size - 1


def known_until(path: SaddlePath, max_saddles: int | None, max_time: float | None) -> float:
    """Return the time up to which a path is known: one stopped by `max_time` alone is known up to that."""
    by_time = path.outcome is Outcome.STOPPED_ON_REQUEST and (max_saddles is None or path.count < max_saddles)
    return path.horizon if max_time is None or not by_time else float(max_time)


def activation_times(path: SaddlePath) -> Float[np.ndarray, " d"]:
    """Return when each feature is active for the first time: infinite for one that never is on this path."""
    times = np.full(path.exponents.size, np.inf)
    for support, time in zip(reversed(path.supports[1:]), reversed(path.times), strict=True):
        times[support] = time
    return times


def _independent(path: SaddlePath, support: np.ndarray) -> int:
    """Return how many active features are no copies of another active one."""
    present = set(support.tolist())
    copies = sum(max(0, sum(i in present for i, _ in group) - 1) for group in path.duplicates)
    return support.size - copies
