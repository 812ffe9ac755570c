"""Saddle-to-saddle dynamics of diagonal linear networks: README.md states the theorem and its limits."""

from thalweg.diagonal.certify import certify
from thalweg.diagonal.checks import checks
from thalweg.diagonal.endpoint import Endpoint, enclose_endpoint
from thalweg.diagonal.fit import best_held_out, coefficients, fit, saddle
from thalweg.diagonal.naive import naive_path
from thalweg.diagonal.order import Spell, activation_order, spells
from thalweg.diagonal.path import Event, SaddlePath
from thalweg.diagonal.path_certificate import path_certificate
from thalweg.diagonal.saddle_path import saddle_path
from thalweg.diagonal.section import section

__all__ = [
    "Endpoint", "Event", "SaddlePath", "Spell", "activation_order", "best_held_out", "certify", "checks",
    "coefficients", "enclose_endpoint", "fit", "naive_path", "path_certificate", "saddle", "saddle_path", "section",
    "spells",
]  # fmt: skip
