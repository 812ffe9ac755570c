"""What is true near a network, in 512-bit ball arithmetic written down a second time, row by row from the definition.

Nothing of the certificate's own code is used: the loss is differentiated here by explicit loops over rows, outputs and
parameters, Newton's method runs in 512 bits, and its result is compared with every number a certificate states.
"""

import numpy as np
from flint import arb, arb_mat, ctx

BITS = 512
STEPS = 40

PSI = {
    "tanh": lambda t: (t, 1 - t * t, -2 * t * (1 - t * t)),
    "logistic": lambda s: (s, s * (1 - s), s * (1 - s) * (1 - 2 * s)),
}


def neuron(name, z):
    """Return psi, psi' and psi'' in balls."""
    return PSI[name](z.tanh() if name == "tanh" else 1 / (1 + (-z).exp()))


def derivatives(net, problem, theta):
    """Return gradient and Hessian of J at `theta` (a list of balls), each as nested lists."""
    K, m, D = net.outputs, net.width, net.features + 1
    P, first = len(theta), K + K * m
    g, H = [arb(0)] * P, [[arb(0)] * P for _ in range(P)]
    X, Y, w = problem.augmented.tolist(), problem.y.reshape(problem.n, -1).tolist(), problem.weights.tolist()
    for x, y, weight in zip(X, Y, w, strict=True):
        if weight == 0:
            continue
        parts = []
        for j in range(m):
            B = theta[first + j * D : first + (j + 1) * D]
            parts.append(neuron(net.activation, sum((b * t for b, t in zip(B, x, strict=True)), arb(0))))
        for k in range(K):
            V = [theta[K + j * K + k] for j in range(m)]
            r = theta[k] + sum((v * p[0] for v, p in zip(V, parts, strict=True)), arb(0)) - y[k]
            row = {k: arb(1)}
            second = {}
            for j, (a, s, c) in enumerate(parts):
                row[K + j * K + k] = a
                for i in range(D):
                    row[first + j * D + i] = V[j] * s * x[i]
                    second[K + j * K + k, first + j * D + i] = s * x[i]
                    for l in range(i, D):
                        second[first + j * D + i, first + j * D + l] = V[j] * c * x[i] * x[l]
            double = 2 * arb(weight)
            for p, left in row.items():
                g[p] += double * r * left
                scaled = double * left
                for q, right in row.items():
                    H[p][q] += scaled * right
            for (p, q), bend in second.items():
                H[p][q] += double * r * bend
                if p != q:
                    H[q][p] += double * r * bend
    centre = np.zeros(P) if problem.anchor is None else problem.anchor
    for p, (lam, at) in enumerate(zip(np.broadcast_to(problem.ridge, (P,)).tolist(), centre.tolist(), strict=True)):
        g[p] += 2 * arb(lam) * (theta[p] - at)
        H[p][p] += 2 * arb(lam)
    return g, H


def is_positive_definite(H, shift=0.0):
    """Prove that `H - shift` is positive definite, by elimination in balls."""
    A = [[entry - (arb(shift) if i == j else 0) for j, entry in enumerate(row)] for i, row in enumerate(H)]
    for k in range(len(A)):
        if not A[k][k] > 0:
            return False
        for i in range(k + 1, len(A)):
            factor = A[i][k] / A[k][k]
            for j in range(k, len(A)):
                A[i][j] -= factor * A[k][j]
    return True


def middle(balls):
    return [arb(ball.mid()) for ball in balls]


def critical_point(net, problem):
    """Run Newton's method in 512 bits from the network; None if it does not converge."""
    theta = [arb(t) for t in net.theta.tolist()]
    before = None
    for _ in range(STEPS):
        g, H = derivatives(net, problem, theta)
        try:
            step = arb_mat(H).solve(arb_mat([[entry] for entry in g])).entries()
        except ZeroDivisionError:
            return None
        theta = middle([t - s for t, s in zip(theta, step, strict=True)])
        size = float(sum((abs(s) for s in step), arb(0)).mid())
        if size < 1e-120:
            return theta
        if before is not None and not size < 1e6 * before:
            return None
        before = size
    return None


def contradictions(net, problem, certificate):
    """Return the names of all statements of a certificate of a minimum that are false; empty if none is."""
    with ctx.workprec(BITS):
        theta = critical_point(net, problem)
        if theta is None:
            return ["existence"]
        _, H = derivatives(net, problem, theta)
        margin = {name: quantity.value for name, quantity in certificate.margins.items()}
        moved = [t - arb(s) for t, s in zip(theta, net.theta.tolist(), strict=True)]
        Li = arb_mat(*certificate.whitening.shape, certificate.whitening.ravel().tolist())
        z = Li.transpose().solve(arb_mat([[t] for t in moved])).entries()
        length = sum((t * t for t in z), arb(0)).sqrt()
        false = []
        if not is_positive_definite(H):
            false.append("minimum")
        if not length <= margin["rho"]:
            false.append("ellipsoid")
        if not length <= margin["enclosure"]:
            false.append("enclosure")
        if not sum((t * t for t in moved), arb(0)).sqrt() <= margin["distance"]:
            false.append("distance")
        if not is_positive_definite(H, margin["modulus"]):
            false.append("modulus")
        top = [[-entry for entry in row] for row in H]
        if not is_positive_definite(top, -margin["smoothness"]):
            false.append("smoothness")
        return false
