"""The 64-bit JAX context: everything that JAX computes for thalweg is computed inside it, in float64.

The switch is local to the context and the thread: code of the user around it keeps JAX's own default of 32 bits. Arrays
that stay on a device must be used inside the context too; outside it JAX would narrow them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager


def x64() -> AbstractContextManager[None]:
    """Return a context in which JAX computes in 64 bits; it may be entered again inside itself."""
    import jax

    return jax.enable_x64(True)
