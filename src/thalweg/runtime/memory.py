"""Memory that is free now: asked for before something large is allocated."""

from __future__ import annotations

SHARE = 0.8
"""Share of the free memory that one computation may ask for."""


def free_memory() -> float:
    """Return the free memory of this machine in bytes."""
    import psutil

    return float(psutil.virtual_memory().available)


def fits(wanted: float, free: float | None = None) -> bool:
    """Tell whether so many bytes may be asked for, of those that are free."""
    return wanted <= SHARE * (free_memory() if free is None else free)
