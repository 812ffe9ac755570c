"""An oracle: the limiting process in exact rational arithmetic, with an exhaustive search for every saddle.

For small whole-number data, where ties and degenerate walls abound. The saddle after a jump is found by trying every
subset of the wall coordinates: the one whose least squares has the signs of the walls and pulls no other wall outward.
"""

from fractions import Fraction
from itertools import combinations


def rational_path(X, y, positive=False):
    """Return the jump times and the fits `X b` after each jump, as Fractions.

    `X` is a list of rows of whole numbers, `y` a list of whole numbers.
    """
    n, d = len(X), len(X[0])
    columns = [[Fraction(row[j]) for row in X] for j in range(d)]
    target = [Fraction(v) for v in y]
    dual, time, fit = [Fraction(0)] * d, Fraction(0), [Fraction(0)] * n
    times, fits = [], []
    while True:
        residual = [t - f for t, f in zip(target, fit, strict=True)]
        pull = [_dot(column, residual) / n for column in columns]
        moving = [i for i in range(d) if pull[i] != 0 and not _outward(dual[i], pull[i], positive)]
        if positive:
            moving = [i for i in moving if pull[i] > 0]
        if not moving:
            return times, fits
        delta = min((1 - (dual[i] if pull[i] > 0 else -dual[i])) / abs(pull[i]) for i in moving)
        time += delta
        dual = [s + delta * g for s, g in zip(dual, pull, strict=True)]
        fit = _saddle_fit(columns, target, dual, positive)
        times.append(time)
        fits.append(fit)


def _outward(s, g, positive):
    return (s == 1 and g > 0) or (s == -1 and g < 0 and not positive)


def _saddle_fit(columns, target, dual, positive):
    walls = [i for i, s in enumerate(dual) if s == 1 or (s == -1 and not positive)]
    for size in range(len(walls) + 1):
        for chosen in combinations(walls, size):
            b = _least_squares([columns[i] for i in chosen], target)
            if b is None or any(dual[i] * value <= 0 for i, value in zip(chosen, b, strict=True)):
                continue
            fit = [
                sum((v * columns[i][k] for i, v in zip(chosen, b, strict=True)), Fraction(0))
                for k in range(len(target))
            ]
            residual = [t - f for t, f in zip(target, fit, strict=True)]
            if all(dual[i] * _dot(columns[i], residual) <= 0 for i in walls if i not in chosen):
                return fit
    raise AssertionError("a strictly feasible minimiser on independent columns always exists")


def _least_squares(columns, target):
    """Solve the normal equations by elimination; None if the columns are dependent."""
    rows = [[_dot(a, b) for b in columns] + [_dot(a, target)] for a in columns]
    for k in range(len(rows)):
        pivot = next((r for r in range(k, len(rows)) if rows[r][k] != 0), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [value / rows[k][k] for value in rows[k]]
        for r in range(len(rows)):
            if r != k and rows[r][k] != 0:
                rows[r] = [a - rows[r][k] * b for a, b in zip(rows[r], rows[k], strict=True)]
    return [row[-1] for row in rows]


def _dot(a, b):
    return sum((p * q for p, q in zip(a, b, strict=True)), Fraction(0))
