"""The decision in three sentences, the next command, and what would change the decision."""

from __future__ import annotations

from thalweg.data.problem import Problem
from thalweg.records import Cell, Check, Decision, Plan, Section, Statement
from thalweg.surveys.commands import survey_command

MENDED_BY_DROP = ("data.target_copy", "data.constant", "data.duplicate")
MENDED_BY_IMPUTE = ("data.missing", "data.text_cells", "data.target_missing")


def decide(problem: Problem, sections: tuple[Section, ...], plan: Plan, seed: int) -> Decision:
    """Decide from the checks whether to train, and say what to do next."""
    checks = [*problem.checks, *(check for section in sections for check in section.checks)]
    blocking = [check for check in checks if check.is_blocking]
    warnings = [check for check in checks if check.is_warning]
    if blocking:
        return _mend_first(problem, blocking, warnings, seed)
    return _go_on(problem, sections, plan, warnings, seed)


def _mend_first(problem: Problem, blocking: list[Check], warnings: list[Check], seed: int) -> Decision:
    sentences = (
        Statement("decision.blocked", {"count": len(blocking), "target": problem.target_name}),
        Statement(f"check.{blocking[0].code}.{blocking[0].verdict.value}", blocking[0].placeholders),
        Statement("decision.after_mending", {"warnings": len(warnings)}),
    )
    codes = [check.code for check in blocking]
    drop = _columns_to_drop(problem, [check for check in blocking if check.code in MENDED_BY_DROP])
    impute = "median" if any(code in MENDED_BY_IMPUTE for code in codes) else None
    mendable = bool(drop or impute)
    command = survey_command(problem, seed, drop=drop, impute=impute) if mendable else ""
    changes = [Statement(f"check.{check.code}.remedy", check.placeholders) for check in blocking]
    return Decision(sentences, command, tuple(changes))


def _go_on(problem: Problem, sections: tuple[Section, ...], plan: Plan, warnings: list[Check], seed: int) -> Decision:
    first = sections[0]
    if not plan.stages:
        verdict = "decision.not_worth"
    else:
        verdict = "decision.go_with_warnings" if warnings else "decision.go"
    sentences = [
        Statement(verdict, {"count": len(warnings), "target": problem.target_name}),
        first.headline,
        *first.advice[:1],
    ]
    changes = [Statement(f"check.{check.code}.remedy", check.placeholders) for check in warnings]
    drop = _columns_to_drop(problem, [check for check in warnings if check.code in MENDED_BY_DROP])
    if drop:
        values: dict[str, Cell] = {"command": survey_command(problem, seed, drop=drop)}
        changes.append(Statement("decision.survey_without", values))
    changes.append(Statement("decision.new_data", {}))
    command = plan.stages[0].command if plan.stages else ""
    return Decision(tuple(sentences), command, tuple(changes))


def _columns_to_drop(problem: Problem, checks: list[Check]) -> list[str]:
    """Return the columns to leave out; what people decided to keep is for them to decide anew."""
    return [name for check in checks for name in check.columns if name not in problem.kept]
