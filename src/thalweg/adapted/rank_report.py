"""What the rank check found, as a record and in words."""

from __future__ import annotations

from thalweg.adapted.probability import FullRankProbability
from thalweg.adapted.singular_values import SingularRange
from thalweg.records import Statement, record
from thalweg.texts import text

GREEN, AMBER = 1e5, 1e7
"""Condition numbers of `D` up to which training needs no care, and some (specification, section 3)."""

COLOURS = {"green": "#2e7d32", "amber": "#b26a00", "red": "#c62828", "undetermined": "#616161"}

TITLES = {
    "green": "rank.grade_green", "amber": "rank.grade_amber", "red": "rank.grade_red",
    "undetermined": "rank.grade_undetermined",
}  # fmt: skip


def grade_of(found: SingularRange) -> str:
    """Return "green", "amber" or "red" by the condition number, or "undetermined"."""
    if found.is_full is False or found.condition >= AMBER:
        return "red"  # where the condition number is a lower bound, it is at least that bad
    if found.is_full is None or found.is_bound:
        return "undetermined"
    return "green" if found.condition < GREEN else "amber"


@record
class RankReport:
    """The rank condition of a network on its inputs: whether its Jacobian `D (NQ, K)` has independent rows.

    Attributes
    ----------
    samples, per_sample
        Number `N` of samples and `Q` of outputs each; for several classes `Q` is one less than the classes, since
        probabilities do not see the sum of the logits (correction A6).
    found
        Rank and extreme singular values of all rows.
    nested
        The same for a quarter, a half and all of the distinct inputs, drawn at random and contained in one another.
    repeated, conflicts
        Samples whose inputs equal those of an earlier one, and groups of them with different labels.
    floor
        Cost that no function of these inputs passes; None without labels or a loss that tells it.
    closest, distance, relative_distance
        Rows of the closest pair of distinct inputs (empty for whole numbers, which are codes), their distance, and the
        same in units of the size of the inputs.
    closest_is_exact
        Whether no pair is closer.
    near_rows
        Rows with a near duplicate.
    opposite, opposite_pairs
        Rows of the first pair of opposite inputs, and the number of such pairs.
    probability
        Of full rank at random starts; None where no way to draw them was given.
    needed_sizes, comfortable_sizes
        Sizes of an `Mlp` of this shape with `K >= NQ`, and with `K >= 1.7 NQ`; empty for other networks.
    advice
        What to do.
    """

    samples: int
    per_sample: int
    found: SingularRange
    nested: tuple[SingularRange, ...]
    repeated: int
    conflicts: int
    floor: float | None
    closest: tuple[int, ...]
    distance: float
    relative_distance: float
    closest_is_exact: bool
    near_rows: int
    opposite: tuple[int, ...]
    opposite_pairs: int
    probability: FullRankProbability | None
    needed_sizes: tuple[int, ...]
    comfortable_sizes: tuple[int, ...]
    advice: tuple[Statement, ...]

    @property
    def parameters(self) -> int:
        """Number `K` of parameters."""
        return self.found.parameters

    @property
    def outputs(self) -> int:
        """Number `NQ` of outputs: the rank that is needed."""
        return self.found.rows

    @property
    def ratio(self) -> float:
        """`K / NQ`."""
        return self.parameters / self.outputs

    @property
    def rank(self) -> int | None:
        """Numerical rank; None where it is undetermined."""
        return self.found.rank

    @property
    def holds(self) -> bool | None:
        """Whether the rank condition holds here; None where that is undetermined."""
        return self.found.is_full

    @property
    def undetermined(self) -> bool:
        """Whether the way of computing could not tell if the rank is full."""
        return self.found.is_full is None

    @property
    def sigma_max(self) -> float:
        """Largest singular value."""
        return self.found.largest

    @property
    def sigma_min(self) -> float:
        """Smallest of the `NQ` singular values; an upper bound where `found.is_bound`."""
        return self.found.smallest

    @property
    def condition(self) -> float:
        """`sigma_max / sigma_min`; a lower bound where `found.is_bound`, infinite for a lost rank."""
        return self.found.condition

    @property
    def method(self) -> str:
        """How the singular values were had: "svd", "gram", "bounds" or "products"."""
        return self.found.method

    @property
    def grade(self) -> str:
        """Return "green", "amber", "red" or "undetermined"."""
        return grade_of(self.found)

    @property
    def facts(self) -> tuple[Statement, ...]:
        """What was found, sentence by sentence."""
        lines = [_verdict(self), _values(self)]
        lines += [_nested_line(one, self.per_sample) for one in self.nested]
        if self.closest:
            code = "rank.closest" if self.closest_is_exact else "rank.closest_met"
            first, second = self.closest
            values = {"first": first, "second": second, "distance": self.distance, "share": self.relative_distance}
            lines.append(Statement(code, values))
        if self.probability is not None and self.probability.draws:
            drawn = self.probability
            values = {"full": drawn.full, "draws": drawn.draws, "low": drawn.low, "high": drawn.high}
            lines.append(Statement("rank.drawn", values))
            if drawn.full:
                lines.append(Statement("rank.drawn_condition", {"condition": drawn.median_condition}))
        return tuple(lines)

    def say(self, lang: str = "en") -> str:
        """Return facts and advice, a line each."""
        lines = [text(TITLES[self.grade], lang), *(fact.say(lang) for fact in self.facts)]
        return "\n".join([*lines, *(f"- {sentence.say(lang)}" for sentence in self.advice)])

    def __str__(self) -> str:
        return self.say()

    def _repr_html_(self) -> str:
        from html import escape

        grade = escape(text(TITLES[self.grade]))
        facts = "<br>".join(escape(str(fact)) for fact in self.facts)
        advice = "".join(f"<li>{escape(str(sentence))}</li>" for sentence in self.advice)
        title = f'<p style="color:{COLOURS[self.grade]};font-weight:bold">{grade}</p>'
        return f"{title}<p>{facts}</p>" + (f"<ul>{advice}</ul>" if advice else "")


def _verdict(report: RankReport) -> Statement:
    found = report.found
    values = {"outputs": found.rows, "parameters": found.parameters, "ratio": report.ratio}
    if found.rank is not None:
        code = "rank.holds" if found.is_full else "rank.fails"
        return Statement(code, {**values, "rank": found.rank})
    if found.is_full is False:
        return Statement("rank.fails_at_most", {**values, "most": found.most_rank})
    return Statement("rank.undetermined", {**values, "least": found.least_rank, "most": found.most_rank})


def _values(report: RankReport) -> Statement:
    found = report.found
    if found.is_full is False:
        if found.smallest_nonzero == found.smallest_nonzero:
            values = {"largest": found.largest, "smallest": found.smallest_nonzero, "method": found.method}
            return Statement("rank.values_lost", values)
        return Statement("rank.values_largest", {"largest": found.largest, "method": found.method})
    code = "rank.values_bound" if found.is_bound else "rank.values"
    values = {"largest": found.largest, "smallest": found.smallest, "condition": found.condition}
    return Statement(code, {**values, "method": found.method})


def _nested_line(found: SingularRange, per_sample: int) -> Statement:
    values = {"samples": found.rows // per_sample, "outputs": found.rows, "smallest": found.smallest}
    if found.rank is None:
        return Statement("rank.nested_undetermined", {**values, "least": found.least_rank, "most": found.most_rank})
    if found.is_full is False:
        return Statement("rank.nested_lost", {**values, "rank": found.rank})
    return Statement("rank.nested_bound" if found.is_bound else "rank.nested", values)
