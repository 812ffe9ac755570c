"""The machine as thalweg sees it: threads of the numerical libraries, and what is cached where."""

from __future__ import annotations

import os
import tempfile


def threads() -> dict[str, int | str]:
    """Return the number of processors and the threads of each BLAS that NumPy loaded."""
    import numpy  # loads the BLAS that is asked about  # noqa: F401
    from threadpoolctl import threadpool_info

    pools = {f"threads of {pool['internal_api']}": int(pool["num_threads"]) for pool in threadpool_info()}
    return {"processors": os.cpu_count() or 0, **pools}


def caches() -> dict[str, str]:
    """Return where temporary files go; this version keeps no cache of its own."""
    return {"cache": "none", "temporary files": tempfile.gettempdir()}
