"""Descent along the gradient flow: the minimum in whose basin a start lies, not merely one that a long step found.

`theta' = -grad J(theta)` is integrated in the units of the data by a stiff method (BDF with the exact Hessian, relative
tolerance 1e-8). From time to time the trust region runs ahead; if the minimum it finds is certified and the flow has
entered a ball around it on which J is proved strictly convex, the flow can never leave: there the distance to the
minimum decreases. So the label is that of the flow, up to the accuracy of the integration.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.integrate import BDF

from thalweg.records import Verdict
from thalweg.shallow.certificate import certify_objective
from thalweg.shallow.ends import REST, UNFINISHED, Descents, confirm, mark_saturated
from thalweg.shallow.escape import saturated
from thalweg.shallow.scaling import Scaled
from thalweg.shallow.trust_region import AT_FLOOR, FIRST_RADIUS, trust_region

RELATIVE, ABSOLUTE = 1e-8, 1e-10
"""Tolerances of the integration."""

STEPS = 4000
"""Steps of a flow at most."""

BETWEEN = 25
"""Steps between two looks ahead."""

AHEAD = 50
"""Trust-region steps of a look ahead at most."""


def flow_descents(problem: Scaled, theta: Float[np.ndarray, "S P"]) -> Descents:
    """Let every start follow the gradient flow.

    Parameters
    ----------
    problem
        Scaled.
    theta
        Starts, in scaled units.

    Returns
    -------
    Descents
        In the order of the starts; `steps` are those of the integration.
    """
    S = len(theta)
    found = Descents(theta.copy(), problem.cost.loss(theta), np.zeros(S), np.zeros(S, dtype=np.int64),
                     np.full(S, UNFINISHED), np.full(S, -1))  # fmt: skip
    for k in range(S):
        _follow(problem, found, k)
    unfinished = np.flatnonzero(found.state == UNFINISHED)
    if problem.is_free:
        confirm(problem, found, unfinished)
    return found


def _follow(problem: Scaled, found: Descents, k: int) -> None:
    """Follow one start until its basin is known, a neuron saturates, or the steps are spent."""
    data, template = problem.objective, problem.template

    def velocity(_: float, at: np.ndarray) -> np.ndarray:
        return -data.gradient(template.with_theta(at))

    def change(_: float, at: np.ndarray) -> np.ndarray:
        return -data.hessian(template.with_theta(at))

    flow = BDF(velocity, 0.0, found.theta[k] * problem.factor, np.inf, rtol=RELATIVE, atol=ABSOLUTE, jac=change)
    for step in range(1, STEPS + 1):
        flow.step()
        found.steps[k] = step
        if flow.status != "running":
            break
        if step % BETWEEN:
            continue
        found.theta[k] = flow.y / problem.factor
        if not problem.is_coercive and saturated(problem.cost, found.theta[k : k + 1]).any():
            mark_saturated(problem, found, k)
            break
        if _has_arrived(problem, found, k):
            return
    at = found.theta[k : k + 1]
    found.loss[k] = problem.cost.loss(at)[0]
    found.gradient[k] = np.linalg.norm(problem.cost.derivatives(at)[0])


def _has_arrived(problem: Scaled, found: Descents, k: int) -> bool:
    """Tell whether the flow is inside a certified ball of a minimum; if so, go to the minimum."""
    here = found.theta[k : k + 1]
    ahead = trust_region(problem.cost, here, limit=AHEAD, noise=problem.noise, radius=np.full(1, FIRST_RADIUS))
    if ahead.ended[0] != AT_FLOOR:
        return False
    net = problem.net(ahead.theta[0])
    certificate = certify_objective(net, problem.objective)
    if certificate.verdict is not Verdict.HOLDS:
        return False
    # The ball around the minimum itself is smaller by the distance of the minimum from where it was certified.
    room = certificate.margins["radius"].value - 2 * certificate.margins["distance"].value
    if not np.linalg.norm(here[0] * problem.factor - net.theta) < room:
        return False
    found.theta[k], found.loss[k], found.gradient[k] = ahead.theta[0], ahead.loss[0], ahead.gradient[0]
    found.state[k] = REST
    return True
