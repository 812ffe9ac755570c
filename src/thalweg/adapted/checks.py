"""The hypotheses of the adapted flow evaluated on the user's data, and how far its promise can be used.

The rank condition `rank D = NQ` is what everything rests on (theorem T1): what breaks it is looked for by name. The
other checks ask whether the curve is worth following: on rows that were held out, and beside damping, which filters
noise while the exact flow does not.
"""

from __future__ import annotations

import dataclasses
import math

from thalweg.adapted.rank_report import AMBER, GREEN
from thalweg.adapted.routes import PLENTY
from thalweg.adapted.study import Study, study
from thalweg.data.problem import Problem
from thalweg.numerics.validation import list_some
from thalweg.records import Check, Method, Quantity, Severity, Verdict

THEOREM = "Chen, arXiv 2311.15487"
OWN_SOURCE = "src/thalweg/adapted/README.md"

CODES = ("parameters", "duplicates", "near", "opposite", "rank", "generic", "curvature", "predicts", "overfitting",
         "noise")  # fmt: skip

CHECK_BUDGET = 2e9
"""Operations of a study that is made for the checks alone."""

STEEP = 1e3
"""Curvature above which the first safe step is below a thousandth of the way: many steps before any progress."""

STANDARD_ERRORS = 2.0
"""A gain below two standard errors may be chance; choosing the best node makes it look better than it is."""

OVERFITTING = 1.02
"""Held-out error at the end above this multiple of the best counts as overfitting: 2 % is seen in practice."""


def checks(problem: Problem, studied: Study | None = None) -> tuple[Check, ...]:
    """Evaluate all hypotheses; none is left out after another failed.

    Parameters
    ----------
    problem
        Any data; with holes all checks are undecided.
    studied
        The study of this problem, if it was made already.

    Returns
    -------
    tuple of Check
        Always the same codes in the same order.
    """
    if not problem.is_computable:
        return tuple(_undecided(code) for code in CODES)
    found = studied or study(problem, CHECK_BUDGET, 0)
    return (
        _parameters(found),
        _duplicates(found),
        _near(found),
        _opposite(found),
        _rank(found),
        _generic(found),
        _curvature(found),
        _predicts(found),
        _overfitting(found),
        _noise(found),
    )


def _undecided(code: str) -> Check:
    return Check(f"adapted.{code}", Verdict.UNDECIDED, Severity.NOTE, Method.FLOAT, OWN_SOURCE)


def _check(
    code: str,
    holds: bool | None,
    severity: Severity,
    values: dict[str, Quantity],
    *,
    method: Method = Method.FLOAT,
    source: str = OWN_SOURCE,
    details: dict[str, str] | None = None,
) -> Check:
    """Make one line; what fails has the given severity, all else is a note."""
    verdict = Verdict.UNDECIDED if holds is None else Verdict.HOLDS if holds else Verdict.FAILS
    shown = severity if holds is False else Severity.NOTE
    return Check(f"adapted.{code}", verdict, shown, method, source, values=values, details=details or {})


def _parameters(found: Study) -> Check:
    """Count parameters of the default network against the numbers that it must fit."""
    K, rows = found.network.parameter_count, found.table.y.size
    values = {"parameters": Quantity(K), "outputs": Quantity(rows), "ratio": Quantity(K / rows)}
    sizes = " - ".join(map(str, found.network.sizes))
    return _check("parameters", PLENTY * rows <= K, Severity.WARNING, values, method=Method.EXACT, source=THEOREM,
                  details={"sizes": sizes})  # fmt: skip


def _duplicates(found: Study) -> Check:
    """Report rows whose features are equal and whose targets are not: they force a loss on every model."""
    merged = found.prepared.merged
    repeated, conflicts = (merged.repeated, int(merged.conflicts.size)) if merged is not None else (0, 0)
    first = merged.members(int(merged.conflicts[0])) + 1 if merged is not None and conflicts else []
    floor = float(found.prepared.loss.floor)
    values = {
        "repeated": Quantity(repeated, "rows"),
        "conflicts": Quantity(conflicts, "groups"),
        "floor": Quantity(floor),
        "floor_rmse": Quantity(found.table.target_scale * math.sqrt(2 * floor)),
    }
    return _check("duplicates", conflicts == 0, Severity.WARNING, values, method=Method.EXACT,
                  details={"rows": list_some(first) or "-"})  # fmt: skip


def _near(found: Study) -> Check:
    """Report the closest pair of distinct inputs, in units of the size of the inputs."""
    close = found.close
    values = {
        "distance": Quantity(close.relative_distance),
        "near_rows": Quantity(close.near_rows, "rows"),
    }
    return _check("near", close.near_rows == 0, Severity.NOTE, values)


def _opposite(found: Study) -> Check:
    """Report opposite inputs: dependent rows without biases, which the default network has."""
    return _check("opposite", found.close.opposite_pairs == 0, Severity.NOTE,
                  {"pairs": Quantity(found.close.opposite_pairs, "pairs")})  # fmt: skip


def _rank(found: Study) -> Check:
    """Grade the condition number of the Jacobian at the start (specification, section 3)."""
    rank = found.rank
    holds = None if rank.grade == "undetermined" else rank.grade != "red"
    values = {
        "rows": Quantity(rank.samples, "rows"),
        "rank": Quantity(-1 if rank.rank is None else rank.rank),
        "sigma_min": Quantity(rank.sigma_min),
        "sigma_max": Quantity(rank.sigma_max),
        "condition": Quantity(rank.condition),
        "green": Quantity(GREEN),
        "amber": Quantity(AMBER),
    }
    made = _check("rank", holds, Severity.WARNING, values, source=THEOREM)
    return dataclasses.replace(made, severity=Severity.WARNING) if rank.grade == "amber" else made


def _generic(found: Study) -> Check:
    """Say how likely random starts have full rank: for analytic networks one of them proves it for almost all."""
    chance = found.rank.probability
    if chance is None:
        return _undecided("generic")
    proved = chance.proved is not None and chance.proved == 1.0
    unknown = chance.undetermined > 0 or chance.draws == 0
    holds = True if proved else None if unknown else chance.full == chance.draws
    values = {
        "draws": Quantity(chance.draws),
        "full": Quantity(chance.full),
        "low": Quantity(1.0 if proved else chance.low),
        "condition": Quantity(chance.median_condition),
    }
    return _check("generic", holds, Severity.WARNING, values, method=Method.STATISTICAL)


def _curvature(found: Study) -> Check:
    """Compare the bend of the outputs along the first direction with the residual: it bounds the first step."""
    if found.promise is None:
        return _undecided("curvature")
    curvature = found.promise.curvature
    values = {
        "curvature": Quantity(curvature),
        "step": Quantity(min(1.0, 1.0 / curvature) if curvature > 0 else 1.0),
        "limit": Quantity(STEEP),
    }
    return _check("curvature", None if math.isnan(curvature) else curvature <= STEEP, Severity.WARNING, values)


def _predicts(found: Study) -> Check:
    """Ask whether the held-out error falls below that of the mean alone by more than chance would make it."""
    if found.exact is None or found.rehearsal is None:
        return _undecided("predicts")
    judge = found.best_damping[1] if found.best_damping else found.exact
    gain, deviation = map(float, judge.gain)
    ratio = gain / deviation if deviation > 0 else (math.inf if gain > 0 else 0.0)
    values = {"gain": Quantity(gain), "ratio": Quantity(ratio), "needed": Quantity(STANDARD_ERRORS)}
    return _check(
        "predicts", bool(found.learns) and ratio >= STANDARD_ERRORS, Severity.WARNING, values, method=Method.STATISTICAL
    )


def _overfitting(found: Study) -> Check:
    """Compare the held-out error at the end of the exact flow with its minimum, and that with the mean alone."""
    judge = found.exact
    if judge is None:
        return _undecided("overfitting")
    best, end, mean = judge.errors[judge.best], judge.errors[-1], found.mean_error
    values = {
        "at_mean": Quantity(mean),
        "at_best": Quantity(best),
        "at_end": Quantity(end),
        "best_tau": Quantity(judge.clock[judge.best]),
        "end_tau": Quantity(judge.clock[-1]),
    }
    holds = best < mean and judge.best > 0 and end <= OVERFITTING * best
    return _check("overfitting", holds, Severity.WARNING, values, method=Method.STATISTICAL)


def _noise(found: Study) -> Check:
    """Ask whether damping, which filters noise, predicts held-out rows better than the exact flow."""
    if found.exact is None:
        return _undecided("noise")
    least = found.exact.errors[found.exact.best]
    damping, error = 0.0, least
    if found.best_damping is not None:
        damping, judge = found.best_damping
        error = judge.errors[judge.best]
    values = {"exact": Quantity(least), "damped": Quantity(error), "damping": Quantity(damping)}
    return _check("noise", found.best_damping is None, Severity.NOTE, values, method=Method.STATISTICAL)
