"""`survey`: everything that can be said about a problem before training."""

from __future__ import annotations

from thalweg.data.problem import Problem
from thalweg.families import FAMILIES
from thalweg.records import Survey
from thalweg.surveys.commands import survey_command
from thalweg.surveys.decision import decide
from thalweg.surveys.plan import make_plan

DEFAULT_BUDGET = 6e10
"""Estimated operations for all families together, an equal share each: a few seconds on two cores."""


def survey(problem: Problem, *, budget: float = DEFAULT_BUDGET, seed: int = 0) -> Survey:
    """Survey a problem with every family.

    Parameters
    ----------
    problem
        Any data; what is wrong with them becomes checks.
    budget
        Estimated operations to spend; what does not fit is left out and listed. The clock is never asked.
    seed
        For everything random; recorded.

    Returns
    -------
    Survey
        The same for the same problem, budget, seed and versions.
    """
    sections = tuple(family.section(problem, budget / len(FAMILIES), seed) for family in FAMILIES)
    named = None if budget == DEFAULT_BUDGET else budget
    plan = make_plan(problem, sections, seed)
    return Survey(
        profile=problem.profile,
        checks=problem.checks,
        sections=sections,
        decision=decide(problem, sections, plan, seed),
        plan=plan,
        provenance=problem.provenance(seed, survey_command(problem, seed, budget=named)),
        decisions=problem.decisions,
    )
