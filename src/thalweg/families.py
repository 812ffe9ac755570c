"""The Family protocol and the list of families; nothing else names them.

A family is a folder with the same roles under the same names: `checks`, `section`, `fit`, `certify`, `plot`, `golden`.
This version has three of the five of the design; the others join the list as they are built.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from thalweg.records.errors import InputError

if TYPE_CHECKING:
    from thalweg.data.problem import Problem
    from thalweg.records import Certificate, Check, DataTable, Decisions, Fit, Picture, Section


class Family(Protocol):
    """What every family can do."""

    @property
    def name(self) -> str:
        """The name users type."""
        ...

    def checks(self, problem: Problem) -> tuple[Check, ...]:
        """Evaluate the theory's hypotheses on the data; never raises on their content."""
        ...

    def section(self, problem: Problem, budget: float, seed: int) -> Section:
        """Contribute to a survey within a budget of estimated operations."""
        ...

    def fit(self, problem: Problem, options: Mapping[str, object] | None = None, seed: int = 0) -> Fit:
        """Train with options."""
        ...

    def certify(self, fit: Fit, problem: Problem) -> Certificate:
        """Prove a result, made here or elsewhere."""
        ...

    def figures(self, fit: Fit, lang: str = "en", decisions: Decisions | None = None) -> tuple[Picture, ...]:
        """Draw a fit; with decisions also what their costs buy."""
        ...

    def tables(self, fit: Fit) -> tuple[DataTable, ...]:
        """Return the tables that a report shows of a fit."""
        ...

    def golden_values(self) -> dict[str, float]:
        """Recompute known answers in well under a second; return the largest difference for each."""
        ...


@dataclass(frozen=True)
class Folder:
    """A family as the folder of its name: every role is a module that is imported when it is first used."""

    name: str

    def checks(self, problem: Problem) -> tuple[Check, ...]:
        """Evaluate the hypotheses (`checks.py`)."""
        return self._role("checks").checks(problem)

    def section(self, problem: Problem, budget: float, seed: int) -> Section:
        """Contribute to a survey (`section.py`)."""
        return self._role("section").section(problem, budget, seed)

    def fit(self, problem: Problem, options: Mapping[str, object] | None = None, seed: int = 0) -> Fit:
        """Train (`fit.py`)."""
        return self._role("fit").fit(problem, options, seed)

    def certify(self, fit: Fit, problem: Problem) -> Certificate:
        """Prove a result (`certify.py`)."""
        return self._role("certify").certify(fit, problem)

    def figures(self, fit: Fit, lang: str = "en", decisions: Decisions | None = None) -> tuple[Picture, ...]:
        """Draw a fit (`plot.py`)."""
        return self._role("plot").figures(fit, lang, decisions)

    def tables(self, fit: Fit) -> tuple[DataTable, ...]:
        """Return what a report shows beside the pictures (`section.py`)."""
        return self._role("section").tables(fit)

    def golden_values(self) -> dict[str, float]:
        """Recompute known answers (`golden.py`)."""
        return self._role("golden").golden_values()

    def _role(self, role: str) -> Any:
        return importlib.import_module(f"thalweg.{self.name}.{role}")


FAMILIES: tuple[Family, ...] = (Folder("diagonal"), Folder("adapted"), Folder("shallow"))


def find_family(name: str) -> Family:
    """Return the family of this name.

    Returns
    -------
    Family
        That of `FAMILIES`.

    Raises
    ------
    InputError
        If there is none; names those that exist.
    """
    for family in FAMILIES:
        if family.name == name:
            return family
    raise InputError("family_unknown", name=name, known=", ".join(f.name for f in FAMILIES))
