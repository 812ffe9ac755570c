"""Saddle-to-saddle dynamics of diagonal linear networks: README.md states the theorem and its limits."""

from thalweg.diagonal.certify import certify
from thalweg.diagonal.checks import checks
from thalweg.diagonal.descent_path import DescentPath, descent_path
from thalweg.diagonal.finite_alpha import FirstJump, alpha_needed, first_jump, visible_plateaus
from thalweg.diagonal.fit import best_held_out, coefficients, fit, saddle
from thalweg.diagonal.flow import DiagonalFlow, diagonal_flow
from thalweg.diagonal.naive import naive_path
from thalweg.diagonal.network import Network
from thalweg.diagonal.order import Spell, activation_order, spells
from thalweg.diagonal.path import Event, SaddlePath
from thalweg.diagonal.saddle_path import saddle_path
from thalweg.diagonal.section import section
from thalweg.diagonal.transitions import Film, Orbit, arc_length, film, heteroclinic_orbit

__all__ = [
    "DescentPath", "DiagonalFlow", "Event", "Film", "FirstJump", "Network", "Orbit", "SaddlePath", "Spell",
    "activation_order", "alpha_needed", "arc_length", "best_held_out", "certify", "checks", "coefficients",
    "descent_path", "diagonal_flow", "film", "first_jump", "fit", "heteroclinic_orbit", "naive_path",
    "saddle", "saddle_path", "section", "spells", "visible_plateaus",
]  # fmt: skip
