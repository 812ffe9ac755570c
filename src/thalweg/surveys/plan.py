"""The plan: train what applies, certify it, each stage with its cost and its criterion."""

from __future__ import annotations

from thalweg.data.problem import Problem
from thalweg.records import Plan, Section, Span, Stage, Statement
from thalweg.surveys.commands import train_command

NO_COST = Span(0.0, 0.0, "s")


def make_plan(problem: Problem, sections: tuple[Section, ...], seed: int) -> Plan:
    """Make two stages, training and its proof, for every family that is worth training."""
    stages: list[Stage] = []
    for section in sections:
        if not (section.fits and section.recommended):
            continue
        options = {choice.option: choice.value for choice in section.choices}
        seconds, memory = section.seconds or NO_COST, section.memory or Span(0.0, 0.0, "bytes")
        stages.append(
            Stage(
                question=Statement("plan.train.question", {"family": section.family}),
                command=train_command(problem, section.family, options, seed),
                seconds=seconds,
                memory=memory,
                passes_when=Statement("plan.train.passes", {}),
                stops_when=Statement("plan.train.stops", {}),
            )
        )
        stages.append(
            Stage(
                question=Statement("plan.certify.question", {"family": section.family}),
                command="thalweg certify RUN",
                seconds=seconds,
                memory=memory,
                passes_when=Statement("plan.certify.passes", {}),
                stops_when=Statement("plan.certify.stops", {}),
            )
        )
    return Plan(tuple(stages), tuple(choice for section in sections for choice in section.choices))
