"""Output-space adapted gradient flow: README.md states the theorems, their hypotheses and their limits.

Names are loaded when they are first used, so that a survey does not import what only arbitrary models need (JAX).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thalweg.adapted.critical import critical_submanifold, efficiency
    from thalweg.adapted.duplicates import closeness, merge_duplicates
    from thalweg.adapted.estimators import AdaptedMLPClassifier, AdaptedMLPRegressor
    from thalweg.adapted.fibre import Momentum, Secondary, WeightDecay
    from thalweg.adapted.forecast import Forecast
    from thalweg.adapted.losses import ConvexLoss
    from thalweg.adapted.minibatch import Batches
    from thalweg.adapted.mlp import Mlp
    from thalweg.adapted.prospect import forecast
    from thalweg.adapted.rank import gram, rank_check, spectrum
    from thalweg.adapted.rank_report import RankReport
    from thalweg.adapted.result import AdaptedFit
    from thalweg.adapted.stopping import kpi_curve, stopping_time
    from thalweg.adapted.training import fit

_HOMES = {
    "critical": ("critical_submanifold", "efficiency"),
    "duplicates": ("closeness", "merge_duplicates"),
    "estimators": ("AdaptedMLPClassifier", "AdaptedMLPRegressor"),
    "fibre": ("Momentum", "Secondary", "WeightDecay"),
    "forecast": ("Forecast",),
    "losses": ("ConvexLoss",),
    "minibatch": ("Batches",),
    "mlp": ("Mlp",),
    "prospect": ("forecast",),
    "rank": ("gram", "rank_check", "spectrum"),
    "rank_report": ("RankReport",),
    "result": ("AdaptedFit",),
    "stopping": ("kpi_curve", "stopping_time"),
    "training": ("fit",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AdaptedFit", "AdaptedMLPClassifier", "AdaptedMLPRegressor", "Batches", "ConvexLoss", "Forecast", "Mlp",
    "Momentum", "RankReport", "Secondary", "WeightDecay", "closeness", "critical_submanifold", "efficiency", "fit",
    "forecast", "gram", "kpi_curve", "merge_duplicates", "rank_check", "spectrum", "stopping_time",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"thalweg.adapted.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'thalweg.adapted' has no attribute {name!r}")
