"""When features switch on in many paths, beside one path of reference: probabilities, ranks, intervals, agreement."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from thalweg.numerics.ranking import arrival_ranks, arrival_tau, leading_agreement
from thalweg.numerics.resampling import percentile_interval, quantile


@dataclass(frozen=True, eq=False)
class Interval:
    """Median and percentile interval of `m` values for each of several quantities; the level is that of the study.

    All three are values that occurred; infinite where a feature "never" switches on or a jump does not happen.
    """

    lower: Float[np.ndarray, "..."]
    median: Float[np.ndarray, "..."]
    upper: Float[np.ndarray, "..."]


def interval(sample: Float[np.ndarray, "m ..."], level: float) -> Interval:
    """Return median and percentile interval along the first axis; NaN where the sample is empty."""
    if sample.shape[0] == 0:
        nothing = np.full(sample.shape[1:], np.nan)
        return Interval(nothing, nothing, nothing)
    lower, upper = percentile_interval(sample, level)
    return Interval(lower, quantile(sample, 0.5), upper)


@dataclass(frozen=True, eq=False)
class Activations:
    """First activations of `d` features in a reference and in `m` replicates.

    Attributes
    ----------
    reference : array (d,)
        Times in the reference; infinite: never.
    times, signs : arrays (m, d)
        Times in the replicates, and the signs with which features switch on (0: never).
    level : float
        Of all intervals.
    """

    reference: Float[np.ndarray, " d"]
    times: Float[np.ndarray, "m d"]
    signs: Int[np.ndarray, "m d"]
    level: float

    @property
    def order(self) -> Int[np.ndarray, " k"]:
        """Features that switch on in the reference, in this order (ties by column)."""
        return np.argsort(self.reference, kind="stable")[: int(np.isfinite(self.reference).sum())]

    @property
    def probability(self) -> Float[np.ndarray, " d"]:
        """Share of replicates in which each feature ever switches on."""
        return np.isfinite(self.times).mean(axis=0)

    @property
    def raises(self) -> Float[np.ndarray, " d"]:
        """Share of replicates in which each feature switches on with a positive sign."""
        return (self.signs > 0).mean(axis=0)

    @property
    def lowers(self) -> Float[np.ndarray, " d"]:
        """Share of replicates in which each feature switches on with a negative sign."""
        return (self.signs < 0).mean(axis=0)

    @cached_property
    def ranks(self) -> Float[np.ndarray, "m d"]:
        """Rank of each feature in each replicate; features that arrive together share the best; infinite: never."""
        return arrival_ranks(self.times)

    @property
    def reference_ranks(self) -> Float[np.ndarray, " d"]:
        """Rank of each feature in the reference."""
        return arrival_ranks(self.reference[None])[0]

    @property
    def rank(self) -> Interval:
        """Rank of activation of each feature."""
        return interval(self.ranks, self.level)

    @property
    def time(self) -> Interval:
        """Time of first activation of each feature."""
        return interval(self.times, self.level)

    @cached_property
    def taus(self) -> Float[np.ndarray, " m"]:
        """Kendall's tau-b of each replicate's order with the reference (`arrival_tau`); NaN: undefined."""
        return arrival_tau(self.reference, self.times)

    @property
    def tau(self) -> Interval:
        """Kendall's tau over the replicates in which it is defined."""
        return interval(self.taus[~np.isnan(self.taus)], self.level)

    @cached_property
    def agreement(self) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        """Share of replicates whose first 1, 2, ... features are those of the reference: as a set, and in order."""
        return leading_agreement(self.reference, self.times)

    def table(self) -> dict[str, np.ndarray]:
        """Return one entry a feature of everything, by the name of a column."""
        rank, time = self.rank, self.time
        return {
            "probability": self.probability,
            "raises": self.raises,
            "lowers": self.lowers,
            "rank": self.reference_ranks,
            "rank_lower": rank.lower,
            "rank_median": rank.median,
            "rank_upper": rank.upper,
            "time": self.reference,
            "time_lower": time.lower,
            "time_median": time.median,
            "time_upper": time.upper,
        }
