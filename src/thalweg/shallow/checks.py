"""What the theory of shallow networks asks of the data, and what the starts found, as a checklist.

Before training: enough distinct rows for the parameters (theorem T2), independent columns, a target that varies. After
it: do the starts end at certified minima or at infinity (section 4 of the specification), is the kept network
efficient, and does it predict rows it has not seen.
"""

from __future__ import annotations

import numpy as np

from thalweg.data.problem import Problem
from thalweg.numerics.options import validated
from thalweg.numerics.validation import list_some
from thalweg.records import Check, Fit, Method, Quantity, Severity, Verdict
from thalweg.shallow.catalogue import ESCAPES
from thalweg.shallow.certify import certify
from thalweg.shallow.fit import fit
from thalweg.shallow.options import ShallowOptions
from thalweg.shallow.standardise import standardise

THEOREM = "Benning and Dereich, arXiv 2504.08867"
OWN_SOURCE = "src/thalweg/shallow/README.md"

ENOUGH_CERTIFIED = 0.5
"""Share of starts that should end at certified minima: below it, training is a matter of luck."""

WASTED = 0.01
"""A neuron without which the loss rises by less than a hundredth of itself is wasted: no held-out error shows it."""

STANDARD_ERRORS = 2.0
"""A gain below two standard errors may be chance."""

RANK = 1e-10
"""Singular values below this share of the largest are zero for standardised columns."""

CODES = ("rows", "columns", "target", "minimisers", "certified", "efficient", "predicts")


def checks(problem: Problem, fitted: Fit | None = None) -> tuple[Check, ...]:
    """Evaluate all hypotheses; none is left out after another failed.

    Parameters
    ----------
    problem
        Any data; with holes all checks are undecided.
    fitted
        The fit of this problem, if it was made already.

    Returns
    -------
    tuple of Check
        Always the same codes in the same order.
    """
    if not problem.is_computable:
        return tuple(_undecided(f"shallow.{code}") for code in CODES)
    fitted = fitted or fit(problem)
    return (
        _rows(problem, fitted),
        _columns(problem),
        _target(problem),
        _minimisers(fitted),
        _certified(problem, fitted),
        _efficient(fitted),
        _predicts(fitted),
    )


def _undecided(code: str) -> Check:
    return Check(code, Verdict.UNDECIDED, Severity.NOTE, Method.FLOAT, OWN_SOURCE)


def _graded(code: str, holds: bool, method: Method, source: str, **more: object) -> Check:
    verdict, severity = (Verdict.HOLDS, Severity.NOTE) if holds else (Verdict.FAILS, Severity.WARNING)
    return Check(code, verdict, severity, method, source, **more)  # type: ignore[arg-type]


def _rows(problem: Problem, fitted: Fit) -> Check:
    """Compare the number of distinct rows with the number of parameters: below it no network is regular."""
    parameters = int(fitted.solution["theta"].size)
    distinct = len(np.unique(problem.X, axis=0))
    values = {
        "rows": Quantity(len(problem.y)),
        "distinct": Quantity(distinct),
        "parameters": Quantity(parameters),
        "missing": Quantity(max(parameters - distinct, 0)),
    }
    return _graded("shallow.rows", distinct >= parameters, Method.EXACT, THEOREM, values=values)


def _columns(problem: Problem) -> Check:
    """Find constant columns and columns that follow from others: weights can be moved between them."""
    X = standardise(problem.X, problem.y).X
    constant = [name for name, column in zip(problem.feature_names, X.T, strict=True) if not column.any()]
    singular = np.linalg.svd(X, compute_uv=False)
    rank = int((singular > RANK * max(singular[0], 1.0)).sum())
    return _graded(
        "shallow.columns",
        rank == X.shape[1],
        Method.FLOAT,
        THEOREM,
        subject=list_some(constant) or "-",
        values={"rank": Quantity(rank), "columns": Quantity(X.shape[1]), "constant": Quantity(len(constant))},
        columns=tuple(constant),
    )


def _target(problem: Problem) -> Check:
    """Ask whether the target varies: for a constant every useful network is redundant."""
    spread = float(np.ptp(problem.y))
    return _graded("shallow.target", spread > 0, Method.EXACT, THEOREM, values={"spread": Quantity(spread)})


def _minimisers(fitted: Fit) -> Check:
    """Ask whether most starts end at certified minima, and name how the others run to infinity."""
    escapes = fitted.solution["start_escapes"]
    share = float(fitted.solution["certified_share"][0])
    values = {"share": Quantity(100 * share, "%"), "starts": Quantity(int(escapes.size))}
    values |= {name: Quantity(100 * float((escapes == i + 1).mean()), "%") for i, name in enumerate(ESCAPES)}
    return _graded("shallow.minimisers", share >= ENOUGH_CERTIFIED, Method.STATISTICAL, OWN_SOURCE, values=values)


def _certified(problem: Problem, fitted: Fit) -> Check:
    """Prove the kept network."""
    proof = certify(fitted, problem)
    return Check(
        "shallow.certified",
        proof.verdict,
        Severity.NOTE if proof.verdict is Verdict.HOLDS else Severity.WARNING,
        Method.PROVED,
        THEOREM,
        values={"loss": Quantity(float(fitted.trajectory.loss[-1]))},
    )


def _efficient(fitted: Fit) -> Check:
    """Look for neurons that the loss hardly needs."""
    waste = fitted.solution["waste"]
    wasted = [str(j + 1) for j in range(waste.size) if not waste[j] > WASTED]
    return Check(  # a note: a neuron too many is no fault of the data, and the advice names it
        "shallow.efficient",
        Verdict.FAILS if wasted else Verdict.HOLDS,
        Severity.NOTE,
        Method.FLOAT,
        THEOREM,
        subject=list_some(wasted) or "-",
        values={
            "width": Quantity(validated(ShallowOptions, fitted.options).width),
            "least": Quantity(float(waste.min(initial=np.inf))),
            "distance": Quantity(float(fitted.solution["distance"][0])),
        },
    )


def _predicts(fitted: Fit) -> Check:
    """Ask whether the held-out error falls below that of the mean alone by more than chance would make it."""
    if fitted.solution["held_out_rmse"].size == 0:
        return _undecided("shallow.predicts")
    gain, deviation = map(float, fitted.solution["held_out_gain"])
    ratio = gain / deviation if deviation > 0 else (np.inf if gain > 0 else 0.0)
    values = {
        "error": Quantity(float(fitted.solution["held_out_rmse"][0])),
        "mean": Quantity(float(fitted.solution["held_out_mean"][0])),
        "training": Quantity(float(fitted.solution["training_rmse"][0])),
        "ratio": Quantity(ratio),
        "needed": Quantity(STANDARD_ERRORS),
    }
    return _graded("shallow.predicts", ratio >= STANDARD_ERRORS, Method.STATISTICAL, OWN_SOURCE, values=values)
