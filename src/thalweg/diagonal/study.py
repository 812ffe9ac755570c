"""What a survey draws while the data are at hand: how far to trust the order, and what real initialisations show.

Bootstrap and stability selection of the order, cross-validation forward in the rows, training from finite
initialisations beside the limit, the Lasso beside it, the race of the duals, the tour of the saddles, and the
initialisation that each plateau needs. What does not fit into the budget of operations is left out and named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.data.checks import FEW_ROWS
from thalweg.data.problem import Problem
from thalweg.diagonal.cross_validation import CrossValidation, cross_validate
from thalweg.diagonal.fit import prepare_as
from thalweg.diagonal.flow import DiagonalFlow, diagonal_flow
from thalweg.diagonal.operations import predicted_operations
from thalweg.diagonal.options import DiagonalOptions
from thalweg.diagonal.path import SaddlePath
from thalweg.diagonal.resampling import Bootstrap, bootstrap
from thalweg.diagonal.saddle_path import saddle_path
from thalweg.diagonal.stability import Stability, stability_selection
from thalweg.numerics.options import validated
from thalweg.records import Fit, Picture, Statement

DRAWS, HALVES, FEWEST_DRAWS = 200, 100, 50
"""Samples of the bootstrap and halves of the stability selection; fewer than the last number say too little."""

FOLDS = 5
"""Forward splits."""

JUMP_OPERATIONS = 1e6
"""What a jump costs beside its multiplications, as a number of these: its overhead is a tenth of a millisecond."""

SHARE = 0.25
"""Share of the budget for each of: bootstrap, stability selection, cross-validation."""

LOG10_ALPHAS = (-2.0, -8.0, -100.0)
"""Initialisations that are trained: a usual one, the smallest in practice, and one that shows the limit."""

FLOW_POINTS = 100
"""Times at which these are drawn."""

FLOW_OPERATIONS = 4e9
"""What training them takes at most, as a number of multiplications."""

FLOW_JUMPS, FLOW_FEATURES, FLOW_ROWS = 40, 100, 5000
"""Largest paths that are trained from finite initialisations and toured in three dimensions: about a second."""


@dataclass(frozen=True, eq=False)
class PathStudy:
    """A path with the studies that were made of it; None or empty where one was left out."""

    fitted: Fit
    path: SaddlePath
    X: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]
    resampled: Bootstrap | None
    halves: Stability | None
    validation: CrossValidation | None
    flows: tuple[DiagonalFlow, ...]

    def pictures(self, lang: str = "en") -> tuple[Picture, ...]:
        """Draw all that was studied."""
        from thalweg.diagonal.plot_flow import dual_race, flow_overlay, saddle_tour, visibility
        from thalweg.diagonal.plot_resampling import activation_timeline, stability_map
        from thalweg.diagonal.plot_selection import cross_validation_curve, lasso_comparison

        path, names, target = self.path, self.fitted.feature_names, self.fitted.target_name
        drawn: list[Picture] = []
        if self.resampled is not None:
            drawn.append(activation_timeline(self.resampled, names, lang))
        if self.halves is not None:
            drawn.append(stability_map(self.halves, names, lang))
        if self.validation is not None:
            drawn.append(cross_validation_curve(self.validation, target, lang))
        drawn.append(lasso_comparison(path, self.X, self.y, feature_names=names, target_name=target, lang=lang))
        drawn.append(dual_race(path, names, lang))
        if self.flows:
            drawn += [flow_overlay(path, self.flows, names, lang), visibility(path, lang)]
        if self.flows and path.supports[-1].size > 1:
            drawn.append(saddle_tour(path, names, lang))
        return tuple(drawn)


def study(problem: Problem, fitted: Fit, budget: float, seed: int) -> tuple[PathStudy | None, tuple[Statement, ...]]:
    """Study a fitted path within a budget.

    Parameters
    ----------
    problem
        Complete data.
    fitted
        Their path.
    budget
        Estimated operations that may be spent.
    seed
        Of everything random.

    Returns
    -------
    tuple
        The study, None for a path without jumps; and what was left out.
    """
    jumps = int(fitted.solution["times"].size)
    if not jumps:
        return None, ()
    n, d = problem.X.shape
    options = validated(DiagonalOptions, fitted.options)
    prepared = prepare_as(problem, options)
    path = saddle_path(prepared.X, prepared.y, max_saddles=options.max_saddles, reference_norm=prepared.target_norm)
    affordable = SHARE * budget / (predicted_operations(n, d, jumps) + JUMP_OPERATIONS * jumps)
    limits = {"max_saddles": options.max_saddles, "seed": seed}
    skipped: list[Statement] = []
    # Kept columns are forced in before the path begins: samples of the rest alone would be another question.
    may_resample = not problem.kept and n >= FEW_ROWS
    draws, halves = min(DRAWS, int(affordable)), 2 * (min(HALVES, int(affordable)) // 2)
    resampled = (
        bootstrap(problem.X, problem.y, draws=draws, **limits) if may_resample and draws >= FEWEST_DRAWS else None
    )
    stable = None
    if may_resample and halves >= FEWEST_DRAWS:
        stable = stability_selection(problem.X, problem.y, draws=halves, **limits)
    validation = None
    if may_resample and affordable >= FOLDS:
        validation = cross_validate(problem.X, problem.y, folds=FOLDS, ordered=True, **limits)
    if resampled is None or stable is None or validation is None:
        skipped.append(Statement("section.diagonal.not_resampled", {"draws": FEWEST_DRAWS}))
    flows: tuple[DiagonalFlow, ...] = ()
    is_small = jumps <= FLOW_JUMPS and d <= FLOW_FEATURES and n <= FLOW_ROWS
    if is_small and SHARE * budget >= FLOW_OPERATIONS:
        flows = _flows(path, prepared.X, prepared.y)
    else:
        skipped.append(Statement("section.diagonal.not_trained", {"jumps": FLOW_JUMPS, "features": FLOW_FEATURES}))
    return PathStudy(fitted, path, prepared.X, prepared.y, resampled, stable, validation, flows), tuple(skipped)


def _flows(path: SaddlePath, X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> tuple[DiagonalFlow, ...]:
    from thalweg.diagonal.plot_flow import drawing_times

    times = drawing_times(path, FLOW_POINTS)
    return tuple(diagonal_flow(X, y, log10_alpha=size, times=times) for size in LOG10_ALPHAS)
