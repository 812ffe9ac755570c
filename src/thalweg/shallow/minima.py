"""All minima of a shallow network that many starts find: each classified and proved, every start explained.

Starts descend together to the floor of rounding (`multistart.py`), are compared up to symmetry (`distinct.py`) and
certified (`certificate.py`). By theorem T1 every efficient local minimum is strict for almost every target, so a start
ends at a strict minimum that can be proved, at infinity (section 4 of the specification; `closure.py` gives the limit),
or out of steps; nothing else was ever seen on data in general position.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from thalweg.numerics.options import require, whole_number
from thalweg.numerics.resampling import stream
from thalweg.records import CriticalPoint, InputError, Outcome, Verdict
from thalweg.runtime.memory import fits, free_memory
from thalweg.shallow.activations import activation as find_activation
from thalweg.shallow.basins import flow_descents
from thalweg.shallow.canonical import canonical
from thalweg.shallow.catalogue import DEGENERATE, MINIMUM, SADDLE, LimitPoint, MinimaCatalogue, plain, point_order
from thalweg.shallow.classify import classify
from thalweg.shallow.closure import LimitNet
from thalweg.shallow.derivatives import Objective, objective
from thalweg.shallow.distinct import group
from thalweg.shallow.ends import MERGING, REST, SATURATION, TAIL, Descents
from thalweg.shallow.escape import saturated
from thalweg.shallow.focal import focal_spectrum
from thalweg.shallow.multistart import STEPS, draw_starts, run_descents
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.proof import prove
from thalweg.shallow.redundant_set import redundant_set
from thalweg.shallow.regularity import distinct_rows, rows_needed
from thalweg.shallow.saddles import critical_points
from thalweg.shallow.scaling import Scaled, scaled
from thalweg.shallow.trust_region import PLACES

TRUST_REGION, FLOW = "trust_region", "flow"
"""How starts descend: fast, or along the gradient flow so that they end in the basin in which they began."""

RANDOM = "random"
"""An anchor drawn from N(0, 1) in scaled units: what theorem T4 asks for."""

RUNS_AWAY = {SATURATION: "saturation", MERGING: "merging", TAIL: "tail"}
"""Names of the ends at infinity."""

LARGE = 20.0
"""Output weights above this multiple of the spread of the target, at the end of an unfinished start, are growing."""

INTERPOLATES = 1e-24
"""A loss below this share of the mean square of the target is zero but for rounding."""

PROVED_ROWS = 2000
"""Rows up to which limits of merging neurons are proved at once: a tenth of a second each; `certify_limit` beyond."""

MATRICES = 4
"""Of P x P numbers a network holds while it moves: its eigenvectors, and for the next step Hessian and workspace."""

SAME_LIMIT = 1e-7
"""Relative difference of the losses of one limit at infinity at most."""


def find_minima(
    X: ArrayLike,
    y: ArrayLike,
    width: int,
    *,
    activation: str = "tanh",
    starts: int = 100,
    seed: int = 0,
    ridge: ArrayLike = 0.0,
    anchor: ArrayLike | ShallowNet | None = None,
    weights: ArrayLike | None = None,
    saddles: int = 0,
    descent: str = TRUST_REGION,
    steps: int = STEPS,
) -> MinimaCatalogue:
    """Find the minima of a shallow network from many starts, prove each, and say how every start ended.

    Parameters
    ----------
    X : array (n, d)
        Features; centre and scale them first: distances and starts assume sizes near one.
    y : array (n,) or (n, K)
        Targets.
    width : int
        Number of neurons.
    activation : str
        Its name.
    starts : int
        How many descents.
    seed : int
        Of the starts.
    ridge : float or array (P,)
        Penalties of the parameters; positive ones on all of them make a minimiser exist.
    anchor : array (P,), ShallowNet or "random", optional
        Where the ridge pulls to; with one drawn at random, almost surely every minimum is strict (theorem T4).
    weights : array (n,), optional
        Of the rows.
    saddles : int
        How many random points are followed to critical points of any index.
    descent : str
        "trust_region", or "flow": gradient flow, slower, with faithful basins.
    steps : int
        Trust-region steps of a start at most; where few are left over, they get four times as many.

    Returns
    -------
    MinimaCatalogue
        Points with their certificates, limits at infinity, and the outcome of every start.

    Raises
    ------
    InputError
        If data or options are unusable, the activation is outside the theorem, memory is short, there is an anchor
        without a ridge, or there are fewer distinct rows than parameters without a ridge on all of them.
    """
    starts, saddles = whole_number(starts, "starts", 1), whole_number(saddles, "saddles", 0)
    width, seed, steps = whole_number(width, "width", 0), whole_number(seed, "seed", 0), whole_number(steps, "steps", 1)
    require(descent in (TRUST_REGION, FLOW), "descent", descent, f"{TRUST_REGION} | {FLOW}")
    find_activation(activation).require_analytic()
    drawn = isinstance(anchor, str)
    if drawn:
        require(anchor == RANDOM, "anchor", anchor, f"{RANDOM} | array (P,) | ShallowNet")
    problem = scaled(objective(X, y, weights, ridge, None if drawn else anchor), width, activation)
    pulls = anchor is None or not problem.is_free
    require(pulls, "anchor", anchor if drawn else "array", "none without a ridge, which is what pulls there")
    if drawn:
        problem = scaled(objective(X, y, weights, ridge, random_anchor(problem, seed)), width, activation)
    return _find(problem, starts, saddles, seed, steps, descent)


def _find(problem: Scaled, starts: int, saddles: int, seed: int, steps: int, descent: str) -> MinimaCatalogue:
    _require_rows(problem)
    _require_memory(problem, max(starts, saddles))
    begin = draw_starts(problem, starts, seed)
    found = flow_descents(problem, begin) if descent == FLOW else run_descents(problem, begin, steps)
    return _catalogue(problem, found, _other_points(problem, saddles, seed))


def random_anchor(problem: Scaled, seed: int) -> Float[np.ndarray, " P"]:
    """Draw an anchor from N(0, 1) in scaled units, as theorem T4 asks: it has a density."""
    return stream(seed, "shallow.anchor", 0).standard_normal(problem.factor.size) * problem.factor


def _require_rows(problem: Scaled) -> None:
    """Refuse data with which no network of this width is regular.

    Raises
    ------
    InputError
        If there are fewer distinct rows than it takes, and not all parameters are penalised.
    """
    data, P = problem.objective, problem.factor.size
    needed = rows_needed(P, problem.cost.layout.K)
    if problem.is_coercive:
        return
    rows = distinct_rows(data.X[data.weights > 0], needed)
    if rows < needed:
        raise InputError("samples_missing", found=rows, needed=needed, missing=needed - rows, parameters=P)


def _require_memory(problem: Scaled, descents: int) -> None:
    """Refuse networks whose Hessians and eigenvectors do not fit into memory.

    Raises
    ------
    InputError
        If memory is short; says how much is needed.
    """
    P, count = problem.factor.size, min(descents, PLACES)
    needed, free = 8.0 * MATRICES * count * P**2, free_memory()
    if not fits(needed, free):
        raise InputError("networks_memory", count=count, parameters=P, needed=needed / 2**30, free=free / 2**30)


def _other_points(problem: Scaled, saddles: int, seed: int) -> Float[np.ndarray, "s P"]:
    """Return critical points found from random points: those of them that are not at infinity."""
    if not saddles:
        return np.zeros((0, problem.factor.size))
    begin = draw_starts(problem, saddles, seed + 1)
    reached, critical = critical_points(problem.cost, begin)
    if not problem.is_coercive:
        critical &= ~saturated(problem.cost, reached).any(axis=1)
    return reached[critical]


def _catalogue(problem: Scaled, found: Descents, others: Float[np.ndarray, "s P"]) -> MinimaCatalogue:
    """Compare, classify and prove what was found."""
    rested = np.flatnonzero(found.state == REST)
    theta = np.concatenate([found.theta[rested], others])
    nets = [problem.net(row) for row in theta]
    loss = problem.cost.loss(theta) if len(theta) else np.zeros(0)
    rounding = 64 * np.finfo(float).eps * problem.noise**2
    groups = group(nets, loss, rounding, symmetric=problem.objective.anchor is None)
    of_start = np.full(len(found.loss), -1)
    of_start[rested] = groups[: rested.size]
    gradients = np.linalg.norm(problem.cost.derivatives(theta)[0], axis=1) if len(theta) else np.zeros(0)
    described = []
    for number in range(int(groups.max(initial=-1)) + 1):
        members = np.flatnonzero(groups == number)
        net = _tidy(problem, nets[members[np.argmin(gradients[members])]])
        hits = int((of_start == number).sum())
        described.append((_point(problem.objective, net, max(hits, 1)), net, number))
    kept = sorted(_without_regular_others(described, of_start), key=lambda item: point_order(item[0]))
    place = np.full(len(described) + 1, -1)
    for position, (_, _, number) in enumerate(kept):
        place[number] = position
    return _record(problem, found, kept, place[of_start])


def _tidy(problem: Scaled, net: ShallowNet) -> ShallowNet:
    """Return the image of the network that stands for its point, where that changes neither loss nor bits."""
    exact = problem.is_free and problem.template.psi.symmetry not in ("logistic", "periodic")
    return canonical(net) if exact else net


def _without_regular_others(described: list, of_start: Int[np.ndarray, " S"]) -> list:
    """Drop degenerate points that only the search for saddles met: pieces of the redundant set, not isolated."""
    from_starts = set(of_start.tolist())
    return [item for item in described if item[2] in from_starts or item[0].kind != DEGENERATE]


def _point(data: Objective, net: ShallowNet, hits: int) -> CriticalPoint:
    """Describe and certify one critical point."""
    loss, gradient, hessian = data.second_order(net)
    values = np.linalg.eigvalsh(hessian)
    certificate = prove(net, data, "minimum" if values[0] > 0 else "critical")
    kind, index = DEGENERATE, certificate.index
    if certificate.verdict is Verdict.HOLDS:
        kind = SADDLE if index else MINIMUM
    return CriticalPoint(
        kind=kind,
        loss=loss,
        index=index,
        smallest_eigenvalue=float(values[0]),
        largest_eigenvalue=float(values[-1]),
        gradient_norm=float(np.linalg.norm(gradient)),
        hits=hits,
        certificate=plain(certificate),
    )


def _record(problem: Scaled, found: Descents, kept: list, place: Int[np.ndarray, " S"]) -> MinimaCatalogue:
    points, nets = tuple(item[0] for item in kept), [item[1] for item in kept]
    layout, P = problem.cost.layout, problem.factor.size
    spectra = [focal_spectrum(net, problem.objective) for net in nets]
    limits, limit_of_start = _limits(problem, found)
    unit = problem.unit**2
    return MinimaCatalogue(
        points=points,
        activation=problem.template.activation,
        features=layout.d,
        outputs=layout.K,
        width=layout.m,
        parameters=np.array([net.theta for net in nets]).reshape(len(nets), P),
        distance=np.array([float(redundant_set(net).distance) for net in nets]),
        regularity=np.array([_sigma(net, problem.objective) for net in nets]),
        focal_margin=np.array([s.margin for s in spectra]),
        limits=limits,
        outcomes=tuple(_outcomes(problem, found, points, place)),
        escapes=tuple(_escape(problem, found, k) for k in range(len(found.loss))),
        point_of_start=place,
        limit_of_start=limit_of_start,
        ends=found.theta * problem.factor,
        losses=found.loss * unit,
        gradient_norms=found.gradient * unit,
        steps=found.steps,
    )


def _sigma(net: ShallowNet, data: Objective) -> float:
    """Return the smallest singular value of the Jacobian with unit columns; 0 where the network is not regular."""
    sigma = classify(net, data.X).sigma
    return 0.0 if sigma is None else float(sigma)


def _outcomes(
    problem: Scaled, found: Descents, points: tuple[CriticalPoint, ...], place: Int[np.ndarray, " S"]
) -> Iterable[Outcome]:
    """Say how each start ended."""
    interpolates = INTERPOLATES * problem.noise**2
    for state, loss, at in zip(found.state, found.loss, place, strict=True):
        if not math.isfinite(loss):
            yield Outcome.DIVERGED
        elif state in RUNS_AWAY:
            yield Outcome.NO_MINIMISER
        elif state != REST:
            yield Outcome.BUDGET_SPENT
        elif points[at].kind == DEGENERATE:
            yield Outcome.PRECISION_LOST
        else:
            yield Outcome.INTERPOLATED if loss <= interpolates else Outcome.CONVERGED


def _escape(problem: Scaled, found: Descents, k: int) -> str:
    """Name how a start runs to infinity; empty if it does not."""
    state = int(found.state[k])
    if state in RUNS_AWAY:
        return RUNS_AWAY[state]
    outer = np.abs(found.theta[k, problem.cost.layout.v]).max(initial=0.0)
    return "growth" if state != REST and outer > LARGE else ""


def _limits(problem: Scaled, found: Descents) -> tuple[tuple[LimitPoint, ...], Int[np.ndarray, " S"]]:
    """Return the distinct limits at infinity by loss, and to which of them each start goes."""
    order = sorted(range(len(found.limits)), key=lambda k: (found.limits[k].kind, found.limits[k].loss))
    groups: list[list[int]] = []
    for k in order:
        limit = found.limits[k]
        leader = found.limits[groups[-1][0]] if groups else None
        if leader is not None and leader.kind == limit.kind and limit.loss - leader.loss <= SAME_LIMIT * leader.loss:
            groups[-1].append(k)
        else:
            groups.append([k])
    groups.sort(key=lambda members: found.limits[members[0]].loss)
    number = {k: place for place, members in enumerate(groups) for k in members}
    of_start = np.array([number.get(int(k), -1) for k in found.limit], dtype=np.int64)
    limits = (_limit(problem, found.limits[g[0]], len(g)) for g in groups)
    return tuple(_with_proof(problem, limit) for limit in limits), of_start


def _with_proof(problem: Scaled, limit: LimitPoint) -> LimitPoint:
    """Prove a limit of merging neurons where that is quick."""
    if limit.kind != RUNS_AWAY[MERGING] or problem.objective.n > PROVED_ROWS:
        return limit
    from thalweg.shallow.limit_proof import prove_limit  # python-flint is loaded only where it is needed

    return replace(limit, certificate=prove_limit(limit, problem.objective, problem.template.activation))


def _limit(problem: Scaled, limit: LimitNet, hits: int) -> LimitPoint:
    layout, unit = limit.cost.layout, problem.unit
    inner = problem.factor[-(layout.d + 1) :] if problem.cost.layout.m else np.ones(layout.d + 1)
    factor = np.full(layout.size, unit)
    factor[layout.p] = np.tile(unit * inner, layout.pairs)
    factor[layout.inner] = np.tile(inner, layout.m)
    return LimitPoint(
        kind=limit.kind,
        loss=limit.loss * unit**2,
        hits=hits,
        drift=limit.drift * unit**4,  # the distance is measured in units of the target too
        smallest_eigenvalue=limit.smallest,
        largest_eigenvalue=limit.largest,
        gradient_norm=limit.gradient * unit**2,
        is_infimum=limit.attracts,
        parameters=limit.theta * factor,
    )
