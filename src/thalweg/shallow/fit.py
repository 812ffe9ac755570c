"""Training a shallow network on a problem: all minima that the starts find, and the best certified one.

Features and target are standardised first; the loss and all parameters are in these units. Arrays of `Fit.solution`
(P parameters, k points, S starts, l limits, m neurons):
`theta (P,)`: the network that is kept, in the flat layout of `net.py`; `anchor (P,)`; `eigenvalues (P,)` of its
Hessian; `focal_values (q,)`, `distance (1,)` from the redundant set, `sigma (1,)` of its regularity, `waste (m,)`;
`parameters (k, P)`: the points of the catalogue; `focal_margins`, `distances (k,)`; `start_losses`, `start_points`,
`start_escapes (S,)`: loss, point (-1: none) and escape (0: none, then 1 + place in `ESCAPES`) of every start;
`limit_losses`, `limit_hits`, `limit_kinds (l,)`; `certified_share (1,)`; `center (d,)`, `scale (d,)`,
`target_mean (1,)`, `target_scale (1,)`; `training_rmse (1,)`; `held_out_rmse (h,)`, `held_out_mean (h,)`,
`held_out_gain (2 h,)`: of the best network of the first four fifths of the rows on the last fifth, as in the diagonal
family; h = 0 for too few rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thalweg.data.checks import FEW_ROWS
from thalweg.data.problem import Problem
from thalweg.numerics.options import validated
from thalweg.records import Fit, InputError, Mark, Outcome, Trajectory
from thalweg.shallow.catalogue import ESCAPES, MinimaCatalogue
from thalweg.shallow.classify import classify
from thalweg.shallow.derivatives import Objective
from thalweg.shallow.focal import focal_spectrum
from thalweg.shallow.minima import find_minima, random_anchor
from thalweg.shallow.multistart import STEPS, draw_starts
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.options import ShallowOptions
from thalweg.shallow.regularity import can_be_regular
from thalweg.shallow.scaling import scaled
from thalweg.shallow.standardise import Standardised, standardise
from thalweg.shallow.trust_region import short_descent, trust_region

HELD_OUT_SHARE = 0.2
"""The last fifth of the rows judges the network of the rows before: right for ordered rows, fair for others."""

TRACED = 400
"""Steps of the recorded descent at most."""


def fit(problem: Problem, options: Mapping[str, object] | None = None, seed: int = 0) -> Fit:
    """Find the minima of a shallow network on a problem, keep the best certified one, and judge it on held-out rows.

    Parameters
    ----------
    problem
        Complete data.
    options
        Fields of `ShallowOptions`.
    seed
        Of the starts.

    Returns
    -------
    Fit
        Arrays as in the module's docstring.

    Raises
    ------
    InputError
        If the problem has holes, an option is invalid, there are fewer distinct rows than parameters or an anchor
        without a ridge, or memory is short.
    """
    problem.require_computable()
    chosen = validated(ShallowOptions, dict(options or {}))
    data = standardise(problem.X, problem.y)
    catalogue, anchor = search(data, chosen, seed)
    net, start, outcome = kept_network(catalogue)
    objective = Objective(data.X, data.y, ridge=chosen.ridge, anchor=anchor)
    return Fit(
        family="shallow",
        outcome=outcome,
        seed=seed,
        options=chosen.model_dump(),
        feature_names=problem.feature_names,
        target_name=problem.target_name,
        solution={
            **_network(net, objective),
            **_found(catalogue),
            **_preparation(data),
            "training_rmse": np.sqrt(np.mean((data.targets(net(data.X)) - problem.y) ** 2, keepdims=True)),
            **_held_out(problem, chosen, seed),
        },
        trajectory=_trajectory(objective, chosen, start, seed),
        catalogue=catalogue.points_only(),
    )


def search(
    data: Standardised, options: ShallowOptions, seed: int, steps: int = STEPS
) -> tuple[MinimaCatalogue, np.ndarray | None]:
    """Find the minima as the options say.

    Parameters
    ----------
    data
        Standardised.
    options
        The network, its ridge, the number of starts.
    seed
        Of starts and anchor.
    steps
        Of a start at most.

    Returns
    -------
    tuple
        The catalogue, and where the ridge pulls to (None: zero).
    """
    anchor = None
    if options.anchor == "random":
        anchor = random_anchor(scaled(Objective(data.X, data.y), options.width, options.activation), seed)
    found = find_minima(
        data.X, data.y, options.width, activation=options.activation, starts=options.starts, seed=seed,
        ridge=options.ridge, anchor=anchor, steps=steps,
    )  # fmt: skip
    return found, anchor


def kept_network(catalogue: MinimaCatalogue) -> tuple[ShallowNet, int, Outcome]:
    """Return the best certified minimum; without one where the lowest start ended.

    Parameters
    ----------
    catalogue
        What was found.

    Returns
    -------
    tuple
        The network, the first start that ended there, and the outcome of that start.
    """
    best = catalogue.best
    if best is not None:
        start = int(np.flatnonzero(catalogue.point_of_start == best)[0])
        return catalogue.net(best), start, catalogue.outcomes[start]
    finite = np.where(np.isfinite(catalogue.losses), catalogue.losses, np.inf)
    start = int(np.argmin(finite))
    return catalogue.net_of_start(start), start, catalogue.outcomes[start]


def network_of(fit: Fit) -> ShallowNet:
    """Return the network of a fit: it takes standardised features and returns a standardised target.

    Parameters
    ----------
    fit
        A shallow fit.

    Returns
    -------
    ShallowNet
        In the flat layout of `theta`.

    Raises
    ------
    InputError
        If the fit is of another family.
    """
    if fit.family != "shallow":
        raise InputError("family_differs", found=fit.family, wanted="shallow")
    options = validated(ShallowOptions, fit.options)
    m, d = options.width, len(fit.feature_names)
    empty = ShallowNet(options.activation, 0.0, np.zeros(m), np.zeros(m), np.zeros((m, d)))
    return empty.with_theta(fit.solution["theta"])


def predict(fit: Fit, X: np.ndarray) -> np.ndarray:
    """Return the predictions `(r,)` of a fit for rows `X (r, d)`, both in the units of the data."""
    standardised = (X - fit.solution["center"]) / fit.solution["scale"]
    return network_of(fit)(standardised) * fit.solution["target_scale"][0] + fit.solution["target_mean"][0]


def _network(net: ShallowNet, objective: Objective) -> dict[str, np.ndarray]:
    """Return the kept network with everything that figures and checks say of it."""
    worth = classify(net, objective.X, objective.y) if net.width else None
    focal = focal_spectrum(net, objective)
    anchor = np.zeros(net.parameter_count) if objective.anchor is None else objective.anchor
    return {
        "theta": net.theta,
        "anchor": anchor,
        "eigenvalues": np.linalg.eigvalsh(objective.hessian(net)),
        "focal_values": focal.values,
        "distance": np.array([np.inf if worth is None else worth.distance]),
        "sigma": np.array([np.nan if worth is None or worth.sigma is None else worth.sigma]),
        "waste": np.zeros(0) if worth is None or worth.waste is None else worth.waste,
    }


def _found(catalogue: MinimaCatalogue) -> dict[str, np.ndarray]:
    kinds = [ESCAPES.index(limit.kind) + 1 for limit in catalogue.limits]
    escapes = [ESCAPES.index(escape) + 1 if escape else 0 for escape in catalogue.escapes]
    return {
        "parameters": catalogue.parameters,
        "focal_margins": catalogue.focal_margin,
        "distances": catalogue.distance,
        "start_losses": catalogue.losses,
        "start_points": catalogue.point_of_start,
        "start_escapes": np.array(escapes, dtype=np.int64),
        "limit_losses": np.array([limit.loss for limit in catalogue.limits]),
        "limit_hits": np.array([limit.hits for limit in catalogue.limits], dtype=np.int64),
        "limit_kinds": np.array(kinds, dtype=np.int64),
        "certified_share": np.array([catalogue.certified_share]),
    }


def _preparation(data: Standardised) -> dict[str, np.ndarray]:
    names = ("center", "scale", "target_mean", "target_scale")
    return {name: getattr(data, name) for name in names}


def _held_out(problem: Problem, options: ShallowOptions, seed: int) -> dict[str, np.ndarray]:
    """Judge the network of the first rows on the last; empty for too few rows."""
    squares = held_out_squares(problem, options, seed)
    if squares is None:
        return {name: np.zeros(0) for name in ("held_out_rmse", "held_out_mean", "held_out_gain")}
    of_net, of_mean = squares
    gain = of_mean - of_net
    deviation = gain.std(ddof=1) / np.sqrt(gain.size) if gain.size > 1 else np.inf
    return {
        "held_out_rmse": np.sqrt(of_net.mean(keepdims=True)),
        "held_out_mean": np.sqrt(of_mean.mean(keepdims=True)),
        "held_out_gain": np.array([gain.mean(), deviation]),
    }


def held_out_squares(problem: Problem, options: ShallowOptions, seed: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return squared errors on the last fifth of the rows, of the network and of the mean of the rows before.

    Parameters
    ----------
    problem
        Complete data.
    options, seed
        Of the search.

    Returns
    -------
    tuple or None
        None if there are too few rows, or too few for the network without a ridge.
    """
    n = problem.y.size
    first = n - int(n * HELD_OUT_SHARE)
    if n < FEW_ROWS:
        return None
    data = standardise(problem.X[:first], problem.y[:first])
    if options.ridge == 0 and not can_be_regular(data.X, options.width):
        return None
    net, _, _ = kept_network(search(data, options, seed)[0])
    left = problem.y[first:]
    predicted = data.targets(net(data.features(problem.X[first:])))
    return (predicted - left) ** 2, (left - data.target_mean[0]) ** 2


def _trajectory(objective: Objective, options: ShallowOptions, start: int, seed: int) -> Trajectory:
    """Record the descent of one start anew: entry by Levenberg-Marquardt, then every step of the trust region."""
    problem = scaled(objective, options.width, options.activation)
    begin = draw_starts(problem, options.starts, seed)[start : start + 1]
    entered, short = short_descent(problem.cost, begin)
    clock, losses = [0, int(short[0])], [float(problem.cost.loss(begin)[0]), float(problem.cost.loss(entered)[0])]

    def record(theta: np.ndarray, loss: np.ndarray, steps: np.ndarray) -> np.ndarray:
        clock.append(int(short[0]) + int(steps[0]))
        losses.append(float(loss[0]))
        return np.zeros(len(theta), dtype=bool)

    trust_region(problem.cost, entered, limit=TRACED, noise=problem.noise, watch=record)
    return Trajectory(
        clock="step",
        clock_unit="",
        clock_values=np.array(clock, dtype=float),
        loss=np.array(losses) * problem.unit**2,
        marks=(Mark(float(short[0]), "trust_region"),),
    )
