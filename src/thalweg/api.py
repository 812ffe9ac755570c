"""The two verbs that need to know which family is meant: `train` and `certify`."""

from __future__ import annotations

from typing import Any

from thalweg.data.problem import Problem
from thalweg.families import find_family
from thalweg.records import Certificate, Fit, InputError


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


def certify(fit_or_model: object, problem: Problem, **options: Any) -> Certificate:
    """Prove what a fit claims about a problem, or that a model made elsewhere is at a strict minimum; or say why not.

    Parameters
    ----------
    fit_or_model
        A Fit - made by `train` or read from a run folder - or a model that `interop.read_model` reads: of scikit-learn,
        torch or equinox, arrays, or the path of a file.
    problem
        The data it speaks of.
    options
        For a model: `ridge`, `sample_weight`, `activation`, `layout`, `scale`, `method` of `interop.check`.

    Returns
    -------
    Certificate
        Bound to the bits of X and y; for a model, also to those of its weights.

    Raises
    ------
    InputError
        If options are given for a Fit, which holds its own, or an argument is unusable.
    """
    if isinstance(fit_or_model, Fit):
        if options:
            raise InputError("option_without_effect", options=", ".join(options), subject="Fit")
        return find_family(fit_or_model.family).certify(fit_or_model, problem)
    from thalweg.interop import certify_model  # it needs more than the families do

    problem.require_computable()
    return certify_model(fit_or_model, problem.X, problem.y, **options)
