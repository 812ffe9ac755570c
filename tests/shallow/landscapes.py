"""Small problems whose landscapes the tests look at."""

import numpy as np


def teacher(width, d, n, seed, noise=0.1):
    """Data of a wider tanh teacher with noise, target of variance about one (specification, section 4)."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, d))
    B, v = rng.standard_normal((width + 3, d + 1)), rng.standard_normal(width + 3)
    f = np.tanh(np.column_stack([np.ones(n), X]) @ B.T) @ v
    return X, (f - f.mean()) / f.std() + noise * rng.standard_normal(n)


NINE = np.linspace(-2, 2, 9)[:, None]
NINE_Y = np.array([-0.9, -0.8, -0.5, -0.1, 0.2, 0.3, 0.8, 0.7, 1.0])
NINE_MINIMISER = np.array([-0.107979191224, 1.242848083030, 0.211100603009, 0.512302043921])
"""Golden value G3."""

STEP = np.array([-2.0, -1, 0, 1, 2])[:, None]
STEP_Y = np.array([0.0, 0, 0, 1, 1])
"""Golden value G5: only a step fits these."""
