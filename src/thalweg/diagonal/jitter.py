"""How the order of activation changes when the target, the initialisation or the training is disturbed.

Four kinds of disturbance, each drawn many times and compared with the undisturbed path by Kendall's tau:

- `noise`: the target `y + e`, `e` normal. The path is that of the disturbed target.
- `exponents`: the initialisation `alpha^(a_i exp(sd z_i))`, `z` normal: what the limit is sensitive to.
- `initialisation`: `c_i alpha^a_i` with `ln c_i = spread z_i`. In the limit prefactors do not matter; at finite
  `l = ln(1/alpha)` they move the walls to `a_i - ln(c_i)/l`.
- `descent`: stochastic gradient descent itself, at finite `alpha`, step and batch (`minibatch.py`). A feature
  switches on when its column first carries `SWITCHED_ON` of the target; the undisturbed path is read in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from thalweg.diagonal.activations import Activations
from thalweg.diagonal.minibatch import (
    Descent,
    covered,
    largest_stable_step,
    read_path,
    switching_sizes,
    switching_times,
)
from thalweg.diagonal.moments import correlations
from thalweg.diagonal.path import SaddlePath
from thalweg.diagonal.prepare import prepare
from thalweg.diagonal.replicates import Replicates, Task, follow
from thalweg.diagonal.resampling import in_parts, make_task, path_of_all_rows
from thalweg.numerics.options import real_number, require, whole_number
from thalweg.numerics.ranking import arrival_tau
from thalweg.numerics.resampling import stream

if TYPE_CHECKING:
    import pandas

KINDS = ("noise", "exponents", "initialisation", "descent")

RELATIVE_NOISE = 0.1
"""Noise unless asked for otherwise, over the standard deviation of the target: 1 % of its variance."""

USUAL_BATCH, LEAST_BATCHES = 32, 4
"""Rows of a minibatch unless given; of few rows so many that an epoch has at least four batches."""

STABLE_SHARE = 0.5
"""The step unless given, over the largest stable one: as large as one would train with."""

LISTED = 5
"""First features whose agreement a table lists: the ones a reader will act on."""


@dataclass(frozen=True, eq=False)
class Disturbance:
    """The order of activation under one kind of disturbance.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    amounts : dict
        What was chosen: `noise_sd` in the units of the target; `exponent_sd`; `init_spread`, `log10_alpha`;
        `step_size`, `batch_size`, `steps`, `log10_alpha`, with the `time` covered, the `jumps` of the path up to
        then, the tau of descent on all rows (`tau_of_all_rows`), and how many runs `diverged`.
    activations : Activations
        In the undisturbed path and in the draws. A run that diverged switches nothing on.
    """

    kind: str
    amounts: dict[str, float]
    activations: Activations


@dataclass(frozen=True, eq=False)
class Jitter:
    """The order of activation under every kind of disturbance, beside the undisturbed path."""

    path: SaddlePath
    disturbances: tuple[Disturbance, ...]
    draws: int
    seed: int

    def __getitem__(self, kind: str) -> Disturbance:
        """Return the disturbance of this kind."""
        for disturbance in self.disturbances:
            if disturbance.kind == kind:
                return disturbance
        raise KeyError(kind)

    def to_frame(self) -> pandas.DataFrame:
        """Return one row a kind: Kendall's tau and the agreement of the first features.

        Returns
        -------
        DataFrame
            `undefined` counts the draws without a tau; `set_k`, `order_k` are the shares of draws whose first `k`
            features agree.
        """
        import pandas

        rows = []
        for disturbance in self.disturbances:
            found = disturbance.activations
            row = {
                "tau_lower": float(found.tau.lower),
                "tau_median": float(found.tau.median),
                "tau_upper": float(found.tau.upper),
                "undefined": int(np.isnan(found.taus).sum()),
            }
            for k, (as_set, in_order) in enumerate(zip(*found.agreement, strict=True), start=1):
                if k <= LISTED:
                    row |= {f"set_{k}": float(as_set), f"order_{k}": float(in_order)}
            rows.append(row)
        index = pandas.Index([disturbance.kind for disturbance in self.disturbances], name="kind")
        return pandas.DataFrame(rows, index=index)

    def __repr__(self) -> str:
        taus = ", ".join(f"{d.kind} {d.activations.tau.median:.3f}" for d in self.disturbances)
        return f"<Jitter {self.draws} draws of {self.path!r}; median Kendall's tau: {taus}>"


@dataclass(frozen=True, eq=False)
class _Study:
    """What all kinds of disturbance need."""

    task: Task
    path: SaddlePath
    reference: Float[np.ndarray, " d"]
    draws: int
    seed: int
    level: float
    workers: int

    def normal(self, kind: str, number: int, size: int) -> np.ndarray:
        """Return standard normal numbers for one draw of one kind."""
        return stream(self.seed, kind, number).standard_normal(size)

    def normals(self, kind: str) -> Float[np.ndarray, "m d"]:
        """Return a standard normal number for every feature in every draw of one kind."""
        return np.array([self.normal(kind, k, self.task.exponents.size) for k in range(self.draws)])

    def disturbance(self, kind: str, amounts: dict[str, float], found: Replicates) -> Disturbance:
        """Compare what was found with the undisturbed path."""
        return Disturbance(kind, amounts, Activations(self.reference, found.times, found.signs, self.level))


def jitter(
    X: np.ndarray,
    y: np.ndarray,
    *,
    kinds: Sequence[str] = KINDS,
    noise_sd: float | None = None,
    relative_noise: float | None = None,
    exponent_sd: float = 0.1,
    init_spread: float = 1.0,
    log10_alpha: float = -8.0,
    step_size: float | None = None,
    batch_size: int | None = None,
    most_steps: int = 10_000,
    draws: int = 100,
    seed: int = 0,
    level: float = 0.95,
    fit_intercept: bool = True,
    standardize: bool = True,
    workers: int = 1,
    init_exponents: np.ndarray | None = None,
    **path_options: object,
) -> Jitter:
    """Disturb target, initialisation and training, and compare the orders of activation.

    Parameters
    ----------
    X, y : arrays (n, d), (n,)
        The data, as measured.
    kinds
        Some of "noise", "exponents", "initialisation", "descent".
    noise_sd, relative_noise
        Standard deviation of the noise, in the units of the target or over its standard deviation; only one of them,
        a relative noise of 0.1 unless given.
    exponent_sd
        Of the logarithms of the factors of the exponents.
    init_spread
        Standard deviation of the logarithms of the prefactors.
    log10_alpha
        Size of the initialisation, for "initialisation" and "descent"; negative.
    step_size, batch_size
        Of the descent, on the prepared data; half of the largest stable step and 32 rows (or a quarter of all, if
        that is fewer) unless given.
    most_steps
        Steps of a descent: it covers as many jumps of the path as fit into them.
    draws
        Of each kind, at least 2.
    seed
        Of all randomness.
    level
        Of all intervals.
    fit_intercept, standardize
        Centre; divide each column by its deviation.
    workers
        Threads; the result does not depend on it.
    init_exponents : array (d,), optional
        As in `saddle_path`.
    **path_options
        `positive`, `max_saddles`, `max_time`, `tol`, `tie_break`, as in `saddle_path`.

    Returns
    -------
    Jitter
        One disturbance a kind, in the order asked for.
    """
    options = {"fit_intercept": fit_intercept, "standardize": standardize, **path_options}
    task = make_task(X, y, (), np.inf, init_exponents, **options)
    for kind in kinds:
        require(kind in KINDS, "kinds", repr(kind), " | ".join(KINDS))
    require(len(kinds) > 0 and len(set(kinds)) == len(kinds), "kinds", list(kinds), " | ".join(KINDS))
    path, whole = path_of_all_rows(task)
    study = _Study(
        task,
        path,
        whole.times[0],
        whole_number(draws, "draws", 2),
        whole_number(seed, "seed", 0),
        real_number(level, "level", lambda p: 0 < p < 1, "0 < level < 1"),
        whole_number(workers, "workers", 1),
    )
    log10_alpha = real_number(log10_alpha, "log10_alpha", lambda v: -np.inf < v < 0, "< 0")
    run: dict[str, Callable[[], Disturbance]] = {
        "noise": lambda: _noise(study, noise_sd, relative_noise),
        "exponents": lambda: _exponents(study, exponent_sd),
        "initialisation": lambda: _initialisation(study, init_spread, log10_alpha),
        "descent": lambda: _descent(study, log10_alpha, step_size, batch_size, most_steps),
    }
    return Jitter(path, tuple(run[kind]() for kind in kinds), study.draws, study.seed)


def _not_negative(value: object, name: str) -> float:
    return real_number(value, name, lambda v: 0 <= v < np.inf, ">= 0")


def _noise(study: _Study, noise_sd: float | None, relative_noise: float | None) -> Disturbance:
    task = study.task
    require(noise_sd is None or relative_noise is None, "noise_sd", noise_sd, "relative_noise = None")
    if noise_sd is None:
        share = RELATIVE_NOISE if relative_noise is None else _not_negative(relative_noise, "relative_noise")
        noise_sd = share * float(task.y.std())
    sd = _not_negative(noise_sd, "noise_sd")
    exponents = np.broadcast_to(task.exponents, (study.draws, task.exponents.size))
    return study.disturbance("noise", {"noise_sd": sd}, _disturbed(study, sd, exponents))


def _exponents(study: _Study, exponent_sd: float) -> Disturbance:
    sd = _not_negative(exponent_sd, "exponent_sd")
    exponents = study.task.exponents * np.exp(sd * study.normals("exponents"))
    return study.disturbance("exponents", {"exponent_sd": sd}, _disturbed(study, 0.0, exponents))


def _initialisation(study: _Study, init_spread: float, log10_alpha: float) -> Disturbance:
    spread, l = _not_negative(init_spread, "init_spread"), -log10_alpha * np.log(10)
    shifts = study.normals("initialisation") / l
    # A prefactor that starts beyond its wall is no small initialisation.
    furthest = float((shifts / study.task.exponents).max())
    largest = 1 / furthest if furthest > 0 else np.inf
    require(spread < largest, "init_spread", spread, f"< {largest:.3g}")
    amounts = {"init_spread": spread, "log10_alpha": log10_alpha}
    found = _disturbed(study, 0.0, study.task.exponents - spread * shifts)
    return study.disturbance("initialisation", amounts, found)


def _disturbed(study: _Study, noise_sd: float, exponents: Float[np.ndarray, "m d"]) -> Replicates:
    """Follow the paths of targets with noise of this size, one from each of these initialisations."""
    task, unit = study.task, study.task.unit_columns()
    n, centre = task.y.size, task.options.fit_intercept
    base = None
    if unit.used.size and task.goes_together(n):
        base = correlations(unit.X, unit.y, np.full((1, n), 1 / n), centre=centre, level=unit.level)

    def work(numbers: range) -> Replicates:
        targets = [task.y + noise_sd * study.normal("noise", k, n) if noise_sd else task.y for k in numbers]
        walls = exponents[numbers.start : numbers.stop]
        sample = None
        if base is not None:
            shown = np.array([target - target.mean() if centre else target for target in targets])
            sample = base.of_targets(shown @ unit.X / n, (shown**2).mean(axis=1))
        return follow(task, unit, sample, walls, lambda k: task.alone(slice(None), targets[k], walls[k]))

    return in_parts(task, study.draws, work, study.workers)


def _descent(
    study: _Study, log10_alpha: float, step_size: float | None, batch_size: int | None, most_steps: int
) -> Disturbance:
    task, path, options = study.task, study.path, study.task.options
    n = task.y.size
    if batch_size is None:
        batch_size = max(1, min(USUAL_BATCH, n // LEAST_BATCHES))
    require(whole_number(batch_size, "batch_size", 1) <= n, "batch_size", batch_size, f"<= {n}")
    prepared = prepare(task.X, task.y, fit_intercept=options.fit_intercept, standardize=options.standardize)
    if step_size is None:
        step_size = STABLE_SHARE * largest_stable_step(prepared.X, path, batch_size)
    step_size = real_number(step_size, "step_size", lambda v: 0 < v < np.inf, "> 0")
    l = -log10_alpha * np.log(10)
    time, jumps = covered(path, step_size / l, whole_number(most_steps, "most_steps", 1))
    steps = int(np.ceil(time * l / step_size))
    sizes = switching_sizes(prepared.X, prepared.y)
    run = Descent(l, task.exponents, options.positive, step_size, steps, batch_size)
    streams = [stream(study.seed, "descent", k) for k in range(study.draws)]
    times, signs, diverged = switching_times(prepared.X, prepared.y, run, sizes, streams)
    on_all_rows, _, _ = switching_times(prepared.X, prepared.y, replace(run, batch_size=None), sizes, streams[:1])
    reference = read_path(path, sizes, jumps)
    amounts = {
        "step_size": step_size,
        "batch_size": batch_size,
        "steps": steps,
        "log10_alpha": log10_alpha,
        "time": time,
        "jumps": jumps,
        "tau_of_all_rows": float(arrival_tau(reference, on_all_rows)[0]),
        "diverged": int(diverged.sum()),
    }
    return Disturbance("descent", amounts, Activations(reference, times, signs, study.level))
