"""The proof of a network: fast where that suffices, in ball arithmetic where rounding leaves it undecided."""

from __future__ import annotations

from thalweg.records import Verdict
from thalweg.shallow.certificate import ShallowCertificate, certify_objective
from thalweg.shallow.derivatives import Objective
from thalweg.shallow.net import ShallowNet


def prove(net: ShallowNet, objective: Objective, claim: str = "minimum") -> ShallowCertificate:
    """Return the certificate of a network, of the fast mode if neither mode decides.

    Parameters
    ----------
    net
        At a critical point.
    objective
        Its loss.
    claim
        "minimum" or "critical".

    Returns
    -------
    ShallowCertificate
        As of `certificate.certify`.
    """
    fast = certify_objective(net, objective, claim=claim)
    if fast.verdict is not Verdict.UNDECIDED:
        return fast
    sharp = certify_objective(net, objective, "balls", claim)
    return fast if sharp.verdict is Verdict.UNDECIDED else sharp
