"""Certificate: a statement about named inputs, bound to their bits by a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from thalweg.records.check import Check, Method, Verdict
from thalweg.records.codec import record
from thalweg.records.statement import Quantity, Statement

HASHED_BYTES = 2**24
"""Bytes of an array that are hashed at a time."""


def digest_of(inputs: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of named arrays: names, dtypes, shapes and every bit of the entries."""
    total = hashlib.sha256()
    for name in sorted(inputs):
        array = np.atleast_1d(inputs[name])
        total.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        rows = max(1, HASHED_BYTES // max(1, array[:1].nbytes))
        for start in range(0, len(array), rows):  # a stored matrix is never copied whole
            total.update(np.ascontiguousarray(array[start : start + rows]).tobytes())
    return total.hexdigest()


@record
class Certificate:
    """A statement with its verdict, its margins and the inputs it speaks of.

    `margins` hold what was measured and what would have been enough; `reason` says in words why the
    verdict is what it is; `inputs` names the arrays under `digest`.
    """

    family: str
    statement: Statement
    verdict: Verdict
    method: Method
    margins: dict[str, Quantity]
    checks: tuple[Check, ...]
    reason: Statement
    inputs: tuple[str, ...]
    digest: str

    def applies_to(self, inputs: Mapping[str, np.ndarray]) -> Verdict:
        """Return the verdict for these inputs: `UNDECIDED` if a single bit differs from those certified."""
        return self.verdict if digest_of(inputs) == self.digest else Verdict.UNDECIDED

    def __str__(self) -> str:
        return f"{self.statement}\n{self.verdict.value}: {self.reason}"

    def __repr__(self) -> str:
        margins = ", ".join(f"{name} = {margin}" for name, margin in self.margins.items())
        return f"<Certificate {self.family}: {self.verdict.value} ({self.method.value}) {margins}>"
