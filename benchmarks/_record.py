"""Runs a benchmark's timings and keeps them with the command and the machine that made them."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("thalweg", "numpy", "scipy", "scikit-learn", "pandas", "plotly")


def seconds_of(work: Callable[[], object], repeats: int, *, warm_up: bool = True) -> list[float]:
    """Time `work`, after one run that is not counted."""
    if warm_up:
        work()
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return taken


def seconds_in_turns(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Time several works one after another, round by round, so that a busy machine is busy for all of them."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for round_number in range(repeats + 1):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            if round_number:  # the first round warms up
                taken[name].append(time.perf_counter() - started)
    return taken


def summary(taken: list[float]) -> dict[str, float]:
    """Return minimum, median and maximum in seconds."""
    return {"min": min(taken), "median": statistics.median(taken), "max": max(taken), "runs": len(taken)}


def keep(name: str, results: object) -> None:
    """Write the results with what they were measured on, and print them."""
    document = {
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "machine": {
            "processors": os.cpu_count(),
            "processor": platform.machine(),
            "threads": os.environ.get("OPENBLAS_NUM_THREADS", "all"),
            "python": platform.python_version(),
            **{library: metadata.version(library) for library in LIBRARIES},
        },
        "results": results,
    }
    text = json.dumps(document, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1))
