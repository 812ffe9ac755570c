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

from dataclasses import dataclass

import numpy as np
from flint import arb, ctx
from jaxtyping import Float, Int

from thalweg.diagonal.arithmetic import ENCLOSING_BITS, enclosure
from thalweg.diagonal.certified import CertifiedData, certified_data
from thalweg.diagonal.endpoint_proof import Claim, Proof, prove
from thalweg.diagonal.merging import Merged, merge_duplicates
from thalweg.numerics.validation import real_array
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


def enclose_endpoint(
    X: object,
    y: np.ndarray,
    support: np.ndarray,
    signs: np.ndarray,
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
    data = certified_data(X, y, init_exponents, positive)
    support, signs = _claimed(support, signs, data.columns.d)
    merged = _merged(data, support)
    claim = _claim(data, support, signs, merged, fit_intercept)
    impossible = merged.sign * signs[merged.kept][merged.source] != signs if support.size else np.zeros(0, dtype=bool)
    if positive:
        impossible |= signs < 0
    if impossible.any():
        false = Statement("reason.diagonal.endpoint_sign", {"column": int(support[impossible][0])})
        proof = Proof(Verdict.FAILS, false)
    else:
        proof = prove(claim)
    return _endpoint(claim, support, signs, merged, proof)


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


def _merged(data: CertifiedData, support: Int[np.ndarray, " p"]) -> Merged:
    """Find copies among the columns of the support."""
    if not support.size:
        nothing = np.zeros(0)
        return Merged(support, support, nothing, nothing, [])
    return merge_duplicates(data.columns.dense(support), data.exponents[support], data.positive)


def _claim(
    data: CertifiedData, support: np.ndarray, signs: np.ndarray, merged: Merged, fit_intercept: bool
) -> Claim:
    kept = support[merged.kept]
    basis, heights = data.columns.dense(kept), signs[merged.kept] * data.exponents[kept]
    if fit_intercept:
        basis, heights = np.column_stack([np.ones(data.y.size), basis]), np.concatenate([[0.0], heights])
    carries = data.columns.varying() if fit_intercept else data.columns.norms > 0
    carries[support] = False
    return Claim(data, kept, basis, heights, np.flatnonzero(carries), fit_intercept)


def _endpoint(claim: Claim, support: np.ndarray, signs: np.ndarray, merged: Merged, proof: Proof) -> Endpoint:
    """Give every copy of a column its share, and write down what was found."""
    p, data = support.size, claim.data
    middles, radii, norm, intercept = np.full(p, np.nan), np.full(p, np.inf), (np.nan, np.inf), (np.nan, np.inf)
    if proof.balls is not None:
        balls = proof.balls
        intercept = enclosure(balls[0]) if claim.has_intercept else (0.0, 0.0)
        own = balls[1:] if claim.has_intercept else balls
        copies = np.bincount(merged.source, minlength=len(own))
        with ctx.workprec(ENCLOSING_BITS):
            shares = [own[k] * int(side) / int(copies[k]) for k, side in zip(merged.source, merged.sign, strict=True)]
            pairs = [enclosure(share) for share in shares]
            total = sum((abs(b) * float(a) for b, a in zip(shares, data.exponents[support], strict=True)), arb(0))
        middles, radii = np.array(pairs).reshape(-1, 2).T
        norm = enclosure(total)
    arrays = {**data.arrays, "support": support, "signs": signs}
    margins = {"norm": Quantity(norm[0]), "norm_radius": Quantity(norm[1]), **proof.margins}
    certificate = Certificate(
        family="diagonal",
        statement=Statement("certificate.diagonal.endpoint", {"active": p}),
        verdict=proof.verdict,
        method=Method.EXACT if proof.is_exact else Method.PROVED,
        margins=margins if proof.balls is not None else proof.margins,
        checks=(),
        reason=proof.reason,
        inputs=tuple(arrays),
        digest=digest_of(arrays),
    )
    return Endpoint(certificate, support, signs, middles, radii, *norm, *intercept)
