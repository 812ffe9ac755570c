"""The parameters of a user's model, a pytree of any kind, as one vector of float64 and back.

Leaves that are float arrays (or numbers) are trained; whatever else a tree carries (integer tables, random keys,
functions, numbers inside an equinox module, which that library holds to be settings) keeps its value.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from thalweg.numerics.validation import list_some, require_finite
from thalweg.records.errors import InputError


@dataclass(frozen=True)
class Structure:
    """What a tree of parameters is made of: its form, the trained leaves in order, and the others by their place.

    `names` and `shapes` are those of the trained leaves.
    """

    tree: Any
    trained: tuple[int, ...]
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    fixed: tuple[tuple[int, str, Any], ...]

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each trained leaf begins in `theta`."""
        return tuple(np.cumsum([0, *(math.prod(shape) for shape in self.shapes)])[:-1].tolist())

    @property
    def size(self) -> int:
        """Number `K` of parameters."""
        return sum(math.prod(shape) for shape in self.shapes)

    def leaves(self, theta: Any) -> list[Any]:
        """Return the trained leaves in a vector of NumPy or JAX."""
        cut = zip(self.offsets, self.shapes, strict=True)
        return [theta[start : start + math.prod(shape)].reshape(shape) for start, shape in cut]

    def assemble(self, leaves: Sequence[Any]) -> Any:
        """Return the tree with these trained leaves."""
        values = {place: leaf for place, _, leaf in self.fixed}
        values.update(zip(self.trained, leaves, strict=True))
        return jax.tree_util.tree_unflatten(self.tree, [values[k] for k in range(len(values))])


def read_parameters(params: Any) -> tuple[Structure, Float[np.ndarray, " K"], tuple[str, ...]]:
    """Read a pytree of parameters.

    Parameters
    ----------
    params
        Any pytree that JAX knows, equinox modules among them.

    Returns
    -------
    tuple
        The structure, the trained leaves one after the other in float64, and the types that were widened for it.

    Raises
    ------
    InputError
        If no leaf is a float array, or one is complex or not finite.
    """
    listed, tree = jax.tree_util.tree_flatten_with_path(params)
    settings = _places_of_settings(params)
    trained, names, shapes, fixed, values, widened = [], [], [], [], [], []
    for place, (path, leaf) in enumerate(listed):
        name = "params" + jax.tree_util.keystr(path)
        if place in settings or not _is_trained(leaf):
            fixed.append((place, name, leaf))
            continue
        array = np.asarray(leaf)
        if jnp.issubdtype(array.dtype, jnp.complexfloating):
            raise InputError("array_complex", name=name)
        values.append(array.astype(np.float64).ravel())
        require_finite(values[-1], name)
        trained.append(place)
        names.append(name)
        shapes.append(array.shape)
        if array.dtype != np.float64:
            widened.append(str(array.dtype))
    theta = np.concatenate(values) if values else np.empty(0)
    if theta.size == 0:
        kinds = dict.fromkeys(type(leaf).__name__ for _, leaf in listed)
        raise InputError("adapted_no_parameters", count=len(listed), kinds=list_some(kinds) or "-")
    structure = Structure(tree, tuple(trained), tuple(names), tuple(shapes), tuple(fixed))
    return structure, theta, tuple(dict.fromkeys(widened))


def _is_trained(leaf: Any) -> bool:
    if isinstance(leaf, (float, complex)):
        return True
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and bool(jnp.issubdtype(dtype, jnp.inexact))


def _places_of_settings(params: Any) -> set[int]:
    """Return the leaves that are Python numbers inside equinox modules."""
    equinox = sys.modules.get("equinox")  # whoever has such a module has imported it
    if equinox is None:
        return set()
    outer = jax.tree_util.tree_leaves(params, is_leaf=lambda node: isinstance(node, equinox.Module))
    places, at = set(), 0
    for node in outer:
        inner = jax.tree_util.tree_leaves(node)
        if isinstance(node, equinox.Module):
            places.update(at + k for k, leaf in enumerate(inner) if isinstance(leaf, (float, complex)))
        at += len(inner)
    return places
