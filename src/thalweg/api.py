"""The two verbs that need to know which family is meant: `train` and `certify`."""

from __future__ import annotations

from thalweg.data.problem import Problem
from thalweg.families import find_family
from thalweg.records import Certificate, Fit


def train(problem: Problem, family: str, *, seed: int = 0, **options: object) -> Fit:
    """Train one family on a problem.

    Parameters
    ----------
    problem
        Complete data (`thalweg.read`).
    family
        Name of the family, for example "diagonal".
    seed
        For everything random; recorded.
    options
        Of the family; its README lists them.

    Returns
    -------
    Fit
        With its trajectory and its Outcome.
    """
    return find_family(family).fit(problem, options, seed)


def certify(fit: Fit, problem: Problem) -> Certificate:
    """Prove what a fit claims about a problem, or say why that cannot be proved.

    Parameters
    ----------
    fit
        Made by `train`, read from a run folder, or made elsewhere and put into a Fit.
    problem
        The data it speaks of.

    Returns
    -------
    Certificate
        Bound to the bits of X and y.
    """
    return find_family(fit.family).certify(fit, problem)
