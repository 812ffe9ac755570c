"""Which way the Gram matrix is used: operations and bytes of each route, and the choice, which is said.

| route | what it solves | operations a step | words |
|---|---|---|---|
| exact | one Cholesky factor of `G (NQ, NQ)` | Gram + `(NQ)^3/3` | `2 (NQ)^2`, factors |
| gram_mean | conjugate gradients, preconditioned by the mean `G` | mean Gram + `N^3/3` + products | `2 N^2`, factors |
| normal | `D^T D` summed over batches of samples | `NQ K^2` + `K^3/3` | `2 K^2`, one batch |
| minibatch | one batch's Gram matrix after another, uncertified | as exact for a batch | a batch's |

For one output, exact and gram_mean are the same. For several, `auto` takes the one with fewer operations; where solves
must be accurate (ode mode), or the mean Gram matrix is no good preconditioner (`K / NQ` below 1.7,
A-REC), it takes exact as long as there are few outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

from thalweg.records import InputError
from thalweg.records.statement import Statement
from thalweg.runtime.memory import fits, free_memory

ROUTES = ("auto", "exact", "gram_mean", "normal", "minibatch")

PLENTY = 1.7
"""Parameters per output above which the mean Gram matrix preconditions well (A-REC)."""

SCARCE_DAMPING = 1e-3
"""In units of the mean eigenvalue, below that (A-REC); steps that keep their promise lower it."""

SMALL_GRAM = 3000
"""Outputs up to which the exact factor is affordable whatever the preconditioner would do."""

USUAL_ITERATIONS = 25
"""Conjugate gradients of a step, for estimates: A-REC's table says 7 to 35."""


@dataclass(frozen=True)
class Route:
    """A route with its estimated operations for one step and its memory in bytes."""

    name: str
    operations: float
    bytes: float

    def say(self, lang: str = "en") -> str:
        """Return what was chosen and what it costs, as a sentence."""
        return self.statement.say(lang)

    @property
    def statement(self) -> Statement:
        """The choice as a statement."""
        values = {"route": self.name, "operations": self.operations, "gigabytes": self.bytes / 2**30}
        return Statement("adapted.route", values)


def estimates(N: int, Q: int, K: int, widths: int, single: bool = False) -> dict[str, Route]:
    """Return every route with its costs.

    Parameters
    ----------
    N, Q, K
        Samples, outputs, parameters.
    widths
        Sum of the numbers of inputs and outputs of the layers: what factors hold per sample.
    single
        Whether the factored matrix is in single precision.

    Returns
    -------
    dict
        By name.
    """
    word, rows = (4 if single else 8), N * Q
    held = 8.0 * N * Q * widths
    linearise = 2.0 * N * K * (1 + Q)
    products = 4.0 * N * K + 4.0 * rows * widths
    batch = max(1, min(N, 1000 // max(1, Q)))
    made = (
        Route("exact", linearise + 2.0 * rows**2 * widths + rows**3 / 3.0 + 2.0 * N * K, 2.0 * word * rows**2 + held),
        Route("gram_mean", linearise + 2.0 * N**2 * Q * widths + N**3 / 3.0 + USUAL_ITERATIONS * products,
              2.0 * word * N**2 + held),
        Route("normal", linearise + 2.0 * rows * K**2 + K**3 / 3.0, 16.0 * K**2 + 8.0 * K * Q * batch),
        Route("minibatch", linearise + 2.0 * rows * batch * Q * widths, 2.0 * word * (batch * Q) ** 2 + held),
    )  # fmt: skip
    return {route.name: route for route in made}


def choose_route(
    name: str, N: int, Q: int, K: int, widths: int, *, damped: bool = False, single: bool = False,
    accurate: bool = False, available: float | None = None,
) -> Route:  # fmt: skip
    """Return the route that is named, or the one that `auto` takes, if its memory is there.

    Parameters
    ----------
    name
        One of `ROUTES`.
    N, Q, K, widths
        Sizes as in `estimates`.
    damped
        Whether the user damps: only then may there be fewer parameters than outputs.
    single
        Whether the factored matrix is in single precision.
    accurate
        Whether solves must be accurate: conjugate gradients then take many iterations.
    available
        Bytes of memory; measured unless given.

    Returns
    -------
    Route
        Its `say()` tells what was chosen.

    Raises
    ------
    InputError
        If the route is unknown, there are fewer parameters than outputs without damping, or memory is short: names the
        bytes and the route that would fit.
    """
    if name not in ROUTES:
        raise InputError("option_range", name="route", value=name, wanted=", ".join(ROUTES))
    if N * Q > K and not damped and name != "minibatch":
        raise InputError("adapted_underparametrised", parameters=K, outputs=N * Q, samples=N, per_sample=Q)
    made = estimates(N, Q, K, widths, single)
    chosen = made[_automatic(N, Q, K, made, accurate) if name == "auto" else name]
    free = free_memory() if available is None else available
    if not fits(chosen.bytes, free):
        fitting = [r.name for r in made.values() if fits(r.bytes, free) and r.name != "normal"]
        raise InputError(
            "adapted_memory", route=chosen.name, needed=chosen.bytes / 2**30, free=free / 2**30,
            fitting=", ".join(fitting) or "-",
        )  # fmt: skip
    return chosen


def first_damping(route: str, N: int, Q: int, K: int) -> float:
    """Return the damping with which conjugate gradients start: where parameters are scarce `G` is nearly singular."""
    return SCARCE_DAMPING if route == "gram_mean" and K < PLENTY * N * Q else 0.0


def _automatic(N: int, Q: int, K: int, made: dict[str, Route], accurate: bool) -> str:
    if N * Q > K:
        return "normal"
    if Q == 1 or made["exact"].operations <= made["gram_mean"].operations:
        return "exact"
    scarce = K < PLENTY * N * Q
    return "exact" if (scarce or accurate) and N * Q <= SMALL_GRAM else "gram_mean"
