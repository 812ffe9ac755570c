"""Whether a net is efficient: can a smaller net give its function, how far is it from that, do the data see all of it.

Three margins are reported side by side. The distance to the redundant set is one of parameters; sigma, the smallest
singular value of the Jacobian with unit columns, is one of functions on the data - neurons on small arguments look like
polynomials, so it may vanish numerically far from the redundant set; and the waste of a neuron is what the loss rises
by without it, after the output layer is fitted anew (specification, section 5.1). A net is regular where the Jacobian
has full rank: there the loss is Morse for almost all targets (theorem T2), if there are at least as many rows as
parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from thalweg.numerics.options import real_number
from thalweg.numerics.validation import list_some, real_array
from thalweg.records import Statement
from thalweg.shallow.activations import COVERED, NEVER_REGULAR, OUTSIDE, REGULAR_ONLY
from thalweg.shallow.derivatives import Objective, objective
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.null_directions import NullDirection, null_directions
from thalweg.shallow.redundant_set import Piece, RedundantSet, redundant_set
from thalweg.shallow.symmetry import norms

EFFICIENT, NEAR_REDUNDANT, REDUNDANT = "efficient", "near_redundant", "redundant"
"""The verdicts."""

COVERAGE = {
    COVERED: "efficiency.covered",
    REGULAR_ONLY: "efficiency.regular_only",
    NEVER_REGULAR: "efficiency.never_regular",
    OUTSIDE: "efficiency.outside",
}
"""What is said of each class of activations."""

NEAR = 1e-8
"""Default of the distance from which a net counts as efficient: parameters of a trained net carry eight digits."""

NUMERICALLY_REGULAR = 1e-10
"""Least sigma at which solves with the Jacobian keep six digits."""

UNIT = 2.0**-52
"""Relative spacing of doubles: the null space is cut at P times this."""

INTERPOLATES = 1e-20
"""A loss below this share of the mean square of the targets is zero but for rounding."""


@dataclass(frozen=True, eq=False)
class Classification:
    """What a net is worth.

    Attributes
    ----------
    verdict : str
        `efficient`, `near_redundant` or `redundant`; for activations other than tanh and the logistic function
        "efficient" means that no reason to the contrary is known.
    coverage : str
        What the theory says of the activation.
    distance : float
        Euclidean distance to the redundant set; infinite without neurons.
    redundant_set : RedundantSet
        Its pieces, nearest first.
    mirrored_pairs : tuple of pairs
        For softplus, SiLU and GELU: neurons with `B_i = -B_j` up to the tolerance; they hold affine functions.
    regular : bool or None
        Whether the Jacobian has full rank numerically; None without data.
    sigma : float or None
        Its smallest singular value with unit columns; 0 if a column vanishes or rows are missing.
    missing_rows : int
        How many more distinct rows than these a net of this size needs at least to be regular.
    input_rank : int or None
        Rank of `[1, X]`; below d + 1 a feature is constant or follows from others.
    waste : array (m,) or None
        Rise of the loss without each neuron after the output layer is fitted anew; against the net's own outputs if
        no target was given.
    waste_is_relative : bool
        Whether in units of the loss with all neurons; False where that loss is zero.
    null_directions : tuple of NullDirection
        First-order null directions on the data, explained.
    """

    verdict: str
    coverage: str
    distance: float
    redundant_set: RedundantSet
    mirrored_pairs: tuple[tuple[int, int], ...]
    regular: bool | None
    sigma: float | None
    missing_rows: int
    input_rank: int | None
    waste: Float[np.ndarray, " m"] | None
    waste_is_relative: bool
    null_directions: tuple[NullDirection, ...]
    features: int
    tolerance: float

    @property
    def reasons(self) -> tuple[Piece, ...]:
        """The pieces of the redundant set within the tolerance, or else the nearest one."""
        within = tuple(p for p in self.redundant_set.pieces if p.distance <= self.tolerance)
        return within or self.redundant_set.pieces[:1]

    def statements(self) -> tuple[Statement, ...]:
        """Return what was found, sentence by sentence."""
        verdict = "without_neurons" if self.distance == np.inf else self.verdict
        said = [Statement(f"efficiency.{verdict}", {"distance": self.distance, "tolerance": self.tolerance})]
        said += [Statement(f"efficiency.{p.kind}", _named(p.neurons, distance=p.distance)) for p in self.reasons]
        said.append(Statement(COVERAGE[self.coverage], {}))
        if self.mirrored_pairs:
            pairs = list_some(f"{i}-{j}" for i, j in self.mirrored_pairs)
            said.append(Statement("efficiency.mirrored_pairs", {"pairs": pairs}))
        if self.missing_rows:
            said.append(Statement("efficiency.rows_missing", {"missing": self.missing_rows}))
        if self.input_rank is not None and self.input_rank <= self.features:
            said.append(Statement("efficiency.inputs_dependent", {"rank": self.input_rank, "full": self.features + 1}))
        if self.sigma is not None:
            code = "efficiency.regular" if self.regular else "efficiency.irregular"
            said.append(Statement(code, {"sigma": self.sigma}))
        if self.waste is not None and self.waste.size:
            least = int(np.argmin(self.waste))
            code = "efficiency.waste" if self.waste_is_relative else "efficiency.waste_absolute"
            said.append(Statement(code, {"neuron": least, "waste": float(self.waste[least])}))
        return tuple(said)

    def __str__(self) -> str:
        return "\n".join(map(str, self.statements()))


def classify(
    net: ShallowNet,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    weights: ArrayLike | None = None,
    tolerance: float = NEAR,
) -> Classification:
    """Tell whether a net is efficient, near-redundant or redundant, with the margins and the reasons.

    Parameters
    ----------
    net
        A net, trained here or elsewhere.
    X : array (n, d), optional
        Data; standardise them first, since distances depend on the scale.
    y : array (n,) or (n, K), optional
        Targets, for the waste; the outputs of the net itself by default.
    weights : array (n,), optional
        Of the rows.
    tolerance
        Distances and sigma up to this size count as near-redundant.

    Returns
    -------
    Classification
        Verdict, distance, regularity, waste of each neuron, null directions.

    Raises
    ------
    InputError
        If an argument is unusable.
    """
    real_number(tolerance, "tolerance", lambda t: 0 <= t < np.inf, "0 <= tolerance < inf")
    pieces = redundant_set(net)
    pairs = _mirrored_pairs(net, tolerance) if net.psi.symmetry == "softplus" else ()
    regular = sigma = rank = waste = None
    missing, relative, directions = 0, False, ()
    if X is not None:
        X = real_array(X, "X", 2)
        data = objective(X, net(X) if y is None else y, weights)
        seen = data.weights > 0
        sigma, missing, rank, directions = _on_data(net, X[seen])
        regular = sigma > NUMERICALLY_REGULAR and not missing and net.psi.coverage not in (NEVER_REGULAR, OUTSIDE)
        waste, relative = _waste(net, data)
    verdict = EFFICIENT
    if pieces.distance == 0:
        verdict = REDUNDANT
    elif pieces.distance <= tolerance or (_tells(net, missing) and sigma is not None and sigma <= tolerance):
        verdict = NEAR_REDUNDANT
    return Classification(
        verdict, net.psi.coverage, pieces.distance, pieces, pairs, regular, sigma, missing, rank, waste, relative,
        directions, net.features, tolerance,
    )  # fmt: skip


def _tells(net: ShallowNet, missing: int) -> bool:
    """Tell whether a small sigma says anything of this net: neither the activation nor missing rows explain it."""
    return net.psi.coverage not in (NEVER_REGULAR, OUTSIDE) and not missing


def _mirrored_pairs(net: ShallowNet, tolerance: float) -> tuple[tuple[int, int], ...]:
    apart = norms(net.B[:, None] + net.B[None]) / np.sqrt(2)
    return tuple((int(i), int(j)) for i, j in np.argwhere(np.triu(apart <= tolerance, 1)))


def _on_data(net: ShallowNet, X: Float[np.ndarray, "n d"]) -> tuple[float, int, int, tuple[NullDirection, ...]]:
    """Return sigma, the number of missing rows, the rank of `[1, X]` and the explained null directions."""
    P, K = net.parameter_count, net.outputs
    rows = np.unique(X + 0.0, axis=0)
    missing = max(0, -(-P // K) - len(rows))
    relations = _null_space(np.column_stack([np.ones(len(rows)), rows]))[1]
    jacobian = Objective(rows, net(rows)).jacobian(net).reshape(len(rows) * K, P)
    sigma, null_space = _null_space(jacobian)
    found = null_directions(net, jacobian, null_space, relations)
    return sigma, missing, net.features + 1 - relations.shape[1], found


def _null_space(A: Float[np.ndarray, "N P"]) -> tuple[float, Float[np.ndarray, "P nullity"]]:
    """Return the smallest singular value of A with unit columns, and a basis of its numerical null space."""
    sizes = norms(A.T)
    unit = A / np.where(sizes > 0, sizes, 1.0)
    triangle = np.linalg.qr(unit, mode="r")
    _, values, right = np.linalg.svd(triangle, full_matrices=True)
    padded = np.concatenate([values, np.zeros(A.shape[1] - values.size)])
    null = right[padded <= A.shape[1] * UNIT * padded.max(initial=0.0)]
    moves = null / np.where(sizes > 0, sizes, 1.0)
    sigma = float(padded.min(initial=1.0)) if (sizes > 0).all() else 0.0
    return sigma, np.linalg.qr(moves.T)[0]


def _waste(net: ShallowNet, data: Objective) -> tuple[Float[np.ndarray, " m"], bool]:
    """Return what the loss rises by without each neuron, and whether in units of the loss."""
    root = np.sqrt(data.weights)[:, None]
    a = net.psi(data.augmented @ net.B.T)
    both = np.asarray(np.linalg.qr(root * np.column_stack([np.ones(data.n), a, data.targets]), mode="r"))
    hidden, targets = both[:, : net.width + 1], both[:, net.width + 1 :]
    columns = np.arange(net.width + 1)

    def loss(kept: np.ndarray) -> float:
        sizes = norms(hidden[:, kept].T)
        unit = hidden[:, kept] / np.where(sizes > 0, sizes, 1.0)
        return float(np.square(unit @ np.linalg.lstsq(unit, targets, rcond=None)[0] - targets).sum())

    full = loss(columns)
    rise = np.array([max(0.0, loss(columns[columns != j + 1]) - full) for j in range(net.width)])
    if full > INTERPOLATES * float(np.square(targets).sum()):
        return rise / full, True
    return rise, False


def _named(neurons: tuple[int, ...], **values: float) -> dict[str, float | int | str]:
    return {"neurons": list_some(neurons), **values}
