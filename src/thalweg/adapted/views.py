"""Arrays that are only another's entries in another order: followed through transposes, reshapes and factors.

A parameter reaches its layer through such steps, and a layer's outputs reach their bias through others. A view says,
dim by dim, in which steps the entries of its source are read: one dim is a list of `(size, stride)` from slow to fast.
Stride zero repeats an entry, as broadcasting does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from thalweg.adapted.slot import Slot

Run = tuple[int, int]
"""Size and stride."""


@dataclass(frozen=True)
class View:
    """An array as `factor` times entries of `source`, with one list of runs a dim."""

    source: int
    dims: tuple[tuple[Run, ...], ...]
    factor: float = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the view."""
        return tuple(math.prod(size for size, _ in dim) for dim in self.dims)

    @property
    def repeats(self) -> bool:
        """Whether an entry of the source occurs more than once."""
        return any(stride == 0 for dim in self.dims for _, stride in dim)

    def times(self, factor: float) -> View:
        """Return the view with all entries multiplied."""
        return replace(self, factor=self.factor * factor)

    def transposed(self, permutation: tuple[int, ...]) -> View:
        """Return the view with its dims in another order."""
        return replace(self, dims=tuple(self.dims[k] for k in permutation))

    def broadcast(self, shape: tuple[int, ...], placed: tuple[int, ...]) -> View:
        """Return the view with its dims at the places `placed` of `shape`, repeated along the others."""
        dims: list[tuple[Run, ...]] = [((size, 0),) if size > 1 else () for size in shape]
        for dim, place, size in zip(self.dims, placed, self.shape, strict=True):
            if size == shape[place]:
                dims[place] = dim
        return replace(self, dims=tuple(dims))

    def reshaped(self, shape: tuple[int, ...]) -> View | None:
        """Return the view in another shape; None where a dim would not be a list of runs."""
        left = list(_merged(run for dim in self.dims for run in dim))
        dims = []
        for size in shape:
            dim, missing = [], size
            while missing > 1:
                if not left:
                    return None
                n, stride = left.pop(0)
                if missing % n == 0:
                    dim.append((n, stride))
                    missing //= n
                elif n % missing == 0:
                    inner = n // missing
                    dim.append((missing, stride * inner))
                    left.insert(0, (inner, stride))
                    missing = 1
                else:
                    return None
            dims.append(tuple(dim))
        return replace(self, dims=tuple(dims))

    def indices(self) -> np.ndarray:
        """Return which entry of the flattened source stands at each place."""
        runs = [run for dim in self.dims for run in dim]
        index = np.zeros((), dtype=np.intp)
        for size, stride in runs:
            index = index[..., None] + stride * np.arange(size)
        return index.reshape(self.shape)

    def slot(self, offset: int, rows: tuple[int, ...], columns: tuple[int, ...]) -> Slot:
        """Return the matrix whose rows run over some dims and whose columns over the others; no entry may repeat."""
        runs = [*_merged(run for k in rows for run in self.dims[k]), *_merged(r for k in columns for r in self.dims[k])]
        order = sorted(range(len(runs)), key=lambda k: -runs[k][1])
        shape = tuple(runs[k][0] for k in order) or (1,)
        axes = tuple(order.index(k) for k in range(len(runs))) or (0,)
        return Slot(offset, shape, axes, math.prod(self.shape[k] for k in rows))


def view_of(source: int, shape: tuple[int, ...]) -> View:
    """Return an array as a view of itself."""
    strides = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
    return View(source, tuple(((n, s),) if n > 1 else () for n, s in zip(shape, strides, strict=True)))


def _merged(runs) -> list[Run]:
    """Return runs with neighbours joined where together they are one."""
    merged: list[Run] = []
    for size, stride in runs:
        if merged and merged[-1][1] == size * stride:
            merged[-1] = (merged[-1][0] * size, stride)
        else:
            merged.append((size, stride))
    return merged
