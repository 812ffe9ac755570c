"""Algorithm A: exponential Euler along the horizontal lift, as fast as the network lets it.

From `x(theta + h delta) = x + h D delta + O(h^2)` the step `h = 1 - exp(-dtau)` advances the clock by `dtau` exactly
where the network is linear in its parameters; `h = 1` is Gauss-Newton. A step is accepted iff the residual shrank by at
least a quarter of what the linear model promised (correction A11), and for other losses than the squared one the cost
as well:

    1 - q^2 >= (1/4)(1 - q_lin^2),   q = |r_new|/|r|,   q_lin = |r + D delta|/|r|,

and `h` grows iff it shrank by six tenths. Damping, inexact solves and rank loss all show in `q_lin`, which is measured
from the solve, so one test serves them all. Where no damping helps, the step is taken in the good eigenspace of the
Gram matrix, and where even that promises nothing, the parameters move along the fibre and the run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thalweg.adapted.factors import Linearisation
from thalweg.adapted.fibre import Fibre, random_vertical, vertical
from thalweg.adapted.node import Node
from thalweg.adapted.orthogonal import OrthogonalFactor, accurate_factor
from thalweg.adapted.recorder import Recorder
from thalweg.adapted.solve import SINGLE_JITTER, Factor, RankLossError, factor
from thalweg.adapted.spectral import SpectralFactor, spectral_factor
from thalweg.adapted.task import Task
from thalweg.adapted.underparametrised import STATIONARY, finished
from thalweg.records import Outcome

ACCEPTED, GROWN = 0.25, 0.6
"""Shares of the promised decrease of the squared residual: to accept a step, and to try a longer one (A11)."""

SHORTEST = 1e-2
"""Below this step damping gets the run further than shortening: measured on barely overparametrised networks."""

FIRST_DAMPING, MOST_DAMPING = 1e-15, 1e-2
"""Automatic damping in units of the mean eigenvalue of the Gram matrix: where it starts and where it gives up."""

NO_PROMISE = 1e-9
"""A promised relative decrease of the squared residual below this is no promise: the point is stationary."""

MOST_KICKS = 3
"""Random moves along the fibre before rank loss is accepted as the end."""

AT_PRECISION = 1e-20
"""Below this share of the initial cost a step that fails has met rounding, not curvature."""

FORCING, SMALL_FORCING, SMALL = 0.5, 0.3, 5000
"""Relative residual of inexact solves far from the end, for more and for fewer outputs `NQ` than `SMALL`: measured."""

STALE = 0.2
"""Relative change of the Jacobian, summed over steps, up to which a preconditioner serves on."""

FINER = 0.1
"""An inexact solve leaves at least this share of what the last step left: damping may not let it get further."""

FINEST = 1e-6
"""No inexact solve is finer: the next linearisation does the rest."""

FINISH = 0.3
"""The last solve leaves this share of the residual that the target allows."""


@dataclass(frozen=True)
class Settings:
    """How directions are computed: route, precision, damping, filter, motion along fibres.

    `first_damping` is automatic: it is lowered as long as steps keep their promise.
    """

    route: str
    precision: str = "float64"
    damping: float = 0.0
    power: float = 1.0
    fibre: Fibre | None = None
    first_damping: float = 0.0
    watch_spectrum: bool = False
    seed: int = 0


@dataclass(eq=False)
class _State:
    theta: Any
    x: np.ndarray
    residual: np.ndarray
    first: float
    moved: Any = None
    h: float = 1.0
    automatic: float = 0.0
    kicks: int = 0
    made: Any = None
    drift: float = np.inf
    departure: float = 1.0
    lost: float = 0.0


@dataclass(frozen=True, eq=False)
class _Step:
    theta: Any
    x: np.ndarray
    residual: np.ndarray
    h: float
    shrinkage: float
    promised: float
    lowered: float
    iterations: int
    departure: float

    @property
    def grows(self) -> bool:
        """Whether a longer step is worth a try."""
        return 1 - self.shrinkage**2 >= GROWN * self.promised


def run_fast(task: Task, settings: Settings, recorder: Recorder) -> tuple[Any, Outcome]:
    """Train from the model's parameters until the recorder says stop.

    Returns
    -------
    tuple
        The last parameters, and how the run ended.
    """
    theta = task.model.theta
    x = task.outputs(theta)
    residual = task.loss.residual(x)
    state = _State(theta, x, residual, float(np.linalg.norm(residual)), automatic=settings.first_damping)
    end = recorder.add(Node(0.0, task.loss.cost(x)), theta, x, state.residual)
    while end is None:
        end = _advance(task, settings, recorder, state)
    return recorder.last_theta, end


def _advance(task: Task, settings: Settings, recorder: Recorder, state: _State) -> Outcome | None:
    """Make one accepted step: damped as much as it takes, else in the good eigenspace, else along the fibre."""
    lin = task.model.linearise(state.theta)
    step, made = None, None
    while step is None and state.automatic <= MOST_DAMPING:
        try:
            made = _factored(lin, settings, state)
            step = _search(task, settings, recorder, state, made)
        except RankLossError:
            pass
        if step is None:
            if recorder.nodes[-1].cost <= AT_PRECISION * recorder.nodes[0].cost:
                return Outcome.PRECISION_LOST
            state.automatic, state.drift = max(10 * state.automatic, FIRST_DAMPING), np.inf
    if step is None or step.promised < NO_PROMISE:
        step, made = _in_good_eigenspace(task, settings, recorder, state, lin)
        if step is None or step.promised < NO_PROMISE:
            state.automatic = 0.0
            rests = Outcome.STALLED if step is None else Outcome.LOCAL_EQUILIBRIUM
            return _kicked(task, recorder, state, made, settings.seed, rests)
    return _accepted(task, settings, recorder, state, step, made)


def _factored(lin: Linearisation, settings: Settings, state: _State) -> Factor | OrthogonalFactor | SpectralFactor:
    """Return the factor at this point; where it only preconditions, that of an earlier point if it is near enough."""
    if settings.power != 1.0:
        return spectral_factor(lin, settings.damping + state.automatic, settings.power)
    damping = settings.damping + state.automatic
    if state.drift <= STALE and max(damping, SINGLE_JITTER) == max(state.made.damping, SINGLE_JITTER):
        return replace(state.made, lin=lin, damping=damping)
    if damping == 0.0:
        made = accurate_factor(lin, settings.route, settings.precision)
    else:
        made = factor(lin, damping, settings.route, settings.precision)
    preconditions = isinstance(made, Factor) and not made.exact
    state.made, state.drift = (made, 0.0) if preconditions else (None, np.inf)
    return made


def _accepted(
    task: Task, settings: Settings, recorder: Recorder, state: _State, step: _Step, made: Any
) -> Outcome | None:
    before = recorder.nodes[-1]
    state.moved = step.theta - state.theta
    state.drift += 2 * step.departure
    state.departure = step.shrinkage * max(step.departure / step.h**2, FINER)
    state.theta, state.x, state.residual = step.theta, step.x, step.residual
    state.h = min(1.0, 2 * step.h) if step.grows else step.h
    used = state.automatic
    if step.grows or step.h < 1:
        state.automatic = used / 10 if used > FIRST_DAMPING else 0.0
    left = max(float(np.linalg.norm(step.residual)), np.finfo(float).tiny)
    lost, state.lost = state.lost, 0.0
    node = Node(
        tau=max(float(np.log(state.first / left)), before.tau),
        cost=task.loss.cost(step.x),
        step=step.h,
        damping=settings.damping + used,
        efficiency=step.promised,
        iterations=step.iterations,
        smallest=made.smallest_singular_value() if settings.watch_spectrum else float("nan"),
        guaranteed=before.guaranteed - 0.5 * float(np.log1p(-ACCEPTED * min(step.lowered, 1.0))) - lost,
    )
    return recorder.add(node, state.theta, state.x, state.residual)


def _search(task: Task, settings: Settings, recorder: Recorder, state: _State, made: Any) -> _Step | None:
    """Shorten the step until the residual keeps its promise; None if it never does."""
    size = float(np.linalg.norm(state.residual))
    aside = vertical(task.model, state.theta, made, settings.fibre, state.moved, size)
    tolerance = _forcing(recorder, task, state)
    h, direction, solved_for = state.h, None, 0.0
    while h >= SHORTEST:
        dtau = min(-np.log1p(-h) if h < 1 else np.inf, task.loss.longest)
        h = -float(np.expm1(-dtau))
        if direction is None or not task.loss.is_linear:
            direction, solved_for = made.solve(task.loss.wanted(state.x, dtau), tolerance), h
        share = h / solved_for
        delta = share * direction.delta if aside is None else share * direction.delta + h * aside
        theta = state.theta + delta
        x = task.outputs(theta)
        residual = task.loss.residual(x)
        promise = state.x + task.raw(share * direction.reached)
        linear = task.loss.residual(promise)
        shrinkage = float(np.linalg.norm(residual)) / size
        promised = 1 - (float(np.linalg.norm(linear)) / size) ** 2
        lowered = promised if task.loss.is_linear else _lowered(task, state.x, promise, x)
        kept = 1 - shrinkage**2 >= ACCEPTED * promised and lowered is not None
        if promised < NO_PROMISE or kept:
            departure = float(np.linalg.norm(residual - linear)) / size
            return _Step(theta, x, residual, h, shrinkage, promised, lowered or 0.0, direction.iterations, departure)
        h /= 2
    return None


def _lowered(task: Task, before: np.ndarray, promise: np.ndarray, after: np.ndarray) -> float | None:
    """Return the relative decrease of the cost that was promised; None where it was not kept."""
    start = task.loss.excess(before)
    promised = start - task.loss.excess(promise)
    if not start - task.loss.excess(after) >= ACCEPTED * promised:
        return None
    return promised / start if start > 0 else 0.0


def _forcing(recorder: Recorder, task: Task, state: _State) -> float:
    """Return how exactly an iterative solve is done: as exactly as curvature lets the step be, or as the end needs."""
    usual = forcing(task.model.shape[0] * task.model.shape[1])
    left = max(recorder.tol - task.loss.floor, 0.0) / max(recorder.nodes[-1].cost - task.loss.floor, 1e-300)
    return min(usual, max(state.departure, FINISH * float(np.sqrt(left)), FINEST))


def forcing(outputs: int) -> float:
    """Return the relative residual of an inexact solve for so many outputs `NQ`."""
    return SMALL_FORCING if outputs < SMALL else FORCING


def _in_good_eigenspace(
    task: Task, settings: Settings, recorder: Recorder, state: _State, lin: Linearisation
) -> tuple[_Step | None, SpectralFactor]:
    """Take the part of the step that the Jacobian can reach: the pseudo-inverse on eigenvalues above rounding."""
    made = spectral_factor(lin, settings.damping, settings.power)
    state.automatic, state.h = 0.0, 1.0
    step = _search(task, settings, recorder, state, made)
    if step is not None and step.promised >= NO_PROMISE:
        recorder.mark("good_eigenspace", f"{made.rank}/{made.values.size}")
    return step, made


def _rested(task: Task, recorder: Recorder, state: _State) -> Outcome:
    """Go from the last node to the stationary point next to it, by steps that the loss is too coarse to judge.

    Returns
    -------
    Outcome
        Stalled where the residual could move and did not, as that of a saturated sample: that is no stationary point.
    """
    last = np.asarray(recorder.last_theta)
    theta, efficiency = finished(task, last)
    if theta is not last:
        before, x = recorder.nodes[-1], task.outputs(theta)
        residual = task.loss.residual(x)
        left = max(float(np.linalg.norm(residual)), np.finfo(float).tiny)
        tau = max(float(np.log(state.first / left)), before.tau)
        recorder.add(Node(tau, task.loss.cost(x), guaranteed=before.guaranteed), theta, x, residual)
    return Outcome.STALLED if efficiency > STATIONARY else Outcome.LOCAL_EQUILIBRIUM


def _kicked(task: Task, recorder: Recorder, state: _State, made: Any, seed: int, rests: Outcome) -> Outcome | None:
    """Move along the fibre, where the outputs stay to first order, in the hope of better rank; then go on."""
    if state.kicks == MOST_KICKS:
        recorder.mark("rank_lost", f"{made.rank}/{made.values.size}")
        return rests if rests is Outcome.STALLED else _rested(task, recorder, state)
    state.kicks += 1
    size = float(np.linalg.norm(state.residual))
    move = random_vertical(task.model, state.theta, made, size, seed, state.kicks)
    recorder.mark("kick", str(state.kicks))
    state.theta, state.h, state.drift = state.theta + move, 1.0, np.inf
    excess = task.loss.excess(state.x)
    state.x = task.outputs(state.theta)
    state.residual = task.loss.residual(state.x)
    tiny = np.finfo(float).tiny
    state.lost += 0.5 * float(np.log(max(task.loss.excess(state.x), tiny) / max(excess, tiny)))
    return None
