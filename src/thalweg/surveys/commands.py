"""The commands that a report recommends or repeats: for a shell where the data are a file, else for Python."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence

from thalweg.data.problem import Problem
from thalweg.data.table import ARRAYS
from thalweg.records.decisions import DROP, KEEP


def survey_command(
    problem: Problem,
    seed: int,
    *,
    drop: Sequence[str] = (),
    impute: str | None = None,
    budget: float | None = None,
) -> str:
    """Return the survey of this problem, with further columns dropped, holes filled, or a budget if given."""
    if not problem.source_path:
        more = "".join([f", seed={seed}" if seed else "", f", budget={budget:g}" if budget else ""])
        return f"tw.survey({_read_call(problem, drop, impute)}{more})"
    spent = ["--budget", f"{budget:g}"] if budget else []
    return " ".join([*_start("survey", problem, drop, impute), *spent, *_seed(seed)])


def train_command(problem: Problem, family: str, options: Mapping[str, object], seed: int) -> str:
    """Return the training of one family on this problem."""
    if not problem.source_path:
        named = "".join(
            f", {name}={value!r}" for name, value in {**options, **({"seed": seed} if seed else {})}.items()
        )
        return f"tw.train({_read_call(problem, (), None)}, {family!r}{named})"
    words = [*_start("train", problem, (), None), "--family", family]
    for name, value in options.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        words += ["--option", shlex.quote(f"{name}={shown}")]
    return " ".join([*words, *_seed(seed)])


def _beside_file(problem: Problem, names: Sequence[str], decision: str) -> list[str]:
    """Return the names that the file of decisions does not name already."""
    told = problem.decisions.columns(decision) if problem.decisions else ()
    return [name for name in dict.fromkeys(names) if name not in told]


def _read_call(problem: Problem, drop: Sequence[str], impute: str | None) -> str:
    given = {
        "drop": _beside_file(problem, (*problem.dropped, *drop), DROP),
        "keep": _beside_file(problem, problem.kept, KEEP),
        "impute": impute or problem.impute,
        "decisions": problem.decisions.source if problem.decisions else "",
    }
    options = "".join(f", {name}={value!r}" for name, value in given.items() if value)
    data = "X, y" if problem.profile.source == ARRAYS else f"data, {problem.target_name!r}"
    return f"tw.read({data}{options})"


def _start(verb: str, problem: Problem, drop: Sequence[str], impute: str | None) -> list[str]:
    words = ["thalweg", verb, shlex.quote(problem.source_path), "--target", shlex.quote(problem.target_name)]
    for name in _beside_file(problem, (*problem.dropped, *drop), DROP):
        words += ["--drop", shlex.quote(_as_csv(name))]
    for name in _beside_file(problem, problem.kept, KEEP):
        words += ["--keep", shlex.quote(_as_csv(name))]
    if problem.decisions:
        words += ["--decisions", shlex.quote(problem.decisions.source)]
    if chosen := impute or problem.impute:
        words += ["--impute", chosen]
    return words


def _as_csv(name: str) -> str:
    """Return a name as --drop and --keep read it: with quotes of its own where it holds a comma or a quote."""
    return '"' + name.replace('"', '""') + '"' if any(mark in name for mark in ',"') else name


def _seed(seed: int) -> list[str]:
    return ["--seed", str(seed)] if seed else []
