"""Networks that invite a false certificate, by kind and seed; and what is true of each.

`trap(kind, seed)` returns a network, an objective and whether a strict minimum can exist at all: where the loss is
constant along a curve through every critical point (dependent features, too few rows at interpolation, exact
redundancy) no certificate may hold, whatever Newton's method in 512 bits says.
"""

import numpy as np

from thalweg.shallow.derivatives import Objective
from thalweg.shallow.net import ShallowNet

KINDS = (
    "saturated", "saturated_noisy", "merging", "split", "nearly_split", "dead_output", "dead_input",
    "dependent", "constant_column", "tiny_column", "huge_weights", "duplicate_rows", "float32", "far", "saddle",
    "weighted", "ridge", "two_outputs", "minimum",
)  # fmt: skip


def random_problem(rng, n, d, m, outputs=1, noise=0.1):
    """Return data of a teacher with noise, and the teacher."""
    activation = rng.choice(["tanh", "logistic"])
    shape = (m,) if outputs == 1 else (m, outputs)
    v0 = float(rng.normal()) if outputs == 1 else rng.normal(size=outputs)
    net = ShallowNet(str(activation), v0, 1 + rng.random(shape), rng.normal(size=m), 1.2 * rng.normal(size=(m, d)))
    X = rng.uniform(-2, 2, (n, d))
    clean = net(X)
    return X, clean + noise * rng.normal(size=clean.shape), net


def settled(net, problem, steps=60):
    """Descend by Newton steps whose curvatures are taken in absolute value, damped until the loss falls."""
    loss = problem.cost(net)
    for _ in range(steps):
        with np.errstate(all="ignore"):
            _, g, H = problem.second_order(net)
            if not np.isfinite(H).all():
                return net
            values, vectors = np.linalg.eigh(H)
            step = vectors @ ((vectors.T @ g) / np.maximum(np.abs(values), 1e-14 * np.abs(values).max()))
            share = 1.0
            while share > 1e-6:
                theta = net.theta - share * step
                if np.isfinite(theta).all() and problem.cost(there := net.with_theta(theta)) <= loss:
                    break
                share /= 4
            else:
                return net
            moved = np.linalg.norm(there.theta - net.theta)
            net, loss = there, problem.cost(there)
        if moved < 1e-13:
            break
    return net


def minimum(rng, n=24, d=None, m=None, outputs=1, noise=0.1, **options):
    """Return a network that came to rest, with its objective."""
    d, m = d or int(rng.integers(1, 3)), m or int(rng.integers(1, 3))
    X, y, net = random_problem(rng, n, d, m, outputs, noise)
    problem = Objective(X, y, **{name: make(rng, n, net.parameter_count) for name, make in options.items()})
    return settled(net, problem), problem


def trap(kind, seed):
    """Return `(net, objective, possible)`."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    return globals()[f"_{kind}"](rng)


def _saturated(rng, noise=0.0):
    """A step between samples: the loss is zero in floating point, the infimum lies at infinity."""
    n = int(rng.integers(5, 12))
    x = np.sort(rng.uniform(-2, 2, n))
    k = int(rng.integers(1, n - 1))
    y = (np.arange(n) >= k).astype(float)
    if noise:
        y = y + noise * rng.normal(size=n)
    slope = 10 ** rng.uniform(0.5, 3) / max(x[k] - x[k - 1], 1e-3)
    low, high = y[:k].mean(), y[k:].mean()
    net = ShallowNet("tanh", (low + high) / 2, [(high - low) / 2], [-slope * (x[k] + x[k - 1]) / 2], [[slope]])
    return net, Objective(x[:, None], y), True


def _saturated_noisy(rng):
    return _saturated(rng, 10 ** rng.uniform(-12, -1))


def _merging(rng):
    """Two neurons that approach each other while their output weights grow."""
    net, problem = minimum(rng, d=1, m=1)
    eps, p = 10 ** rng.uniform(-9, -1), rng.normal(size=2)
    B, v = net.B[0], net.v[0]
    pair = np.array([B + eps * p, B - eps * p])
    weights = np.array([v / 2 + 0.1 / eps, v / 2 - 0.1 / eps])
    return ShallowNet(net.activation, net.v0, weights, pair[:, 0], pair[:, 1:]), problem, True


def _copy(net, share, shift=0.0, rng=None):
    moved = net.B[:1] + (shift * rng.normal(size=(1, net.features + 1)) if shift else 0)
    B = np.vstack([net.B, moved])
    v = np.append(net.v, (1 - share) * net.v[0])
    v[0] *= share
    return ShallowNet(net.activation, net.v0, v, B[:, 0], B[:, 1:])


def _split(rng):
    """A neuron in two equal parts: critical, but the outputs can be moved between them for ever."""
    net, problem = minimum(rng, n=40)
    return _copy(net, float(rng.choice([-0.5, 0.3, 0.5, 1.0, 1.5]))), problem, True


def _nearly_split(rng):
    net, problem = minimum(rng, n=40)
    return _copy(net, rng.uniform(0.1, 0.9), 10 ** rng.uniform(-16, -2), rng), problem, True


def _dead_output(rng):
    net, problem = minimum(rng, n=40)
    B, v = np.vstack([net.B, rng.normal(size=(1, net.features + 1))]), np.append(net.v, 0.0)
    if rng.random() < 0.5:
        v[-1] = 10 ** rng.uniform(-300, -3)
    return ShallowNet(net.activation, net.v0, v, B[:, 0], B[:, 1:]), problem, True


def _dead_input(rng):
    net, problem = minimum(rng, n=40)
    new = np.zeros((1, net.features + 1))
    new[0, 0] = rng.normal()
    if rng.random() < 0.5:
        new[0, 1:] = 10 ** rng.uniform(-300, -3)
    B, v = np.vstack([net.B, new]), np.append(net.v, 1e-3)
    return ShallowNet(net.activation, net.v0, v, B[:, 0], B[:, 1:]), problem, True


def _widened(net, problem, column, rng):
    """Add a feature, with a weight of the size at which it would matter."""
    scale = float(np.abs(column).max()) or 1.0
    extra = rng.normal(size=(net.width, 1)) * (0.1 / scale if scale > 1e-300 else 1.0)
    wide = ShallowNet(net.activation, net.v0, net.v, net.b, np.hstack([net.w, extra]))
    data = Objective(np.column_stack([problem.X, column]), problem.y)
    return settled(wide, data) if rng.random() < 0.5 else wide, data


def _dependent(rng):
    """A feature that is another one times a power of two, down to 2^-537: no minimum is strict."""
    net, problem = minimum(rng, n=30)
    column = problem.X[:, 0] * 2.0 ** -int(rng.integers(0, 538)) * float(rng.choice([-1, 1]))
    return *_widened(net, problem, column, rng), False


def _constant_column(rng):
    net, problem = minimum(rng, n=30)
    column = np.full(problem.n, 2.0 ** -int(rng.integers(0, 538)))
    return *_widened(net, problem, column, rng), False


def _tiny_column(rng):
    """An independent feature of extreme size: a strict minimum may exist."""
    net, problem = minimum(rng, n=30)
    column = rng.normal(size=problem.n) * 2.0 ** -int(rng.integers(0, 538))
    return *_widened(net, problem, column, rng), True


def _huge_weights(rng):
    net, problem = minimum(rng, n=30)
    size = 2.0 ** int(rng.integers(1, 140))
    if rng.random() < 0.5:  # the same problem in other units
        scaled = Objective(problem.X, problem.y * size)
        return ShallowNet(net.activation, net.v0 * size, net.v * size, net.b, net.w), scaled, True
    B = net.B * min(size, 2.0 ** rng.uniform(1, 8))
    return ShallowNet(net.activation, net.v0, net.v, B[:, 0], B[:, 1:]), problem, True


def _duplicate_rows(rng):
    """Fewer distinct rows than parameters, fitted exactly: every minimum lies on a curve."""
    X, _, net = random_problem(rng, 30, 2, 2)
    distinct = int(rng.integers(2, net.parameter_count))
    rows = rng.integers(0, distinct, 30)
    y = net(X[:distinct])
    return net, Objective(X[rows], y[rows]), False


def _float32(rng):
    net, problem = minimum(rng)
    return net.with_theta(net.theta.astype(np.float32).astype(float)), problem, True


def _far(rng):
    """Off the minimum by more and more."""
    net, problem = minimum(rng)
    step = rng.normal(size=net.parameter_count) * 10 ** rng.uniform(-12, 0)
    return net.with_theta(net.theta + step), problem, True


def _saddle(rng):
    """A split with a negative curvature, moved a little off the degenerate curve."""
    net, problem = minimum(rng, n=40)
    off = _copy(net, float(rng.choice([-0.5, 0.5, 1.5])), 10 ** rng.uniform(-4, -1), rng)
    return off, problem, True


def _weighted(rng):
    net, problem = minimum(rng, weights=lambda rng, n, P: rng.random(n) * (rng.random(n) < 0.9) + 1e-3)
    return net, problem, True


def _ridge(rng):
    """Saturated and redundant networks become strict minima by a ridge; the certificate must say so rightly."""
    net, problem = minimum(
        rng,
        ridge=lambda rng, n, P: 10 ** rng.uniform(-12, -1, P) * (rng.random(P) < 0.8),
        anchor=lambda rng, n, P: rng.normal(size=P),
    )
    return net, problem, True


def _two_outputs(rng):
    return *minimum(rng, n=24, outputs=2), True


def _minimum(rng):
    return *minimum(rng), True
