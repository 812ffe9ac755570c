"""What a proof costs beside the path it speaks of: processor seconds on one thread."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time

import numpy as np
from _record import keep

from thalweg.diagonal import enclose_endpoint, path_certificate, saddle_path

SHAPES = ((100, 2000), (3000, 50), (300, 300), (300, 20000))


def timed(work):
    """Return what `work` returns, and the processor seconds it took."""
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def measure(n: int, d: int) -> dict[str, object]:
    """Compute one path of Gaussian data and prove it in every way."""
    rng = np.random.default_rng([n, d])
    X = rng.standard_normal((n, d))
    y = X[:, :10] @ rng.standard_normal(10) + rng.standard_normal(n)
    path, path_seconds = timed(lambda: saddle_path(X, y))
    gaps, gap_seconds = timed(path.certificate)
    proof, proof_seconds = timed(lambda: path_certificate(path, X, y))
    end, end_seconds = timed(lambda: enclose_endpoint(X, y, path.supports[-1], path.signs[-1]))
    return {
        "jumps": path.count,
        "saddle_path": path_seconds,
        "gaps of all saddles": {
            "seconds": gap_seconds,
            "verdict": gaps.verdict.value,
            "gap": gaps.margins["gap"].value,
        },
        "path": {
            "seconds": proof_seconds,
            "verdict": proof.verdict.value,
            "largest distance to a wall": proof.margins["wall_distance"].value,
            "backward error": proof.margins["backward_error"].value,
        },
        "end": {
            "seconds": end_seconds,
            "verdict": end.certificate.verdict.value,
            "largest radius": float(end.radii.max()),
        },
    }


def main() -> None:
    """Measure every shape; the first run also warms up."""
    measure(*SHAPES[0])
    keep("certificates", {f"Gaussian {n} x {d}": measure(n, d) for n, d in SHAPES})


if __name__ == "__main__":
    main()
