"""The rank condition before training: `rank D(theta) = NQ`, the hypothesis of theorem T1, on a user's own data.

What can break it is looked for by name (specification, section 3): too few parameters, equal, close and opposite
inputs, zero starts, linear and polynomial networks, dead units. Nested samples tell whether more rows would break it;
random starts, how likely it holds. For several classes the rows are those of the projected Jacobian, `N(Q-1)`
(correction A6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from thalweg.adapted.duplicates import closeness, merge_duplicates
from thalweg.adapted.losses import LOSSES, ConvexLoss, merges_by_mean
from thalweg.adapted.mlp import Mlp
from thalweg.adapted.model import Model
from thalweg.adapted.networks import network_on, parameters_of
from thalweg.adapted.preparation import prepare
from thalweg.adapted.probability import FullRankProbability, is_analytic, probability_of_full_rank, sizes_with
from thalweg.adapted.rank_advice import advice_on
from thalweg.adapted.rank_report import RankReport
from thalweg.adapted.routes import PLENTY
from thalweg.adapted.singular_values import (
    SVD_OPERATIONS,
    SingularRange,
    decomposition_operations,
    finite_jacobian,
    gram_matrix,
    inverse_values,
    product_with,
    singular_ranges,
)
from thalweg.numerics.lanczos import lanczos, start_vector
from thalweg.numerics.options import require, whole_number
from thalweg.numerics.resampling import stream

ENDS = ("all", "largest", "smallest")

SPECTRUM_CHANGE, SPECTRUM_STEPS = 1e-10, 300
"""Relative change at which Lanczos stops for a few extreme eigenvalues, and its most steps."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """The order in which samples are looked at: a random permutation of distinct inputs, then their copies."""

    order: Int[np.ndarray, " N"]
    distinct: int

    def cuts(self, per_sample: int, nested: bool) -> list[int]:
        """Return numbers of leading rows of `D`: a quarter, a half and all of the distinct inputs, then all rows."""
        U = self.distinct
        samples = {-(-U // 4), -(-U // 2), U, self.order.size} if nested else {self.order.size}
        return [per_sample * n for n in sorted(samples)]


def rank_check(
    apply_fn: Callable[[Any, Any], Any],
    params: Any,
    X: Any,
    Y: Any = None,
    *,
    loss: str | ConvexLoss = "l2",
    initialise: Callable[[int], Any] | None = None,
    trials: int = 20,
    nested: bool = True,
    seed: int = 0,
    method: str = "auto",
) -> RankReport:
    """Check whether the Jacobian of a network on its training inputs has independent rows.

    Parameters
    ----------
    apply_fn
        `apply_fn(params, X) -> (N, Q)`: an `Mlp`, or a function that JAX can trace.
    params
        Where to check: usually initial parameters.
    X
        Inputs, first axis samples.
    Y
        Targets; with them the loss that equal inputs force is known.
    loss
        The loss of training; "ce" needs rank `N(Q-1)` only.
    initialise
        Gives initial parameters for a seed; for an `Mlp` its own unless given.
    trials
        Random starts for the probability of full rank; fewer are made where they would take too long.
    nested
        Whether a quarter and a half of the samples are looked at too.
    seed
        Of the random order of samples and of the starts.
    method
        "auto", or one of "svd", "gram", "bounds", "products" (`singular_values.py`) without going on to another.

    Returns
    -------
    RankReport
        `print` it.

    Raises
    ------
    InputError
        If arguments do not fit each other, the network is unusable, or memory is short for the method that is named.
    """
    draws, start = whole_number(trials, "trials", 0), whole_number(seed, "seed", 0)
    model, outputs = trained_network(apply_fn, params, X, loss)
    inputs = np.asarray(X)
    rows = _rows(inputs, start)
    Q, K = model.shape[1], int(model.theta.size)
    ordered = model.restrict(rows.order)
    cuts = rows.cuts(Q, nested)
    most = [min(cut, Q * rows.distinct, K) for cut in cuts]
    ranges = singular_ranges(ordered.linearise(ordered.theta), cuts, most, method)
    probability = _probability(apply_fn, params, inputs, ordered, initialise, (draws, start), most[-1], ranges[-1])
    floor, conflicts = _forced(inputs, Y, loss, outputs)
    report = _report(inputs, rows, model.shape, ranges, nested, floor, conflicts, probability)
    if isinstance(apply_fn, Mlp):
        needed, comfortable = (sizes_with(apply_fn, share * report.outputs) for share in (1.0, PLENTY))
        report = replace(report, needed_sizes=needed or (), comfortable_sizes=comfortable or ())
    return replace(report, advice=advice_on(report, most[-1], rows.distinct))


def _probability(
    apply_fn: Callable[[Any, Any], Any], params: Any, X: np.ndarray, model: Model,
    initialise: Callable[[int], Any] | None, draws_from: tuple[int, int], most: int, here: SingularRange,
) -> FullRankProbability | None:  # fmt: skip
    """Return the probability of full rank, if starts can be drawn or one point proves it."""
    initial = apply_fn.initial if initialise is None and isinstance(apply_fn, Mlp) else initialise
    smooth = is_analytic(apply_fn, params, X)
    if initial is None and not (smooth and here.is_full):
        return None
    draws, seed = draws_from
    drawn = [] if initial is None else range(seed, seed + draws)
    K = int(model.theta.size)
    starts = (parameters_of(apply_fn, initial(k), K) for k in drawn)  # pyright: ignore[reportOptionalCall]
    return probability_of_full_rank(model, starts, len(drawn), most, smooth, here)


def _report(
    X: np.ndarray, rows: _Rows, shape: tuple[int, int], ranges: tuple[SingularRange, ...], nested: bool,
    floor: float | None, conflicts: int, probability: FullRankProbability | None,
) -> RankReport:  # fmt: skip
    """Return the facts without advice; rows of pairs are numbered as the user numbers them."""
    distinct = np.sort(rows.order[: rows.distinct])
    near = None if X.dtype.kind in "biu" else closeness(X[distinct])
    closest = () if near is None or near.closest is None else tuple(int(distinct[k]) for k in near.closest)
    opposite = () if near is None or near.opposite is None else tuple(int(distinct[k]) for k in near.opposite)
    whole = rows.order.size == rows.distinct
    return RankReport(
        samples=shape[0],
        per_sample=shape[1],
        found=ranges[-1],
        nested=(ranges if whole else ranges[:-1]) if nested else (),
        repeated=rows.order.size - rows.distinct,
        conflicts=conflicts,
        floor=floor,
        closest=closest,
        distance=float("nan") if near is None else near.distance,
        relative_distance=float("nan") if near is None else near.relative_distance,
        closest_is_exact=near is not None and near.is_exact,
        near_rows=0 if near is None else near.near_rows,
        opposite=opposite,
        opposite_pairs=0 if near is None else near.opposite_pairs,
        probability=probability,
        needed_sizes=(),
        comfortable_sizes=(),
        advice=(),
    )


def gram(
    apply_fn: Callable[[Any, Any], Any], params: Any, X: Any, *, loss: str | ConvexLoss = "l2"
) -> Float[np.ndarray, "NQ NQ"]:
    """Return the Gram matrix `G = D D^T` (the empirical tangent kernel), rows sample by sample.

    Parameters
    ----------
    apply_fn, params, X
        As in `rank_check`.
    loss
        "ce" of several classes projects the logits on those of sum zero first.

    Returns
    -------
    array (NQ, NQ)
        Symmetric.

    Raises
    ------
    InputError
        If the network is unusable, or memory is short.
    """
    model, _ = trained_network(apply_fn, params, X, loss)
    return gram_matrix(model.linearise(model.theta))


def spectrum(
    apply_fn: Callable[[Any, Any], Any],
    params: Any,
    X: Any,
    *,
    loss: str | ConvexLoss = "l2",
    which: str = "all",
    count: int = 6,
) -> Float[np.ndarray, " k"]:
    """Return eigenvalues of the Gram matrix, ascending.

    Parameters
    ----------
    apply_fn, params, X
        As in `rank_check`.
    loss
        "ce" of several classes projects the logits on those of sum zero first.
    which
        "all" (squared singular values of `D` where that is quick, so that small ones are right too); "largest", by
        Lanczos with products, which needs no Gram matrix; "smallest", by inverse Lanczos on its Cholesky factor.
    count
        How many of the extreme ones.

    Returns
    -------
    array (k,)
        Those of the Gram matrix itself carry an error of about `NQ eps` times the largest.

    Raises
    ------
    InputError
        If an argument is out of range, the network is unusable, or memory is short.
    """
    require(which in ENDS, "which", which, ", ".join(ENDS))
    model, _ = trained_network(apply_fn, params, X, loss)
    lin, rows = model.linearise(model.theta), model.shape[0] * model.shape[1]
    wanted = min(whole_number(count, "count", 1), rows)
    if which == "largest":
        return lanczos(product_with(lin), start_vector(rows), SPECTRUM_STEPS, SPECTRUM_CHANGE, wanted)[-wanted:]
    if which == "smallest":
        return inverse_values(lin, wanted, SPECTRUM_STEPS, SPECTRUM_CHANGE)
    K = lin.parameter_count
    if decomposition_operations(rows, K) <= SVD_OPERATIONS:
        import scipy.linalg

        values = np.square(scipy.linalg.svdvals(finite_jacobian(lin), check_finite=False))[::-1]
        return np.concatenate([np.zeros(rows - values.size), values])
    return np.linalg.eigvalsh(gram_matrix(lin))


def trained_network(
    apply_fn: Callable[[Any, Any], Any], params: Any, X: Any, loss: str | ConvexLoss
) -> tuple[Model, int]:
    """Return a network on its inputs with the outputs that a loss trains: of several logits those of sum zero.

    Parameters
    ----------
    apply_fn, params, X
        As in `rank_check`.
    loss
        A name, or a user's convex function.

    Returns
    -------
    tuple of Model, int
        The network, whose arrays are NumPy's, and the number of its raw outputs.

    Raises
    ------
    InputError
        If the inputs do not fit an `Mlp`, or the network is unusable.
    """
    require(isinstance(loss, ConvexLoss) or loss in LOSSES, "loss", repr(loss), ", ".join(LOSSES) + ", ConvexLoss")
    plain = network_on(apply_fn, params, X)
    classes = plain.shape[1]
    if loss != "ce" or classes == 1:
        return plain, classes
    from scipy.linalg import helmert

    return network_on(apply_fn, params, X, np.ascontiguousarray(helmert(classes).T)), classes


def _rows(X: np.ndarray, seed: int) -> _Rows:
    groups = merge_duplicates(X, np.zeros((len(X), 1))).groups
    _, first = np.unique(groups, return_index=True)
    shuffled = stream(seed, "nested samples", 0).permutation(first)
    copies = np.setdiff1d(np.arange(len(X)), first)
    return _Rows(np.concatenate([shuffled, copies]), first.size)


def _forced(X: Any, Y: Any, loss: str | ConvexLoss, outputs: int) -> tuple[float | None, int]:
    """Return the cost that no function of these inputs passes, and the number of groups with different labels."""
    if Y is None:
        return None, 0
    by_mean = merges_by_mean(loss)
    prepared = prepare((X, Y), loss if by_mean else "l2", outputs)
    conflicts = 0 if prepared.merged is None else int(prepared.merged.conflicts.size)
    return float(prepared.loss.floor) if by_mean else None, conflicts
