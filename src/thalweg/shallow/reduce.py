"""A smaller net for the same function: neurons without effect dropped, constant ones folded, equal ones joined.

In exact mode only bitwise coincidences count, weights are summed without error and rounded once, and the bound on the
difference is proved in ball arithmetic. With a tolerance the parameters may move by that much, and the bound says what
it can do to the function on the box of the data. For tanh and the logistic function the exact result is minimal: no
net with fewer neurons gives this function (specification, sections 2 and 5.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import KDTree

from thalweg.numerics.options import real_number, require
from thalweg.numerics.resampling import stream
from thalweg.numerics.validation import real_array
from thalweg.shallow.activations import COVERED
from thalweg.shallow.affine_pairs import collapse_pairs
from thalweg.shallow.derivatives import Objective, objective
from thalweg.shallow.joining import Group, fold, join
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.redundant_set import joins_by_slope
from thalweg.shallow.settling import settle
from thalweg.shallow.sizes import Box, outward, weighted
from thalweg.shallow.symmetry import MIRRORS, assemble, leading_sign, norms

RANDOM_POINTS = 1000
"""Points beside the data at which the two functions are compared."""


@dataclass(frozen=True)
class Step:
    """What was done to some neurons: `no_output`, `constant`, `joined`, `cancelled` or `affine`.

    `neurons` are numbers in the net that was reduced. `affine`: mirrored pairs of softplus-like neurons became one
    neuron each and a common affine part.
    """

    kind: str
    neurons: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Reduction:
    """A smaller net for the same function.

    Attributes
    ----------
    net : ShallowNet
        The smaller net.
    steps : tuple of Step
        What was done; empty if nothing.
    bound : float
        Proved bound of the difference of the two functions, any output, on the box of the data - everywhere without
        data; infinite where nothing is proved (an unbounded activation without data).
    measured : float
        Largest difference seen at the data and at random points.
    minimal : bool
        Whether it is proved that no net with fewer neurons gives the function of `net`. False: no smaller one found.
    loss_before, loss_after : float or None
        Loss of the net and of the smaller one; None without targets.
    refined : ShallowNet or None
        The smaller net trained on to the bottom of its basin; None without targets.
    refined_loss : float or None
        Its loss.
    """

    net: ShallowNet
    steps: tuple[Step, ...]
    bound: float
    measured: float
    minimal: bool
    loss_before: float | None = None
    loss_after: float | None = None
    refined: ShallowNet | None = None
    refined_loss: float | None = None

    @property
    def loss_increase(self) -> float | None:
        """What the smaller net loses before it is trained on; None without targets."""
        if self.loss_before is None or self.loss_after is None:
            return None
        return self.loss_after - self.loss_before


@dataclass
class _Work:
    """What a reduction has found so far; `errors` bounds the difference of each output."""

    net: ShallowNet
    box: Box
    errors: np.ndarray
    constants: list[int] = field(default_factory=list)
    shifts: list[tuple[float, int]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def reduce(
    net: ShallowNet,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    tolerance: float = 0.0,
    weights: ArrayLike | None = None,
    seed: int = 0,
) -> Reduction:
    """Remove from a net what its function does not need.

    Parameters
    ----------
    net
        Any net.
    X : array (n, d), optional
        Inputs; the bound holds on the box they span around zero.
    y : array (n,) or (n, K), optional
        Targets: with them the losses are compared, and the smaller net is trained on.
    tolerance
        Zero: exact coincidences only. Otherwise weights and distances of neurons up to this size count as zero.
    weights : array (n,), optional
        Of the rows.
    seed
        Of the random points.

    Returns
    -------
    Reduction
        The smaller net, what was done, and how far the functions may differ.

    Raises
    ------
    InputError
        If an argument is unusable, or there are targets without inputs.
    """
    require(y is None or X is not None, "X", None, "an array wherever y is given")
    real_number(tolerance, "tolerance", lambda t: 0 <= t < math.inf, "0 <= tolerance < inf")
    points = None if X is None else real_array(X, "X", 2)
    box = Box(net, points)
    work = _Work(net, box, np.zeros(net.outputs))
    alive = _drop_silent(work, np.arange(net.width), tolerance)
    alive = _fold_constants(work, alive, tolerance)
    groups = _groups(work, alive, tolerance)
    V, B, owners = _join_all(work, groups, tolerance)
    V, B, added = _collapse(work, V, B, owners)
    v0, lost = fold(net, work.constants, work.shifts, added)
    smaller = assemble(net, v0, V, B)
    bound = outward(float((work.errors + lost).max()))
    minimal = tolerance == 0.0 and net.psi.coverage == COVERED
    found = Reduction(smaller, tuple(work.steps), bound, _measure(net, smaller, points, seed), minimal)
    return found if y is None or points is None else _with_losses(net, found, objective(points, y, weights))


def _with_losses(net: ShallowNet, found: Reduction, data: Objective) -> Reduction:
    settled = settle(found.net, data)
    after = data.cost(found.net)
    better = settled.loss <= after  # where the basin leads to infinity, the way there may have been worth nothing
    return replace(
        found,
        loss_before=data.cost(net),
        loss_after=after,
        refined=settled.net if better else found.net,
        refined_loss=settled.loss if better else after,
    )


def _drop_silent(work: _Work, alive: np.ndarray, tolerance: float) -> np.ndarray:
    sizes = norms(work.net.output_weights[alive])
    silent = alive[sizes <= tolerance]
    if silent.size:
        work.steps.append(Step("no_output", tuple(silent.tolist())))
        for j in silent:
            work.errors += weighted(work.box.size(work.net.B[j]), work.net.output_weights[j])
    return alive[sizes > tolerance]


def _fold_constants(work: _Work, alive: np.ndarray, tolerance: float) -> np.ndarray:
    sizes = norms(work.net.w[alive])
    constant = alive[sizes <= tolerance]
    if constant.size:
        work.steps.append(Step("constant", tuple(constant.tolist())))
        for j in constant:
            work.constants.append(int(j))
            only_bias = np.zeros(work.net.features + 1)
            only_bias[0] = work.net.b[j]
            work.errors += weighted(work.box.change(work.net.B[j], only_bias), work.net.output_weights[j])
    return alive[sizes > tolerance]


def _groups(work: _Work, alive: np.ndarray, tolerance: float) -> list[Group]:
    """Return the neurons that are one up to symmetry, each with its sign relative to the first."""
    net = work.net
    keys = (net.w if joins_by_slope(net) else net.B)[alive] + 0.0  # -0.0 becomes 0.0
    mirrored = net.psi.symmetry in MIRRORS
    if tolerance == 0.0:
        signs = np.where(leading_sign(keys) < 0, -1.0, 1.0) if mirrored else np.ones(alive.size)
        labels = np.unique(signs[:, None] * keys + 0.0, axis=0, return_inverse=True)[1].ravel()
        found = [np.flatnonzero(labels == g) for g in dict.fromkeys(labels.tolist())]
        return [Group(alive[members], signs[members] * signs[members[0]]) for members in found]
    return _near_groups(net, alive, keys, mirrored, tolerance)


def _near_groups(net: ShallowNet, alive: np.ndarray, keys: np.ndarray, mirrored: bool, tolerance: float) -> list[Group]:
    """Group greedily around the neurons of largest output weight: no chains, members within the tolerance."""
    if not alive.size:
        return []
    tree = KDTree(np.vstack([keys, -keys]) if mirrored else keys)
    free = np.ones(alive.size, dtype=bool)
    groups = []
    for j in np.argsort(-norms(net.output_weights[alive]), kind="stable"):
        if not free[j]:
            continue
        near = np.array(sorted(tree.query_ball_point(keys[j], math.sqrt(2) * tolerance)))
        members, first = np.unique(near % alive.size, return_index=True)
        signs = np.where(near[first] < alive.size, 1.0, -1.0)
        order = np.argsort(members != j, kind="stable")
        kept = order[free[members[order]]]
        free[members] = False
        groups.append(Group(alive[members[kept]], signs[kept]))
    return sorted(groups, key=lambda group: int(group.neurons[0]))


def _join_all(work: _Work, groups: list[Group], tolerance: float) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """Return the neurons that are left, and of which neurons of the net each was made."""
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    owners: list[list[int]] = []
    for group in groups:
        joined = join(work.net, group, work.box)
        work.errors += joined.errors
        work.shifts += joined.shifts
        kept = [(V, B) for V, B in joined.neurons if norms(V) > tolerance]
        for V, B in joined.neurons:
            if 0 < norms(V) <= tolerance:
                work.errors += weighted(work.box.size(B), V)
        if group.neurons.size > 1 or not kept:
            work.steps.append(Step("joined" if kept else "cancelled", tuple(group.neurons.tolist())))
        rows += kept
        owners += [group.neurons.tolist()] * len(kept)
    V = np.array([V for V, _ in rows]).reshape(len(rows), work.net.outputs)
    return V, np.array([B for _, B in rows]).reshape(len(rows), work.net.features + 1), owners


def _collapse(
    work: _Work, V: np.ndarray, B: np.ndarray, owners: list[list[int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Replace mirrored pairs of softplus-like neurons by fewer, where that saves some; return what `v0` takes up."""
    done = collapse_pairs(work.net, V, B, work.box) if work.net.psi.symmetry == "softplus" else None
    if done is None:
        return V, B, np.zeros(work.net.outputs)
    given_up = [row for pair in done.pairs for row in pair]
    work.steps.append(Step("affine", tuple(sorted(j for row in given_up for j in owners[row]))))
    work.errors += done.errors
    rest = np.setdiff1d(np.arange(len(V)), given_up)
    return np.vstack([V[rest], done.V]), np.vstack([B[rest], done.B]), done.constant


def _measure(net: ShallowNet, smaller: ShallowNet, X: np.ndarray | None, seed: int) -> float:
    rng = stream(seed, "reduce", 0)
    if X is None:
        points = rng.standard_normal((RANDOM_POINTS, net.features))
    else:
        reach = np.abs(X).max(axis=0)
        points = np.vstack([X, rng.uniform(-reach, reach, (RANDOM_POINTS, net.features))])
    return float(np.abs(net(points) - smaller(points)).max())
