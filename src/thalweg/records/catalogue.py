"""Catalogue: the critical points that were found, and how many there should be."""

from __future__ import annotations

from thalweg.records.certificate import Certificate
from thalweg.records.codec import record


@record
class CriticalPoint:
    """One critical point: its kind, loss, index, extreme eigenvalues and how often it was hit."""

    kind: str
    loss: float
    index: int | None = None
    smallest_eigenvalue: float | None = None
    largest_eigenvalue: float | None = None
    gradient_norm: float | None = None
    multiplicity: int = 1
    hits: int = 1
    certificate: Certificate | None = None


@record
class Catalogue:
    """Critical points with the expected count, where theory knows one."""

    points: tuple[CriticalPoint, ...]
    expected: int | None = None

    @property
    def found(self) -> int:
        """How many points were found, counted with multiplicity."""
        return sum(point.multiplicity for point in self.points)

    @property
    def complete(self) -> bool | None:
        """Whether all expected points were found; None where theory gives no count."""
        return None if self.expected is None else self.found == self.expected

    def to_frame(self):
        """Return one row per point as a pandas DataFrame."""
        import pandas

        names = ("kind", "loss", "index", "smallest_eigenvalue", "largest_eigenvalue", "gradient_norm",
                 "multiplicity", "hits")  # fmt: skip
        return pandas.DataFrame([{n: getattr(p, n) for n in names} for p in self.points], columns=list(names))
