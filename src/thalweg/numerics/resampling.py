"""Rows drawn anew, halves that share no row, and intervals of what was computed from them.

The bootstrap is Efron's (1979), for rows in the order of time in moving blocks (Kuensch 1989); the disjoint pairs
are those of Shah and Samworth (2013). Quantiles are order statistics (type 1 of Hyndman and Fan 1996): values that
occurred, never interpolated, so that infinities ("never") stay what they are.
"""

from __future__ import annotations

import zlib

import numpy as np
from jaxtyping import Float, Int

PLACE_SLACK = 1e-9
"""A product of a sample size and a probability this close above a whole number is that number."""


def stream(seed: int, purpose: str, number: int) -> np.random.Generator:
    """Return the random stream of one draw: independent of all others, whoever asks for it first.

    Parameters
    ----------
    seed
        That of the user, not negative.
    purpose
        What is drawn; different purposes never share a stream.
    number
        Of the draw.

    Returns
    -------
    Generator
        At its start.
    """
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), number])


def bootstrap_rows(n: int, rng: np.random.Generator, block_length: int | None = None) -> Int[np.ndarray, " n"]:
    """Draw `n` of `n` rows with replacement, one by one or in blocks of neighbours.

    Parameters
    ----------
    n
        Number of rows.
    rng
        The stream of this draw.
    block_length
        Length of the blocks, from 1 to `n`; every start is equally likely, and the last block is cut to fit.

    Returns
    -------
    array (n,)
        Row numbers.
    """
    if block_length is None:
        return rng.integers(0, n, n)
    starts = rng.integers(0, n - block_length + 1, -(-n // block_length))
    return (starts[:, None] + np.arange(block_length)).ravel()[:n]


def disjoint_pair(n: int, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw two sets of `size` rows each, of `n`, that have no row in common; each set is in increasing order."""
    order = rng.permutation(n)
    return np.sort(order[:size]), np.sort(order[size : 2 * size])


def quantile(sample: Float[np.ndarray, "m ..."], probability: float) -> Float[np.ndarray, "..."]:
    """Return, along the first axis, the least value that at least this share of the sample does not exceed."""
    m = sample.shape[0]
    place = min(max(int(np.ceil(m * probability - PLACE_SLACK)) - 1, 0), m - 1)
    return np.asarray(np.partition(sample, place, axis=0)[place])


def percentile_interval(
    sample: Float[np.ndarray, "m ..."], level: float
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Return the ends of an interval that holds at least the share `level` of the sample, equal tails left out.

    Parameters
    ----------
    sample
        Along the first axis; infinities are values like others.
    level
        Between 0 and 1.

    Returns
    -------
    tuple of arrays
        Lower and upper end, both values of the sample.
    """
    tail = (1 - level) / 2
    return quantile(sample, tail), quantile(sample, 1 - tail)
