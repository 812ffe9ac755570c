"""Certificate of an adapted run: plain forward passes at its nodes, compared with the curve known before it.

What is proved depends on how the run was made. A certified one stays, at every node that was kept, within
`2 eps_line + eps_line^2` of the curve that its first outputs determine (theorem T1, Algorithm B). A fast one stays
below `C_0 exp(-2 tau)` at the clock that its steps have proved (correction A11). Of others, that the recorded losses
are those of the recorded parameters. A run that says it reached its target must have, and one that says it rests at a
critical point must rest: then rank and dimension of the critical submanifold are stated (theorems T3 and T4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from thalweg.adapted.claims import contradictions, rebuild
from thalweg.adapted.envelope import AGREEMENT, SLACK, Envelope, envelope
from thalweg.adapted.loss_base import Loss
from thalweg.adapted.options import UNPROMISED, read_options
from thalweg.adapted.task import Task
from thalweg.adapted.underparametrised import STATIONARY
from thalweg.data.problem import Problem
from thalweg.records import (
    Cell,
    Certificate,
    Fit,
    Method,
    Outcome,
    Quantity,
    Statement,
    Trajectory,
    Verdict,
)
from thalweg.records.certificate import digest_of

if TYPE_CHECKING:
    from thalweg.adapted.critical import CriticalSubmanifold
    from thalweg.adapted.result import AdaptedFit

STATEMENTS = {
    ("followed", True): "certificate.adapted.followed_reached",
    ("followed", False): "certificate.adapted.followed",
    ("bounded", True): "certificate.adapted.bounded_reached",
    ("bounded", False): "certificate.adapted.bounded",
    ("recorded", True): "certificate.adapted.recorded_reached",
    ("recorded", False): "certificate.adapted.recorded",
}
"""By what is proved of the way, and whether the target was reached."""

ODE_TOLERANCE = 1e-4
"""Line tolerance by which a run of the integrator is measured: it promises accuracy, not a band."""

CRITICAL_NUMBERS = 2e7
"""Entries of the Jacobian up to which a critical point is decomposed."""


@dataclass(frozen=True, eq=False)
class _Claim:
    """What a run says of itself, whoever recorded it."""

    mode: str
    promised: bool
    line_tolerance: float
    outcome: Outcome
    trajectory: Trajectory
    goal: float
    target: str

    @property
    def kind(self) -> str:
        """Which of the three things is proved: "followed" the curve, "bounded" by steps, or "recorded"."""
        if self.promised and self.mode in ("certified", "ode"):
            return "followed"
        return "bounded" if self.mode == "fast" and self._has_bound else "recorded"

    @property
    def _has_bound(self) -> bool:
        """Whether the steps have proved that the clock advanced."""
        proved = self.trajectory.channels.get("guaranteed")
        return proved is not None and (proved.size == 1 or bool(proved[-1] > 0))

    @property
    def tolerance(self) -> float | None:
        """Line tolerance of a run that follows the curve."""
        if self.kind != "followed":
            return None
        return self.line_tolerance if self.mode == "certified" else ODE_TOLERANCE


def certify(fit: Fit, problem: Problem) -> Certificate:
    """Prove, or fail to prove, that a fit went where the curve known before it says.

    Parameters
    ----------
    fit
        An adapted fit, made here or elsewhere.
    problem
        The data it speaks of.

    Returns
    -------
    Certificate
        "holds" only if the record fits the data, the recomputed losses agree, the curve (or the bound) is kept at every
        kept node, and what the outcome says is so; "fails" where one of them is shown to be wrong.

    Raises
    ------
    InputError
        If the fit is of another family or its features are not those of the problem.
    """
    problem.require_subject_of(fit, "adapted")
    problem.require_computable()
    options = read_options(fit.options)
    made = rebuild(fit, problem, options)
    claim = _Claim(
        options.mode, options.is_promised, options.line_tolerance, fit.outcome, fit.trajectory,
        float("nan") if made is None else made.stop.cost_target, fit.target_name,
    )  # fmt: skip
    inputs = (("X", "y"), problem.digest)
    wrong = ["solution"] if made is None else contradictions(fit, made, options)
    if made is None or wrong:
        reason = Statement("reason.adapted.inconsistent", {"names": ", ".join(wrong)})
        return _certificate(claim, Verdict.FAILS, reason, None, inputs)
    arrays = fit.solution
    task = made.task
    seen = envelope(
        task.outputs, task.loss, arrays["node_parameters"], arrays["kept_nodes"].tolist(), fit.trajectory,
        claim.tolerance,
    )  # fmt: skip
    critical = _critical(task, arrays["node_parameters"][-1]) if fit.outcome is Outcome.LOCAL_EQUILIBRIUM else None
    return _certificate(claim, *_judge(claim, seen, task.loss, critical), seen, inputs, critical)


def certify_run(run: AdaptedFit) -> Certificate:
    """Prove what a run of `adapted.fit` says of itself, by plain forward passes at its kept nodes.

    Parameters
    ----------
    run
        Any run.

    Returns
    -------
    Certificate
        Bound to `X`, `Y` as they were trained on (equal inputs merged, classes as probabilities) and `theta`.
    """
    task, options = run.task, run.options
    claim = _Claim(
        mode=str(options["mode"]),
        promised=_is_promised(options),
        line_tolerance=float(options["line_tolerance"]),
        outcome=run.outcome,
        trajectory=run.trajectory,
        goal=float(options["tol"]),
        target=str(options["loss"]),
    )
    arrays = {"X": np.asarray(task.model.X), "Y": task.loss.y, "theta": run.theta}
    inputs = (tuple(arrays), digest_of(arrays))
    seen = envelope(task.outputs, task.loss, run.node_parameters, run.kept_nodes, run.trajectory, claim.tolerance)
    critical = _critical(task, run.theta) if run.outcome is Outcome.LOCAL_EQUILIBRIUM else None
    return _certificate(claim, *_judge(claim, seen, task.loss, critical), seen, inputs, critical)


def _is_promised(options: Any) -> bool:
    return options["damping"] == 0 and options["power"] == 1 and options["route"] not in UNPROMISED


def _judge(
    claim: _Claim, seen: Envelope, loss: Loss, critical: CriticalSubmanifold | None
) -> tuple[Verdict, Statement]:
    """Return the verdict and its reason: what is wrong first."""
    if not seen.difference <= AGREEMENT:
        return Verdict.FAILS, Statement("reason.adapted.loss_differs", {"difference": seen.difference})
    if claim.outcome is Outcome.TARGET_REACHED and not seen.last <= claim.goal * (1 + AGREEMENT):
        return Verdict.FAILS, Statement("reason.adapted.not_reached", {"last": seen.last, "goal": claim.goal})
    if critical is not None and not critical.is_stationary:
        resolved = critical.cos_squared > STATIONARY  # below it the loss no longer tells, to half its digits
        verdict = Verdict.FAILS if resolved else Verdict.UNDECIDED
        return verdict, Statement("reason.adapted.not_stationary", {"share": critical.projected})
    if claim.kind == "followed":
        if not loss.is_certified:
            return Verdict.UNDECIDED, Statement("reason.adapted.no_law", {"loss": loss.name})
        values: dict[str, Cell] = {"deviation": seen.deviation, "allowed": seen.allowed}
        if not seen.deviation <= seen.allowed + SLACK:
            verdict = Verdict.FAILS if claim.mode == "certified" else Verdict.UNDECIDED
            return verdict, Statement("reason.adapted.left_curve", values)
        return Verdict.HOLDS, Statement("reason.adapted.on_curve", {**values, "nodes": seen.nodes, "of": seen.of})
    if claim.kind == "bounded":
        if not seen.excess <= SLACK:
            return Verdict.FAILS, Statement("reason.adapted.above_bound", {"excess": seen.excess})
        return Verdict.HOLDS, Statement("reason.adapted.below_bound", {"nodes": seen.nodes, "of": seen.of})
    return Verdict.HOLDS, Statement("reason.adapted.losses_agree", {"nodes": seen.nodes, "of": seen.of})


def _critical(task: Task, theta: Float[np.ndarray, " K"]) -> CriticalSubmanifold | None:
    """Return the critical set at the end of a run, if its Jacobian is small enough to decompose."""
    from thalweg.adapted.critical import critical_point

    N, Q = task.model.shape
    return critical_point(task, theta, 0) if float(theta.size) * N * Q <= CRITICAL_NUMBERS else None


def _certificate(
    claim: _Claim,
    verdict: Verdict,
    reason: Statement,
    seen: Envelope | None,
    inputs: tuple[tuple[str, ...], str],
    critical: CriticalSubmanifold | None = None,
) -> Certificate:
    measured: dict[str, Quantity] = {"difference_allowed": Quantity(AGREEMENT)}
    if seen is not None:
        measured["difference"] = Quantity(seen.difference)
        measured["nodes"] = Quantity(seen.nodes)
        if claim.kind == "followed":
            measured |= {"deviation": Quantity(seen.deviation), "deviation_allowed": Quantity(seen.allowed)}
        elif claim.kind == "bounded":
            measured["excess"] = Quantity(seen.excess)
    if critical is not None:
        measured |= {
            "rank": Quantity(critical.rank),
            "dimension": Quantity(critical.dimension),
            "cos_squared": Quantity(critical.cos_squared),
        }
    return Certificate(
        family="adapted",
        statement=_statement(claim, critical),
        verdict=verdict,
        method=Method.FLOAT,
        margins=measured,
        checks=(),
        reason=reason,
        inputs=inputs[0],
        digest=inputs[1],
    )


def _statement(claim: _Claim, critical: CriticalSubmanifold | None) -> Statement:
    """Return what is stated: how the run went, and where it ended."""
    path = claim.trajectory
    values: dict[str, Cell] = {
        "target": claim.target,
        "start": float(path.loss[0]),
        "end": float(path.loss[-1]),
        "tau": float(path.clock_values[-1]),
        "goal": claim.goal,
    }
    if claim.outcome is Outcome.BELOW_FLOOR:
        return Statement("certificate.adapted.below_floor", values)
    if critical is not None:
        more: dict[str, Cell] = {"rank": critical.rank, "outputs": critical.outputs, "dimension": critical.dimension}
        return Statement("certificate.adapted.equilibrium", {**values, **more})
    tolerance = claim.tolerance or 0.0
    values["percent"] = 100 * (2 * tolerance + tolerance**2)
    return Statement(STATEMENTS[claim.kind, claim.outcome is Outcome.TARGET_REACHED], values)
