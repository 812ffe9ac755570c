"""The one verb of this family: prove a network on arrays, or a `Fit` on the problem it was made from.

For a fit the features and the target are standardised anew, and the recorded preparation and loss must be what follows
from the data; the certificate speaks of the standardised data and is bound to the raw ones.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from thalweg.data.problem import Problem
from thalweg.numerics.options import validated
from thalweg.records import Certificate, Fit, Statement, Verdict
from thalweg.shallow.catalogue import plain
from thalweg.shallow.certificate import certify as certify_network
from thalweg.shallow.derivatives import Objective
from thalweg.shallow.fit import network_of
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.options import ShallowOptions
from thalweg.shallow.proof import prove
from thalweg.shallow.standardise import standardise

LOSS_TOLERANCE = 1e-9
"""Relative difference of a recorded loss to that of the recorded network at most."""


def certify(subject: Fit | ShallowNet, data: Any, y: Any = None, **options: Any) -> Certificate:
    """Prove that a network is next to exactly one critical point of its loss, a strict minimum.

    Parameters
    ----------
    subject
        A fit of this family, or a network.
    data
        The problem of the fit, or features `X (n, d)`.
    y
        Targets, for a network.
    options
        `ridge`, `anchor`, `weights`, `method`, `claim` of `certificate.certify`, for a network.

    Returns
    -------
    Certificate
        "holds", "fails" or "undecided", with margins and the reason.

    Raises
    ------
    InputError
        If the fit is of another family, its features are not those of the problem, or an argument is unusable.
    """
    if isinstance(subject, ShallowNet):
        return certify_network(subject, data, y, **options)
    objective, net, contradicted = _reconstructed(subject, data)
    bound = dataclasses.replace(plain(prove(net, objective)), inputs=("X", "y"), digest=data.digest)
    if not contradicted:
        return bound
    reason = Statement("reason.shallow.inconsistent", {"names": ", ".join(contradicted)})
    return dataclasses.replace(bound, verdict=Verdict.FAILS, reason=reason)


def _reconstructed(fit: Fit, problem: Problem) -> tuple[Objective, ShallowNet, list[str]]:
    """Return the standardised problem, the network, and what of the record does not follow from the data."""
    problem.require_subject_of(fit, "shallow")
    problem.require_computable()
    net = network_of(fit)
    options = validated(ShallowOptions, fit.options)
    data = standardise(problem.X, problem.y)
    names = ("center", "scale", "target_mean", "target_scale")
    wrong = [name for name in names if not np.array_equal(getattr(data, name), fit.solution[name])]
    anchor = fit.solution["anchor"] if options.anchor == "random" else None
    objective = Objective(data.X, data.y, ridge=options.ridge, anchor=anchor)
    error = float(np.sqrt(np.mean((data.targets(net(data.X)) - problem.y) ** 2)))
    recorded = float(fit.solution["training_rmse"][0])
    if not abs(error - recorded) <= LOSS_TOLERANCE * max(error, float(data.target_scale[0])):
        wrong.append("training_rmse")
    return objective, net, wrong
