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
from itertools import zip_longest

import numpy as np
from jaxtyping import Float

from thalweg.data.problem import Problem
from thalweg.diagonal.active_set import ActiveSet
from thalweg.diagonal.claims import contradictions
from thalweg.diagonal.fit import prepare_as, saddle
from thalweg.diagonal.naive import PULL_TOLERANCE, ROUNDINGS, pull_tolerance
from thalweg.diagonal.options import DiagonalOptions
from thalweg.numerics.options import validated
from thalweg.numerics.rounding import gamma, product_error
from thalweg.numerics.validation import list_some
from thalweg.records import Cell, Certificate, Fit, InputError, Method, Outcome, Quantity, Statement, Verdict

GAP_TOLERANCE = 1e-6
"""Largest proved relative gap at which a saddle counts as the minimum: six digits of its norm."""

LOSS_TOLERANCE = 1e-9
"""Largest relative difference between a recorded loss and the one computed anew."""

STATIONARY = 10.0
"""Pulls at the end of the path up to this multiple of the path's own tolerance are rounding."""

PROJECTIONS = 3
"""How often the span of the support is taken out of a residual: each time removes what rounding left."""

RANK_TOLERANCE = 1e-13
"""Relative size below which a direction is rounding. Any choice gives a valid proof, a poor one a wide gap."""

_ENDED = (Outcome.CONVERGED, Outcome.INTERPOLATED, Outcome.NOTHING_TO_LEARN)


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
    if fit.family != "diagonal":
        raise InputError("family_differs", found=fit.family, wanted="diagonal")
    found, wanted = (*fit.feature_names, fit.target_name), (*problem.feature_names, problem.target_name)
    if different := [pair for pair in zip_longest(found, wanted, fillvalue="-") if pair[0] != pair[1]]:
        there, here = zip(*different, strict=True)
        raise InputError("features_differ", found=list_some(there), wanted=list_some(here))
    problem.require_computable()
    options = validated(DiagonalOptions, fit.options)
    if wrong := contradictions(fit, problem, options):
        reason = Statement("reason.diagonal.inconsistent", {"names": ", ".join(wrong)})
        return _certificate(fit, problem, Verdict.FAILS, reason, None)
    margins = _measure(fit, problem, options)
    return _certificate(fit, problem, *_judge(margins), margins)


def _measure(fit: Fit, problem: Problem, options: DiagonalOptions) -> _Margins:
    prepared = prepare_as(problem, options)
    X, y = prepared.X, prepared.y
    n = y.size
    times = np.concatenate([[0.0], fit.solution["times"]])
    integral = np.zeros(n)
    drive, sizes = _Driving(X), np.abs(X.T)
    gap, worst, excess, difference = 0.0, 0, 0.0, 0.0
    residual = driving = y
    for k in range(times.size):
        b = saddle(fit, k)
        if k:
            integral = integral + (times[k] - times[k - 1]) * driving
            relative, outside = _relative_gap(X, sizes, b, integral, options.positive)
            excess = max(excess, outside)
            if not relative <= gap:
                gap, worst = relative, k
        residual = y - X @ b
        driving = drive.of(residual, np.flatnonzero(b))
        loss = float(residual @ residual) / (2 * n)
        scale = LOSS_TOLERANCE * fit.solution["losses"][0] + loss  # losses near zero are rounding themselves
        difference = max(difference, abs(loss - fit.solution["losses"][k]) / scale if scale else 0.0)
    pull = X.T @ residual / n
    outward = np.maximum(pull, 0) if options.positive else np.abs(pull)
    outward = np.where(saddle(fit, times.size - 1) != 0, np.abs(pull), outward)
    norms = np.linalg.norm(X, axis=0)
    # The tolerance of the plain path, whatever the run was made with: a coarse run must not judge itself.
    tolerance = pull_tolerance(X.T @ y / n, np.linalg.norm(X, axis=0), n, PULL_TOLERANCE, prepared.target_norm)
    # Recorded coefficients are rounded: where large ones cancel, that alone leaves a pull.
    tolerance = tolerance + norms * (ROUNDINGS * float(np.abs(saddle(fit, times.size - 1)) @ norms) / n)
    last = float(np.divide(outward, tolerance, out=np.zeros(pull.size), where=tolerance > 0).max())
    return _Margins(gap, worst, excess, difference, last if fit.outcome in _ENDED else 0.0)


class _Driving:
    """The residuals that drive the duals, freed of what rounding put into the span of the support."""

    def __init__(self, X: Float[np.ndarray, "n d"]) -> None:
        n, d = X.shape
        self.X = X
        self.seen = _column_space(X[:, X.any(axis=0)]) if n > d and X.any() else None
        self.set = ActiveSet(n, 8)

    def of(self, residual: Float[np.ndarray, " n"], support: np.ndarray) -> Float[np.ndarray, " n"]:
        """Return the residual outside the span of the support, without the part that no column sees."""
        self.set.remove(np.flatnonzero(~np.isin(self.set.indices, support)).tolist())
        for i in np.setdiff1d(support, self.set.indices).tolist():
            self.set.append(i, self.X[:, i], 1.0)  # copies of a column add no direction and stay out
        for _ in range(PROJECTIONS if self.set.size else 0):
            residual = residual - self.set.fit_of(self.set.step_to_minimiser(residual))
        return residual if self.seen is None else self.seen @ (self.seen.T @ residual)


def _column_space(A: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n r"]:
    """Return an orthonormal basis; copies of a column, which share a coefficient, add no direction."""
    Q, R = np.linalg.qr(A)
    diagonal = np.abs(np.diag(R))
    if Q.shape[1] == A.shape[1] and diagonal.min() > RANK_TOLERANCE * diagonal.max():
        return Q
    U, singular, _ = np.linalg.svd(A, full_matrices=False)
    return U[:, singular > RANK_TOLERANCE * singular[0]]


def _relative_gap(
    X: Float[np.ndarray, "n d"],
    sizes: Float[np.ndarray, "d n"],
    b: Float[np.ndarray, " d"],
    integral: Float[np.ndarray, " n"],
    positive: bool,
) -> tuple[float, float]:
    """Bound the gap of one saddle from above, relative to its norm; and how far the dual leaves its box."""
    n = integral.size
    if not b.any() or (positive and (b < 0).any()):
        return np.inf, np.inf
    dual = X.T @ integral
    upper = (dual if positive else np.abs(dual)) + product_error(sizes, integral, is_absolute=True)
    box = max(1.0, float(upper.max()) / n * (1 + gamma(4)))
    support = np.flatnonzero(b)
    fitted = X[:, support] @ b[support]
    exact_fit_error = product_error(sizes[support].T, b[support], is_absolute=True)
    value = float(fitted @ integral) - float(product_error(fitted, integral))
    value -= float(exact_fit_error @ np.abs(integral)) * (1 + gamma(2 * n))
    norm = float(np.abs(b).sum()) * (1 + gamma(b.size))
    lower = value / (n * box) * (1 - gamma(8)) if value > 0 else -np.inf
    return (norm - lower) / norm * (1 + gamma(4)), box - 1.0


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
        ended = "certificate.diagonal.ended_kept" if fit.outcome in _ENDED else "certificate.diagonal.stopped_kept"
    else:
        ended = "certificate.diagonal.ended" if fit.outcome in _ENDED else "certificate.diagonal.stopped"
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
