"""An oracle: the gradient flow itself at tiny initialisation, integrated in the dual variable.

`ds/dt = X'(y - X b)/n` with `b_i = (exp(2 l (s_i - a_i)) - exp(2 l (-s_i - a_i)))/2` and `l = ln(1/alpha)`:
this is the network's flow for every alpha, with no reference to saddles.
"""

import numpy as np
from scipy.integrate import solve_ivp

LOG_INVERSE_ALPHA = 300 * np.log(10)


def flow_at(X, y, times, *, log_inverse_alpha=LOG_INVERSE_ALPHA, exponents=None):
    """Return the coefficients of the flow at the given times, one row a time."""
    n, d = X.shape
    a = np.ones(d) if exponents is None else exponents
    l = log_inverse_alpha

    def coefficients(s):
        s = s.reshape(d, -1)
        a_ = a[:, None]
        return 0.5 * (np.exp(np.minimum(2 * l * (s - a_), 50)) - np.exp(np.minimum(2 * l * (-s - a_), 50)))

    def rate(t, s):
        return X.T @ (y - X @ coefficients(s)[:, 0]) / n

    def jacobian(t, s):
        up = np.exp(np.minimum(2 * l * (s - a), 50))
        down = np.exp(np.minimum(2 * l * (-s - a), 50))
        return -(X.T @ X / n) * (l * (up + down))

    done = solve_ivp(
        rate, (0, max(times)), np.zeros(d), method="Radau", jac=jacobian, t_eval=times, rtol=1e-8, atol=1e-9 / l
    )
    return coefficients(done.y).T


def mid_plateaus(path, last=True):
    """Return a time in the middle of each plateau, and after the last jump if asked."""
    middles = list((path.times[:-1] + path.times[1:]) / 2)
    return np.array([*middles, 3 * path.times[-1]] if last else middles)
