"""A user's function compiled once for all its rows: outputs, layer factors, second derivatives.

The function is traced for one sample and read layer by layer. One linearisation is a forward pass, of which the inputs
of the layers are kept, and one backward pass for all outputs, which ends at the outputs of the layers: gradients of the
weights themselves are never formed. Compiled functions take everything but the structure as arguments, so new points,
new rows and new weights compile nothing new unless a shape changes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from thalweg.adapted.factors import Dense, Embedding, LastDense, LeafJacobian, Linearisation
from thalweg.adapted.factors import Layer as Factors
from thalweg.adapted.jaxpr import Program, trace
from thalweg.adapted.layers import Layer, LayerReport, LeafReport, read_layers
from thalweg.adapted.parameters import Structure
from thalweg.adapted.slot import vector_slot
from thalweg.records.statement import Statement

KEPT = 16
"""How many networks stay compiled: a check, a forecast and a run on the same function compile once."""


class Network:
    """A function `apply_fn(params, X) -> (N, Q)` of some structure of parameters and rows of one shape.

    Methods take the parameters as one vector; all must be called inside the 64-bit context. Outputs are multiplied by
    `head (raw, Q)` on the right and by `scale (N,)` row by row.
    """

    def __init__(self, apply_fn: Callable[..., Any], structure: Structure, program: Program) -> None:
        self.apply_fn, self.structure, self.program = apply_fn, structure, program
        self.reading = read_layers(program, structure.shapes, structure.offsets)
        self.batch = jax.jit(self._batch)
        self.outputs = jax.jit(self._outputs)
        self.bend = jax.jit(self._bend)
        self._linearised = jax.jit(self._linearise)

    def batch_anew(self, theta: Any, X: Any) -> Any:
        """Return what `batch` returns, from a new trace: the same, unless the function changes from call to call."""
        return jax.jit(lambda *given: self._batch(*given))(theta, X)

    def linearise(self, theta: Any, X: Any, head: Any, scale: Any, host: bool) -> Linearisation:
        """Return outputs and layer factors; as NumPy arrays on the `host`."""
        outputs, layers, rest = self._linearised(theta, X, head, scale)
        if host:
            outputs, layers, rest, head, scale = jax.tree.map(np.asarray, (outputs, layers, rest, head, scale))
        parts: list[Factors] = [
            self._factors(layer, arrays, head, scale) for layer, arrays in zip(self.reading.layers, layers, strict=True)
        ]
        for leaf, jacobian in zip(self.reading.rest, rest, strict=True):
            parts.append(LeafJacobian(jacobian, vector_slot(self.structure.offsets[leaf], jacobian.shape[2])))
        return Linearisation(outputs, tuple(parts), self.structure.size)

    def report(self) -> LayerReport:
        """Return how each leaf is differentiated."""
        structure = self.structure
        found = [
            LeafReport(name, shape, *self.reading.found[k])
            for k, (name, shape) in enumerate(zip(structure.names, structure.shapes, strict=True))
        ]
        kept = [
            LeafReport(name, np.shape(leaf), "fixed", Statement("layer.fixed", {})) for _, name, leaf in structure.fixed
        ]
        return LayerReport((*found, *kept))

    def _batch(self, theta: Any, X: Any) -> Any:
        """Return what the user's function gives for all rows at once: only to be compared with."""
        outputs = self.apply_fn(self.structure.assemble(self.structure.leaves(theta)), X)
        return outputs.reshape(X.shape[0], -1).astype(np.float64)

    def _outputs(self, theta: Any, X: Any, head: Any, scale: Any) -> Any:
        leaves = self.structure.leaves(theta)
        raw = jax.vmap(lambda x: self.program.run([*leaves, x], {}, [])[0])(X)
        return (raw.astype(np.float64) @ head) * scale[:, None]

    def _bend(self, theta: Any, v: Any, X: Any, head: Any, scale: Any) -> Any:
        def along(point: Any) -> Any:
            return jax.jvp(lambda t: self._outputs(t, X, head, scale), (point,), (v,))[1]

        return jax.jvp(along, (theta,), (v,))[1]

    def _linearise(self, theta: Any, X: Any, head: Any, scale: Any) -> Any:
        leaves = self.structure.leaves(theta)
        return jax.vmap(self._linearise_one, (None, 0, None, 0))(leaves, X, head, scale)

    def _linearise_one(self, leaves: list[Any], x: Any, head: Any, scale: Any) -> Any:
        layers, rest = self.reading.layers, self.reading.rest
        tapped = [layer for layer in layers if layer.order is None]

        def forward(taps: list[Any], free: list[Any]) -> tuple[Any, list[Any]]:
            given = list(leaves)
            for leaf, value in zip(rest, free, strict=True):
                given[leaf] = value
            at = {layer.output: tap for layer, tap in zip(tapped, taps, strict=True)}
            raw, kept = self.program.run([*given, x], at, [layer.source for layer in layers])
            return (raw.astype(np.float64) @ head) * scale, kept

        zeros = [jnp.zeros(layer.units.shape, layer.dtype) for layer in tapped]
        outputs, back, kept = jax.vjp(forward, zeros, [leaves[leaf] for leaf in rest], has_aux=True)
        arriving, jacobians = jax.vmap(back)(jnp.eye(head.shape[1]))
        cotangents = dict(zip((layer.output for layer in tapped), arriving, strict=True))
        arrays = [_arranged(layer, a, cotangents.get(layer.output)) for layer, a in zip(layers, kept, strict=True)]
        return outputs, arrays, [jacobian.reshape(head.shape[1], -1) for jacobian in jacobians]

    def _factors(self, layer: Layer, arrays: tuple[Any, ...], head: Any, scale: Any) -> Factors:
        if layer.kind == "embedding":
            return Embedding(arrays[0], arrays[1], layer.slot)
        bias = None
        if layer.bias is not None:
            bias = vector_slot(self.structure.offsets[layer.bias], int(layer.units.max()) + 1)
        if layer.order is not None:
            mixing = layer.mixing * head[np.argsort(layer.order)].T
            return LastDense(arrays[0][:, 0], mixing, scale, layer.slot, bias)
        return Dense(arrays[0], arrays[1], layer.slot, bias)


def _arranged(layer: Layer, source: Any, arriving: Any) -> tuple[Any, ...]:
    """Return inputs `(p, m_in)` and cotangents `(Q, p, m_out)` of one sample; a last layer needs no cotangents."""
    inputs = layer.inputs(source)
    if layer.kind != "embedding":
        inputs = _times(inputs.astype(np.float64), layer.input_factor)
    if arriving is None:
        return (inputs,)
    return inputs, _times(jax.vmap(layer.cotangents)(arriving).astype(np.float64), layer.output_factor)


def _times(array: Any, factor: float) -> Any:
    return array if factor == 1.0 else array * factor


_NETWORKS: OrderedDict[Any, Network] = OrderedDict()


def trace_one(apply_fn: Callable[..., Any], structure: Structure, row: jax.ShapeDtypeStruct) -> Program:
    """Return the program of a function on one row of this shape: leaves first, then the row; outputs `(Q,)`."""
    leaves = [jax.ShapeDtypeStruct(shape, np.float64) for shape in structure.shapes]

    def one(*given: Any) -> Any:
        return apply_fn(structure.assemble(given[:-1]), given[-1][None])[0].reshape(-1)

    return trace(one, *leaves, row)


def network_of(apply_fn: Callable[..., Any], structure: Structure, program: Program) -> Network:
    """Return the network of a program, compiled before where the same function had the same program before.

    Returns
    -------
    Network
        A change of what the function reads besides its arguments gives another program, hence another network.
    """
    try:
        key = apply_fn, structure.tree, structure.trained, structure.names, program.fingerprint()
        network = _NETWORKS.pop(key, None)
    except TypeError:  # a function, a tree or a constant that cannot be compared with another
        return Network(apply_fn, structure, program)
    _NETWORKS[key] = network = network or Network(apply_fn, structure, program)
    while len(_NETWORKS) > KEPT:
        _NETWORKS.popitem(last=False)
    return network
