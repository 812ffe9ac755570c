"""The commands that a report recommends or repeats: for a shell where the data are a file, else for Python."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from thalweg.data.problem import Problem
from thalweg.data.table import ARRAYS


def survey_command(problem: Problem, seed: int, *, drop: Sequence[str] = (), impute: str | None = None) -> str:
    """Return the survey of this problem, with further columns dropped or holes filled if given."""
    if not problem.source_path:
        return f"tw.survey({_read_call(problem, drop, impute)}{f', seed={seed}' if seed else ''})"
    return " ".join([*_start("survey", problem, drop, impute), *_seed(seed)])


def train_command(problem: Problem, family: str, options: Mapping[str, object], seed: int) -> str:
    """Return the training of one family on this problem."""
    if not problem.source_path:
        named = "".join(
            f", {name}={value!r}" for name, value in {**options, **({"seed": seed} if seed else {})}.items()
        )
        return f"tw.train({_read_call(problem, (), None)}, {family!r}{named})"
    words = [*_start("train", problem, (), None), "--family", family]
    for name, value in options.items():
        words += ["--option", shlex.quote(f"{name}={value}")]
    return " ".join([*words, *_seed(seed)])


def _dropped(problem: Problem, drop: Sequence[str]) -> list[str]:
    return list(dict.fromkeys((*problem.dropped, *drop)))


def _read_call(problem: Problem, drop: Sequence[str], impute: str | None) -> str:
    dropped, chosen = _dropped(problem, drop), impute or problem.impute
    options = (f", drop={dropped!r}" if dropped else "") + (f", impute={chosen!r}" if chosen else "")
    data = "X, y" if problem.profile.source == ARRAYS else f"data, {problem.target_name!r}"
    return f"tw.read({data}{options})"


def _start(verb: str, problem: Problem, drop: Sequence[str], impute: str | None) -> list[str]:
    words = ["thalweg", verb, shlex.quote(problem.source_path), "--target", shlex.quote(problem.target_name)]
    for name in _dropped(problem, drop):
        words += ["--drop", shlex.quote(_as_csv(name))]
    if chosen := impute or problem.impute:
        words += ["--impute", chosen]
    return words


def _as_csv(name: str) -> str:
    """Return a name as --drop reads it: with quotes of its own where it holds a comma or a quote."""
    return '"' + name.replace('"', '""') + '"' if any(mark in name for mark in ',"') else name


def _seed(seed: int) -> list[str]:
    return ["--seed", str(seed)] if seed else []
