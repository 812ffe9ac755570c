"""Why a certificate could not be given: the first of the known causes that is there (specification, 5.5 step 5).

None of this is needed for a proof. What is said of the point itself - too few rows, dependent columns, a neuron that
no longer learns - is a diagnosis in floating point of why the Hessian is singular or nearly so there.
"""

from __future__ import annotations

import numpy as np

from thalweg.numerics.dependence import CONSTANT, exact_dependences
from thalweg.numerics.validation import list_some
from thalweg.records import Statement
from thalweg.shallow.activations import NEVER_REGULAR
from thalweg.shallow.conclusion import Conclusion
from thalweg.shallow.derivatives import Objective
from thalweg.shallow.escape import NEGLIGIBLE
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.redundant_set import redundant_set
from thalweg.shallow.regularity import distinct_rows, rows_needed


def never_isolated(net: ShallowNet, problem: Objective) -> bool:
    """Tell whether every critical point of the loss lies on a curve of critical points."""
    # Exponentials and powers leave the function unchanged when (b, v) or (B, v) moves along a curve; where v = 0 the
    # hidden weights are free. A ridge may end that.
    flat = net.psi.coverage == NEVER_REGULAR and "+" not in net.activation and net.width > 0
    return flat and not problem.penalties(net).any()


def obstacle(net: ShallowNet, problem: Objective, conclusion: Conclusion | None) -> Statement:
    """Return the reason why nothing was proved.

    Parameters
    ----------
    net, problem
        At the point in question.
    conclusion
        What the bounds gave; None where the Hessian could not even be whitened.

    Returns
    -------
    Statement
        One sentence with numbers.
    """
    is_clear = conclusion is not None and conclusion.defect < 1
    if conclusion is not None and is_clear and conclusion.index > 0:
        least = float(np.linalg.eigvalsh(problem.hessian(net))[0])
        values = {"negative": conclusion.index, "eigenvalue": least, "pull": conclusion.pull}
        return Statement("reason.shallow.not_positive", values)
    if (found := _degeneracy(net, problem, is_clear)) is not None:
        return found
    if conclusion is None:
        return Statement("reason.shallow.singular", {})
    if not is_clear:
        return Statement("reason.shallow.defect", {"defect": conclusion.defect})
    if not np.isfinite(conclusion.lipschitz):
        return Statement("reason.shallow.lipschitz", {})
    allowed = conclusion.rho * (1 - conclusion.defect - conclusion.lipschitz * conclusion.rho / 2)
    return Statement("reason.shallow.pull", {"pull": conclusion.pull, "allowed": allowed})


def _degeneracy(net: ShallowNet, problem: Objective, is_clear: bool) -> Statement | None:
    """Return what makes a Hessian singular, if it is there; where it is proved not to be, only saturation is said."""
    with np.errstate(all="ignore"):
        slope = net.psi.derivatives(problem.augmented @ net.B.T, 1)[1]
        share = np.sqrt(np.square(slope).T @ np.square(problem.augmented).sum(axis=1) / problem.n)
    if net.width and not share.min() >= NEGLIGIBLE:
        neuron = int(np.nanargmin(share)) if np.isfinite(share).any() else 0
        return Statement("reason.shallow.saturated", {"neuron": neuron, "size": float(share[neuron])})
    if is_clear or problem.penalties(net).all():
        return None
    P, seen = net.parameter_count, problem.X[problem.weights > 0]
    if (missing := P - len(seen) * net.outputs) > 0:
        return Statement("reason.shallow.rows_missing", {"rows": len(seen), "missing": missing})
    if net.width and not np.ptp(problem.targets[problem.weights > 0], axis=0).any():
        return Statement("reason.shallow.constant_target", {})
    largest = np.abs(problem.X).max(axis=0)
    X = problem.X / np.where(largest > 0, largest, 1.0)  # so that no square over- or underflows
    constant = np.ptp(X, axis=0) <= CONSTANT
    dependent = np.flatnonzero(constant).tolist() + [found.column for found in exact_dependences(X)[0]]
    if dependent:
        return Statement("reason.shallow.collinear", {"columns": list_some(sorted(dependent))})
    pieces = redundant_set(net).pieces
    if pieces and pieces[0].distance == 0:
        return Statement("reason.shallow.redundant", {"neurons": list_some(pieces[0].neurons)})
    distinct = distinct_rows(seen, rows_needed(P, net.outputs))
    if distinct * net.outputs < P:
        return Statement("reason.shallow.duplicate_rows", {"distinct": distinct, "parameters": P})
    return None
