"""Runs the sections of all families within a budget, decides, and makes the plan."""

from thalweg.surveys.run import DEFAULT_BUDGET, survey

__all__ = ["DEFAULT_BUDGET", "survey"]
