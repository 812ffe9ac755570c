"""Whose network it is: the plain one in NumPy, or any function in JAX, which is imported only then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from thalweg.adapted.mlp import Mlp, MlpModel, plain_inputs
from thalweg.adapted.model import Model
from thalweg.numerics.options import require

Function = Callable[[Any, Any], Any]
"""`apply_fn(params, X) -> (N, Q)`: an `Mlp`, or any function of JAX operations."""


def network_on(
    apply_fn: Function,
    params: Any,
    X: Any,
    head: Float[np.ndarray, "raw Q"] | None = None,
    scale: Float[np.ndarray, " N"] | None = None,
    on_device: bool | None = None,
) -> Model:
    """Return a network on its inputs, its outputs multiplied by a head on the right and by a scale row by row."""
    if isinstance(apply_fn, Mlp):
        return MlpModel(apply_fn, params, plain_inputs(apply_fn, X), head, scale)
    from thalweg.adapted.jax_model import JaxModel

    return JaxModel(apply_fn, params, X, head, scale, on_device)


def output_count(apply_fn: Function, params: Any, X: Any) -> int:
    """Return the number of outputs of a network for one sample, before any head."""
    if isinstance(apply_fn, Mlp):
        plain_inputs(apply_fn, X)
        return apply_fn.sizes[-1]
    from thalweg.adapted.jax_model import raw_output_count

    return raw_output_count(apply_fn, params, X)


def parameters_of(apply_fn: Function, params: Any, count: int) -> Float[np.ndarray, " K"]:
    """Return parameters as one vector; `count` is how many there must be."""
    if isinstance(apply_fn, Mlp):
        theta = np.concatenate([np.asarray(part, dtype=np.float64).ravel() for pair in params for part in pair])
    else:
        from thalweg.adapted.parameters import read_parameters

        theta = read_parameters(params)[1]
    require(theta.size == count, "initialise", theta.size, str(count))
    return theta
