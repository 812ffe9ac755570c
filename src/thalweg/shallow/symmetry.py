"""The symmetries of one neuron, acting on its output weights `V (m, K)` and hidden weights `B (m, d+1)`.

`(V_j, B_j)` and its mirror image give the same function: odd activations `(-V, -B)`, even ones `(V, -B)`; the logistic
function has `psi(-z) = 1 - psi(z)`, so `(-V, -B)` with `v0 + V`; the sine is odd, has the period `2 pi` in `b`, and
`(V, b)` equals `(-V, b + pi)` (specification, table 2.1 and section 5.3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from thalweg.shallow.net import ShallowNet

MIRRORS = {"odd": (-1.0, 0.0), "logistic": (-1.0, 1.0), "even": (1.0, 0.0), "periodic": (-1.0, 0.0)}
"""What `B -> -B` does: `V` is multiplied by the first number, and the second times `V` is added to `v0`."""


def assemble(net: ShallowNet, v0: np.ndarray, V: np.ndarray, B: np.ndarray) -> ShallowNet:
    """Return a net of the kind of `net` with these parameters and perhaps another number of neurons."""
    scalar = net.v.ndim == 1
    return replace(net, v0=float(v0[0]) if scalar else v0, v=V[:, 0] if scalar else V, b=B[:, 0], w=B[:, 1:])


def mirror(net: ShallowNet, which: Bool[np.ndarray, " m"]) -> ShallowNet:
    """Return the same function with some neurons replaced by their mirror images."""
    sign, shift = MIRRORS[net.psi.symmetry]
    V, B, chosen = net.output_weights, net.B, which[:, None]
    v0 = net.output_bias + shift * V[which].sum(axis=0)
    return assemble(net, v0, np.where(chosen, sign * V, V), np.where(chosen, -B, B))


def images(net: ShallowNet) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield `(V, B)` of all neurons under each element of their group, and what each neuron adds to `v0`.

    The shifts of the sine by whole periods are left to the caller.
    """
    V, B, symmetry = net.output_weights, net.B, net.psi.symmetry
    yield V, B, np.zeros_like(V)
    if symmetry not in MIRRORS:
        return
    sign, shift = MIRRORS[symmetry]
    yield sign * V, -B, shift * V
    if symmetry == "periodic":
        half = np.zeros(B.shape[1])
        half[0] = math.pi
        yield -V, B + half, np.zeros_like(V)
        yield V, half - B, np.zeros_like(V)


def wrapped(angle: np.ndarray) -> np.ndarray:
    """Return angles reduced to `(-pi, pi]`; those in it already are kept to the bit."""
    inside = (angle > -math.pi) & (angle <= math.pi)
    reduced = math.pi - np.mod(math.pi - angle, 2 * math.pi)
    return np.where(inside, angle, reduced)


def leading_sign(rows: Float[np.ndarray, "m k"]) -> Float[np.ndarray, " m"]:
    """Return the sign of the first entry of each row that is not zero; 0 for rows of zeros."""
    if not rows.shape[1]:
        return np.zeros(len(rows))
    nonzero = rows != 0
    first = np.argmax(nonzero, axis=1)
    return np.sign(rows[np.arange(len(rows)), first])


def norms(rows: Float[np.ndarray, "*k c"]) -> Float[np.ndarray, "*k"]:
    """Return the Euclidean norms along the last axis without under- or overflow: zero only for rows of zeros."""
    if not rows.shape[-1]:
        return np.zeros(rows.shape[:-1])
    size = np.abs(rows).max(axis=-1)
    safe = np.where(size > 0, size, 1.0)
    return np.where(size > 0, safe * np.sqrt(np.sum(np.square(rows / safe[..., None]), axis=-1)), 0.0)
