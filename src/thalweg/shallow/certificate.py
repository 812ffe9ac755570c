"""Proof that a shallow network is next to a strict minimum of its loss, or to a saddle of known index.

The statement is that of `conclusion.py`; the bounds come from `fast_bounds.py` (floating point, every rounding error
bounded) or `balls.py` (ball arithmetic of 128 bits and more). The theorem of Benning and Dereich (2025, arXiv
2504.08867) says that almost surely every efficient minimum is of this kind; the certificate proves it of one. It
speaks of the numbers that were passed: of standardised data, if they were standardised first.
"""

from __future__ import annotations

from dataclasses import field

import numpy as np
from numpy.typing import ArrayLike

from thalweg.numerics.platform import BINARY64, FUNCTIONS, PRODUCTS, unsound_arithmetic
from thalweg.numerics.validation import list_some
from thalweg.records import Cell, Certificate, InputError, Method, Quantity, Statement, Verdict, digest_of, record
from thalweg.shallow.conclusion import Conclusion, conclude
from thalweg.shallow.derivatives import Objective, objective
from thalweg.shallow.fast_bounds import FAST, LARGEST, Bounds, Scaled, fast_bounds, scaled
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.obstacles import never_isolated, obstacle

METHODS = ("fast", "balls")
CLAIMS = {"minimum": "certificate.shallow.minimum", "critical": "certificate.shallow.critical"}


@record
class ShallowCertificate(Certificate):
    """A certificate with what is known of the critical point.

    Attributes
    ----------
    index : int or None
        Number of negative eigenvalues of the Hessian, proved; None where nothing is.
    whitening : array (P, P) or None
        `Li`: the ellipsoid is `theta + Li' z, |z| <= rho`. It lives in memory only.
    """

    index: int | None = None
    whitening: np.ndarray | None = field(default=None, metadata={"stored": False})

    __repr__ = Certificate.__repr__


def certify(
    net: ShallowNet,
    X: ArrayLike,
    y: ArrayLike,
    *,
    ridge: ArrayLike = 0.0,
    anchor: ArrayLike | ShallowNet | None = None,
    weights: ArrayLike | None = None,
    method: str = "fast",
    claim: str = "minimum",
) -> ShallowCertificate:
    """Prove that exactly one critical point of the loss lies near a network, and that it is a strict minimum.

    Parameters
    ----------
    net
        At a critical point, as nearly as floating point allows (`refine`).
    X : array (n, d)
        Features, as the network sees them.
    y : array (n,) or (n, K)
        Targets.
    ridge, anchor, weights
        Of the loss (`derivatives.Objective`).
    method
        "fast": in floating point, for tanh and the logistic function on machines that pass the self-test, with balls
        for the rest; "balls": ball arithmetic, slower, with a gradient sharper by factors of thousands.
    claim
        "minimum", or "critical": any non-degenerate critical point, a saddle as well.

    Returns
    -------
    ShallowCertificate
        "holds" if the claim is proved; "fails" if it is refuted: the one critical point nearby is a proved saddle, or
        no critical point of such a network is ever isolated; "undecided" with the reason otherwise; "not covered" if
        the activation is not analytic.

    Raises
    ------
    InputError
        If an argument is unusable.
    """
    for name, value, allowed in (("method", method, METHODS), ("claim", claim, CLAIMS)):
        if value not in allowed:
            raise InputError("option_range", name=name, value=repr(value), wanted=" | ".join(allowed))
    return certify_objective(net, objective(X, y, weights, ridge, anchor), method, claim)


def certify_objective(
    net: ShallowNet, problem: Objective, method: str = "fast", claim: str = "minimum"
) -> ShallowCertificate:
    """Certify with an objective that was made before (`certify`)."""
    problem.require_fits(net)
    if not net.psi.is_analytic:
        reason = Statement("reason.shallow.not_analytic", {"activation": net.activation})
        return _certificate(net, problem, claim, Verdict.NOT_COVERED, reason)
    if never_isolated(net, problem):
        reason = Statement("reason.shallow.never_isolated", {"activation": net.activation})
        return _certificate(net, problem, claim, Verdict.FAILS, reason)
    unsound = unsound_arithmetic()
    if refused := {BINARY64, PRODUCTS} & set(unsound):
        reason = Statement("reason.shallow.platform", {"parts": list_some(sorted(refused))})
        return _certificate(net, problem, claim, Verdict.UNDECIDED, reason)
    ready = scaled(net, problem)
    if ready is None:
        reason = Statement("reason.shallow.sizes", {"limit": LARGEST})
        return _certificate(net, problem, claim, Verdict.UNDECIDED, reason)
    if method == "fast" and net.activation in FAST and FUNCTIONS not in unsound:
        bounds = fast_bounds(ready)
    else:
        bounds = _ball_bounds(ready)
    if bounds is None:
        return _certificate(net, problem, claim, Verdict.UNDECIDED, obstacle(net, problem, None))
    conclusion = conclude(bounds)
    verdict, reason = _judge(net, problem, claim, conclusion)
    return _certificate(net, problem, claim, verdict, reason, conclusion, bounds)


def certified_inputs(net: ShallowNet, problem: Objective) -> dict[str, np.ndarray]:
    """Return the arrays a certificate is bound to, by name: `certificate.applies_to(certified_inputs(...))`."""
    anchor = np.zeros(net.parameter_count) if problem.anchor is None else problem.anchor
    return {
        "activation": np.frombuffer(net.activation.encode(), dtype=np.uint8),
        "theta": net.theta,
        "X": problem.X,
        "y": problem.y,
        "weights": problem.weights,
        "ridge": np.array(problem.penalties(net)),
        "anchor": anchor,
    }


def _ball_bounds(problem: Scaled) -> Bounds | None:
    from thalweg.shallow.balls import ball_bounds  # python-flint is loaded only where it is needed

    return ball_bounds(problem)


def _judge(net: ShallowNet, problem: Objective, claim: str, conclusion: Conclusion) -> tuple[Verdict, Statement]:
    if not conclusion.is_proved:
        return Verdict.UNDECIDED, obstacle(net, problem, conclusion)
    values: dict[str, Cell] = {"radius": conclusion.radius, "distance": conclusion.distance}
    if conclusion.index == 0:
        return Verdict.HOLDS, Statement("reason.shallow.minimum", {**values, "modulus": conclusion.modulus})
    reason = Statement("reason.shallow.saddle", {**values, "index": conclusion.index})
    return (Verdict.HOLDS if claim == "critical" else Verdict.FAILS), reason


def _certificate(
    net: ShallowNet,
    problem: Objective,
    claim: str,
    verdict: Verdict,
    reason: Statement,
    conclusion: Conclusion | None = None,
    bounds: Bounds | None = None,
) -> ShallowCertificate:
    inputs = certified_inputs(net, problem)
    size: dict[str, Cell] = {"neurons": net.width, "parameters": net.parameter_count, "rows": problem.n}
    known = bounds is not None and conclusion is not None and conclusion.defect < 1
    return ShallowCertificate(
        family="shallow",
        statement=Statement(CLAIMS[claim], size),
        verdict=verdict,
        method=Method.PROVED,
        margins={} if conclusion is None else _margins(conclusion),
        checks=(),
        reason=reason,
        inputs=tuple(inputs),
        digest=digest_of(inputs),
        index=conclusion.index if known and conclusion is not None and conclusion.is_proved else None,
        whitening=bounds.whitening.Li if known and bounds is not None else None,
    )


def _margins(conclusion: Conclusion) -> dict[str, Quantity]:
    """Return what was measured, and after a proof what follows from it."""
    found = {
        "defect": Quantity(conclusion.defect),
        "pull": Quantity(conclusion.pull),
        "lipschitz": Quantity(conclusion.lipschitz),
        "rho": Quantity(conclusion.rho),
        "whitened_curvature": Quantity(conclusion.curvature),
    }
    if not conclusion.is_proved:
        return found
    names = ("enclosure", "radius", "distance", "modulus", "smoothness")
    found |= {name: Quantity(getattr(conclusion, name)) for name in names}
    return found | ({"loss_gap": Quantity(conclusion.loss_gap)} if conclusion.index == 0 else {})
