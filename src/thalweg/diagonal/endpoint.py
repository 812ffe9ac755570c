"""The end of the path, proved: which features are active at the minimiser of least norm, with coefficients in balls.

Training ends at the minimiser of the loss with the least `sum a_i |b_i|` (in the one-sided network over `b >= 0`;
specification of the family, section 2). For a claimed support `P` with signs `sigma`, `endpoint_proof.py` proves for
the exact numbers that the given floats are:

1. least squares on `P` has coefficients of these signs, each enclosed in a ball without zero;
2. its residual pulls no other column (one-sided: pulls none outward), so it minimises the loss;
3. some vector `R` has `x_i'R/n = sigma_i a_i` on `P` and `|x_i'R|/n < a_i` on all other columns (one-sided:
   `x_i'R/n < a_i` on those without pull), so no other minimiser has as small a norm.

Equal columns up to sign stand for one: the flow splits their coefficient equally.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from thalweg.diagonal.certified import CertifiedData, certified_data
from thalweg.diagonal.columns import Columns
from thalweg.diagonal.merging import Merged, merge_duplicates
from thalweg.records import Certificate, InputError, Method, Quantity, Statement, Verdict, digest_of


@dataclass(frozen=True, eq=False)
class Endpoint:
    """The proved end of a path.

    Attributes
    ----------
    certificate : Certificate
        That the minimiser of least norm has exactly this support with these signs, and is unique.
    support : array (p,)
        The active columns, increasing.
    signs : array (p,)
        Their signs.
    coefficients, radii : arrays (p,)
        The exact coefficients lie within the radii of these; NaN and infinite unless the certificate holds.
    norm, norm_radius : float
        The same for the weighted l1 norm.
    intercept, intercept_radius : float
        The same for the intercept; 0 where none was fitted.
    """

    certificate: Certificate
    support: Int[np.ndarray, " p"]
    signs: Float[np.ndarray, " p"]
    coefficients: Float[np.ndarray, " p"]
    radii: Float[np.ndarray, " p"]
    norm: float
    norm_radius: float
    intercept: float
    intercept_radius: float


@dataclass(frozen=True, eq=False)
class Claim:
    """A claimed support in the columns that stand for all.

    `support` and `signs (p,)` as claimed; `merged` tells which of its columns stand for which; `basis (n, q)` holds
    those that stand for all, after the column of ones if there is an intercept; `heights (q,)` are `sigma_i a_i`, 0 for
    the intercept; `others` are the columns outside the support that can carry anything.
    """

    data: CertifiedData
    support: Int[np.ndarray, " p"]
    signs: Float[np.ndarray, " p"]
    merged: Merged
    basis: Float[np.ndarray, "n q"]
    heights: Float[np.ndarray, " q"]
    others: np.ndarray
    has_intercept: bool


@dataclass(frozen=True)
class Proof:
    """A verdict with its reason; pairs of midpoint and radius where it holds, one coefficient a column."""

    verdict: Verdict
    reason: Statement
    is_exact: bool = False
    coefficients: tuple[tuple[float, float], ...] = ()
    norm: tuple[float, float] = (np.nan, np.inf)
    intercept: tuple[float, float] = (np.nan, np.inf)
    margins: dict[str, Quantity] = field(default_factory=dict)


def enclose_endpoint(
    X: object,
    y: np.ndarray,
    support: object,
    signs: object,
    *,
    init_exponents: np.ndarray | None = None,
    positive: bool = False,
    fit_intercept: bool = False,
) -> Endpoint:
    """Prove which columns are active at the end of the path, and enclose their coefficients.

    Parameters
    ----------
    X : array (n, d)
        The data, taken as the exact numbers that they are. Data that were centred in floating point are not exactly
        centred: pass them raw, with `fit_intercept`. A column divided by `c` is the column itself with its exponent
        multiplied by `c`.
    y : array (n,)
        The target.
    support, signs : arrays (p,)
        The claim: `path.supports[-1]` and `path.signs[-1]`.
    init_exponents, positive
        As in `saddle_path`.
    fit_intercept
        Add a free intercept, which the norm does not count: the same as centring columns and target exactly.

    Returns
    -------
    Endpoint
        Its certificate "holds" only if support, signs and uniqueness are proved; "fails" if the claim is proved
        false; else "undecided".

    Raises
    ------
    InputError
        If the data are unusable or the claim names no columns of them.
    """
    from thalweg.diagonal.endpoint_proof import prove  # loads python-flint

    data = certified_data(X, y, init_exponents, positive)
    claim = _claim(data, *_claimed(support, signs, data.columns.d), fit_intercept)
    impossible = _impossible(claim)
    if impossible.size:
        reason = Statement("reason.diagonal.endpoint_sign", {"column": int(impossible[0])})
        return _endpoint(claim, Proof(Verdict.FAILS, reason))
    return _endpoint(claim, prove(claim))


def _claimed(support: object, signs: object, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the claimed support in order with its signs, or refuse it."""
    chosen, sides = np.asarray(support), np.asarray(signs, dtype=np.float64)
    if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
        raise InputError("option_range", name="support", value=chosen, wanted="column numbers")
    if sides.shape != chosen.shape:
        raise InputError("length_differs", name="signs", found=sides.size, wanted=chosen.size)
    inside = (chosen >= 0) & (chosen < d)
    if not inside.all() or np.unique(chosen).size < chosen.size:
        raise InputError("option_range", name="support", value=chosen, wanted=f"different numbers from 0 to {d - 1}")
    if not (np.abs(sides) == 1).all():
        raise InputError("option_range", name="signs", value=sides, wanted="1 | -1")
    order = np.argsort(chosen)
    return chosen[order].astype(np.int64), sides[order]


def _claim(data: CertifiedData, support: np.ndarray, signs: np.ndarray, fit_intercept: bool) -> Claim:
    columns, nothing = data.columns.dense(support), np.zeros(0)
    merged = Merged(support, support, nothing, nothing, [])
    if support.size:
        merged = merge_duplicates(Columns(columns), data.exponents[support], data.positive)
    kept = support[merged.kept] if support.size else support
    basis, heights = data.columns.dense(kept), data.exponents[kept]
    if support.size:
        heights = heights * signs[merged.kept]
    if fit_intercept:
        basis, heights = np.column_stack([np.ones(data.y.size), basis]), np.concatenate([[0.0], heights])
    carries = data.columns.varying() if fit_intercept else data.columns.norms > 0
    carries[support] = False
    return Claim(data, support, signs, merged, basis, heights, np.flatnonzero(carries), fit_intercept)


def _impossible(claim: Claim) -> np.ndarray:
    """Return the columns whose claimed sign no coefficient can have: copies that differ, negative in one-sided nets."""
    if not claim.support.size:
        return claim.support
    wrong = claim.merged.sign * claim.signs[claim.merged.source] != claim.signs
    return claim.support[wrong | (claim.data.positive & (claim.signs < 0))]


def _endpoint(claim: Claim, proof: Proof) -> Endpoint:
    """Write down what was found."""
    p = claim.support.size
    holds = proof.verdict is Verdict.HOLDS
    pairs = np.array(proof.coefficients if holds else [(np.nan, np.inf)] * p).reshape(p, 2)
    arrays = {**claim.data.arrays, "support": claim.support, "signs": claim.signs}
    sizes = {"norm": Quantity(proof.norm[0]), "norm_radius": Quantity(proof.norm[1])} if holds else {}
    certificate = Certificate(
        family="diagonal",
        statement=Statement("certificate.diagonal.endpoint", {"active": p}),
        verdict=proof.verdict,
        method=Method.EXACT if proof.is_exact else Method.PROVED,
        margins={**sizes, **proof.margins},
        checks=(),
        reason=proof.reason,
        inputs=tuple(arrays),
        digest=digest_of(arrays),
    )
    return Endpoint(
        certificate, claim.support, claim.signs, pairs[:, 0].copy(), pairs[:, 1].copy(), *proof.norm, *proof.intercept
    )
