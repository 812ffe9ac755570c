"""Coordinates in which a symmetric matrix is nearly the identity, up to signs, with proved bounds.

For any floating `Li` the statements hold that are proved of `Li H Li'`; a good `Li` only makes them strong. Positive
definite matrices are whitened by their Cholesky factor, others by their eigenvectors: `Li H Li'` is then close to the
diagonal `S` of the signs of the eigenvalues.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from thalweg.numerics.rounding import UNIT_ROUNDOFF, gamma

TINY = 2.0**-500
"""More than squares and roots of squares can lose by underflow."""

GUESSES = (1 + 2.0**-20, 1.001, 1.02, 1.2, 2.0)
"""Factors above an estimate of the largest eigenvalue that are tried as proved bounds."""


@dataclass(frozen=True, eq=False)
class Whitening:
    """`Li` with `Li H Li'` near the diagonal matrix of `signs`.

    Attributes
    ----------
    Li : array (P, P)
        Lower triangular where all signs are positive and Cholesky's factor exists.
    signs : array (P,)
        1 and -1.
    is_triangular : bool
        Whether `Li` came from Cholesky's factor.
    """

    Li: Float[np.ndarray, "P P"]
    signs: Float[np.ndarray, " P"]
    is_triangular: bool

    @property
    def index(self) -> int:
        """Number of negative eigenvalues."""
        return int((self.signs < 0).sum())

    def column_norms(self) -> Float[np.ndarray, " P"]:
        """Return upper bounds of the norms of the columns of `Li`."""
        return upper_norm(self.Li, axis=0)

    def defect(self, H: Float[np.ndarray, "P P"], norms: Float[np.ndarray, " P"]) -> float:
        """Bound the spectral norm of `Li H Li' - S`, rounding included.

        Parameters
        ----------
        H
            Symmetric, exact.
        norms
            Upper bounds of the norms of the columns of `Li`.

        Returns
        -------
        float
            Infinite or NaN where nothing is proved.
        """
        product = (self.Li @ H) @ self.Li.T
        product[np.diag_indices_from(product)] -= self.signs
        np.abs(product, out=product)
        rounding = product_rounding(H, norms)
        worst = max(float(product.sum(axis=1).max()), float(product.sum(axis=0).max()))
        return (worst + rounding) * upward(4 * len(H))

    def apply(self, rows: Float[np.ndarray, "k P"]) -> Float[np.ndarray, "k P"]:
        """Return the rows times `Li'`, leaving out what is zero."""
        P = len(self.Li)
        if not self.is_triangular or P < 2 * _BLOCK:
            return rows @ self.Li.T
        found = np.empty(rows.shape)
        for start in range(0, P, _BLOCK):
            stop = min(start + _BLOCK, P)
            found[:, start:stop] = rows[:, :stop] @ self.Li[start:stop, :stop].T
        return found


_BLOCK = 128


def whiten(H: Float[np.ndarray, "P P"]) -> Whitening | None:
    """Return whitening coordinates of a symmetric matrix, None if it is not finite or an eigenvalue vanishes."""
    from scipy.linalg.lapack import dtrtri  # pyright: ignore[reportAttributeAccessIssue]

    P = len(H)
    if not np.isfinite(H).all():
        return None
    try:
        Li, info = dtrtri(np.linalg.cholesky(H), lower=1)
        if info == 0 and np.isfinite(Li).all():
            return Whitening(np.tril(Li), np.ones(P), True)
    except np.linalg.LinAlgError:
        pass
    # Scaled to a unit diagonal, parameters of very different size do not hide each other's eigenvalues.
    size = np.abs(np.diag(H))
    scale = 1 / np.sqrt(np.where(size > 0, size, 1.0))
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = scale[:, None] * H * scale
    if not np.isfinite(scaled).all():
        return None
    values, vectors = np.linalg.eigh(scaled)
    if not (np.abs(values) > 0).all():
        return None
    Li = (vectors / np.sqrt(np.abs(values))).T * scale
    return Whitening(Li, np.sign(values), False) if np.isfinite(Li).all() else None


def product_rounding(H: Float[np.ndarray, "P P"], norms: Float[np.ndarray, " P"]) -> float:
    """Bound, in the Frobenius norm, what rounding changes in the computed `(Li H) Li'`."""
    # Entry by entry it is 2 gamma_P |Li| |H| |Li|', a sum of products of columns |H_pq| l_p l_q'.
    growth = 2 * gamma(len(H) + 4)
    return growth * float(norms @ (np.abs(H) @ norms)) + len(H) * TINY * float(norms.sum()) ** 2


def largest_eigenvalue(A: Float[np.ndarray, "P P"]) -> float:
    """Return a proved upper bound, close to it, of the largest absolute eigenvalue of the symmetric part of `A`."""
    # c I - A is positive semidefinite if Cholesky's method succeeds on (c - e) I - A, with e = gamma_(P+1) /
    # (1 - gamma_(P+1)) times its trace (Rump 2006, "Verification of positive definiteness"); otherwise the bound is
    # that of Collatz and Wielandt for |A|.
    P = len(A)
    A = (A + A.T) * 0.5
    x, size = np.ones(P), np.abs(A)
    for _ in range(4):
        x = size @ x
        x = np.maximum(x / x.max(initial=TINY), 2.0**-20)
    collatz = float(((size @ x) / x).max(initial=0.0)) * upward(P + 8)
    estimate = _power_estimate(A)
    for factor in GUESSES:
        bound = estimate * factor
        if not bound < collatz:
            break
        if _is_positive_definite(bound, A) and _is_positive_definite(bound, -A):
            return bound * upward(P)
    return collatz


def _power_estimate(A: Float[np.ndarray, "P P"]) -> float:
    if len(A) <= 300:
        return float(np.abs(np.linalg.eigvalsh(A)).max(initial=0.0))
    x = np.cos(np.arange(1.0, len(A) + 1))
    size = 0.0
    for _ in range(30):
        x = A @ (x / np.linalg.norm(x))
        size = max(size, float(np.linalg.norm(x)))
    return size


def _is_positive_definite(shift: float, A: Float[np.ndarray, "P P"]) -> bool:
    """Prove that `shift I - A` is positive semidefinite."""
    P = len(A)
    matrix = -A
    matrix[np.diag_indices_from(matrix)] += shift
    trace = float(np.abs(np.diag(matrix)).sum()) * upward(P)
    growth = gamma(P + 2) / (1 - gamma(P + 2))
    # One more unit roundoff for the subtraction on the diagonal, and room for underflow.
    matrix[np.diag_indices_from(matrix)] -= growth * trace * 1.01 + 4 * UNIT_ROUNDOFF * shift + TINY
    try:
        return bool(np.isfinite(np.linalg.cholesky(matrix)).all())
    except np.linalg.LinAlgError:
        return False


def upper_norm(A: np.ndarray, axis: int) -> np.ndarray:
    """Return upper bounds of Euclidean norms along an axis; squares that vanish are allowed for."""
    return np.sqrt(np.square(A).sum(axis=axis)) * upward(A.shape[axis] + 4) + TINY


def upward(operations: int) -> float:
    """Return a factor that outweighs the relative rounding errors of this many operations on positive numbers."""
    return 1 + 8 * (operations + 4) * UNIT_ROUNDOFF
