"""The Jacobian `D (NQ, K)` itself, written out from its factors layer by layer in as many operations as it has entries.

For decompositions of `D`: they tell singular values apart that the Gram matrix `D D^T` squares below rounding.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from jaxtyping import Float

from thalweg.adapted.factors import Dense, Embedding, LastDense, LeafJacobian, Linearisation, Slot

BLOCK_BYTES = 2**24
"""Rows are written in blocks of about this size, so that what is reordered is still in the cache."""


def dense_jacobian(lin: Linearisation) -> Float[np.ndarray, "rows K"]:
    """Return `D` with rows sample by sample and columns in the order of `theta`.

    Parameters
    ----------
    lin
        The network at a point.

    Returns
    -------
    array (NQ, K)
        What no layer names has the derivative zero.
    """
    N, Q = lin.outputs.shape
    rows = np.zeros((N, Q, lin.parameter_count))
    step = max(1, BLOCK_BYTES // (8 * Q * max(1, lin.parameter_count)))
    for start in range(0, N, step):
        part = slice(start, min(start + step, N))
        for layer in lin.layers:
            _write(layer, rows[part], part)
    return rows.reshape(N * Q, lin.parameter_count)


@singledispatch
def _write(layer: object, rows: Float[np.ndarray, "n Q K"], part: slice) -> None:
    raise TypeError(type(layer).__name__)


@_write.register
def _(layer: Dense, rows: Float[np.ndarray, "n Q K"], part: slice) -> None:
    inputs, cotangents = np.asarray(layer.inputs[part]), np.asarray(layer.cotangents[part])
    if inputs.shape[1] == 1:
        _put(layer.weight, inputs[:, 0][:, None, :, None] * cotangents[:, :, 0][:, :, None, :], rows)
    else:
        _put(layer.weight, inputs.transpose(0, 2, 1)[:, None] @ cotangents, rows)
    if layer.bias is not None:
        _put(layer.bias, cotangents.sum(axis=2)[:, :, None], rows)


@_write.register
def _(layer: LastDense, rows: Float[np.ndarray, "n Q K"], part: slice) -> None:
    inputs, scale, mixing = np.asarray(layer.inputs[part]), np.asarray(layer.scale[part]), np.asarray(layer.mixing)
    mixed = scale[:, None, None, None] * mixing[None, :, None, :]
    _put(layer.weight, inputs[:, None, :, None] * mixed, rows)
    if layer.bias is not None:
        _put(layer.bias, mixed, rows)


@_write.register
def _(layer: Embedding, rows: Float[np.ndarray, "n Q K"], part: slice) -> None:
    tokens, cotangents = np.asarray(layer.tokens[part]), np.asarray(layer.cotangents[part])
    n, Q, p, m = cotangents.shape
    table = np.zeros((n, Q, layer.table.rows, m))
    samples = np.repeat(np.arange(n), p)
    np.add.at(table, (samples, slice(None), tokens.ravel()), cotangents.transpose(0, 2, 1, 3).reshape(n * p, Q, m))
    _put(layer.table, table, rows)


@_write.register
def _(layer: LeafJacobian, rows: Float[np.ndarray, "n Q K"], part: slice) -> None:
    leaf = layer.leaf
    rows[:, :, leaf.offset : leaf.offset + leaf.size] = layer.jacobian[part]


def _put(slot: Slot, matrices: Float[np.ndarray, "n Q m_in m_out"], rows: Float[np.ndarray, "n Q K"]) -> None:
    """Write the derivatives by a leaf, given as matrices, in the order of the leaf."""
    n, Q = matrices.shape[:2]
    turned = matrices.reshape(n, Q, *[slot.shape[axis] for axis in slot.axes])
    order = [0, 1, *(2 + np.argsort(slot.axes))]
    place = rows[:, :, slot.offset : slot.offset + slot.size]
    place[...] = turned.transpose(order).reshape(n, Q, slot.size)
