"""Which parameters of a traced function belong to layers whose Jacobian has factors, and why others do not.

The function is that of one sample. A leaf of the parameters that reaches exactly one product with activations gives a
layer (`Dense`, a convolution as a dense layer on its patches, `Embedding`); its derivative needs the inputs of the
layer and the cotangents of its outputs, both had from one pass over the whole function. A vector added to the outputs
of such a layer is its bias. Every other leaf is differentiated as it lies, sample by sample, which is cheap for scales
and gains and right for everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from thalweg.adapted.jaxpr import Program, Step, followed
from thalweg.adapted.slot import Slot
from thalweg.adapted.views import View, view_of
from thalweg.records.statement import Statement

ELEMENTWISE = ("mul", "add", "sub", "div", "max", "min", "add_any", "pow", "atan2")
"""Primitives that meet a parameter entry by entry."""


@dataclass(frozen=True)
class LeafReport:
    """How one leaf of the parameters is differentiated.

    `leaf` is its path, `kind` one of "dense", "last_dense", "convolution", "embedding", "bias", "elementwise",
    "jacobian", "unused", "fixed"; `reason` says why in words.
    """

    leaf: str
    shape: tuple[int, ...]
    kind: str
    reason: Statement


@dataclass(frozen=True)
class LayerReport:
    """How all leaves are differentiated, in the order of the parameters."""

    leaves: tuple[LeafReport, ...]

    @property
    def unrecognised(self) -> tuple[LeafReport, ...]:
        """The leaves whose Jacobian is held entry by entry though they are matrices or more."""
        return tuple(leaf for leaf in self.leaves if leaf.kind == "jacobian")

    def say(self, lang: str = "en") -> str:
        """Return one line a leaf."""
        return "\n".join(f"{leaf.leaf} {leaf.shape}: {leaf.reason.say(lang)}" for leaf in self.leaves)

    def __str__(self) -> str:
        return self.say()


@dataclass
class Layer:
    """A recognised layer inside a program.

    `inputs` and `cotangents` bring the variable `source`, and cotangents of the variable `output`, into the forms
    `(p, m_in)` (tokens: `(p,)`) and `(p, m_out)`. Constant factors on the way are kept apart: inputs are multiplied by
    `input_factor`, cotangents by `output_factor`. `units` says which unit stands where in the output. A last layer has
    `order`: the unit at each output of the function, and `mixing`: the factor from there on.
    """

    kind: str
    leaf: int
    slot: Slot
    source: int
    output: int
    inputs: Callable[[Any], Any]
    cotangents: Callable[[Any], Any]
    units: np.ndarray
    positions: int
    dtype: Any
    input_factor: float = 1.0
    output_factor: float = 1.0
    bias: int | None = None
    order: np.ndarray | None = None
    mixing: float = 1.0


@dataclass
class Reading:
    """All layers of a program, the leaves that are left (`rest`), and what was found for each leaf."""

    layers: list[Layer] = field(default_factory=list)
    rest: list[int] = field(default_factory=list)
    found: dict[int, tuple[str, Statement]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Use:
    """Where a view of a leaf ends: the step that does more than reorder it, and the place among its inputs."""

    step: Step
    place: int
    view: View


def read_layers(program: Program, shapes: Sequence[tuple[int, ...]], offsets: Sequence[int]) -> Reading:
    """Read which leaves of the parameters belong to layers.

    Parameters
    ----------
    program
        The function of one sample: the leaves first, then its input.
    shapes, offsets
        The shape of each leaf, and where it begins in `theta`.

    Returns
    -------
    Reading
        Every leaf is in a layer, in `rest`, or unused.
    """
    leaves = program.inputs[: len(shapes)]
    uses = _uses_of_leaves(program, dict(zip(leaves, shapes, strict=True)))
    moving = program.depends_on(program.inputs[len(shapes)])
    reading = Reading()
    for k, leaf in enumerate(leaves):
        made = _made(uses[leaf], k, offsets[k], moving)
        if isinstance(made, Layer):
            reading.layers.append(made)
        else:
            reading.found[k] = made
    alone = {(id(u[0].step), u[0].place): (k, u[0].view) for k, leaf in enumerate(leaves) if len(u := uses[leaf]) == 1}
    readers = program.uses()
    for layer in reading.layers:
        _follow(program, readers, layer, alone, shapes, reading)
        reading.found[layer.leaf] = (layer.kind, Statement(f"layer.{layer.kind}", {"positions": layer.positions}))
    reading.rest = [k for k in range(len(shapes)) if reading.found[k][0] in ("elementwise", "jacobian")]
    return reading


def _uses_of_leaves(program: Program, shapes: dict[int, tuple[int, ...]]) -> dict[int, list[_Use]]:
    """Return where the views of each leaf end."""
    views = {leaf: view_of(leaf, shape) for leaf, shape in shapes.items()}
    uses: dict[int, list[_Use]] = {leaf: [] for leaf in shapes}
    for step in program.steps:
        for place, atom in enumerate(step.inputs):
            if not isinstance(atom, int) or atom not in views:
                continue
            moved = followed(program, step, views[atom], place)
            if moved is None:
                uses[views[atom].source].append(_Use(step, place, views[atom]))
            else:
                views[step.outputs[0]] = moved
    return uses


def _not(reason: str, kind: str = "jacobian", **values: int | str) -> tuple[str, Statement]:
    return kind, Statement(f"layer.{reason}", dict(values))


def _made(uses: list[_Use], leaf: int, offset: int, moving: set[int]) -> Layer | tuple[str, Statement]:
    """Return the layer of a leaf, or why there is none."""
    if not uses:
        return _not("unused", "unused")
    if len(uses) > 1:
        return _not("several", times=len(uses))
    use = uses[0]
    name, others = use.step.name, [a for k, a in enumerate(use.step.inputs) if k != use.place]
    if moving.isdisjoint(a for a in others if isinstance(a, int)):
        return _not("no_activations", operation=name)
    if name in ELEMENTWISE:
        return _not("elementwise", "elementwise", operation=name)
    if name not in MAKERS or use.view.repeats:
        return _not("operation", operation=name)
    return MAKERS[name](use, leaf, offset)


def _dense(use: _Use, leaf: int, offset: int) -> Layer | tuple[str, Statement]:
    """Read a product of activations and a matrix: contracted dims are rows of the matrix, its other dims columns."""
    contracted, batched = use.step.params["dimension_numbers"]
    if batched[0]:
        return _not("batched")
    place, shapes = use.place, use.step.input_shapes
    rows, summed = contracted[place], contracted[1 - place]
    columns = tuple(k for k in range(len(shapes[place])) if k not in rows)
    kept = tuple(k for k in range(len(shapes[1 - place])) if k not in summed)
    m_in, m_out = (math.prod(shapes[place][k] for k in dims) for dims in (rows, columns))
    p = math.prod(shapes[1 - place][k] for k in kept)
    last = place == 1  # the dims of the matrix come last in the output
    units = np.broadcast_to(np.arange(m_out), (p, m_out)) if last else np.arange(m_out).repeat(p)
    return Layer(
        "dense",
        leaf,
        use.view.slot(offset, tuple(rows), columns),
        use.step.inputs[1 - place],  # type: ignore[arg-type]
        use.step.outputs[0],
        lambda a: a.transpose((*kept, *summed)).reshape(p, m_in),
        (lambda b: b.reshape(p, m_out)) if last else (lambda b: b.reshape(m_out, p).T),
        units.reshape(use.step.output_shape),
        p,
        use.step.output_dtype,
        use.view.factor,
    )


def _convolution(use: _Use, leaf: int, offset: int) -> Layer | tuple[str, Statement]:
    """Read a convolution as a dense layer on patches: rows are (channel, offset in the window), columns channels."""
    params, shapes = use.step.params, use.step.input_shapes
    if use.place != 1:
        return _not("operation", operation=use.step.name)
    if params["feature_group_count"] != 1 or params["batch_group_count"] != 1:
        return _not("grouped", groups=max(params["feature_group_count"], params["batch_group_count"]))
    dims = params["dimension_numbers"]
    window = tuple(shapes[1][k] for k in dims.rhs_spec[2:])
    m_out, unit_axis = shapes[1][dims.rhs_spec[0]], dims.out_spec[1]
    m_in = shapes[1][dims.rhs_spec[1]] * math.prod(window)
    p = math.prod(use.step.output_shape) // m_out
    names = ("window_strides", "padding", "lhs_dilation", "rhs_dilation", "dimension_numbers")
    options = {name: params[name] for name in names}

    def patches(a: Any) -> Any:
        found = jax.lax.conv_general_dilated_patches(a, window, **options)
        return jnp.moveaxis(found, unit_axis, -1).reshape(p, m_in)

    along = [m_out if k == unit_axis else 1 for k in range(len(use.step.output_shape))]
    return Layer(
        "convolution",
        leaf,
        use.view.slot(offset, dims.rhs_spec[1:], dims.rhs_spec[:1]),
        use.step.inputs[0],  # type: ignore[arg-type]
        use.step.outputs[0],
        patches,
        lambda b: jnp.moveaxis(b, unit_axis, -1).reshape(p, m_out),
        np.broadcast_to(np.arange(m_out).reshape(along), use.step.output_shape),
        p,
        use.step.output_dtype,
        use.view.factor,
    )


def _embedding(use: _Use, leaf: int, offset: int) -> Layer | tuple[str, Statement]:
    """Read a look-up of whole rows of a table."""
    params, (table, tokens) = use.step.params, use.step.input_shapes
    dims = params["dimension_numbers"]
    whole = tuple(params["slice_sizes"]) == (1, *table[1:])
    plain = dims.collapsed_slice_dims == (0,) and dims.start_index_map == (0,) and not dims.operand_batching_dims
    if use.place != 0 or not (whole and plain):
        return _not("operation", operation=use.step.name)
    p, m, axes = math.prod(tokens), math.prod(table[1:]), dims.offset_dims
    return Layer(
        "embedding",
        leaf,
        use.view.slot(offset, (0,), tuple(range(1, len(table)))),
        use.step.inputs[1],  # type: ignore[arg-type]
        use.step.outputs[0],
        lambda t: jnp.clip(t.reshape(p), 0, table[0] - 1),
        lambda b: jnp.moveaxis(b, axes, range(-len(axes), 0)).reshape(p, m),
        np.empty(use.step.output_shape),
        p,
        use.step.output_dtype,
        output_factor=use.view.factor,
    )


MAKERS = {"dot_general": _dense, "conv_general_dilated": _convolution, "gather": _embedding}
"""The primitives that a layer with factors is recognised by."""


def _follow(
    program: Program,
    readers: dict[int, list[Step]],
    layer: Layer,
    alone: dict[tuple[int, int], tuple[int, View]],
    shapes: Sequence[tuple[int, ...]],
    reading: Reading,
) -> None:
    """Follow the outputs of a layer while nothing but reordering, factors and sums happens to them.

    A vector added on the way is the layer's bias. If the way ends at the output of the function, it is a last layer.
    """
    at, view = layer.output, view_of(layer.output, layer.units.shape)
    at_bias = 1.0
    while len(readers.get(at, ())) == 1 and at != program.output:
        step = readers[at][0]
        place = step.inputs.index(at)
        if step.name in ("add", "sub") and view.shape == step.output_shape:
            view = view.times(-1.0) if step.name == "sub" and place == 1 else view
            added = alone.get((id(step), 1 - place)) if step.name == "add" or place == 1 else None
            if added is not None and _is_bias(layer, view, *added, shapes, reading):
                layer.bias, at_bias = added[0], view.factor
                layer.input_factor *= at_bias
                layer.output_factor = 1.0 / at_bias
                reading.found[added[0]] = ("bias", Statement("layer.bias", {}))
        else:
            moved = followed(program, step, view, place)
            if moved is None or moved.repeats:
                return
            view = moved
        at = step.outputs[0]
    if at == program.output and at not in readers and layer.kind == "dense" and layer.positions == 1:
        layer.kind, layer.mixing = "last_dense", view.factor / at_bias
        layer.order = layer.units.ravel()[view.indices().ravel()]


def _is_bias(
    layer: Layer, view: View, leaf: int, added: View, shapes: Sequence[tuple[int, ...]], reading: Reading
) -> bool:
    """Tell whether a leaf is added unit by unit to all positions of a layer, and to no other yet."""
    if layer.bias is not None or layer.kind == "embedding" or added.factor != 1.0:
        return False
    if len(added.shape) != len(view.shape):
        return False
    added = added.broadcast(view.shape, tuple(range(len(view.shape))))  # a sum repeats axes of size one by itself
    units = layer.units.ravel()[view.indices()]
    count = math.prod(shapes[leaf])
    unclaimed = reading.found[leaf][0] == "elementwise"
    return unclaimed and count == int(layer.units.max()) + 1 and bool((units == added.indices()).all())
