"""A million columns in a file: the certified saddle path of a memory-mapped matrix, with its passes and its memory.

`python benchmarks/mapped_data.py ROWS COLUMNS FILE` writes Gaussian data of single precision to FILE (4 GB for
1000 x 1,000,000), runs the path to interpolation without ever holding the matrix in memory, and counts passes over
the data and the largest private memory of the process.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
from pathlib import Path

import numpy as np
import psutil
from _record import keep

from thalweg.diagonal import batches, saddle_path
from thalweg.diagonal.columns import Columns

BLOCK = 10_000


def write(file: Path, n: int, d: int) -> None:
    """Write Gaussian columns to a file, Fortran order, in blocks."""
    data = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(n, d), fortran_order=True)
    rng = np.random.default_rng(0)
    for start in range(0, d, BLOCK):
        data[:, start : start + BLOCK] = rng.standard_normal((n, min(BLOCK, d - start)), dtype=np.float32)
    data.flush()


class Counting(Columns):
    """Columns that count how often all of them are read, and watch the memory."""

    passes = 0
    largest = 0

    def products(self, V: np.ndarray) -> np.ndarray:
        """Count and compute."""
        self._count()
        return super().products(V)

    def quick_products(self, V: np.ndarray) -> tuple[np.ndarray, float]:
        """Count and compute."""
        self._count()
        return super().quick_products(V)

    def _count(self) -> None:
        Counting.passes += 1
        memory = psutil.Process().memory_info()
        Counting.largest = max(Counting.largest, memory.rss - memory.shared)


def main() -> None:
    """Write, run, and record."""
    n, d, file = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    if not file.exists():
        write(file, n, d)
    data = np.load(file, mmap_mode="r")
    target = data[:, :10].sum(axis=1).astype(float) + np.random.default_rng(1).standard_normal(n)
    before = psutil.Process().memory_info()
    started = time.perf_counter()
    path = saddle_path(Counting(data), target)
    taken = time.perf_counter() - started
    certified = float(np.abs(path.dual(path.count)).max())
    memory = psutil.Process().memory_info()
    Counting.largest = max(Counting.largest, memory.rss - memory.shared)
    sys.argv[3] = "FILE"
    keep(
        f"mapped_data_{n}_{d}",
        {
            f"single precision, mapped, {n} x {d}": {
                "jumps": path.count,
                "outcome": path.outcome.value,
                "algorithm": path.algorithm,
                "seconds": taken,
                "passes over the data": Counting.passes + 1,  # the norms
                "largest dual at the end": certified,
                "bytes of the data": int(data.nbytes),
                "largest private memory beyond the start, bytes": Counting.largest - (before.rss - before.shared),
                "events in a batch at most": batches.LONGEST,
            }
        },
    )


if __name__ == "__main__":
    main()
