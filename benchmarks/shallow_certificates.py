"""What a certificate of a shallow network costs, and how far its bound of the third derivative is from the truth.

Minima are those next to a teacher network. `M` bounds the third derivative of the loss in whitened coordinates on the
ellipsoid; the truth at its centre is found by power iteration for symmetric trilinear forms, from many starts, so the
ratio is at most what is said. The matrix products are the least that a whitened certificate needs: the Gram matrix,
the whitened Jacobian, and the whitened Hessian and Gauss-Newton matrix.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from _record import keep, seconds_of, summary

from thalweg.numerics.platform import unsound_arithmetic
from thalweg.shallow import Objective, ShallowNet
from thalweg.shallow.averaging import third_derivative_along
from thalweg.shallow.certificate import certify_objective
from thalweg.shallow.settling import settle

SHAPES = ((500, 1, 2), (500, 3, 3), (1000, 5, 5), (2000, 3, 14), (2000, 10, 20), (4000, 10, 40), (10000, 18, 50))
"""Rows, features, neurons: 7, 16, 36, 71, 241, 481 and 1001 parameters."""

BALLS_UP_TO, TRUTH_UP_TO = 241, 71
STARTS, STEPS = 20, 100


def minimum(n: int, d: int, m: int) -> tuple[ShallowNet, Objective]:
    """Return a network at rest next to its teacher."""
    rng = np.random.default_rng([n, d, m])
    X = rng.standard_normal((n, d))
    w = 1.5 * rng.standard_normal((m, d)) / np.sqrt(d)
    teacher = ShallowNet("tanh", 0.0, rng.choice([-1, 1], m) * (0.5 + rng.random(m)), rng.standard_normal(m), w)
    objective = Objective(X, teacher(X) + 0.1 * rng.standard_normal(n))
    return settle(teacher, objective).net, objective


def third_derivative(net: ShallowNet, objective: Objective, Li: np.ndarray) -> float:
    """Return the largest value of the whitened third derivative that power iteration finds."""
    rng = np.random.default_rng(0)
    largest = 0.0
    for _ in range(STARTS):
        z = rng.standard_normal(len(Li))
        for _ in range(STEPS):
            z /= np.linalg.norm(z)
            u = Li.T @ z
            pull = Li @ third_derivative_along(net, objective, np.outer(u, u))
            largest = max(largest, abs(float(z @ pull)))
            z = pull
    return largest


def products(net: ShallowNet, objective: Objective, Li: np.ndarray) -> None:
    """Do the matrix products that a certificate needs, and nothing else."""
    jacobian = objective.jacobian(net)
    return lambda: (jacobian.T @ jacobian, jacobian @ Li.T, Li @ Li @ Li.T, Li @ Li @ Li.T)


def measure(n: int, d: int, m: int) -> dict[str, object]:
    """Certify one minimum in every way."""
    net, objective = minimum(n, d, m)
    certificate = certify_objective(net, objective)
    P = net.parameter_count
    margins = {name: quantity.value for name, quantity in certificate.margins.items()}
    found: dict[str, object] = {
        "parameters": P,
        "verdict": certificate.verdict.value,
        "margins": margins,
        "fast": summary(seconds_of(lambda: certify_objective(net, objective), 3 if P > 500 else 15)),
    }
    if certificate.whitening is not None:
        needed = summary(seconds_of(products(net, objective, certificate.whitening), 3))
        found |= {"matrix products": needed, "over the products": found["fast"]["median"] / needed["median"]}
        if P <= TRUTH_UP_TO:
            truth = third_derivative(net, objective, certificate.whitening)
            found |= {"third derivative": truth, "M over it": margins["lipschitz"] / truth}
    if P <= BALLS_UP_TO:
        sharp = certify_objective(net, objective, "balls")
        found["balls"] = {
            **summary(seconds_of(lambda: certify_objective(net, objective, "balls"), 3)),
            "verdict": sharp.verdict.value,
            "gradient sharper by": margins["pull"] / sharp.margins["pull"].value,
        }
    return found


def main() -> None:
    """Measure all shapes; the self-test of the machine is done once a process, before."""
    unsound_arithmetic()
    keep("shallow_certificates", {f"{n} rows, {d} features, {m} neurons": measure(n, d, m) for n, d, m in SHAPES})


if __name__ == "__main__":
    main()
