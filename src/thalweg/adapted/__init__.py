"""Output-space adapted gradient flow: README.md states the theorems, their hypotheses and their limits.

`fit` trains any JAX function or a plain network on arrays; `train` is the same for a problem read from a table. What
needs JAX or scikit-learn is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Functions that bear the name of a module are bound after that module was imported: importing it later would hide them.
from thalweg.adapted.certify import certify
from thalweg.adapted.checks import checks
from thalweg.adapted.critical import critical_submanifold, efficiency
from thalweg.adapted.duplicates import closeness, merge_duplicates
from thalweg.adapted.fibre import Momentum, Secondary, WeightDecay
from thalweg.adapted.fit import fit as train
from thalweg.adapted.fit import predict
from thalweg.adapted.forecast import Forecast
from thalweg.adapted.losses import ConvexLoss
from thalweg.adapted.minibatch import Batches
from thalweg.adapted.mlp import Mlp
from thalweg.adapted.prospect import forecast
from thalweg.adapted.rank import gram, rank_check, spectrum
from thalweg.adapted.rank_report import RankReport
from thalweg.adapted.result import AdaptedFit
from thalweg.adapted.section import section
from thalweg.adapted.stopping import kpi_curve, stopping_time
from thalweg.adapted.training import fit

if TYPE_CHECKING:
    from thalweg.adapted.estimators import AdaptedMLPClassifier, AdaptedMLPRegressor

_HOME_OF = {"AdaptedMLPClassifier": "estimators", "AdaptedMLPRegressor": "estimators"}

__all__ = [
    "AdaptedFit", "AdaptedMLPClassifier", "AdaptedMLPRegressor", "Batches", "ConvexLoss", "Forecast", "Mlp",
    "Momentum", "RankReport", "Secondary", "WeightDecay", "certify", "checks", "closeness", "critical_submanifold",
    "efficiency", "fit", "forecast", "gram", "kpi_curve", "merge_duplicates", "predict", "rank_check", "section",
    "spectrum", "stopping_time", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"thalweg.adapted.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'thalweg.adapted' has no attribute {name!r}")
