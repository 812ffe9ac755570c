"""What to do about a rank condition that fails, is in doubt, or will be."""

from __future__ import annotations

from thalweg.adapted.rank_report import RankReport
from thalweg.adapted.routes import PLENTY
from thalweg.records import Cell, Statement


def advice_on(report: RankReport, explained: int, distinct: int) -> tuple[Statement, ...]:
    """Return the advice, most urgent first.

    Parameters
    ----------
    report
        The facts.
    explained
        Largest rank that the number of parameters and equal inputs allow.
    distinct
        Number of distinct inputs.

    Returns
    -------
    tuple of Statement
        Codes under `advice.adapted`.
    """
    return (
        *_parameters(report),
        *_inputs(report, explained),
        *_lost(report, explained, distinct),
        *_numerics(report),
        *_more_rows(report),
        *_chance(report),
    )


def _parameters(report: RankReport) -> list[Statement]:
    values: dict[str, Cell] = {"parameters": report.parameters, "outputs": report.outputs}
    found = []
    if report.parameters < report.outputs:
        found.append(Statement("advice.adapted.few_parameters", values))
    elif report.ratio < PLENTY:
        found.append(Statement("advice.adapted.scarce_parameters", {**values, "ratio": report.ratio, "plenty": PLENTY}))
    if found and report.needed_sizes:
        sizes: dict[str, Cell] = {
            "needed": _shown(report.needed_sizes),
            "comfortable": _shown(report.comfortable_sizes),
        }
        found.append(Statement("advice.adapted.width", {**sizes, "plenty": PLENTY}))
    return found


def _inputs(report: RankReport, explained: int) -> list[Statement]:
    found = []
    if report.repeated:
        values: dict[str, Cell] = {"repeated": report.repeated, "lost": report.repeated * report.per_sample}
        found.append(Statement("advice.adapted.equal_inputs", values))
    if report.conflicts and report.floor is not None:
        found.append(Statement("advice.adapted.floor", {"conflicts": report.conflicts, "floor": report.floor}))
    if report.near_rows and report.closest:
        first, second = report.closest
        values: dict[str, Cell] = {
            "rows": report.near_rows,
            "first": first,
            "second": second,
            "share": report.relative_distance,
        }
        found.append(Statement("advice.adapted.near_inputs", values))
    if report.opposite and report.rank is not None and report.rank < explained:
        first, second = report.opposite
        values: dict[str, Cell] = {"pairs": report.opposite_pairs, "first": first, "second": second}
        found.append(Statement("advice.adapted.opposite_inputs", values))
    return found


def _lost(report: RankReport, explained: int, distinct: int) -> list[Statement]:
    """Say what a rank means that neither the number of parameters nor equal inputs explain."""
    if report.rank is None or report.rank >= explained:
        return []
    values: dict[str, Cell] = {"rank": report.rank, "explained": explained}
    if report.rank <= report.per_sample and distinct > 1:
        return [Statement("advice.adapted.flat_start", values)]
    ranks = [one.rank for one in report.nested]
    if len(ranks) > 1 and ranks[-1] is not None and ranks[-1] == ranks[-2]:
        return [Statement("advice.adapted.saturated", values)]
    if not report.opposite:
        return [Statement("advice.adapted.lost_rank", values)]
    return []


def _numerics(report: RankReport) -> list[Statement]:
    if report.undetermined or (report.holds and report.found.is_bound):
        code = "advice.adapted.only_bound" if report.method == "products" else "advice.adapted.unresolved"
        return [Statement(code, {"smallest": report.sigma_min, "method": report.method})]
    if not report.holds or report.grade == "green":
        return []
    code = "advice.adapted.amber" if report.grade == "amber" else "advice.adapted.red"
    return [Statement(code, {"condition": report.condition})]


def _more_rows(report: RankReport) -> list[Statement]:
    if not report.holds:
        return []
    most, comfortable = report.parameters // report.per_sample, int(report.ratio / PLENTY * report.samples)
    found = []
    if most > report.samples:
        values: dict[str, Cell] = {
            "samples": report.samples,
            "most": most,
            "comfortable": max(comfortable, report.samples),
        }
        code = "advice.adapted.more_rows" if comfortable > report.samples else "advice.adapted.more_rows_scarce"
        found.append(Statement(code, values))
    known = [one for one in report.nested if one.is_full and not one.is_bound]
    if len(known) > 1 and known[-1].condition > known[-2].condition and 2 * report.samples <= most:
        before, now = known[-2], known[-1]
        values: dict[str, Cell] = {
            "half": before.rows // report.per_sample, "samples": report.samples, "before": before.condition,
            "now": now.condition, "double": 2 * report.samples, "then": now.condition**2 / before.condition,
        }  # fmt: skip
        found.append(Statement("advice.adapted.trend", values))
    return found


def _chance(report: RankReport) -> list[Statement]:
    drawn = report.probability
    if drawn is None:
        return []
    if drawn.proved == 1.0:
        return [Statement("advice.adapted.proved_generic", {})]
    if 0 < drawn.full < drawn.draws:
        values: dict[str, Cell] = {"full": drawn.full, "draws": drawn.draws}
        return [Statement("advice.adapted.chance", values)]
    return []


def _shown(sizes: tuple[int, ...]) -> str:
    return " - ".join(map(str, sizes))
