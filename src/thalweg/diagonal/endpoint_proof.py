"""Proof that a claimed support is that of the unique minimiser of least norm (the statements are in `endpoint.py`).

Where the support has as many columns as there are rows the residual is zero and `R` is determined; where every other
column is zero there is nothing to compare. Otherwise `R` is the shortest vector that meets the equalities, or that of
the widest margin, found by linear programming and corrected so that the equalities hold exactly. Balls of growing
precision decide inequalities; rational numbers decide equalities, where their size allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from flint import arb
from jaxtyping import Float

from thalweg.diagonal.arithmetic import Arithmetic, Balls, Matrix, Number, Rationals, enclosure, float_vector
from thalweg.diagonal.endpoint import Claim, Proof
from thalweg.records import Cell, Quantity, Statement, Verdict

FIRST_BITS, LATER_BITS = (128, 256), (512, 1024)
"""Precisions that are tried in turn."""

RATIONAL_COLUMNS = 400
"""Up to this size rational numbers come after the first balls: they take seconds and leave nothing open."""

OPERATIONS = 2e9
"""Above this many multiplications of balls, about half a minute, nothing is tried."""

PROGRAM_ENTRIES = 2e5
"""Above this many entries no linear program is solved."""

CLEARLY_INSIDE = 1 - 1e-12
"""A dual that is inside its walls by this much in floating point, with its error bound, is inside."""

BATCH = 256
"""Columns that are multiplied with balls at a time."""


def prove(claim: Claim) -> Proof:
    """Prove a claim, or refute it, or say what is left open.

    Parameters
    ----------
    claim
        With possible signs.

    Returns
    -------
    Proof
        Of the arithmetic that decided, or of the last one tried.
    """
    n, q = claim.basis.shape
    if q > n:
        return Proof(Verdict.UNDECIDED, Statement("reason.diagonal.endpoint_dependent", {"active": q}))
    if q**2 * (n + q) > OPERATIONS:
        return Proof(Verdict.UNDECIDED, Statement("reason.diagonal.endpoint_large", {"rows": n, "active": q}))
    for arithmetic in _arithmetics(q):
        with arithmetic.precision():
            attempt = _Attempt(claim, arithmetic)
            found = attempt.decide()
            proof = attempt.proof(found)
        if not found.is_open:
            break
    return proof


def _arithmetics(size: int) -> Iterator[Arithmetic]:
    yield from (Balls(bits) for bits in FIRST_BITS)
    if size <= RATIONAL_COLUMNS:
        yield Rationals()
    else:
        yield from (Balls(bits) for bits in LATER_BITS)


@dataclass(frozen=True)
class _Found:
    """A verdict; `is_open` if more precision may change it."""

    verdict: Verdict
    reason: str
    values: dict[str, Cell] = field(default_factory=dict)
    is_open: bool = False


class _Attempt:
    """One attempt in one arithmetic; everything here runs in its precision."""

    def __init__(self, claim: Claim, arithmetic: Arithmetic) -> None:
        self.claim, self.arithmetic = claim, arithmetic
        self.data, self.n, self.q = claim.data, *claim.basis.shape
        self.is_square = self.n == self.q
        self.first = 1 if claim.has_intercept else 0
        self.dual_margin: float | None = None

    def decide(self) -> _Found:
        """Go through the three statements."""
        try:
            self._solve()
        except ZeroDivisionError:
            is_open = isinstance(self.arithmetic, Balls)
            return _Found(Verdict.UNDECIDED, "reason.diagonal.endpoint_dependent", {"active": self.q}, is_open)
        return self._signs() or self._pulls() or self._norm()

    def proof(self, found: _Found) -> Proof:
        """Return what was found as a proof."""
        is_exact = isinstance(self.arithmetic, Rationals)
        if found.verdict is not Verdict.HOLDS:
            return Proof(found.verdict, Statement(found.reason, found.values), is_exact)
        if isinstance(self.arithmetic, Balls):
            reason = Statement("reason.diagonal.endpoint_in_balls", {"bits": self.arithmetic.bits})
        else:
            reason = Statement("reason.diagonal.endpoint_rational", {})
        margins = {} if self.dual_margin is None else {"dual_margin": Quantity(self.dual_margin)}
        coefficients, norm, intercept = self._enclosures()
        return Proof(found.verdict, reason, is_exact, coefficients, norm, intercept, margins)

    def _enclosures(self) -> tuple[tuple[tuple[float, float], ...], tuple[float, float], tuple[float, float]]:
        """Return coefficients, norm and intercept as floats with radii; copies of a column share its coefficient."""
        merged, first = self.claim.merged, self.first
        balls = [self.arithmetic.ball(entry) for entry in self.b.entries()]
        places = np.searchsorted(merged.kept, merged.source)
        copies = np.bincount(places, minlength=self.q - first) if self.q > first else []
        norm = sum((abs(b) * a for b, a in zip(balls, np.abs(self.claim.heights).tolist(), strict=True)), arb(0))
        shares = (
            balls[first + k] * int(side) / int(copies[k])
            for k, side in zip(places.tolist(), merged.sign.tolist(), strict=True)
        )
        return tuple(enclosure(b) for b in shares), enclosure(norm), enclosure(balls[0]) if first else (0.0, 0.0)

    def _solve(self) -> None:
        """Compute the coefficients."""
        numbers, claim = self.arithmetic, self.claim
        self.A = numbers.matrix(claim.basis)
        self.y, self.targets = numbers.matrix(self.data.y[:, None]), numbers.matrix(claim.heights[:, None]) * self.n
        if self.is_square:
            self.b = numbers.solve(self.A, self.y)
        else:
            self.gram = self.A.transpose() * self.A
            self.b = numbers.solve(self.gram, self.A.transpose() * self.y)

    def _signs(self) -> _Found | None:
        """Compare the signs of the coefficients with those claimed."""
        open_at = None
        for k in range(self.first, self.q):
            side = self.arithmetic.sign(self.b[k, 0] * int(np.sign(self.claim.heights[k])))
            if side is not None and side <= 0:
                return _Found(Verdict.FAILS, "reason.diagonal.endpoint_sign", {"column": self._column(k)})
            if side is None and open_at is None:
                open_at = k
        if open_at is None:
            return None
        return _Found(
            Verdict.UNDECIDED, "reason.diagonal.endpoint_open", {"column": self._column(open_at)}, is_open=True
        )

    def _pulls(self) -> _Found | None:
        """Compare the pulls on the other columns with zero; those without pull are `critical` for the norm."""
        self.critical = self.claim.others
        if self.is_square or not self.critical.size:
            return None
        residual, suspects = self.y - self.A * self.b, self.critical
        if self.data.positive:
            pulls, errors = self._float_products(residual)
            suspects = suspects[~(pulls + errors < 0)[suspects]]
        open_at, unpulled = None, []
        for column, product in self._products(suspects, residual):
            side = self.arithmetic.sign(product)
            if side == 1 or (side == -1 and not self.data.positive):
                size = abs(float(self.arithmetic.ball(product).mid()))
                relative = size / (self.data.columns.norms[column] * float(np.linalg.norm(self.data.y)))
                return _Found(
                    Verdict.FAILS, "reason.diagonal.endpoint_pull", {"column": column, "size": float(relative)}
                )
            if side == 0:
                unpulled.append(column)
            elif side is None:
                open_at = column if open_at is None else open_at
        if open_at is not None:
            return _Found(Verdict.UNDECIDED, "reason.diagonal.endpoint_open", {"column": open_at}, is_open=True)
        self.critical = np.array(unpulled, dtype=np.int64)
        return None

    def _norm(self) -> _Found:
        """Look for a dual vector that leaves every critical column strictly inside its walls."""
        if not self.critical.size:
            return _Found(Verdict.HOLDS, "")
        if self.is_square:
            return self._inside(self.arithmetic.solve(self.A.transpose(), self.targets))
        found = self._inside(self.A * self.arithmetic.solve(self.gram, self.targets))
        if found.verdict is Verdict.HOLDS:
            return found
        start = _widest(self.claim, self.critical)
        if start is None:
            return found
        vector = self.arithmetic.matrix(start[:, None])
        lacking = self.targets - self.A.transpose() * vector
        return self._inside(vector + self.A * self.arithmetic.solve(self.gram, lacking))

    def _inside(self, vector: Matrix) -> _Found:
        """Tell whether the dual of this vector is strictly inside the walls of the critical columns."""
        a = self.data.exponents
        products, errors = self._float_products(vector)
        heights = (products if self.data.positive else np.abs(products)) + errors
        share = (heights / (self.n * a))[self.critical]
        self.dual_margin = float(1 - share.max())
        open_at = None
        for column, product in self._products(self.critical[~(share < CLEARLY_INSIDE)], vector):
            height = product if self.data.positive else abs(product)
            side = self.arithmetic.sign(self.arithmetic.matrix(a[column, None, None])[0, 0] * self.n - height)
            if side == 0 or (side == -1 and not self.is_square):
                return _Found(Verdict.UNDECIDED, "reason.diagonal.endpoint_several", {"column": column})
            if side == -1:
                return _Found(Verdict.FAILS, "reason.diagonal.endpoint_norm", {"column": column})
            if side is None:
                open_at = column if open_at is None else open_at
        if open_at is None:
            return _Found(Verdict.HOLDS, "")
        return _Found(Verdict.UNDECIDED, "reason.diagonal.endpoint_open", {"column": open_at}, is_open=True)

    def _products(self, columns: np.ndarray, vector: Matrix) -> Iterator[tuple[int, Number]]:
        """Yield the exact products of some columns with a vector."""
        for start in range(0, columns.size, BATCH):
            batch = columns[start : start + BATCH]
            products = self.arithmetic.matrix(np.ascontiguousarray(self.data.columns.dense(batch).T)) * vector
            yield from zip(batch.tolist(), products.entries(), strict=True)

    def _float_products(self, vector: Matrix) -> tuple[np.ndarray, np.ndarray]:
        """Return the products of all columns with a vector in floating point, and bounds of their errors."""
        numbers, radius = float_vector([self.arithmetic.ball(entry) for entry in vector.entries()])
        columns = self.data.columns
        size = np.array([float(np.linalg.norm(numbers)) * (1 + 1e-9)])
        errors = columns.norms * (columns.product_error(size) + radius)
        return columns.all_products(numbers[None])[0], errors

    def _column(self, k: int) -> int:
        return int(self.claim.support[self.claim.merged.kept[k - self.first]])


def _widest(claim: Claim, critical: np.ndarray) -> Float[np.ndarray, " n"] | None:
    """Return the vector whose dual is farthest inside the walls of the critical columns; None if it is too large."""
    from scipy.optimize import linprog

    n = claim.data.y.size
    if n * critical.size > PROGRAM_ENTRIES:
        return None
    a = claim.data.exponents[critical]
    X = claim.data.columns.dense(critical) / (n * a)
    walls = [X.T] if claim.data.positive else [X.T, -X.T]
    above = np.hstack([np.vstack(walls), np.ones((len(walls) * critical.size, 1))])
    level = np.hstack([claim.basis.T / n, np.zeros((claim.heights.size, 1))])
    bounds = [(None, None)] * n + [(None, 1.0)]
    cost = np.append(np.zeros(n), -1.0)
    found = linprog(
        cost, A_ub=above, b_ub=np.ones(len(above)), A_eq=level, b_eq=claim.heights, bounds=bounds, method="highs"
    )
    return found.x[:n] if found.status == 0 else None
