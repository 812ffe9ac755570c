"""One accepted step of a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """What is written down of an accepted step; what does not apply is NaN.

    `tau` and `cost` at its end; `step` its length `h`; `damping` in units of the mean eigenvalue of the Gram matrix;
    `efficiency` the promised relative decrease of the squared residual, in an underparametrised run `cos^2 phi`;
    `deviation` from the line in units of what is left of it; `iterations` of the solve; `validation` the held-out
    value; `smallest` singular value of the Jacobian; `guaranteed` the clock that the steps so far have proved.
    """

    tau: float
    cost: float
    step: float = float("nan")
    damping: float = 0.0
    efficiency: float = float("nan")
    deviation: float = float("nan")
    iterations: int = 0
    validation: float = float("nan")
    smallest: float = float("nan")
    guaranteed: float = 0.0
