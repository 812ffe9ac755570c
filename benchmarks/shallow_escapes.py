"""Where starts end: the table of section 4 of the specification, and descents with an anchored ridge (its E1 and E5).

Eight problems a case, twelve starts each, noise 0.1; the target is a Gaussian process (length 1.5, random features) or
a wider tanh teacher on [-2, 2]^d, 200 rows. Of every start: at a certified strict minimum, saturated, merging, in a
tail, or unfinished. Starts that were given up are continued for 400 steps without any alarm: how many of them come
back to a minimum, and how far from the predicted limit their loss is then. With an anchored ridge of 1e-3, 1e-4 and
1e-6, ten problems of ten starts each, the share that reaches |g| < 1e-12, and the least eigenvalue in units of the
ridge.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys

import numpy as np
from _record import keep

from thalweg.shallow import Objective, find_minima
from thalweg.shallow.escape import saturated
from thalweg.shallow.scaling import scaled
from thalweg.shallow.trust_region import AT_FLOOR, trust_region

CASES = (
    ("tanh", 1, 1, "process"), ("tanh", 2, 1, "process"), ("tanh", 2, 2, "process"), ("tanh", 3, 2, "process"),
    ("tanh", 2, 2, "teacher"), ("tanh", 3, 3, "teacher"), ("tanh", 5, 4, "teacher"), ("logistic", 3, 3, "teacher"),
)  # fmt: skip
PROBLEMS, STARTS, ROWS, NOISE, LENGTH, FEATURES, CONTINUED = 8, 12, 200, 0.1, 1.5, 300, 400
ESCAPES = ("saturation", "merging", "tail", "growth")
RIDGES, ANCHORED_PROBLEMS, ANCHORED_STARTS, ANCHORED_STEPS = (1e-3, 1e-4, 1e-6), 10, 10, 3000


def data(kind: str, width: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features and a noisy target of variance one."""
    rng = np.random.default_rng([seed, width, d, len(kind)])
    X = rng.uniform(-2, 2, (ROWS, d))
    if kind == "teacher":
        B, v = rng.standard_normal((width + 3, d + 1)), rng.standard_normal(width + 3)
        f = np.tanh(np.column_stack([np.ones(ROWS), X]) @ B.T) @ v
    else:
        W, phase = rng.standard_normal((FEATURES, d)) / LENGTH, rng.uniform(0, 2 * np.pi, FEATURES)
        f = np.cos(X @ W.T + phase) @ rng.standard_normal(FEATURES)
    return X, (f - f.mean()) / f.std() + NOISE * rng.standard_normal(ROWS)


def ends(activation: str, width: int, d: int, kind: str, problems: int) -> dict:
    """Return the shares of one case."""
    made = [find_minima(*data(kind, width, d, s), width, activation=activation, starts=STARTS) for s in range(problems)]
    conditions = [p.largest_eigenvalue / p.smallest_eigenvalue for c in made for p in (c.points[i] for i in c.minima)]
    margins = np.concatenate([c.focal_margin[list(c.minima)] for c in made])
    shares = {name: float(np.mean([c.share(name) for c in made])) for name in ESCAPES}
    goes_on = [continued(data(kind, width, d, s), width, activation, c) for s, c in enumerate(made)]
    above = np.concatenate([differences for _, _, differences in goes_on])
    certified = float(np.mean([c.certified_share for c in made]))
    return {
        "certified": certified,
        **shares,
        "other unfinished": 1 - certified - sum(shares.values()),
        "distinct minima a problem": float(np.mean([len(c.minima) for c in made])),
        "median condition number": float(np.median(conditions)) if conditions else None,
        "focal margins": [float(margins.min()), float(margins.max())] if margins.size else None,
        "bounded points that are not certified": sum(p.kind == "degenerate" for c in made for p in c.points),
        "starts given up": sum(count for count, _, _ in goes_on),
        "of these back at a minimum after 400 further steps": sum(back for _, back, _ in goes_on),
        "their loss above the limit, relative: median, largest": [float(np.median(above)), float(above.max())]
        if above.size
        else None,
        "share below it (another limit)": float((above < -1e-9).mean()) if above.size else None,
    }


def continued(problem, width: int, activation: str, catalogue) -> tuple[int, int, np.ndarray]:
    """Continue the starts that were given up; return their number, those back at a minimum, relative differences."""
    which = np.flatnonzero(catalogue.limit_of_start >= 0)
    if which.size == 0:
        return 0, 0, np.zeros(0)
    ready = scaled(Objective(*problem), width, activation)
    on = trust_region(ready.cost, catalogue.ends[which] / ready.factor, limit=CONTINUED, noise=ready.noise)
    values = np.linalg.eigvalsh(ready.cost.derivatives(on.theta)[1])
    flat = saturated(ready.cost, on.theta).any(axis=1)
    back = (on.ended == AT_FLOOR) & (values[:, 0] > 1e-12 * values[:, -1]) & ~flat
    limits = np.array([catalogue.limits[k].loss for k in catalogue.limit_of_start[which]])
    return which.size, int(back.sum()), on.loss * ready.unit**2 / limits - 1


def anchored(ridge: float, problems: int) -> dict:
    """Return what an anchored ridge does."""
    made = [
        find_minima(*data("teacher", 3, 2, s), 3, starts=ANCHORED_STARTS, ridge=ridge, anchor="random", seed=s,
                    steps=ANCHORED_STEPS)
        for s in range(problems)
    ]  # fmt: skip
    least = [p.smallest_eigenvalue / ridge for c in made for p in c.points]
    return {
        "starts": sum(c.starts for c in made),
        "share with |g| < 1e-12": float(np.mean(np.concatenate([c.gradient_norms for c in made]) < 1e-12)),
        "share certified": float(np.mean([c.certified_share for c in made])),
        "least eigenvalue over ridge": [float(min(least)), float(max(least))],
    }


def main() -> None:
    """Run all cases; `--quick` takes two problems of each."""
    quick = "--quick" in sys.argv
    results: dict = {
        f"{activation} m{width} d{d} {kind}": ends(activation, width, d, kind, 2 if quick else PROBLEMS)
        for activation, width, d, kind in CASES
    }
    for ridge in RIDGES:
        results[f"anchored ridge {ridge:g}"] = anchored(ridge, 2 if quick else ANCHORED_PROBLEMS)
    keep("shallow_escapes", results)


if __name__ == "__main__":
    main()
