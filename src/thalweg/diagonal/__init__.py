"""Saddle-to-saddle dynamics of diagonal linear networks: README.md states the theorem and its limits."""

from thalweg.diagonal.certify import certify
from thalweg.diagonal.checks import checks
from thalweg.diagonal.fit import best_held_out, coefficients, fit, saddle
from thalweg.diagonal.jitter import Jitter, jitter
from thalweg.diagonal.naive import naive_path
from thalweg.diagonal.order import Spell, activation_order, spells
from thalweg.diagonal.path import Event, SaddlePath
from thalweg.diagonal.resampling import Bootstrap, bootstrap
from thalweg.diagonal.saddle_path import saddle_path
from thalweg.diagonal.section import section
from thalweg.diagonal.stability import Stability, stability_selection

__all__ = [
    "Bootstrap", "Event", "Jitter", "SaddlePath", "Spell", "Stability", "activation_order", "best_held_out",
    "bootstrap", "certify", "checks", "coefficients", "fit", "jitter", "naive_path", "saddle", "saddle_path",
    "section", "spells", "stability_selection",
]  # fmt: skip
