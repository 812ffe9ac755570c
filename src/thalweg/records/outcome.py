"""Outcome: how a computation ended. Nothing ends silently, and nothing in a warning alone."""

from __future__ import annotations

import enum

from thalweg.texts import text


class Outcome(enum.Enum):
    """How a computation ended; the sentence of each member says what happened and what to do."""

    CONVERGED = "converged"
    INTERPOLATED = "interpolated"
    NOTHING_TO_LEARN = "nothing_to_learn"
    STOPPED_ON_REQUEST = "stopped_on_request"
    BUDGET_SPENT = "budget_spent"
    NO_MINIMISER = "no_minimiser"
    RANK_LOST = "rank_lost"
    DIVERGED = "diverged"
    PRECISION_LOST = "precision_lost"
    INTERRUPTED = "interrupted"
    TARGET_REACHED = "target_reached"
    BELOW_FLOOR = "below_floor"
    LOCAL_EQUILIBRIUM = "local_equilibrium"
    STALLED = "stalled"

    def say(self, lang: str = "en") -> str:
        """Return the sentence of this outcome."""
        return text(f"outcome.{self.value}", lang)
