"""The hypotheses of the saddle-to-saddle theorem evaluated on the user's data.

General position makes every saddle unique (Pesme and Flammarion 2023); it is tested where it matters, on the
saddles that the path visits. The other checks say how far the order of activation can be trusted: under
another scaling of the columns, against the Lasso, and on rows that were held out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thalweg.data.problem import Problem
from thalweg.diagonal.fit import best_held_out, fit, held_out_mean, kept_of
from thalweg.diagonal.keeping import DETERMINED, FREE
from thalweg.diagonal.order import activation_order
from thalweg.numerics.dependence import duplicate_groups
from thalweg.numerics.ranking import kendall_tau
from thalweg.numerics.validation import list_some
from thalweg.records import Check, Fit, Method, Outcome, Quantity, Severity, Verdict

THEOREM = "Pesme and Flammarion, NeurIPS 2023, arXiv 2304.00488"
LASSO_SOURCE = "Berthier, arXiv 2509.18766"
OWN_SOURCE = "src/thalweg/diagonal/README.md"

COMPARED = 5
"""How many first activations must agree between the scalings: the ones a reader will act on."""

RAW_JUMPS = 50
"""Jumps computed for the other scaling: enough for the first activations even if some leave again."""

STANDARD_ERRORS = 2.0
"""A gain below two standard errors may be chance; choosing the best saddle makes it look better than it is."""

OVERFITTING = 1.02
"""Held-out error at the end above this multiple of the best counts as overfitting: 2 % is seen in practice."""


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
        codes = ("general_position", "kept", "target_pulls", "scaling_order", "lasso", "predicts", "overfitting")
        return tuple(_undecided(f"diagonal.{code}") for code in codes)
    fitted = fitted or fit(problem)
    return (
        _general_position(problem, fitted),
        _kept(fitted),
        _target_pulls(fitted),
        _scaling_order(problem, fitted),
        _lasso(fitted),
        _predicts(fitted),
        _overfitting(fitted),
    )


def _undecided(code: str) -> Check:
    return Check(code, Verdict.UNDECIDED, Severity.NOTE, Method.EXACT, OWN_SOURCE)


def _general_position(problem: Problem, fitted: Fit) -> Check:
    arrays = fitted.solution
    kept = set(kept_of(fitted).tolist())  # copies of a kept column carry nothing, and never switch on
    groups = [group for group in duplicate_groups(problem.X) if not kept & {j for j, _ in group}]
    skipped = {int(i) for _, i in arrays["rank_skipped"]}
    ties = arrays["simultaneous"].size
    holds = not groups and not skipped and not ties
    names = [fitted.feature_names[j] for group in groups for j, _ in group[1:]]
    names += [fitted.feature_names[j] for j in sorted(skipped) if fitted.feature_names[j] not in names]
    return Check(
        "diagonal.general_position",
        Verdict.HOLDS if holds else Verdict.FAILS,
        Severity.NOTE if holds else Severity.WARNING,
        Method.FLOAT,
        THEOREM,
        subject=list_some(names) or "-",
        values={
            "smallest_distance": Quantity(float(arrays["smallest_pivot"][0])),
            "duplicates": Quantity(len(groups)),
            "skipped": Quantity(len(skipped)),
            "ties": Quantity(int(ties)),
        },
    )


def _kept(fitted: Fit) -> Check:
    """Name the columns that the kept ones determine, and the kept ones that carry nothing of their own."""
    kept = kept_of(fitted)
    lost = fitted.solution.get("lost", np.zeros(len(fitted.feature_names), dtype=np.int64))
    told = (lost == DETERMINED) | (np.isin(np.arange(lost.size), kept) & (lost != FREE))
    names = [fitted.feature_names[i] for i in np.flatnonzero(told)]
    return Check(
        "diagonal.kept",
        Verdict.FAILS if names else Verdict.HOLDS,
        Severity.WARNING if names else Severity.NOTE,
        Method.FLOAT,
        OWN_SOURCE,
        subject=list_some(names) or "-",
        values={"count": Quantity(int(kept.size), "columns")},
        columns=tuple(names),
    )


def _target_pulls(fitted: Fit) -> Check:
    moves = fitted.outcome is not Outcome.NOTHING_TO_LEARN
    times = fitted.solution["times"]
    return Check(
        "diagonal.target_pulls",
        Verdict.HOLDS if moves else Verdict.FAILS,
        Severity.NOTE if moves else Severity.WARNING,
        Method.FLOAT,
        THEOREM,
        values={"first_time": Quantity(float(times[0]) if times.size else float("inf"))},
    )


def _scaling_order(problem: Problem, fitted: Fit) -> Check:
    """Compare the first activations with those of the other scaling of the columns."""
    options: Mapping[str, object] = {
        **fitted.options,
        "standardize": not fitted.options["standardize"],
        "max_saddles": RAW_JUMPS,
        "max_time": None,
    }
    other = activation_order(fit(problem, options))
    order = activation_order(fitted)
    compared = min(COMPARED, len(order), len(other))
    agreeing = next((i for i in range(compared) if order[i] != other[i]), compared)
    holds = agreeing == compared
    tau = kendall_tau(order[:compared], other) if compared > 1 else float("nan")
    return Check(
        "diagonal.scaling_order",
        Verdict.HOLDS if holds else Verdict.FAILS,
        Severity.NOTE if holds else Severity.WARNING,
        Method.FLOAT,
        OWN_SOURCE,
        values={
            "agreeing": Quantity(agreeing),
            "compared": Quantity(compared),
            "kendall_tau": Quantity(tau),
        },
        details={
            "here": list_some([fitted.feature_names[i] for i in order[:compared]]) or "-",
            "other": list_some([fitted.feature_names[i] for i in other[:compared]]) or "-",
        },
    )


def _lasso(fitted: Fit) -> Check:
    """Say up to which jump training visits the Lasso's features: a note, never a defect."""
    until, jumps = int(fitted.solution["lasso_equivalent_until"][0]), int(fitted.solution["times"].size)
    return Check(
        "diagonal.lasso",
        Verdict.HOLDS if until >= jumps else Verdict.FAILS,
        Severity.NOTE,
        Method.FLOAT,
        LASSO_SOURCE,
        values={"until": Quantity(until, "jumps"), "jumps": Quantity(jumps, "jumps")},
    )


def _predicts(fitted: Fit) -> Check:
    """Ask whether the held-out error falls below that of the mean alone by more than chance would make it."""
    if best_held_out(fitted) is None:
        return _undecided("diagonal.predicts")
    gain, deviation = map(float, fitted.solution["held_out_gain"])
    ratio = gain / deviation if deviation > 0 else (np.inf if gain > 0 else 0.0)
    holds = ratio >= STANDARD_ERRORS
    return Check(
        "diagonal.predicts",
        Verdict.HOLDS if holds else Verdict.FAILS,
        Severity.NOTE if holds else Severity.WARNING,
        Method.STATISTICAL,
        OWN_SOURCE,
        values={"gain": Quantity(gain), "ratio": Quantity(ratio), "needed": Quantity(STANDARD_ERRORS)},
    )


def _overfitting(fitted: Fit) -> Check:
    """Compare the held-out error at the end of the path with its minimum, and that with the mean alone."""
    errors = fitted.solution["held_out_rmse"]
    best = best_held_out(fitted)
    if best is None:
        return _undecided("diagonal.overfitting")
    learns = bool(errors[best] < held_out_mean(fitted))
    holds = learns and bool(errors[-1] <= OVERFITTING * errors[best])
    return Check(
        "diagonal.overfitting",
        Verdict.HOLDS if holds else Verdict.FAILS,
        Severity.NOTE if holds else Severity.WARNING,
        Method.STATISTICAL,
        OWN_SOURCE,
        values={
            "at_zero": Quantity(held_out_mean(fitted)),
            "at_best": Quantity(float(errors[best])),
            "at_end": Quantity(float(errors[-1])),
            "best_saddle": Quantity(best),
            "ratio": Quantity(float(errors[-1] / errors[best]) if errors[best] > 0 else 1.0),
        },
    )
