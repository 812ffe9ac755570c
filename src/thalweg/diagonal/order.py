"""Which features a path switches on, when, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thalweg.records import Fit


@dataclass(frozen=True)
class Spell:
    """Feature `feature` is active from jump `enters` until jump `leaves` (None: to the end of the path)."""

    feature: int
    enters: int
    leaves: int | None
    sign: int


def supports(fit: Fit) -> list[np.ndarray]:
    """Return the support of every saddle, the zero saddle first."""
    offsets, indices = fit.solution["support_offsets"], fit.solution["support_indices"]
    return [indices[offsets[k] : offsets[k + 1]] for k in range(offsets.size - 1)]


def spells(fit: Fit) -> list[Spell]:
    """Return the spells of all features in the order in which they begin; a change of sign begins a new one."""
    offsets, values = fit.solution["support_offsets"], fit.solution["support_values"]
    running: dict[int, tuple[int, int]] = {}
    found: list[Spell] = []
    for k, support in enumerate(supports(fit)):
        signs = np.sign(values[offsets[k] : offsets[k + 1]]).astype(int)
        now = dict(zip(support.tolist(), signs.tolist(), strict=True))
        for feature, (start, sign) in list(running.items()):
            if now.get(feature) != sign:
                found.append(Spell(feature, start, k, sign))
                del running[feature]
        for feature, sign in now.items():
            running.setdefault(feature, (k, sign))
    found += [Spell(feature, start, None, sign) for feature, (start, sign) in running.items()]
    return sorted(found, key=lambda spell: (spell.enters, spell.feature))


def activation_order(fit: Fit) -> tuple[int, ...]:
    """Return the features in the order of their first activation (ties by column)."""
    return tuple(dict.fromkeys(spell.feature for spell in spells(fit)))
