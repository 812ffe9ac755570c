"""Models of other libraries as plain arrays, and back.

Nothing is ever unpickled: files are read by torch with `weights_only=True`, or as safetensors. The libraries are
imported only where a model of theirs is at hand.
"""

from __future__ import annotations

from thalweg.interop.check import ModelCheck, certify_model, check
from thalweg.interop.facts import facts
from thalweg.interop.foreign import ForeignModel, Layer
from thalweg.interop.outside import Outside, outside_theorem
from thalweg.interop.reading import read_model
from thalweg.interop.shallow_models import foreign_model, shallow_net, torch_sequential

__all__ = [
    "ForeignModel", "Layer", "ModelCheck", "Outside", "certify_model", "check", "facts", "foreign_model",
    "outside_theorem", "read_model", "shallow_net", "torch_sequential",
]  # fmt: skip
