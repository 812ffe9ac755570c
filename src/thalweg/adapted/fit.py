"""Training the default network on a problem along the curve that is known before the run, as a Fit.

Arrays of `Fit.solution` (n rows, d features, k nodes, K parameters): `sizes (layers + 1,)`; `node_parameters
(kept, K)` with `kept_nodes (kept,)`, first and last among them; `center (d,)`, `scale (d,)` (infinite for columns that
never vary), `target_mean (1,)`, `target_scale (1,)`, `target_sd (1,)`: the preparation; `rows (1,)` trained on;
`repeated (1,)` rows that equal earlier ones, `conflicts (1,)` groups of them with different targets, `floor (1,)` the
loss that these force; `training_accuracy (kept,)` for classes: the share of rows that is right; `held_out_tau (h,)`,
`held_out_rmse (h,)`: a network trained on the first four fifths of the rows and judged on the last fifth at every node,
in the units of the target (for classes: of their probabilities);
`held_out_mean (1,)`: the error of the mean alone; `held_out_gain (2,)`: by how much the squared error at the best node
is below that of the mean alone, and the standard error of this; `held_out_accuracy (h,)` for classes; and the arrays of
`orbit.py`: singular values along the run and the spectrum of the Gram matrix at both ends.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from thalweg.adapted.judge import Judge, first_rows, no_story, probabilities, unflatten
from thalweg.adapted.mlp import Mlp
from thalweg.adapted.options import AdaptedOptions, read_options
from thalweg.adapted.orbit import WATCHED_NODES, orbit
from thalweg.adapted.promise import Promise, forecast_of, promise
from thalweg.adapted.result import AdaptedFit
from thalweg.adapted.standardise import Standardised, applied, network_for, standardise
from thalweg.adapted.training import fit as train
from thalweg.data.checks import FEW_ROWS
from thalweg.data.problem import Problem
from thalweg.numerics.options import require
from thalweg.records import Fit, InputError
from thalweg.runtime.threads import threads_for

KEPT_NUMBERS = 2**18
"""Parameters of nodes that a fit keeps in all; beyond it, nodes evenly spread with the first and the last."""


SLACK_STEPS = 10
"""Steps beyond twice those of the rehearsal after which a damped run counts as arrived: its clock hardly moves."""


def fit(problem: Problem, options: Mapping[str, object] | None = None, seed: int = 0) -> Fit:
    """Train the network on all rows, after a rehearsal on the first four fifths that the last fifth judges.

    Parameters
    ----------
    problem
        Complete data.
    options
        Fields of `AdaptedOptions`.
    seed
        Of the initial parameters.

    Returns
    -------
    Fit
        Arrays as in the module's docstring; its forecast was made before the run.

    Raises
    ------
    InputError
        If the problem has holes, an option is invalid, too few rows leave none to hold out for `validation`, the target
        cannot be reached, or memory is short.
    """
    problem.require_computable()
    chosen = read_options(options)
    table = standardise(problem.X, problem.y, chosen)
    network = network_for(table, chosen)
    with threads_for(table.y.size * table.outputs):
        return _fitted(problem, chosen, table, network, seed)


def _fitted(problem: Problem, chosen: AdaptedOptions, table: Standardised, network: Mlp, seed: int) -> Fit:
    """Rehearse, train and gather."""
    made = promise(table, network, chosen, seed)
    judge = judged(problem, chosen, network, table.outputs, seed)
    require(judge is not None or not chosen.validation, "validation", True, f"false below {FEW_ROWS} rows")
    until, most = math.inf, chosen.max_steps
    if judge is not None and chosen.validation:
        until = stop_clock(judge, chosen)
        most = min(most, SLACK_STEPS + 2 * judge.best) if chosen.mode == "fast" else most
    run = _train(table, network, chosen, made, seed, until=until, most=most)
    held_out = no_story() if judge is None else judge.solution()
    return _as_fit(problem, run, table, network, chosen, made, held_out, seed, WATCHED_NODES)


def rehearse(
    problem: Problem, options: AdaptedOptions, network: Mlp, outputs: int, seed: int, watched: int = WATCHED_NODES
) -> tuple[Fit, Judge | None, Promise]:
    """Train on the first four fifths of the rows alone, judged on the last fifth: what a survey can afford.

    Parameters
    ----------
    problem
        Complete data.
    options
        Of the run.
    network
        Its sizes, those of a training on all rows.
    outputs
        Number of classes, or 1.
    seed
        Of the initial parameters.
    watched
        Nodes at which singular values are computed.

    Returns
    -------
    tuple of Fit, Judge or None, Promise
        A fit of these rows, and what was known before it; no judge where there are too few to hold some out: then
        all are trained on.
    """
    first, judge = _split(problem, options, network, outputs)
    made = promise(first, network, options, seed)
    run = _train(first, network, options, made, seed, judge)
    held_out = no_story() if judge is None else judge.solution()
    return _as_fit(problem, run, first, network, options, made, held_out, seed, watched), judge, made


def judged(problem: Problem, options: AdaptedOptions, network: Mlp, outputs: int, seed: int) -> Judge | None:
    """Return the held-out story of a training on the first four fifths of the rows; None for too few of them."""
    first, judge = _split(problem, options, network, outputs)
    if judge is not None:
        _train(first, network, options, promise(first, network, options, seed), seed, judge)
    return judge


def stop_clock(judge: Judge, options: AdaptedOptions) -> float:
    """Return the clock at which held-out rows say to stop: the best node, or where coarse steps pass nearest to it."""
    best = judge.best
    if options.mode == "certified" or best == 0:
        return judge.clock[best]
    return (judge.clock[best - 1] + judge.clock[best]) / 2


def predict(fit: Fit, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
    """Return the predictions of a fit for other rows, in the units of the data (for classes: their numbers).

    Parameters
    ----------
    fit
        An adapted fit.
    X
        Rows with the features of the fit, in the units of the data.

    Returns
    -------
    array (m,)
        From the parameters of the last node.

    Raises
    ------
    InputError
        If the columns are not those of the fit.
    """
    outputs = _outputs(fit, X)
    if fit.options["loss"] == "ce":
        return outputs.argmax(axis=1).astype(np.float64)
    return float(fit.solution["target_mean"][0]) + float(fit.solution["target_scale"][0]) * outputs[:, 0]


def predict_probabilities(fit: Fit, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m Q"]:
    """Return the probabilities of the classes for other rows.

    Returns
    -------
    array (m, Q)
        Rows sum to one.

    Raises
    ------
    InputError
        If the fit is not one of classes, or the columns are not those of the fit.
    """
    if fit.options["loss"] != "ce":
        raise InputError("option_range", name="loss", value=fit.options["loss"], wanted="ce")
    return probabilities(_outputs(fit, X))


def network_of(fit: Fit) -> Mlp:
    """Return the network of a fit."""
    return Mlp(tuple(int(size) for size in fit.solution["sizes"]), str(fit.options["activation"]))


def best_held_out(fit: Fit) -> int | None:
    """Return the number of the held-out node of least error, the earliest of equals; None without."""
    errors = fit.solution["held_out_rmse"]
    return int(np.argmin(errors)) if errors.size else None


def _outputs(fit: Fit, X: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m Q"]:
    network = network_of(fit)
    if X.ndim != 2 or X.shape[1] != network.sizes[0]:
        raise InputError("adapted_columns", found=str(X.shape), wanted=network.sizes[0])
    rows = applied(X, fit.solution["center"], fit.solution["scale"])
    return network(unflatten(network, fit.solution["node_parameters"][-1]), rows)


def _split(problem: Problem, options: AdaptedOptions, network: Mlp, outputs: int) -> tuple[Standardised, Judge | None]:
    """Return the first four fifths of the rows, standardised by themselves, and a judge that holds the rest."""
    n = problem.y.size
    first = first_rows(n) if n >= FEW_ROWS else n
    table = standardise(problem.X[:first], problem.y[:first], options, outputs)
    if first == n:
        return table, None
    return table, Judge(network, table.apply(problem.X[first:]), problem.y[first:], table, options.validation)


def _train(
    table: Standardised, network: Mlp, options: AdaptedOptions, made: Promise, seed: int,
    judge: Judge | None = None, until: float = math.inf, most: int | None = None,
) -> AdaptedFit:  # fmt: skip
    """Run the engine as the options say; a wish in money bounds the clock, all others the loss."""
    is_money = made.stop.reason.startswith("cost=")
    return train(
        network,
        network.initial(seed),
        (table.X, table.y),
        loss=table.loss,
        mode=options.mode,
        tol=made.law.floor if is_money else made.stop.cost_target,
        damping=options.damping,
        fibre=options.weight_decay or None,
        route=options.route,
        precision=options.precision,
        callback=judge,
        until=min(until, made.stop.tau) if is_money else until,
        max_steps=options.max_steps if most is None else most,
        line_tolerance=options.line_tolerance,
        seed=seed,
    )


def _as_fit(
    problem: Problem, run: AdaptedFit, table: Standardised, network: Mlp, options: AdaptedOptions, made: Promise,
    held_out: dict[str, np.ndarray], seed: int, watched: int,
) -> Fit:  # fmt: skip
    kept = _thinned(run)
    numbers = np.array([run.kept_nodes[k] for k in kept], dtype=np.int64)
    parameters = run.node_parameters[kept]
    merged = made.prepared.merged
    solution: dict[str, np.ndarray] = {
        "sizes": np.array(network.sizes, dtype=np.int64),
        "node_parameters": parameters,
        "kept_nodes": numbers,
        "center": table.center,
        "scale": table.scale,
        "target_mean": np.array([table.target_mean]),
        "target_scale": np.array([table.target_scale]),
        "target_sd": np.array([table.target_sd]),
        "rows": np.array([table.y.size], dtype=np.int64),
        "repeated": np.array([merged.repeated if merged else 0], dtype=np.int64),
        "conflicts": np.array([merged.conflicts.size if merged else 0], dtype=np.int64),
        "floor": np.array([made.law.floor]),
        "training_accuracy": _training_accuracy(table, network, parameters),
        **held_out,
        **orbit(run.task, parameters, numbers.tolist(), watched),
    }
    return Fit(
        family="adapted",
        outcome=run.outcome,
        seed=seed,
        options=options.model_dump(),
        feature_names=problem.feature_names,
        target_name=problem.target_name,
        solution=solution,
        trajectory=run.trajectory,
        forecast=forecast_of(made, options, table.y.size),
    )


def _training_accuracy(
    table: Standardised, network: Mlp, parameters: Float[np.ndarray, "kept K"]
) -> Float[np.ndarray, " nodes"]:
    """Return the share of rows that is classified rightly at every kept node; nothing where there are no classes."""
    if table.loss != "ce":
        return np.array([])
    found = [network(unflatten(network, theta), table.X).argmax(axis=1) for theta in parameters]
    return np.array([(classes == table.y).mean() for classes in found])


def _thinned(run: AdaptedFit) -> np.ndarray:
    """Return which kept nodes are kept again: all, or some evenly spread with the first and the last."""
    count, K = run.node_parameters.shape
    most = max(2, KEPT_NUMBERS // K)
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
