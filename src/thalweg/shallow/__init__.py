"""Shallow analytic networks: every minimum found, classified and proved. README.md states the theorem and its limits.

The estimator is loaded when it is first used: it needs scikit-learn, which takes a second to import.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Functions that bear the name of their module are imported at once: importing the module later would hide them.
from thalweg.shallow.advise import Advice, advise
from thalweg.shallow.canonical import assignment, canonical, copies, same_function
from thalweg.shallow.catalogue import LimitPoint, MinimaCatalogue
from thalweg.shallow.certificate import ShallowCertificate
from thalweg.shallow.certify import certify
from thalweg.shallow.checks import checks
from thalweg.shallow.classify import Classification, classify
from thalweg.shallow.derivatives import Objective
from thalweg.shallow.fit import fit, network_of, predict
from thalweg.shallow.focal import FocalSpectrum, focal_margin
from thalweg.shallow.grow import Growth, SplitAdvice, grow, split, split_advice
from thalweg.shallow.minima import find_minima
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.reduce import Reduction, reduce
from thalweg.shallow.redundant_set import RedundantSet, redundant_set
from thalweg.shallow.refine import Refined, refine
from thalweg.shallow.retries import Retries, retries
from thalweg.shallow.scan import scan
from thalweg.shallow.section import section
from thalweg.shallow.study import study

if TYPE_CHECKING:
    from thalweg.shallow.estimators import ShallowRegressor
    from thalweg.shallow.limit_proof import certify_limit

_HOME_OF = {"ShallowRegressor": "estimators", "certify_limit": "limit_proof"}

__all__ = [
    "Advice", "Classification", "FocalSpectrum", "Growth", "LimitPoint", "MinimaCatalogue", "Objective", "Reduction",
    "RedundantSet", "Refined", "Retries", "ShallowCertificate", "ShallowNet", "ShallowRegressor", "SplitAdvice",
    "advise", "assignment", "canonical", "certify", "certify_limit", "checks", "classify", "copies", "find_minima",
    "fit", "focal_margin", "grow", "network_of", "predict", "reduce", "redundant_set", "refine", "retries",
    "same_function", "scan", "section", "split", "split_advice", "study",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"thalweg.shallow.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'thalweg.shallow' has no attribute {name!r}")
