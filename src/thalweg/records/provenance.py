"""Provenance: from what, with what and by which command a result was made."""

from __future__ import annotations

from thalweg.records.codec import record


@record
class Provenance:
    """Digests, versions, seed and the command that repeats the result."""

    source: str
    source_digest: str
    problem_digest: str
    versions: dict[str, str]
    seed: int
    command: str
