"""Recording how sensitive a model is to each input while it trains, at little cost.

Saddle-to-saddle training moves on a logarithmic clock, so the records are spaced evenly in the logarithm of the step:
a run of a million steps is measured some two hundred times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.observe import observe
from thalweg.records import InputError

if TYPE_CHECKING:
    from thalweg.diagonal.observation import Observation

PER_DECADE = 40
"""Records for each tenfold number of steps: neighbours are 6 % apart."""


class InputRecorder:
    """A history of input sensitivities, taken during training.

    Call it once in every training step, before the update. It counts the calls from 0 and measures only at the steps
    that are due; it draws no random numbers and changes nothing of the model.

    Parameters
    ----------
    measure
        Returns the sensitivities `(d,)` of the model as it is; what the recorder is called with is handed on to it.
        Not needed where `record` is called instead.
    steps
        The steps to record, such as `range(0, 5000, 50)`; spaced logarithmically unless given.
    per_decade
        Records for each tenfold number of steps, at most; the first steps are all recorded.

    Examples
    --------
    >>> recorder = InputRecorder(lambda: torch_sensitivity(model, X))  # doctest: +SKIP
    >>> recorder(loss=loss)  # once in every training step  # doctest: +SKIP
    >>> print(recorder.observe(predicted=path))  # doctest: +SKIP
    """

    def __init__(
        self,
        measure: Callable[..., object] | None = None,
        *,
        steps: Container[int] | None = None,
        per_decade: int = PER_DECADE,
    ) -> None:
        if per_decade < 1:
            raise InputError("option_range", name="per_decade", value=per_decade, wanted=">= 1")
        self.measure, self.steps, self.per_decade = measure, steps, per_decade
        self.count = 0
        self._records: list[tuple[int, np.ndarray, float | None]] = []

    def __call__(self, *state: Any, loss: Any = None) -> None:
        """Count one training step, and measure and record if it is due.

        Parameters
        ----------
        state
            Handed on to `measure`: for JAX the current parameters.
        loss
            Loss of this step, a number or a scalar array; it is read only when the step is due.

        Raises
        ------
        InputError
            If the recorder was made without `measure`.
        """
        if self.measure is None:
            raise InputError("recorder_without_measure")
        step, self.count = self.count, self.count + 1
        if self.due(step):
            self.record(step, self.measure(*state), loss)

    def due(self, step: int) -> bool:
        """Tell whether a step is to be recorded: a point of the logarithmic grid lies in `(step - 1, step]`."""
        if self.steps is not None:
            return step in self.steps
        if step < 2:
            return step >= 0
        return math.floor(self.per_decade * math.log10(step)) > math.floor(self.per_decade * math.log10(step - 1))

    def record(self, step: Any, sensitivity: Any, loss: Any = None) -> None:
        """Keep one record; steps may arrive in any order, as from callbacks of compiled code.

        Values are checked when they are observed: a run must not stop because it is watched.
        """
        number = None if loss is None else float(loss.item() if hasattr(loss, "item") else loss)
        self._records.append((int(step), np.array(sensitivity, dtype=np.float64), number))

    @property
    def history(self) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "k d"], Float[np.ndarray, " k"] | None]:
        """The steps, the sensitivities and the losses (None without any) recorded so far, in the order of steps.

        Raises
        ------
        InputError
            If nothing was recorded, the number of inputs changed, or only some records have a loss.
        """
        if not self._records:
            raise InputError("recorder_empty")
        records = sorted(self._records, key=lambda kept: kept[0])
        d = records[0][1].size
        for step, values, loss in records:
            if values.shape != (d,):
                raise InputError("recorder_shape", step=step, shape=str(values.shape), wanted=d)
            if (loss is None) != (records[0][2] is None):
                raise InputError("recorder_loss", step=step)
        losses = None if records[0][2] is None else np.array([loss for _, _, loss in records], dtype=np.float64)
        steps = np.array([step for step, _, _ in records], dtype=np.float64)
        return steps, np.array([values for _, values, _ in records]), losses

    def observe(self, **options: Any) -> Observation:
        """Observe what was recorded so far; the options are those of `observe`."""
        steps, sensitivity, losses = self.history
        return observe(steps, sensitivity, losses, **options)
