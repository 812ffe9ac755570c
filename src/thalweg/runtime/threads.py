"""Threads of the numerical libraries: matrices of a few hundred rows gain nothing from them and lose by waiting."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

SMALL = 1000
"""Rows of square matrices up to which one thread is as fast as several."""


@contextlib.contextmanager
def threads_for(rows: int) -> Iterator[None]:
    """Use one thread inside if the matrices are small, and as many as before if they are not."""
    if rows > SMALL:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
