"""False records made from a true path, with the losses of their own saddles, so that these betray nothing."""

import dataclasses

import numpy as np


def recorded(path, X, y, times, saddles, **changes):
    """Return the path with these times and dense saddles in place of its own."""
    saddles = [np.asarray(b, dtype=np.float64) for b in saddles]
    supports = tuple(np.flatnonzero(b) for b in saddles)
    values = tuple(b[support] for b, support in zip(saddles, supports, strict=True))
    losses = np.array([np.sum((y - X @ b) ** 2) / (2 * y.size) for b in saddles])
    signs = tuple(np.sign(b) for b in values)
    integrals = np.zeros((len(saddles), path.integrals.shape[1]))  # no certificate reads them
    return dataclasses.replace(
        path,
        times=np.asarray(times, float),
        supports=supports,
        values=values,
        signs=signs,
        losses=losses,
        integrals=integrals,
        **changes,
    )


def false_records(path, X, y):
    """Yield the kind of falsehood and the record: every jump of a path that is not empty is touched in every way."""
    t, m = path.times, path.count
    saddles = [path.coef(k) for k in range(m + 1)]
    for k in range(1, m + 1):
        for factor in (1 - 1e-6, 1 + 1e-6):
            later = np.where(np.arange(m) == k - 1, t * factor, t)
            if (np.diff(later, prepend=0.0) > 0).all():
                yield "time", recorded(path, X, y, later, saddles)
        yield "left out", recorded(path, X, y, np.delete(t, k - 1), saddles[:k] + saddles[k + 1 :])
        middle = (t[k - 1] + (t[k - 2] if k > 1 else 0.0)) / 2
        for extra in (saddles[k - 1], saddles[k]):
            yield "added", recorded(path, X, y, np.insert(t, k - 1, middle), [*saddles[:k], extra, *saddles[k:]])
        if k < m:
            swapped = saddles[:k] + [saddles[k + 1], saddles[k]] + saddles[k + 2 :]
            yield "swapped", recorded(path, X, y, t, swapped)
        for i in path.supports[k][:2]:
            for kind, factor in (("coefficient", 1 + 1e-6), ("sign", -1.0)):
                changed = saddles[k].copy()
                changed[i] *= factor
                yield kind, recorded(path, X, y, t, [*saddles[:k], changed, *saddles[k + 1 :]])
            rest = np.flatnonzero(saddles[k] == 0)[:1]
            if rest.size:
                chosen = np.append(np.setdiff1d(path.supports[k], [i]), rest)
                exchanged = np.zeros(X.shape[1])
                exchanged[chosen] = np.linalg.lstsq(X[:, chosen], y, rcond=None)[0]
                if not np.allclose(X @ exchanged, X @ saddles[k]):  # a dependent column may take another's place
                    yield "column", recorded(path, X, y, t, [*saddles[:k], exchanged, *saddles[k + 1 :]])
    for factor in (0.5, 1 + 1e-6, 2.0):
        yield "clock", recorded(path, X, y, t * factor, saddles)
    yield "cut", recorded(path, X, y, t[:-1], saddles[:-1])
