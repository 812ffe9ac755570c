"""Versions of what a result was computed with."""

from __future__ import annotations

import platform
from importlib import metadata

LIBRARIES = ("thalweg", "numpy", "scipy", "jax", "pandas", "plotly")


def versions() -> dict[str, str]:
    """Return the versions of Python, thalweg and the libraries whose change may change a result."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}}
