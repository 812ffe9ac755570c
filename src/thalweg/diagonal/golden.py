"""Golden values that `thalweg doctor` recomputes: small problems solved by hand from the theory."""

from __future__ import annotations

import numpy as np

from thalweg.diagonal.naive import naive_path


def golden_values() -> dict[str, float]:
    """Return, for each golden value, the largest difference to what is computed here."""
    swap = naive_path(np.array([[-1.0, 0, 2], [0, 0, 1], [-2, 1, 0]]), np.array([0.0, 0, -3]))
    back = naive_path(np.array([[-2.0, 0, -1], [-2, 1, -1], [1, 0, 0]]), np.array([-1.0, -2, -1]))
    return {
        "A (two features vanish together)": _difference(swap.times, [1 / 2, 7 / 4, 7]),
        "B (a feature returns with the other sign)": _difference(back.times, [3 / 5, 15 / 7, 3, 57 / 7]),
    }


def _difference(found: np.ndarray, wanted: list[float]) -> float:
    if found.size != len(wanted):
        return float("inf")
    return float(np.abs(found - np.array(wanted)).max())
