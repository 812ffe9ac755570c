"""Events of a walk, one by one, with what the path reports beside its saddles."""

from __future__ import annotations

from thalweg.diagonal.path import Saddle
from thalweg.diagonal.walk import Walk
from thalweg.records import Outcome


class Course:
    """A walk that keeps its saddles.

    Parameters
    ----------
    walk
        At the zero saddle.
    constant_loss
        Loss that no coefficient can change.
    negligible_loss
        Loss up to which the data are interpolated.
    max_saddles, max_time
        Where to stop.
    """

    def __init__(
        self,
        walk: Walk,
        *,
        constant_loss: float,
        negligible_loss: float,
        max_saddles: int | None,
        max_time: float | None,
    ) -> None:
        self.walk, self.constant, self.negligible_loss = walk, constant_loss, negligible_loss
        self.max_saddles, self.max_time = max_saddles, max_time
        self.saddles: list[Saddle] = []
        self._keep()
        self.skipped: list[tuple[int, int]] = []
        self.simultaneous: list[int] = []
        self.departure: int | None = None

    def step(self) -> Outcome | None:
        """Go to the next saddle and return None, or return why there is none among the working columns."""
        number = len(self.saddles)
        if number > 1 and self.saddles[-1].loss <= self.negligible_loss:
            return Outcome.INTERPOLATED
        delta = self.walk.next_hit()
        if delta is None:
            return Outcome.CONVERGED if number > 1 else Outcome.NOTHING_TO_LEARN
        if self.max_saddles is not None and number > self.max_saddles:
            return Outcome.STOPPED_ON_REQUEST
        if self.max_time is not None and self.walk.time + delta > self.max_time:
            return Outcome.STOPPED_ON_REQUEST
        hits = self.walk.advance(delta)
        left = self.walk.jump(hits)
        self._keep()
        if self.walk.idle:
            self.skipped += [(number, int(self.walk.work.labels[i])) for i in self.walk.dependent_on_face()]
        if hits.size > 1:
            self.simultaneous.append(number)
        if left and self.departure is None:
            self.departure = number
        return None

    def forget_after(self, number: int) -> None:
        """Forget all saddles after this one: a column that was left out came first."""
        del self.saddles[number + 1 :]
        self.skipped = [entry for entry in self.skipped if entry[0] <= number]
        self.simultaneous = [k for k in self.simultaneous if k <= number]
        if self.departure is not None and self.departure > number:
            self.departure = None

    def _keep(self) -> None:
        walk = self.walk
        loss = walk.loss / (2 * walk.n) + self.constant
        labels = walk.work.labels[walk.set.indices]
        self.saddles.append(Saddle(walk.time, labels, walk.set.b.copy(), walk.integral, loss))
