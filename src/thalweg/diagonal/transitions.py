"""What happens between two saddles, and a clock in which a jump takes time.

At a jump the clock of the path stands still and the coordinates at their walls move by the flow itself,
`db_i/dt = 2 |b_i| g_i` for depth 2: along one unstable direction away from the old saddle, and into the new one. This
heteroclinic orbit is where the network is during the jump. In the arc-length clock `tau = t + int |db|` the whole
training moves with unit speed: it rests on plateaus, and crosses each transition in the length of its orbit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.motion import Motion, PrecisionLost
from thalweg.diagonal.network import network
from thalweg.diagonal.path import SaddlePath
from thalweg.records import InputError, Outcome

FIRST_SIZE = 1e-8
"""Share of the target with which a new coordinate starts: the orbit has left its saddle by less than that."""

ARRIVED = 1e-8
"""Pulls below this share of the first ones, or on coordinates below this share of the target, are at rest."""

ORBIT_TOLERANCE = 1e-7
"""Of the integration: with it the cubic between two steps is exact to more than a line is wide."""

SUBDIVISIONS = 16
"""Points of the cubic between two steps, from which the length is measured."""

MOST_ORBIT_STEPS = 20_000
"""Where wall coordinates without pull make the arrival algebraic, this many steps are more than enough."""

AT_WALL = 1e-9
"""A dual within this share of its threshold is at its wall."""


@dataclass(frozen=True, eq=False)
class Orbit:
    """The way from one saddle to the next.

    Attributes
    ----------
    jump : int
        Its number, from 1.
    features : array (f,)
        The coordinates at their walls: only they move.
    points : array (q, f)
        Their coefficients, evenly spaced in arc length, from the old saddle to the new one.
    lengths : array (q,)
        Arc length up to each point.
    losses : array (q,)
        The loss there: it falls all the way.
    outcome : Outcome
        CONVERGED, or why the orbit was not followed to the end.
    """

    jump: int
    features: np.ndarray
    points: Float[np.ndarray, "q f"]
    lengths: Float[np.ndarray, " q"]
    losses: Float[np.ndarray, " q"]
    outcome: Outcome

    @property
    def length(self) -> float:
        """The length of the whole orbit: at least the distance between its saddles."""
        return float(self.lengths[-1])

    def __repr__(self) -> str:
        return f"<Orbit of jump {self.jump}, {self.features.size} features, length {self.length:.6g}>"


def heteroclinic_orbit(path: SaddlePath, k: int, *, points: int = 101, depth: int = 2, positive: bool = False) -> Orbit:
    """Compute the orbit of jump `k`, from saddle `k - 1` to saddle `k`.

    Parameters
    ----------
    path
        A saddle path.
    k
        Number of a jump, from 1.
    points
        How many points to return.
    depth
        Of the network: its saddles do not depend on it, the ways between them do.
    positive
        Whether the path is that of the one-sided network, which has no lower walls.

    Returns
    -------
    Orbit
        Where several coordinates arrive at their walls together, the orbit depends on prefactors of their
        initialisation, and these are taken as equal; between dependent columns its end is the flow's split.

    Raises
    ------
    InputError
        If there is no such jump, or fewer than two points are asked for.
    """
    if not 1 <= k <= path.count:
        raise InputError("no_such_jump", k=k, last=path.count)
    if points < 2:
        raise InputError("option_range", name="points", value=points, wanted=">= 2")
    dual, start = path.dual(k), path.coef(k - 1)
    signed = dual if positive else np.abs(dual)
    features = np.flatnonzero((np.abs(signed - path.exponents) <= AT_WALL * path.exponents) | (start != 0))
    X = np.asarray(path.X[:, features])
    target = path.integrals[1] / path.times[0]  # the residual of the zero saddle
    motion = Motion(X, target, network(features.size, -1.0, depth=depth, parametrisation="square"), ORBIT_TOLERANCE)
    old = np.abs(start[features])
    share = np.linalg.norm(target) / np.linalg.norm(X, axis=0)
    motion.start_near(np.sign(dual[features]), np.where(old > 0, old, FIRST_SIZE * share))
    outcome, times, coefficients, rates = _trace(motion, ARRIVED * share)
    rows = np.vstack([start[features], _cubic(times, coefficients, rates)])
    along = arc_length(np.zeros(len(rows)), rows)
    lengths = np.linspace(0.0, along[-1], points)
    even = np.column_stack([np.interp(lengths, along, column) for column in rows.T])
    losses = ((target - even @ X.T) ** 2).sum(axis=1) / (2 * target.size)
    losses += path.losses[0] - float(target @ target) / (2 * target.size)  # what no column sees
    return Orbit(k, features, even, lengths, losses, outcome)


def arc_length(
    times: Float[np.ndarray, " q"], coefficients: Float[np.ndarray, "q d"], *, weight: float = 1.0
) -> Float[np.ndarray, " q"]:
    """Return the arc-length clock `t + weight * int |db|` along a recorded training.

    Parameters
    ----------
    times : array (q,)
        The clock of the path; it may stand still while the coefficients move.
    coefficients : array (q, d)
        The coefficients at each row.
    weight
        Units of time that a unit of length counts.

    Returns
    -------
    array (q,)
        Zero at the first row.
    """
    lengths = np.linalg.norm(np.diff(coefficients, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(np.diff(times) + weight * lengths)])


@dataclass(frozen=True, eq=False)
class Film:
    """A whole path with its transitions, plateau after orbit after plateau.

    Attributes
    ----------
    times : array (q,)
        The clock of the path; constant during each orbit.
    features : array (f,)
        All coordinates that are ever active.
    coefficients : array (q, f)
        Theirs.
    losses : array (q,)
        The loss.
    plateaus : array (m + 1, 2)
        First and last row of each plateau.
    """

    times: Float[np.ndarray, " q"]
    features: np.ndarray
    coefficients: Float[np.ndarray, "q f"]
    losses: Float[np.ndarray, " q"]
    plateaus: np.ndarray


def film(
    path: SaddlePath,
    *,
    until: float | None = None,
    jumps: int | None = None,
    points: int = 61,
    depth: int = 2,
    positive: bool = False,
) -> Film:
    """Join the plateaus of a path and the orbits between them.

    Parameters
    ----------
    path
        A saddle path with at least one jump.
    until
        Where the last plateau ends; 1.2 times the last jump unless given.
    jumps
        How many jumps to show; all unless given.
    points, depth, positive
        Of each orbit.

    Returns
    -------
    Film
        To be drawn against `arc_length(times, coefficients)`.

    Raises
    ------
    InputError
        If there are not so many jumps, or `until` lies before the last of them.
    """
    last = path.count if jumps is None else jumps
    if not 1 <= last <= path.count:
        raise InputError("no_such_jump", k=last, last=path.count)
    end = 1.2 * float(path.times[last - 1]) if until is None else until
    if not path.times[last - 1] <= end < np.inf:
        raise InputError("option_range", name="until", value=end, wanted=f">= {path.times[last - 1]:.6g}")
    orbits = [heteroclinic_orbit(path, k, points=points, depth=depth, positive=positive) for k in range(1, last + 1)]
    features = np.unique(np.concatenate([orbit.features for orbit in orbits]))
    rows = [np.zeros((1, features.size))]
    for orbit in orbits:
        part = np.zeros((points, features.size))
        part[:, np.searchsorted(features, orbit.features)] = orbit.points
        rows.append(part)
    coefficients = np.vstack([*rows, rows[-1][-1:]])
    times = np.concatenate([[0.0], np.repeat(path.times[:last], points), [end]])
    losses = np.concatenate([path.losses[:1], *(orbit.losses for orbit in orbits), orbits[-1].losses[-1:]])
    ends = 1 + points * np.arange(last + 1)
    return Film(times, features, coefficients, losses, np.column_stack([ends - 1, ends]))


def _trace(motion: Motion, small: Float[np.ndarray, " f"]) -> tuple[Outcome, np.ndarray, np.ndarray, np.ndarray]:
    """Follow the motion to rest; return fast times, coefficients and their rates at every step."""
    norms = np.linalg.norm(motion.X, axis=0)
    pull = motion.pull()
    rest = ARRIVED * float((np.abs(pull) / norms).max()) * norms
    rows: list[tuple[float, np.ndarray, np.ndarray]] = []
    while True:
        b = motion.coefficients
        rows.append((motion.time * motion.network.unit, b, motion.network.slope(motion.distances) * pull))
        gone = (np.abs(b) <= small) & (motion.signs * pull <= 0)
        if ((np.abs(pull) <= rest) | gone).all():
            outcome = Outcome.CONVERGED
            break
        if motion.steps >= MOST_ORBIT_STEPS:
            outcome = Outcome.BUDGET_SPENT
            break
        try:
            motion.step()
        except PrecisionLost:
            outcome = Outcome.PRECISION_LOST
            break
        pull = motion.pull()
    times, coefficients, rates = (np.array(column) for column in zip(*rows, strict=True))
    return outcome, times, coefficients, rates


def _cubic(
    times: Float[np.ndarray, " s"], values: Float[np.ndarray, "s f"], rates: Float[np.ndarray, "s f"]
) -> Float[np.ndarray, "q f"]:
    """Return points of the cubic Hermite curve through the steps."""
    x = (np.arange(SUBDIVISIONS) / SUBDIVISIONS)[None, :, None]
    h = np.diff(times)[:, None, None]
    left, right = values[:-1, None], values[1:, None]
    into, out = h * rates[:-1, None], h * rates[1:, None]
    curve = left + x**2 * (3 - 2 * x) * (right - left) + x * (1 - x) * ((1 - x) * into - x * out)
    return np.vstack([curve.reshape(-1, values.shape[1]), values[-1:]])
