"""Golden values that `thalweg doctor` recomputes: G1, G2 and G6 to G9 of the specification."""

from __future__ import annotations

import numpy as np

from thalweg.adapted.laws import binary_margin, softmax_limit
from thalweg.adapted.log_losses import CrossEntropy
from thalweg.adapted.mlp import Mlp, MlpModel
from thalweg.adapted.solve import factor
from thalweg.adapted.stopping import law_of, stopping_time


def golden_values() -> dict[str, float]:
    """Return, for each golden value, the largest difference to what is computed here."""
    return {
        "G1 (Gram matrix and end of a linear network)": _linear(),
        "G2 (Jacobian, direction and curvature of a tanh network)": _small_network(),
        "G6 (stopping time)": _stopping(),
        "G7 (margin of two classes in the Euclidean flow)": _margin(),
        "G8 (curve of the cross-entropy)": _cross_entropy(),
        "G9 (end of the logits for soft labels)": _soft_labels(),
    }


def _difference(found: object, wanted: object) -> float:
    return float(np.abs(np.asarray(found, dtype=float) - np.asarray(wanted, dtype=float)).max())


def _linear() -> float:
    """Two samples, three weights: outputs `A theta`, from zero to the targets (1, -1) at once."""
    A, y = np.array([[1.0, 0, 1], [0, 2, 1]]), np.array([[1.0], [-1.0]])
    model = MlpModel(Mlp((3, 1)), ((np.zeros((1, 3)), np.zeros(1)),), A)
    lin = model.linearise(model.theta)
    gram = np.asarray(lin.gram()) - 1.0  # the bias, which the example has not, adds one everywhere
    theta = A.T @ np.linalg.solve(gram, y[:, 0])
    return max(_difference(gram, [[2, 1], [1, 5]]), _difference(theta, [2 / 3, -2 / 3, 1 / 3]))


def _small_network() -> float:
    W, b, V, c = (0.5, -1.0, 2.0), (0.1, 0.2, -0.3), (1.0, -0.5, 0.8), (0.1,)
    params = ((np.array(W)[:, None], np.array(b)), (np.array(V)[None], np.array(c)))
    model = MlpModel(Mlp((1, 3, 1)), params, np.array([[-1.0], [0.5], [2.0]]))
    y = np.array([[0.3], [-0.2], [1.0]])
    lin = model.linearise(model.theta)
    r = np.asarray(lin.outputs) - y
    delta = factor(lin, 0.0, "exact").solve(-r, 0.0).delta
    values = np.sqrt(np.linalg.eigvalsh(np.asarray(lin.gram())))
    bend = np.linalg.norm(model.bend(model.theta, delta)) / np.linalg.norm(r)
    later = np.asarray(model.outputs(model.theta + 0.1 * delta)) - y
    found = [*np.asarray(lin.outputs)[:, 0], values[0], values[-1], np.linalg.norm(delta), *delta[:3], bend,
             float((later**2).sum()) / 6]  # fmt: skip
    wanted = [-1.4808533827742556, 1.0655260722558584, 2.172924621208669, 0.6139612695595298, 2.6102663181050403,
              1.477770929870951, -0.6757610375549998, 0.350659175560001, -0.37477248106476846, 0.5668035308111512,
              0.8280326705974587]  # fmt: skip
    return _difference(found, wanted)


def _stopping() -> float:
    found = stopping_time(2.0, 1e-6, 50)
    return _difference([found.tau, found.s, found.t], [7.2543288692621095, 362.71644346310546, 0.9992928932188134])


def _margin() -> float:
    margin = binary_margin(0.0, 10.0, 1)
    return _difference([margin, np.log1p(np.exp(-margin))], [2.17732510061402881, 0.10736837767293264])


def _soft_labels() -> float:
    labels, start = np.array([[0.7, 0.2, 0.1]]), np.array([[0.3, -0.1, 0.4]])
    loss = CrossEntropy(labels)
    found = [*softmax_limit(labels, start)[0], loss.cost(softmax_limit(labels, start))]
    return _difference(found, [1.2662243725168936, 0.013461404021525764, -0.6796857765384194, 0.8018185525433372])


def _cross_entropy() -> float:
    p = np.array([0.2, 0.5, 0.9])
    logits = np.log(np.stack([p, 1 - p], axis=1))
    law = law_of(CrossEntropy(np.array([[1.0, 0], [1, 0], [1, 0]])), logits)
    found = [law.start, law.cost_at(1.0), law.cost_at(5.0), law.time_to(1e-3), law.time_to(1e-6)]
    wanted = [0.8026485362172907, 0.19643961284923458, 0.003151207022220041, 6.146303988346917, 13.053371194692872]
    return _difference(found, wanted)
