"""Saddle-to-saddle dynamics of diagonal linear networks: README.md states the theorem and its limits."""

from thalweg.diagonal.certify import certify
from thalweg.diagonal.checks import checks
from thalweg.diagonal.columns import Columns
from thalweg.diagonal.fit import best_held_out, coefficients, fit, saddle
from thalweg.diagonal.naive import naive_path
from thalweg.diagonal.observation import Observation
from thalweg.diagonal.observe import observe
from thalweg.diagonal.order import Spell, activation_order, spells
from thalweg.diagonal.path import Event, SaddlePath
from thalweg.diagonal.recorder import InputRecorder
from thalweg.diagonal.saddle_path import gram_path, saddle_path
from thalweg.diagonal.section import section
from thalweg.diagonal.sensitivity import function_sensitivity, jax_sensitivity, linear_sensitivity, torch_sensitivity

__all__ = [
    "Columns", "Event", "InputRecorder", "Observation", "SaddlePath", "Spell", "activation_order", "best_held_out",
    "certify", "checks", "coefficients", "fit", "function_sensitivity", "gram_path", "jax_sensitivity",
    "linear_sensitivity", "naive_path", "observe", "saddle", "saddle_path", "section", "spells", "torch_sensitivity",
]  # fmt: skip
