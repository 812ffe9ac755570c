"""Certificate of a diagonal path: each saddle is the minimum-l1 representation of its own fit.

With `R_k = int_0^{t_k} (y - X b) dt` and `s = X'R_k/n`, weak duality says: if `|s_i| <= a_i` for all i, then
every `b'` with `X b' = X b_k` has `sum a_i |b'_i| >= (X b_k)'R_k/n`. At a true saddle both sides agree, so the
difference - the gap - bounds how far the recorded saddle is from the least norm (theory: specification of the
family, section 7). Any vector `R` proves its gap, so `R` is integrated anew from the recorded times and the
residuals of the recorded supports, freed of the parts that rounding put into the span of the support and of those
that no column sees; a dual that leaves its box is scaled back into it. All rounding errors are bounded from above,
so a small gap is proved, whoever made the fit.
With kept columns the statement is about target and features freed of them, here as in the fit (`keeping.py`); the
coefficients of the kept ones are compared with those that fit best beside each saddle.
Here `a_i = 1`; the one-sided network (`positive`) has `b >= 0` and `s_i <= 1`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.data.problem import Problem
from thalweg.diagonal.claims import contradictions
from thalweg.diagonal.duality import GAP_TOLERANCE, duality_gaps
from thalweg.diagonal.fit import prepare_as, saddle
from thalweg.diagonal.naive import PULL_TOLERANCE, ROUNDINGS, pull_tolerance
from thalweg.diagonal.options import DiagonalOptions
from thalweg.diagonal.path import ENDED
from thalweg.diagonal.path_conditions import STATIONARY
from thalweg.diagonal.prepare import Prepared
from thalweg.diagonal.residuals import LOSS_TOLERANCE, PathResiduals, relative_loss_difference
from thalweg.numerics.column_blocks import ColumnBlocks
from thalweg.numerics.options import validated
from thalweg.numerics.validation import list_some
from thalweg.records import Cell, Certificate, Fit, Method, Quantity, Statement, Verdict


@dataclass(frozen=True)
class _Margins:
    gap: float
    worst_saddle: int
    dual_excess: float
    loss_difference: float
    last_pull: float


def certify(fit: Fit, problem: Problem) -> Certificate:
    """Prove, or fail to prove, that every saddle of a fit is the minimum-l1 representation of its own fit.

    Parameters
    ----------
    fit
        A diagonal fit, made here or elsewhere.
    problem
        The data it speaks of.

    Returns
    -------
    Certificate
        "holds" only if all gaps are proved small, the duals stay in their box (so the times are right), the
        recorded losses are right and, for a path that says it has ended, the last saddle is stationary; "fails"
        if the record contradicts the data or itself; else "undecided".

    Raises
    ------
    InputError
        If the fit is of another family or its features are not those of the problem.
    """
    problem.require_subject_of(fit, "diagonal")
    problem.require_computable()
    options = validated(DiagonalOptions, fit.options)
    if wrong := contradictions(fit, problem, options):
        reason = Statement("reason.diagonal.inconsistent", {"names": ", ".join(wrong)})
        return _certificate(fit, problem, Verdict.FAILS, reason, None)
    margins = _measure(fit, problem, options)
    return _certificate(fit, problem, *_judge(margins), margins)


def _measure(fit: Fit, problem: Problem, options: DiagonalOptions) -> _Margins:
    prepared = prepare_as(problem, options)
    columns, y = ColumnBlocks(prepared.X), prepared.y
    offsets, indices, numbers = (fit.solution[f"support_{part}"] for part in ("offsets", "indices", "values"))
    supports, values = np.split(indices, offsets[1:-1]), np.split(numbers, offsets[1:-1])
    residuals = PathResiduals(columns, y, fit.solution["times"], supports, values)
    recorded, ones = fit.solution["losses"], np.ones(columns.d)
    gap, worst, excess, difference = 0.0, 0, 0.0, 0.0
    for stretch in residuals.stretches():
        after = slice(stretch.first, stretch.first + len(stretch.integrals))
        gaps, outside = duality_gaps(columns, supports[after], values[after], stretch.integrals, ones, options.positive)
        if gaps.size and not gaps.max() <= gap:
            gap, worst = float(gaps.max()), stretch.first + int(np.argmax(gaps))
        excess = max(excess, float(outside.max(initial=0.0)))
        claimed = recorded[stretch.first - 1 : after.stop]
        difference = max(difference, relative_loss_difference(stretch.losses, claimed, recorded[0]))
    last = _last_pull(prepared, saddle(fit, recorded.size - 1), options) if fit.outcome in ENDED else 0.0
    return _Margins(gap, worst, excess, difference, last)


def _last_pull(prepared: Prepared, b: Float[np.ndarray, " d"], options: DiagonalOptions) -> float:
    """Return the largest pull at the last saddle, in units of what counts as rounding."""
    X, y = prepared.X, prepared.y
    pull = X.T @ (y - X @ b) / y.size
    outward = np.maximum(pull, 0) if options.positive else np.abs(pull)
    outward = np.where(b != 0, np.abs(pull), outward)
    norms = np.linalg.norm(X, axis=0)
    # The tolerance of the plain path, whatever the run was made with: a coarse run must not judge itself.
    tolerance = pull_tolerance(X.T @ y / y.size, norms, y.size, PULL_TOLERANCE, prepared.target_norm)
    # Recorded coefficients are rounded: where large ones cancel, that alone leaves a pull.
    tolerance = tolerance + norms * (ROUNDINGS * float(np.abs(b) @ norms) / y.size)
    return float(np.divide(outward, tolerance, out=np.zeros(pull.size), where=tolerance > 0).max())


def _judge(margins: _Margins) -> tuple[Verdict, Statement]:
    if margins.loss_difference > LOSS_TOLERANCE:
        reason = Statement("reason.diagonal.loss_differs", {"difference": margins.loss_difference})
        return Verdict.FAILS, reason
    needed: dict[str, Cell] = {"needed": GAP_TOLERANCE}
    if not margins.gap <= GAP_TOLERANCE:
        values = {**needed, "saddle": margins.worst_saddle, "gap": margins.gap}
        return Verdict.UNDECIDED, Statement("reason.diagonal.gap_open", values)
    if not margins.dual_excess <= GAP_TOLERANCE:
        return Verdict.UNDECIDED, Statement("reason.diagonal.dual_outside", {**needed, "excess": margins.dual_excess})
    if margins.last_pull > STATIONARY:
        return Verdict.UNDECIDED, Statement("reason.diagonal.not_stationary", {"pull": margins.last_pull})
    return Verdict.HOLDS, Statement("reason.diagonal.gap_closed", {"gap": margins.gap})


def _certificate(
    fit: Fit, problem: Problem, verdict: Verdict, reason: Statement, margins: _Margins | None
) -> Certificate:
    measured: dict[str, Quantity] = {"gap_needed": Quantity(GAP_TOLERANCE)}
    if margins is not None:
        measured |= {
            "gap": Quantity(margins.gap),
            "dual_excess": Quantity(margins.dual_excess),
            "loss_difference": Quantity(float(margins.loss_difference)),
            "last_pull": Quantity(margins.last_pull, "tolerances"),
        }
    count = int(fit.solution["times"].size)
    values: dict[str, Cell] = {"saddles": count, "target": fit.target_name}
    if kept := [name for name in fit.feature_names if name in validated(DiagonalOptions, fit.options).keep]:
        values["kept"] = list_some(kept)
        ended = "certificate.diagonal.ended_kept" if fit.outcome in ENDED else "certificate.diagonal.stopped_kept"
    else:
        ended = "certificate.diagonal.ended" if fit.outcome in ENDED else "certificate.diagonal.stopped"
    return Certificate(
        family="diagonal",
        statement=Statement(ended, values),
        verdict=verdict,
        method=Method.PROVED,
        margins=measured,
        checks=(),
        reason=reason,
        inputs=("X", "y"),
        digest=problem.digest,
    )
