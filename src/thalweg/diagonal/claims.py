"""What a recorded path claims beside its saddles, compared with what the data and the saddles give.

A certificate proves saddles and times; whatever else a reader is shown - preparation, trajectory, marks, limits,
held-out errors - must follow from them, or the record contradicts itself.
"""

from __future__ import annotations

import numpy as np

from thalweg.data.problem import Problem
from thalweg.diagonal.fit import HELD_OUT, kept_of, prepare_as, saddle
from thalweg.diagonal.fit import fit as fit_again
from thalweg.diagonal.options import DiagonalOptions
from thalweg.diagonal.order import spells, supports
from thalweg.diagonal.prepare import Prepared
from thalweg.records import Fit, Outcome

TOLERANCE = 1e-6
"""Relative difference at which two computations of the same number still agree."""

EXACT_FIT = 1e-10
"""A path that ends in interpolation leaves at most this share of the first loss: a residual of 1e-5."""


STORY = ("lost", "duplicate_of", "largest_dual")
"""Arrays from which the audit says why a feature is not active; records of earlier versions lack them."""


def contradictions(fit: Fit, problem: Problem, options: DiagonalOptions) -> list[str]:
    """Return the names of what the record claims wrongly, empty for an honest one."""
    if not _has_sound_arrays(fit):
        return ["solution"]
    claims = {
        **_preparation_claims(fit, problem, options),
        **_trajectory_claims(fit),
        **_limit_claims(fit, options),
    }
    wrong = [name for name, right in claims.items() if not right]
    return wrong or _recomputed_claims(fit, problem, options)


def _has_sound_arrays(fit: Fit) -> bool:
    """Tell whether the arrays fit together and the times increase."""
    arrays = fit.solution
    times, offsets, indices = arrays["times"], arrays["support_offsets"], arrays["support_indices"]
    floats = (times, arrays["support_values"], arrays["losses"])
    return bool(
        all(np.isfinite(array).all() for array in floats)
        and offsets.size == times.size + 2
        and arrays["losses"].size == times.size + 1
        and (np.diff(np.concatenate([[0.0], times])) > 0).all()
        and offsets[0] == 0
        and (np.diff(offsets) >= 0).all()
        and offsets[-1] == indices.size == arrays["support_values"].size
        and ((indices >= 0) & (indices < len(fit.feature_names))).all()
        and all(np.unique(support).size == support.size for support in supports(fit))
        and kept_of(fit).size == arrays.get("kept_values", np.zeros((0, 0))).shape[-1]
        and (kept_of(fit).size == 0 or arrays["kept_values"].shape[0] == times.size + 1)
    )


def _preparation_claims(fit: Fit, problem: Problem, options: DiagonalOptions) -> dict[str, bool]:
    prepared = prepare_as(problem, options)
    mean = np.array([prepared.target_mean])
    return {
        "center": _agree(fit.solution["center"], prepared.center, np.abs(problem.X).max(axis=0)),
        "scale": _agree(fit.solution["scale"], prepared.scale),
        "target_mean": _agree(fit.solution["target_mean"], mean, np.abs(problem.y).max(keepdims=True)),
        "kept": np.array_equal(kept_of(fit), prepared.kept.columns),
        "kept_values": _has_kept_values(fit, prepared),
    }


def _has_kept_values(fit: Fit, prepared: Prepared) -> bool:
    """Tell whether the kept columns have, beside every saddle, the coefficients that fit best."""
    kept, found = prepared.kept, fit.solution.get("kept_values", np.zeros((0, 0)))
    if kept.columns.size == 0 or not np.array_equal(kept_of(fit), kept.columns):
        return True  # none, or wrong in another way
    for k, values in enumerate(found):
        slopes = saddle(fit, k) / prepared.scale
        size = np.abs(kept.target) + np.abs(kept.weights) @ np.abs(slopes)  # of what the sum cancels
        if not _agree(values, kept.coefficients(slopes), size):
            return False
    return True


def _trajectory_claims(fit: Fit) -> dict[str, bool]:
    times, path = fit.solution["times"], fit.trajectory
    marks = set()
    for spell in spells(fit):
        marks.add((float(times[spell.enters - 1]), "enter", fit.feature_names[spell.feature]))
        if spell.leaves is not None:
            marks.add((float(times[spell.leaves - 1]), "leave", fit.feature_names[spell.feature]))
    # A change of sign in one jump ends a spell and begins another, but the feature stays in the support.
    turned = {(t, name) for t, kind, name in marks if kind == "leave" and (t, "enter", name) in marks}
    marks = {mark for mark in marks if (mark[0], mark[2]) not in turned}
    sizes = np.array([support.size for support in supports(fit)], dtype=np.float64)
    return {
        "trajectory.clock_values": np.array_equal(path.clock_values, np.concatenate([[0.0], times])),
        "trajectory.loss": np.array_equal(path.loss, fit.solution["losses"]),
        "trajectory.active": np.array_equal(path.channels.get("active", sizes), sizes),
        "trajectory.marks": {(m.clock_value, m.code, m.subject) for m in path.marks} == marks,
    }


def _limit_claims(fit: Fit, options: DiagonalOptions) -> dict[str, bool]:
    times, losses = fit.solution["times"], fit.solution["losses"]
    exact = fit.outcome is not Outcome.INTERPOLATED or bool(losses[-1] <= EXACT_FIT * losses[0])
    return {
        "max_saddles": options.max_saddles is None or times.size <= options.max_saddles,
        "max_time": options.max_time is None or times.size == 0 or bool(times[-1] <= options.max_time),
        "outcome": exact and (fit.outcome is not Outcome.NOTHING_TO_LEARN or times.size == 0),
    }


def _recomputed_claims(fit: Fit, problem: Problem, options: DiagonalOptions) -> list[str]:
    """Compare the held-out errors, the audit and the length of the Lasso part with a computation of our own."""
    again = fit_again(problem, options.model_dump(), fit.seed)
    made = {name: fit.solution[name] for name in (*HELD_OUT, *STORY) if name in fit.solution}
    whole = np.ones(len(fit.feature_names))  # duals are shares of the way to a wall: tiny ones are rounding
    sizes = {"largest_dual": whole}
    wrong = [name for name, found in made.items() if not _agree(found, again.solution[name], sizes.get(name))]
    same_path = fit.solution["times"].size == again.solution["times"].size
    if same_path and fit.solution["lasso_equivalent_until"] != again.solution["lasso_equivalent_until"]:
        wrong.append("lasso_equivalent_until")
    return wrong


def _agree(found: np.ndarray, right: np.ndarray, size: np.ndarray | None = None) -> bool:
    """Tell whether arrays agree, relative to their entries or to a given size."""
    if found.shape != right.shape:
        return False
    reference = np.abs(right) if size is None else size
    if np.array_equal(found, right):  # infinities too
        return True
    return bool((np.abs(found - right) <= TOLERANCE * np.maximum(reference, np.abs(right))).all())
