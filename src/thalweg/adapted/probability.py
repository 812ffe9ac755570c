"""How likely a network has full rank at a random start, and how much width it needs.

For an activation that is analytic, full rank at one point is full rank at almost all: the sum of the squared minors of
`D` is an analytic function of the parameters, and such a function vanishes either everywhere or on a set of measure
zero (specification, section 3.7). One draw of full rank then proves probability one for every start with a density.
Otherwise (ReLU) the share among draws is what there is, with the interval of Clopper and Pearson (1934).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np

from thalweg.adapted.activations import lengths
from thalweg.adapted.mlp import Mlp
from thalweg.adapted.model import Model
from thalweg.adapted.singular_values import SingularRange, decomposition_operations, singular_ranges
from thalweg.numerics.proportions import proportion_interval
from thalweg.records import record

DRAW_OPERATIONS = 2e10
"""Operations of all draws together: a few seconds. Decided before the start."""

ANALYTIC_ACTIVATIONS = ("tanh", "logistic", "softplus", "sin", "identity")

ANALYTIC_STEPS = frozenset({
    "add", "add_any", "broadcast_in_dim", "concatenate", "conv_general_dilated", "copy", "cos", "cosh", "dot_general",
    "dynamic_slice", "erf", "exp", "exp2", "expm1", "gather", "iota", "jit", "logistic", "mul", "neg", "pad", "pjit",
    "reduce_sum", "remat2", "reshape", "rev", "scan", "sin", "sinh", "slice", "split", "square", "squeeze", "sub",
    "tanh", "transpose",
})  # fmt: skip
"""Primitives of JAX that are analytic wherever they are defined, which is everywhere."""


@record
class FullRankProbability:
    """How often random starts had full rank.

    Attributes
    ----------
    draws, full, undetermined
        Numbers of starts, of those with full rank, and of those where that could not be told.
    low, high
        Interval of the probability (95 %); undetermined draws count against either end.
    proved
        1 if one analytic draw proves it, 0 if no start can have full rank, else None.
    median_condition
        Of the draws with full rank; NaN without any.
    """

    draws: int
    full: int
    undetermined: int
    low: float
    high: float
    proved: float | None
    median_condition: float


def probability_of_full_rank(
    model: Model, starts: Iterable[Any], draws: int, most_rank: int, is_analytic: bool, here: SingularRange
) -> FullRankProbability:
    """Draw starts and count those with full rank.

    Parameters
    ----------
    model
        The network on its inputs.
    starts
        Parameters of the draws, made when they are needed.
    draws
        How many there are; fewer are made where they would take too long.
    most_rank
        Upper bound of the rank for all parameters.
    is_analytic
        Whether the network is an analytic function of its parameters.
    here
        What is known at the parameters that were given.

    Returns
    -------
    FullRankProbability
        With the number of draws that were made.
    """
    rows, K = model.shape[0] * model.shape[1], int(model.theta.size)
    if most_rank < rows:
        return FullRankProbability(0, 0, 0, 0.0, 0.0, 0.0, float("nan"))
    made = min(draws, max(1, int(DRAW_OPERATIONS / draw_operations(rows, K))))
    found = []
    for theta in islice(starts, made):
        found.append(singular_ranges(model.linearise(theta), (rows,), (most_rank,), goes_on=False)[0])
    full = [one for one in found if one.is_full]
    lost = sum(one.is_full is False for one in found)
    proved = 1.0 if is_analytic and (full or here.is_full) else None
    low, _ = proportion_interval(len(full), made)
    _, high = proportion_interval(made - lost, made)
    median = float(np.median([one.condition for one in full])) if full else float("nan")
    return FullRankProbability(made, len(full), made - len(full) - lost, low, high, proved, median)


def draw_operations(rows: int, parameters: int) -> float:
    """Return about how many operations one draw takes, by the way that decides the rank soonest."""
    through_gram = float(rows) ** 3 + 2.0 * rows * parameters
    return min(decomposition_operations(rows, parameters), through_gram)


def is_analytic(apply_fn: Callable[..., Any], params: Any, X: Any) -> bool:
    """Tell whether a network is known to be an analytic function of all its parameters.

    Parameters
    ----------
    apply_fn
        An `Mlp`, or a function that JAX can trace.
    params, X
        Its parameters and inputs.

    Returns
    -------
    bool
        False also where this is not known, as with divisions and roots, which have poles or branch points.
    """
    if isinstance(apply_fn, Mlp):
        return apply_fn.activation in ANALYTIC_ACTIVATIONS
    import jax

    from thalweg.adapted.jaxpr import primitives
    from thalweg.adapted.parameters import read_parameters
    from thalweg.runtime.x64 import x64

    structure, theta, _ = read_parameters(params)
    with x64():
        traced = jax.make_jaxpr(lambda t, x: apply_fn(structure.assemble(structure.leaves(t)), x))(theta, np.asarray(X))
    return all(_is_analytic_step(equation) for equation in primitives(traced))


def _is_analytic_step(equation: Any) -> bool:
    """Tell whether a step is analytic in its floating-point inputs; whole numbers cannot depend on parameters."""
    import jax
    from jax.extend.core import Literal

    def is_float(atom: Any) -> bool:
        return jax.numpy.issubdtype(atom.aval.dtype, jax.numpy.inexact)

    if not any(is_float(atom) for atom in equation.invars):
        return True
    name = equation.primitive.name
    if name == "convert_element_type":
        return is_float(equation.outvars[0])
    if name == "div":
        return isinstance(equation.invars[1], Literal)
    if name == "integer_pow":
        return equation.params["y"] >= 0
    return name in ANALYTIC_STEPS


def sizes_with(network: Mlp, parameters: float) -> tuple[int, ...] | None:
    """Return the least sizes of the same shape that have so many parameters.

    Parameters
    ----------
    network
        Its hidden layers are widened or narrowed in proportion.
    parameters
        Least number.

    Returns
    -------
    tuple of int or None
        Sizes; nothing without hidden layers, whose rank no width raises.
    """
    hidden = network.sizes[1:-1]
    if not hidden:
        return None

    def scaled(widest: int) -> tuple[int, ...]:
        inner = (max(1, round(width * widest / max(hidden))) for width in hidden)
        return (network.sizes[0], *inner, network.sizes[-1])

    low, high = 0, 1
    while lengths(scaled(high)).sum() < parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if lengths(scaled(middle)).sum() < parameters:
            low = middle
        else:
            high = middle
    return scaled(high)
