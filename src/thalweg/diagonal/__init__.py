"""Saddle-to-saddle dynamics of diagonal linear networks: README.md states the theorem and its limits."""

from thalweg.diagonal.audit import feature_table
from thalweg.diagonal.certify import certify
from thalweg.diagonal.checks import checks
from thalweg.diagonal.fit import best_held_out, coefficients, fit, saddle
from thalweg.diagonal.naive import naive_path
from thalweg.diagonal.order import Spell, activation_order, spells
from thalweg.diagonal.path import Event, SaddlePath
from thalweg.diagonal.saddle_path import saddle_path
from thalweg.diagonal.section import section
from thalweg.diagonal.sensors import cost_curve, sensor_curve

__all__ = [
    "Event", "SaddlePath", "Spell", "activation_order", "best_held_out", "certify", "checks", "coefficients",
    "cost_curve", "feature_table", "fit", "naive_path", "saddle", "saddle_path", "section", "sensor_curve", "spells",
]  # fmt: skip
