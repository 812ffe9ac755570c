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
from thalweg.adapted.fit import predict, predict_probabilities
from thalweg.adapted.forecast import Forecast
from thalweg.adapted.laws import binary_margin, convex_bound, softmax_limit, softmax_rate, strongly_convex_bound
from thalweg.adapted.losses import ConvexLoss
from thalweg.adapted.minibatch import Batches
from thalweg.adapted.mlp import Mlp
from thalweg.adapted.prospect import forecast, loss_law
from thalweg.adapted.rank import gram, rank_check, spectrum
from thalweg.adapted.rank_report import RankReport
from thalweg.adapted.result import AdaptedFit
from thalweg.adapted.section import section
from thalweg.adapted.stopping import kpi_curve, stopping_time
from thalweg.adapted.training import fit

if TYPE_CHECKING:
    from thalweg.adapted.estimators import AdaptedMLPClassifier, AdaptedMLPRegressor
    from thalweg.adapted.plot import forecast_curve

_HOME_OF = {"AdaptedMLPClassifier": "estimators", "AdaptedMLPRegressor": "estimators", "forecast_curve": "plot"}

__all__ = [
    "AdaptedFit", "AdaptedMLPClassifier", "AdaptedMLPRegressor", "Batches", "ConvexLoss", "Forecast", "Mlp",
    "Momentum", "RankReport", "Secondary", "WeightDecay", "binary_margin", "certify", "checks", "closeness",
    "convex_bound", "critical_submanifold", "efficiency", "fit", "forecast", "forecast_curve", "gram", "kpi_curve",
    "loss_law", "merge_duplicates", "predict", "predict_probabilities", "rank_check", "section", "softmax_limit",
    "softmax_rate", "spectrum", "stopping_time", "strongly_convex_bound", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"thalweg.adapted.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'thalweg.adapted' has no attribute {name!r}")
