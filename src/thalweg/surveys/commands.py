"""The commands that a report recommends or repeats, quoted for a shell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from thalweg.data.problem import Problem


def survey_command(problem: Problem, seed: int, *, drop: Sequence[str] = (), impute: str | None = None) -> str:
    """Return the survey of this problem, with further columns dropped or holes filled if given."""
    return " ".join([*_start("survey", problem, drop, impute), *_seed(seed)])


def train_command(problem: Problem, family: str, options: Mapping[str, object], seed: int) -> str:
    """Return the training of one family on this problem."""
    words = [*_start("train", problem, (), None), "--family", family]
    for name, value in options.items():
        words += ["--option", shlex.quote(f"{name}={value}")]
    return " ".join([*words, *_seed(seed)])


def _start(verb: str, problem: Problem, drop: Sequence[str], impute: str | None) -> list[str]:
    words = ["thalweg", verb, shlex.quote(problem.source_path), "--target", shlex.quote(problem.target_name)]
    for name in dict.fromkeys((*problem.dropped, *drop)):
        words += ["--drop", shlex.quote(name)]
    if chosen := impute or problem.impute:
        words += ["--impute", chosen]
    return words


def _seed(seed: int) -> list[str]:
    return ["--seed", str(seed)] if seed else []
