"""Where a leaf of the parameters stands in the vector `theta`, and how it is read as a matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any
"""A float array of NumPy or JAX."""


@dataclass(frozen=True)
class Slot:
    """Where a leaf of the parameters stands in `theta`, and how it is read as a matrix.

    The leaf of this `shape` starts at `offset`; its matrix `(m_in, m_out)` is
    `leaf.reshape(shape).transpose(axes).reshape(rows, -1)`.
    """

    offset: int
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    rows: int

    @property
    def size(self) -> int:
        """Number of parameters."""
        return math.prod(self.shape)

    def matrix(self, theta: Array) -> Array:
        """Return the leaf as a matrix of `rows` rows."""
        leaf = theta[self.offset : self.offset + self.size].reshape(self.shape)
        return leaf.transpose(self.axes).reshape(self.rows, -1)

    def flat(self, matrix: Array) -> Array:
        """Return matrices `(..., m_in, m_out)` of this leaf in the order of the leaf, `(..., size)`."""
        lead = matrix.shape[:-2] if matrix.ndim > 2 else ()
        turned = matrix.reshape(*lead, *(self.shape[axis] for axis in self.axes))
        order = (*range(len(lead)), *(len(lead) + axis for axis in np.argsort(self.axes)))
        return turned.transpose(order).reshape(*lead, -1)


def vector_slot(offset: int, size: int, shape: tuple[int, ...] | None = None) -> Slot:
    """Return the slot of a leaf that is read as one row: a bias, a scale, or any leaf taken as it lies."""
    shape = shape or (size,)
    return Slot(offset, shape, tuple(range(len(shape))), 1)
