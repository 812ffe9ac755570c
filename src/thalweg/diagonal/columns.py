"""The data behind one interface: products with all columns, single columns, norms; never copied whole.

Dense arrays in float64 or float32, in memory or mapped from a file, and sparse matrices. Centring, scaling and row
weights may be implied, `diag(rows) (X - 1 center') / scale`, so that sparse data stay sparse and mapped data on disk.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import psutil
from jaxtyping import Float

from thalweg.numerics.validation import list_some
from thalweg.records import InputError

BLOCK_BYTES = 1 << 26
"""Mapped and converted data are read in blocks of columns of this size: 64 MB."""

COPY_SHARE = 0.25
"""A single-precision copy for quick products may take this share of the free memory."""

QUICK_SIZES = (1e-15, 1e15)
"""Norms between which single precision neither overflows nor loses columns to underflow."""


class Columns:
    """Columns of `diag(rows) (data - 1 center') / scale`.

    Parameters
    ----------
    data : array, memory map or sparse matrix (n, d)
        Float64 or float32; other dense types are converted.
    center, scale : array (d,), optional
        Subtracted from, then divided into each column.
    rows : array (n,), optional
        Factor of each row, applied last.
    """

    def __init__(
        self,
        data: Any,
        *,
        center: Float[np.ndarray, " d"] | None = None,
        scale: Float[np.ndarray, " d"] | None = None,
        rows: Float[np.ndarray, " n"] | None = None,
    ) -> None:
        self.is_sparse = hasattr(data, "tocsc")
        self.data: Any = data.tocsc() if self.is_sparse else as_stored(data)
        self.is_mapped = isinstance(data, np.memmap)
        self.center, self.scale, self.rows = center, scale, rows
        self.shape = (int(self.data.shape[0]), int(self.data.shape[1]))

    @property
    def is_implied(self) -> bool:
        """Whether the columns differ from the stored ones by centring, scaling or weights."""
        return self.center is not None or self.scale is not None or self.rows is not None

    @property
    def is_plain(self) -> bool:
        """Whether the data are a float64 array in memory that stands for itself."""
        return not (self.is_sparse or self.is_mapped or self.is_implied) and self.data.dtype == np.float64

    def matrix(self) -> Any:
        """Return the data as they are stored if nothing is implied, else the columns as an array in float64."""
        return self.take(np.arange(self.shape[1])).T if self.is_implied else self.data

    def products(self, V: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "d ..."]:
        """Return the products of all columns with the columns of `V`, accumulated in float64."""
        U = V if self.rows is None else (self.rows * V.T).T
        if self.is_sparse or (self.data.dtype == np.float64 and not self.is_mapped):
            raw = np.asarray(self.data.T @ U)
        else:
            raw = np.empty((self.shape[1], *V.shape[1:]))
            for block in self._blocks():
                raw[block] = self.data[:, block].astype(np.float64).T @ U
        return self._transformed(raw, U)

    def quick_products(self, V: Float[np.ndarray, "n q"]) -> tuple[np.ndarray, float]:
        """Return the products in single precision where that is faster, and the unit roundoff they were made with."""
        source = self._single
        if source is None:
            return self.products(V), 2.0**-53
        U = (V if self.rows is None else (self.rows * V.T).T).astype(np.float32)
        if isinstance(source, np.memmap):
            raw = np.empty((self.shape[1], V.shape[1]), dtype=np.float32)
            for block in self._blocks():
                raw[block] = np.asarray(source[:, block]).T @ U
        else:
            raw = source.T @ U
        return self._transformed(raw, U), 2.0**-24

    def take(self, places: np.ndarray) -> Float[np.ndarray, "k n"]:
        """Return single columns as rows, in float64."""
        chosen = self.data[:, places]
        rows = chosen.T.toarray() if self.is_sparse else np.asarray(chosen).T
        rows = np.array(rows, dtype=np.float64, order="C")
        if self.center is not None:
            rows -= self.center[places, None]
        if self.scale is not None:
            rows /= self.scale[places, None]
        if self.rows is not None:
            rows *= self.rows
        return rows

    def rows_of(self, block: slice) -> Float[np.ndarray, "m d"]:
        """Return some rows of all columns, in float64."""
        part = self.data[block].toarray() if self.is_sparse else self.data[block]
        part = np.array(part, dtype=np.float64)
        if self.center is not None:
            part -= self.center
        if self.scale is not None:
            part /= self.scale
        return part if self.rows is None else part * self.rows[block, None]

    def only(self, places: np.ndarray) -> Columns:
        """Return some of the columns; dense ones are copied."""
        center = None if self.center is None else self.center[places]
        scale = None if self.scale is None else self.scale[places]
        return Columns(self.data[:, places], center=center, scale=scale, rows=self.rows)

    @cached_property
    def norms(self) -> Float[np.ndarray, " d"]:
        """Euclidean norms of all columns."""
        if self.is_sparse:
            return self._sparse_norms()
        norms = np.empty(self.shape[1])
        for block in self._blocks():
            if self.is_plain:
                part = self.data.T[block]
            else:
                part = self.take(np.arange(block.start, block.stop))
            norms[block] = np.sqrt(np.einsum("ij,ij->i", part, part))
        return norms

    @property
    def sizes(self) -> Float[np.ndarray, " d"]:
        """Bounds of the norms of what products are computed from: implied centring cancels."""
        if self.center is None:
            return self.norms
        mean = np.abs(self.center) if self.scale is None else np.abs(self.center / self.scale)
        weight = np.sqrt(self.shape[0]) if self.rows is None else float(np.linalg.norm(self.rows))
        return self.norms + 2 * weight * mean

    def require_finite(self) -> None:
        """Refuse NaN and infinities.

        Raises
        ------
        InputError
            If an entry is not finite; names the first such rows and columns, counted from 0.
        """
        bad = np.flatnonzero(~np.isfinite(self.norms))  # or their squares overflow
        entries = self.take(bad)
        places = np.argwhere(~np.isfinite(entries))
        if places.size:
            columns = list_some(dict.fromkeys(bad[places[:, 0]].tolist()))
            rows = list_some(dict.fromkeys(np.sort(places[:, 1]).tolist()))
            raise InputError("array_not_finite", name="X", count=len(places), rows=rows, columns=columns)

    def _sparse_norms(self) -> Float[np.ndarray, " d"]:
        weights = np.ones(self.shape[0]) if self.rows is None else self.rows**2
        squares = np.empty(self.shape[1])
        for block in self._blocks():
            squares[block] = self.data[:, block].astype(np.float64).power(2).T @ weights
        if self.center is not None:
            squares += self.center * (self.center * weights.sum() - 2 * np.asarray(self.data.T @ weights))
        norms = np.sqrt(np.maximum(squares, 0.0))
        return norms if self.scale is None else norms / self.scale

    def _transformed(self, raw: np.ndarray, U: np.ndarray) -> np.ndarray:
        """Return products with the centred and scaled columns from those with the raw ones."""
        if self.center is not None:
            raw = raw - np.multiply.outer(self.center, U.sum(axis=0)).astype(raw.dtype)
        if self.scale is not None:
            raw = (raw.T / self.scale.astype(raw.dtype)).T
        return raw

    def _blocks(self) -> list[slice]:
        n, d = self.shape
        width = max(1, BLOCK_BYTES // (8 * n))
        return [slice(start, min(start + width, d)) for start in range(0, d, width)]

    @cached_property
    def _single(self) -> np.ndarray | None:
        """The data in single precision, or None where there is no room, no gain or no range for it."""
        if self.is_sparse or self.center is not None or self.scale is not None:
            return None  # a sparse product is not faster so, and implied centring would cancel
        sizes = self.norms[self.norms > 0]
        if not sizes.size or sizes.min() < QUICK_SIZES[0] or sizes.max() > QUICK_SIZES[1]:
            return None
        if self.data.dtype == np.float32:
            return self.data
        if self.is_mapped or 4.0 * self.shape[0] * self.shape[1] > COPY_SHARE * psutil.virtual_memory().available:
            return None
        return self.data.astype(np.float32)


def as_stored(data: Any) -> np.ndarray:
    """Return a dense matrix as it is stored if that is float64 or float32, else converted to float64."""
    array = data if isinstance(data, np.memmap) else np.asarray(data)
    if array.dtype.kind == "c":
        raise InputError("array_complex", name="X")
    if array.dtype.kind not in "biuf":
        raise InputError("array_not_numeric", name="X", dtype=str(array.dtype))
    if array.ndim != 2:
        raise InputError("array_dimension", name="X", found=array.ndim, wanted=2)
    if array.size == 0:
        raise InputError("array_empty", name="X", shape=str(array.shape))
    return array if array.dtype in (np.float64, np.float32) else array.astype(np.float64)
