"""Singular values of a Jacobian `D (NQ, K)` in factors, as far as each way of computing them can tell.

| method | from | tells apart from zero | operations |
|---|---|---|---|
| svd | `D` itself | `sigma > sigma_max max(NQ, K) eps` | `2 min^2 max` of `NQ` and `K` |
| gram | all eigenvalues of `G = D D^T` | `sigma > sigma_max sqrt(NQ eps)` | Gram and `4/3 (NQ)^3`, half of it slow |
| bounds | Cholesky factor of `G` minus that noise; Lanczos and inverse Lanczos | the same | Gram and `(NQ)^3 / 3` |
| products | Lanczos with `D (D^T v)`, where `G` is too large for memory | nothing | 1.5 gradients a step |

What is below the second column is not called zero: the rank is then known between bounds, the smallest singular value
from above. Bounds from without, `rank <= K` and one row block for equal inputs, close the gap where they can
(specification, section 3). The extreme Ritz values of Lanczos are Rayleigh quotients, so they bound from inside.

Rows may be cut after any number: leading samples have the leading rows of `D`, the leading block of `G` and the leading
block of its Cholesky factor, so nested samples cost little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import scipy.linalg
from jaxtyping import Float

from thalweg.adapted.factors import Linearisation
from thalweg.numerics.lanczos import lanczos, start_vector
from thalweg.numerics.options import require
from thalweg.records import InputError, record
from thalweg.runtime.memory import fits, free_memory

METHODS = ("auto", "svd", "gram", "bounds", "products")

SVD_OPERATIONS = 1e9
"""Up to here the Jacobian itself is decomposed at once: a fraction of a second, and all digits."""

ESCALATION_OPERATIONS = 3e11
"""Up to here it is decomposed where the Gram matrix cannot tell: about half a minute on one core."""

LARGEST_EIGEN = 3000
"""Outputs up to which all eigenvalues of the Gram matrix are computed: seconds."""

CLEAR = 100.0
"""Eigenvalues of the Gram matrix above so many times its noise have two digits or more."""

PRODUCT_STEPS = 30
"""Steps without a factor: each costs about a gradient and a half."""

EPS = float(np.finfo(float).eps)


@record
class SingularRange:
    """What is known of the singular values of `rows` rows of `D`.

    Attributes
    ----------
    method
        "svd", "gram", "bounds" or "products".
    rows, parameters
        The shape of `D`.
    least_rank, most_rank
        Bounds of the numerical rank; equal where it is known.
    largest
        Largest singular value.
    smallest
        The last of the `rows` singular values: zero for fewer parameters than rows.
    is_bound
        Whether `smallest` is only known to be no more than this.
    smallest_nonzero
        The smallest that is told apart from zero; NaN where only extremes were computed.
    """

    method: str
    rows: int
    parameters: int
    least_rank: int
    most_rank: int
    largest: float
    smallest: float
    is_bound: bool
    smallest_nonzero: float

    @property
    def rank(self) -> int | None:
        """The numerical rank; None where it is undetermined."""
        return self.least_rank if self.least_rank == self.most_rank else None

    @property
    def is_full(self) -> bool | None:
        """Whether the rows are independent; None where that is undetermined."""
        if self.most_rank < self.rows:
            return False
        return True if self.least_rank == self.rows else None

    @property
    def condition(self) -> float:
        """`sigma_max / sigma_min`, at least that where `is_bound`; infinite for dependent rows."""
        if self.is_full is False or self.smallest <= 0:
            return float("inf")
        return self.largest / self.smallest


def singular_ranges(
    lin: Linearisation, cuts: Sequence[int], most_ranks: Sequence[int], method: str = "auto", goes_on: bool = True
) -> tuple[SingularRange, ...]:
    """Return what is known of the leading rows of a Jacobian.

    Parameters
    ----------
    lin
        The network at a point.
    cuts
        Numbers of leading rows, increasing; the last counts for the choice of the method.
    most_ranks
        Upper bounds of their ranks known from elsewhere, such as from equal inputs.
    method
        "auto" decomposes `D` where that is quick, else factors `G`; where `G` cannot tell, it goes on to `D` if memory
        and time allow, else to all eigenvalues of `G`.
    goes_on
        Whether "auto" may.

    Returns
    -------
    tuple of SingularRange
        One for each cut.

    Raises
    ------
    InputError
        If the method is unknown, memory is short for the one that is named, or the Jacobian is not finite.
    """
    require(method in METHODS, "method", method, ", ".join(METHODS))
    rows, K = cuts[-1], lin.parameter_count
    most = [min(rank, cut, K) for rank, cut in zip(most_ranks, cuts, strict=True)]
    decomposing = decomposition_operations(rows, K)
    if method == "svd" or (method == "auto" and decomposing <= SVD_OPERATIONS and fits(16.0 * rows * K)):
        return _from_jacobian(lin, cuts, most)
    holds = fits(24.0 * rows**2)
    if method in ("gram", "bounds"):
        require_memory(24.0 * rows**2)
    ways = {"gram": _from_eigenvalues, "bounds": _from_factor, "products": _from_products}
    found = ways[("bounds" if holds else "products") if method == "auto" else method](lin, cuts, most)
    if method != "auto" or not goes_on or not any(one.is_bound for one in found):
        return found
    if decomposing <= ESCALATION_OPERATIONS and fits(16.0 * rows * K):
        return _from_jacobian(lin, cuts, most)
    return _from_eigenvalues(lin, cuts, most) if holds and rows <= LARGEST_EIGEN else found


def decomposition_operations(rows: int, parameters: int) -> float:
    """Return about how many operations the singular values of a Jacobian take."""
    return 2.0 * min(rows, parameters) ** 2 * max(rows, parameters)


def noise_of(largest_eigenvalue: float, rows: int) -> float:
    """Return the size below which eigenvalues of a Gram matrix are rounding."""
    return largest_eigenvalue * rows * EPS


def numerical_rank(values: Float[np.ndarray, " m"], shape: tuple[int, ...]) -> int:
    """Return how many singular values exceed `sigma_max max(shape) eps`; `values` are in decreasing order."""
    return int((values > values[0] * max(shape) * EPS).sum()) if values.size else 0


def require_memory(bytes_needed: float) -> None:
    """Refuse a computation that does not fit into memory.

    Raises
    ------
    InputError
        If it does not; names the need and what is free.
    """
    if not fits(bytes_needed):
        free = free_memory()
        raise InputError("adapted_rank_memory", needed=bytes_needed / 2**30, free=free / 2**30)


def gram_matrix(lin: Linearisation) -> Float[np.ndarray, "rows rows"]:
    """Return `G = D D^T` as an array of NumPy, if memory allows it.

    Returns
    -------
    array (NQ, NQ)
        In float64.

    Raises
    ------
    InputError
        If it does not fit into memory, or is not finite.
    """
    N, Q = lin.outputs.shape
    require_memory(24.0 * (N * Q) ** 2)
    matrix = np.asarray(lin.gram(), dtype=np.float64)
    _require_finite_rows(matrix.diagonal())
    return matrix


def finite_jacobian(lin: Linearisation) -> Float[np.ndarray, "rows K"]:
    """Return `D` itself, if memory allows it and its entries are numbers.

    Returns
    -------
    array (NQ, K)
        In float64.

    Raises
    ------
    InputError
        If it does not fit into memory, or an entry is not finite.
    """
    N, Q = lin.outputs.shape
    require_memory(16.0 * N * Q * lin.parameter_count)
    jacobian = np.asarray(lin.jacobian(), dtype=np.float64)
    _require_finite_rows(jacobian.sum(axis=1))
    return jacobian


def _require_finite_rows(summary: Float[np.ndarray, " rows"]) -> None:
    bad = int((~np.isfinite(summary)).sum())
    if bad:
        raise InputError("adapted_jacobian_not_finite", count=bad, outputs=summary.size)


def _from_jacobian(lin: Linearisation, cuts: Sequence[int], most: Sequence[int]) -> tuple[SingularRange, ...]:
    jacobian = finite_jacobian(lin)
    found = []
    for cut, most_rank in zip(cuts, most, strict=True):
        # transposed, it is in the order that LAPACK reads: the last and largest is decomposed in place
        turned = jacobian[:cut].T
        values = np.asarray(scipy.linalg.svdvals(turned, overwrite_a=cut == cuts[-1], check_finite=False))
        rank = numerical_rank(values, turned.shape)
        last = float(values[-1]) if values.size == cut else 0.0
        nonzero = float(values[rank - 1]) if rank else float("nan")
        known = min(rank, most_rank)
        found.append(_range("svd", lin, cut, (known, known), (float(values[0]) ** 2, last, nonzero), False))
    return tuple(found)


def _from_eigenvalues(lin: Linearisation, cuts: Sequence[int], most: Sequence[int]) -> tuple[SingularRange, ...]:
    gram = gram_matrix(lin)
    found = []
    for cut, most_rank in zip(cuts, most, strict=True):
        values = np.linalg.eigvalsh(gram[:cut, :cut])
        noise = noise_of(max(float(values[-1]), 0.0), cut)
        known = min(int((values > noise).sum()), most_rank)
        nonzero = float(np.sqrt(values[cut - known])) if known else float("nan")
        clear = known < cut or values[0] > CLEAR * noise
        is_bound = known < most_rank or not clear
        last = 0.0 if most_rank < cut else float(np.sqrt(max(values[0], 0.0) + (noise if is_bound else 0.0)))
        found.append(_range("gram", lin, cut, (known, most_rank), (float(values[-1]), last, nonzero), is_bound))
    return tuple(found)


def _from_factor(lin: Linearisation, cuts: Sequence[int], most: Sequence[int]) -> tuple[SingularRange, ...]:
    """Factor `G - noise`: where that succeeds every eigenvalue is above the noise, and the inverse tells the least."""
    gram = gram_matrix(lin)
    largest = [float(lanczos(lambda v, m=cut: gram[:m, :m] @ v, start_vector(cut))[-1]) for cut in cuts]
    lower, shift, factored = None, 0.0, 0
    for cut, top in reversed(list(zip(cuts, largest, strict=True))):
        shift = noise_of(top, cut)
        lower = _factored(gram[:cut, :cut], shift)
        if lower is not None:
            factored = cut
            break
    found, known = [], int(largest[0] > 0)
    for cut, most_rank, top in zip(cuts, most, largest, strict=True):
        known = min(max(known, cut if cut <= factored else 0), most_rank)  # the rank of more rows is no less
        if most_rank < cut:
            last, is_bound = 0.0, known < most_rank
        elif lower is None or cut > factored:
            last, is_bound = float(np.sqrt(2.0 * noise_of(top, cut))), True
        else:
            inverse = _largest_of_inverse(lower[:cut, :cut])
            last, is_bound = float(np.sqrt(shift + 1.0 / inverse)), inverse * CLEAR * shift > 1.0
        nonzero = last if known == cut else float("nan")
        found.append(_range("bounds", lin, cut, (known, most_rank), (top, last, nonzero), is_bound))
    return tuple(found)


def _factored(gram: np.ndarray, shift: float) -> np.ndarray | None:
    """Return the lower factor of `gram - shift`; None if it is not positive definite."""
    shifted = gram.copy(order="C")
    shifted.flat[:: gram.shape[0] + 1] -= shift
    factor = scipy.linalg.lapack.dpotrf  # pyright: ignore[reportAttributeAccessIssue]
    lower, failed = factor(shifted.T, lower=1, clean=0, overwrite_a=1)
    return None if failed else lower


def _largest_of_inverse(lower: np.ndarray) -> float:
    """Return the largest eigenvalue of the inverse, from below."""
    return float(lanczos(_inverse_of(np.asfortranarray(lower)), start_vector(lower.shape[0]))[-1])


def _inverse_of(lower: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    def solve(v: np.ndarray) -> np.ndarray:
        return scipy.linalg.cho_solve((lower, True), v, check_finite=False)

    return solve


def inverse_values(lin: Linearisation, wanted: int, steps: int, change: float) -> Float[np.ndarray, " k"]:
    """Return the smallest eigenvalues of the Gram matrix by inverse Lanczos on a Cholesky factor.

    Parameters
    ----------
    lin
        The network at a point.
    wanted
        How many.
    steps, change
        When Lanczos ends.

    Returns
    -------
    array (k,)
        Ascending, not negative, from above; several that are equal may count once.
    """
    matrix = gram_matrix(lin)
    start = start_vector(matrix.shape[0])
    shift = 2.0 * noise_of(float(lanczos(lambda v: matrix @ v, start)[-1]), matrix.shape[0])
    while (lower := _factored(matrix, -shift)) is None:
        shift *= 2.0
    values = lanczos(_inverse_of(lower), start, steps, change, wanted)[-wanted:]
    return np.maximum(1.0 / values[::-1] - shift, 0.0)


def _from_products(lin: Linearisation, cuts: Sequence[int], most: Sequence[int]) -> tuple[SingularRange, ...]:
    """Use `v -> D (D^T v)` alone: the largest value, and Rayleigh quotients for the smallest."""
    found = []
    for cut, most_rank in zip(cuts, most, strict=True):
        values = lanczos(product_with(lin, cut), start_vector(cut), PRODUCT_STEPS, 0.0)
        known = min(int((values > noise_of(float(values[-1]), cut)).sum()), most_rank)
        last = 0.0 if most_rank < cut else float(np.sqrt(max(values[0], 0.0)))
        is_bound = known < most_rank or known == cut
        nothing = float("nan")
        found.append(_range("products", lin, cut, (known, most_rank), (float(values[-1]), last, nothing), is_bound))
    return tuple(found)


def _range(
    method: str, lin: Linearisation, rows: int, ranks: tuple[int, int], sizes: tuple[float, float, float],
    is_bound: bool,
) -> SingularRange:  # fmt: skip
    """Return a range from bounds of the rank, and largest eigenvalue, smallest and smallest non-zero value."""
    top, last, nonzero = sizes
    largest = float(np.sqrt(max(top, 0.0)))
    return SingularRange(method, rows, lin.parameter_count, *ranks, largest, last, is_bound, nonzero)


def product_with(lin: Linearisation, rows: int | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """Return the map `v -> G v` of leading rows, by products with `D` alone."""
    N, Q = lin.outputs.shape
    rows = N * Q if rows is None else rows

    def apply(v: np.ndarray) -> np.ndarray:
        w = np.zeros(N * Q)
        w[:rows] = v
        return np.asarray(lin.push(lin.pull(w.reshape(N, Q)))).reshape(-1)[:rows]

    return apply
