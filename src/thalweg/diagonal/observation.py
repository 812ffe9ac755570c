"""What a record of input sensitivities shows: an observation of one training run, not a theorem.

The theorem of this family speaks of diagonal linear networks in the limit of small initialisation. For any other
model it predicts nothing; whether its inputs become active in the predicted order is then a question that this record
answers for the run it was taken from. Every sentence says so.
"""

from __future__ import annotations

import numpy as np

from thalweg.diagonal.plateaus import Plateau, origin
from thalweg.numerics.validation import list_some
from thalweg.records import Cell, Mark, Statement, Trajectory, record


@record
class Activity:
    """Feature `feature` is active from step `start` to step `end` (infinite: until the record ends)."""

    feature: int
    start: float
    end: float


@record
class Agreement:
    """The observed order beside a predicted one.

    Attributes
    ----------
    order : tuple of int
        Features in the predicted order of their first activation.
    times : array (d,)
        Predicted times; where only an order was given, places from 1; infinite for features not predicted.
    tau, p_value : float
        Kendall's tau (b, for ties) over the `compared` features that were predicted and observed, and the exact
        probability that a random order agrees at least as well. NaN: tau without two different times on both sides,
        the probability also where times are equal.
    compared, agreeing : int
        How many features are compared; how many of the first ones are the predicted ones in the predicted order.
    missing, unexpected : tuple of int
        Features predicted and not observed, in the predicted order; observed and not predicted, in the observed one.
    pace, spread : float
        Steps per unit of predicted time (geometric mean over the compared features that were not active from
        the start), and the factor by which it varies (geometric standard deviation, over two or more of
        them). NaN where no times were predicted.
    clock : float or None
        Steps per unit of predicted time known beforehand: `ln(1/alpha) / learning rate`.
    """

    order: tuple[int, ...]
    times: np.ndarray
    tau: float
    p_value: float
    compared: int
    agreeing: int
    missing: tuple[int, ...]
    unexpected: tuple[int, ...]
    pace: float
    spread: float
    clock: float | None


@record
class Observation:
    """When each input of a model became active during one training run.

    Attributes
    ----------
    steps : array (k,)
        Steps that were recorded.
    sensitivity : array (k, d)
        Sensitivities of the inputs.
    losses : array (k,) or None
        Losses where they were recorded.
    names : tuple of str
        Names of the inputs.
    level : float
        The sensitivity from which an input counts as active.
    activities : tuple of Activity
        Every spell of activity in the order in which they begin.
    plateaus : tuple of Plateau
        Plateaus of the loss; empty without losses.
    agreement : Agreement or None
        The comparison with a prediction, where there is one.
    """

    steps: np.ndarray
    sensitivity: np.ndarray
    losses: np.ndarray | None
    names: tuple[str, ...]
    level: float
    activities: tuple[Activity, ...]
    plateaus: tuple[Plateau, ...]
    agreement: Agreement | None

    @property
    def activated(self) -> np.ndarray:
        """The step of first activation of every input, shape `(d,)`; infinite for those that never become active."""
        first = np.full(len(self.names), np.inf)
        for activity in reversed(self.activities):
            first[activity.feature] = activity.start
        return first

    @property
    def order(self) -> tuple[int, ...]:
        """The inputs in the order of their first activation (ties by column)."""
        return tuple(dict.fromkeys(activity.feature for activity in self.activities))

    @property
    def from_start(self) -> tuple[int, ...]:
        """The inputs that are active in the first record: when they became so cannot be seen."""
        return tuple(np.flatnonzero(self.activated == self.steps[0]).tolist())

    @property
    def left(self) -> tuple[int, ...]:
        """The inputs that were active and are no longer when the record ends."""
        lasting = {activity.feature for activity in self.activities if np.isinf(activity.end)}
        return tuple(feature for feature in self.order if feature not in lasting)

    def active_at(self, step: float) -> tuple[int, ...]:
        """Return the inputs that are active at a step, by column."""
        return tuple(sorted({a.feature for a in self.activities if a.start <= step < a.end}))

    @property
    def trajectory(self) -> Trajectory:
        """The record with one channel an input and a mark wherever one becomes active or ceases to be."""
        marks = [Mark(a.start, "enter", self.names[a.feature]) for a in self.activities]
        marks += [Mark(a.end, "leave", self.names[a.feature]) for a in self.activities if np.isfinite(a.end)]
        return Trajectory(
            clock="step",
            clock_unit="",
            clock_values=self.steps,
            loss=np.full(self.steps.size, np.nan) if self.losses is None else self.losses,
            channels={name: self.sensitivity[:, i] for i, name in enumerate(self.names)},
            marks=tuple(sorted(marks, key=lambda mark: mark.clock_value)),
        )

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What was seen, in sentences; the first says that it is an observation, not a theorem."""
        return (*_seen(self), *_compared(self), *_rested(self))

    def say(self, lang: str = "en") -> str:
        """Return all statements in the given language, one a line."""
        return "\n".join(statement.say(lang) for statement in self.statements)

    def __str__(self) -> str:
        return self.say()

    def __repr__(self) -> str:
        tau = "" if self.agreement is None else f", tau {self.agreement.tau:.3g}"
        return f"<Observation {len(self.order)} of {len(self.names)} inputs active, {self.steps.size} records{tau}>"


def _named(observation: Observation, features: tuple[int, ...]) -> str:
    return list_some([observation.names[i] for i in features]) or "-"


def _seen(observation: Observation) -> list[Statement]:
    """Say which inputs became active, which were so from the start and which left."""
    order, start, left = observation.order, observation.from_start, observation.left
    values: dict[str, Cell] = {"active": len(order), "features": len(observation.names)}
    if order:
        ends = {"first": float(observation.activated[order[0]]), "last": float(observation.activated[order[-1]])}
        said = [Statement("observation.order", {**values, **ends, "order": _named(observation, order)})]
    else:
        said = [Statement("observation.nothing", values)]
    if start:
        said.append(Statement("observation.from_start", {"count": len(start), "names": _named(observation, start)}))
    if left:
        said.append(Statement("observation.left", {"count": len(left), "names": _named(observation, left)}))
    return said


def _compared(observation: Observation) -> list[Statement]:
    """Say how the order agrees with the predicted one, and the steps with the predicted times."""
    agreement = observation.agreement
    if agreement is None:
        return []
    values: dict[str, Cell] = {
        "tau": agreement.tau,
        "compared": agreement.compared,
        "agreeing": agreement.agreeing,
        "p_value": agreement.p_value,
    }
    if np.isnan(agreement.tau):
        said = [Statement("observation.too_few", {"compared": agreement.compared})]
    elif np.isnan(agreement.p_value):
        said = [Statement("observation.tied", values)]
    else:
        said = [Statement("observation.agreement", values)]
    if agreement.missing or agreement.unexpected:
        differing: dict[str, Cell] = {
            "missing": _named(observation, agreement.missing),
            "unexpected": _named(observation, agreement.unexpected),
        }
        said.append(Statement("observation.differs", differing))
    return [*said, *_timed(agreement)]


def _timed(agreement: Agreement) -> list[Statement]:
    if np.isnan(agreement.spread):
        return []
    values: dict[str, Cell] = {"pace": agreement.pace, "spread": agreement.spread}
    if agreement.clock is None:
        return [Statement("observation.pace", values)]
    return [Statement("observation.clock", {**values, "ratio": agreement.pace / agreement.clock})]


def _rested(observation: Observation) -> list[Statement]:
    """Say how often the loss rested, and where longest."""
    if not observation.plateaus:
        return []
    earliest = origin(observation.steps)
    longest = max(observation.plateaus, key=lambda plateau: plateau.end / max(plateau.start, earliest))
    values: dict[str, Cell] = {
        "count": len(observation.plateaus),
        "start": longest.start,
        "end": longest.end,
        "loss": longest.loss,
    }
    return [Statement("observation.plateaus", values)]
