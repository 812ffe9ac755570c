"""Saddle-to-saddle dynamics of diagonal linear networks: README.md states the theorem and its limits.

The estimators are loaded when they are first used: they need scikit-learn, which takes a second to import.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from thalweg.diagonal.audit import feature_table
from thalweg.diagonal.certify import certify
from thalweg.diagonal.checks import checks
from thalweg.diagonal.columns import Columns
from thalweg.diagonal.cross_validation import CrossValidation, Fold, cross_validate
from thalweg.diagonal.descent_path import DescentPath, descent_path
from thalweg.diagonal.endpoint import Endpoint, enclose_endpoint
from thalweg.diagonal.finite_alpha import FirstJump, alpha_needed, first_jump, visible_plateaus
from thalweg.diagonal.fit import best_held_out, coefficients, fit, saddle
from thalweg.diagonal.flow import DiagonalFlow, diagonal_flow
from thalweg.diagonal.jitter import Jitter, jitter
from thalweg.diagonal.naive import naive_path
from thalweg.diagonal.network import Network
from thalweg.diagonal.observation import Observation
from thalweg.diagonal.observe import observe
from thalweg.diagonal.order import Spell, activation_order, spells
from thalweg.diagonal.path import Escape, Event, SaddlePath
from thalweg.diagonal.path_certificate import path_certificate
from thalweg.diagonal.recorder import InputRecorder
from thalweg.diagonal.resampling import Bootstrap, bootstrap
from thalweg.diagonal.saddle_path import gram_path, saddle_path
from thalweg.diagonal.section import section
from thalweg.diagonal.selection import (
    Criteria,
    activation_times,
    choose,
    information_criteria,
    least_squares_variance,
    longest_plateau,
)
from thalweg.diagonal.sensitivity import function_sensitivity, jax_sensitivity, linear_sensitivity, torch_sensitivity
from thalweg.diagonal.sensors import cost_curve, sensor_curve
from thalweg.diagonal.smooth_path import smooth_path
from thalweg.diagonal.stability import Stability, stability_selection
from thalweg.diagonal.transitions import Film, Orbit, arc_length, film, heteroclinic_orbit

if TYPE_CHECKING:
    from thalweg.diagonal.classifier import SaddlePathClassifier
    from thalweg.diagonal.estimators import SaddlePathRegressor, SaddlePathRegressorCV
    from thalweg.diagonal.selector import SaddlePathSelector

_HOME_OF = {
    "SaddlePathClassifier": "classifier",
    "SaddlePathRegressor": "estimators",
    "SaddlePathRegressorCV": "estimators",
    "SaddlePathSelector": "selector",
}

__all__ = [
    "Bootstrap", "Columns", "Criteria", "CrossValidation", "DescentPath", "DiagonalFlow", "Endpoint", "Escape",
    "Event", "Film", "FirstJump", "Fold", "InputRecorder", "Jitter", "Network", "Observation", "Orbit", "SaddlePath",
    "SaddlePathClassifier", "SaddlePathRegressor", "SaddlePathRegressorCV", "SaddlePathSelector", "Spell",
    "Stability", "activation_order", "activation_times", "alpha_needed", "arc_length", "best_held_out", "bootstrap",
    "certify", "checks", "choose", "coefficients", "cost_curve", "cross_validate", "descent_path", "diagonal_flow",
    "enclose_endpoint", "feature_table", "film", "first_jump", "fit", "function_sensitivity", "gram_path",
    "heteroclinic_orbit", "information_criteria", "jax_sensitivity", "jitter", "least_squares_variance",
    "linear_sensitivity", "longest_plateau", "naive_path", "observe", "path_certificate", "saddle", "saddle_path",
    "section", "sensor_curve", "smooth_path", "spells", "stability_selection", "torch_sensitivity",
    "visible_plateaus",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"thalweg.diagonal.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'thalweg.diagonal' has no attribute {name!r}")
