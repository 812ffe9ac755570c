"""thalweg tells where the training of a neural network will go, and proves where it went.

The public names are listed in docs/names.md; they are loaded when they are first used, so that importing
thalweg costs only the standard library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thalweg import adapted, diagonal, interop, shallow
    from thalweg.api import certify, train
    from thalweg.data import Problem, read
    from thalweg.records import (
        Certificate,
        Check,
        Fit,
        InputError,
        Outcome,
        Survey,
        ThalwegError,
        Trajectory,
        Verdict,
    )
    from thalweg.reports import Report, report
    from thalweg.runs import Run, compare, read_run, write_run
    from thalweg.surveys import survey

_HOMES = {
    "thalweg.api": ("certify", "train"),
    "thalweg.data": ("Problem", "read"),
    "thalweg.records": (
        "Certificate", "Check", "Fit", "InputError", "Outcome", "Survey", "ThalwegError", "Trajectory", "Verdict",
    ),
    "thalweg.reports": ("Report", "report"),
    "thalweg.runs": ("Run", "compare", "read_run", "write_run"),
    "thalweg.surveys": ("survey",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_ROOMS = ("adapted", "diagonal", "interop", "shallow")

__all__ = [
    "Certificate", "Check", "Fit", "InputError", "Outcome", "Problem", "Report", "Run", "Survey", "ThalwegError",
    "Trajectory", "Verdict", "adapted", "certify", "compare", "diagonal", "interop", "read", "read_run", "report",
    "shallow", "survey", "train", "write_run",
]  # fmt: skip
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(_HOME_OF[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"thalweg.{name}")
    raise AttributeError(f"module 'thalweg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
