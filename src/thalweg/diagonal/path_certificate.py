"""Certificate of a whole path: the recorded times and saddles are those of the limiting process.

Everything is computed anew from the data and from what the record claims: times, supports, coefficients, signs, losses.
Then the conditions that characterise the process (`path_conditions.py`) are tested at every jump, with all rounding
errors bounded from above. "Holds" is a proof: if columns and target are changed by no more than the relative
`backward_error` - the rounding of the recorded coefficients, another change at each saddle - then the record meets
every condition within the named tolerances.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thalweg.diagonal.certified import CertifiedData, certified_data, column_pull_tolerance
from thalweg.diagonal.path import ENDED, SaddlePath
from thalweg.diagonal.path_conditions import STATIONARY, Conditions
from thalweg.diagonal.residuals import LOSS_TOLERANCE, PathResiduals, relative_loss_difference, sparse_saddles
from thalweg.records import (
    Cell,
    Certificate,
    InputError,
    Method,
    Outcome,
    Quantity,
    Statement,
    Verdict,
    digest_of,
)


def path_certificate(
    path: SaddlePath,
    X: object,
    y: np.ndarray,
    *,
    init_exponents: np.ndarray | None = None,
    positive: bool = False,
    tol: float | None = None,
    reference_norm: float | None = None,
) -> Certificate:
    """Prove, or fail to prove, that a recorded path is the limiting process of these data.

    Parameters
    ----------
    path
        A path, made here or elsewhere: its times, supports, values, signs and losses are taken as claims.
    X : array (n, d)
        The data as they are, without any centring; float32, memory-mapped and sparse ones are never copied whole.
    y : array (n,)
        The target.
    init_exponents, positive, reference_norm
        As in `saddle_path`.
    tol
        Largest excess of a dual over its threshold, relative to it: 1e-9 unless given, but four times the proved
        rounding error of the duals where that is more, and never more than 1e-6.

    Returns
    -------
    Certificate
        "holds" only if every condition is proved at every jump, and at the end for a path that says it has ended;
        "fails" if the record contradicts the data or itself; else "undecided". The reason names the first jump in
        question.

    Raises
    ------
    InputError
        If the data are unusable or an option is out of its range.
    """
    data = certified_data(X, y, init_exponents, positive)
    if tol is not None and not 0 < tol < 1:
        raise InputError("option_range", name="tol", value=tol, wanted="0 < tol < 1")
    if wrong := _contradictions(path, data):
        reason = Statement("reason.diagonal.inconsistent", {"names": ", ".join(wrong)})
        return _certificate(path, data, Verdict.FAILS, reason, {})
    conditions = Conditions(data, column_pull_tolerance(data, reference_norm), tol, path.times.size)
    difference = _see_all(path, data, conditions)
    verdict, reason = _judge(path, conditions, difference)
    return _certificate(path, data, verdict, reason, _margins(conditions, difference))


def _contradictions(path: SaddlePath, data: CertifiedData) -> list[str]:
    """Return the names of what is wrong with the record whatever the data are, empty for a sound one."""
    d, m = data.columns.d, path.times.size
    if not len(path.supports) == len(path.values) == len(path.signs) == path.losses.size == m + 1:
        return ["supports"]
    rows = list(zip(path.supports, path.values, path.signs, strict=True))
    sound = {
        "times": np.isfinite(path.times).all() and (np.diff(path.times, prepend=0.0) > 0).all(),
        "supports": all(_is_support(support, d) for support in path.supports) and _none_repeats(path.supports),
        "values": all(b.shape == i.shape and np.isfinite(b).all() and (b != 0).all() for i, b, _ in rows),
        "signs": all(np.array_equal(np.sign(b), signs) for _, b, signs in rows)
        and not (data.positive and any((b < 0).any() for b in path.values)),
        "losses": np.isfinite(path.losses).all(),
        "exponents": np.array_equal(path.exponents, data.exponents),
        "outcome": path.outcome is not Outcome.NOTHING_TO_LEARN or m == 0,
    }
    return [name for name, right in sound.items() if not right]


def _is_support(support: np.ndarray, d: int) -> bool:
    """Tell whether these are different columns in order."""
    if support.ndim != 1 or support.dtype.kind not in "iu":
        return False
    return not support.size or bool(support[0] >= 0 and support[-1] < d and (np.diff(support) > 0).all())


def _none_repeats(supports: Sequence[np.ndarray]) -> bool:
    """Tell whether zero comes first and no support twice: each is the least squares on it, and the loss falls."""
    return supports[0].size == 0 and len({support.astype(np.int64).tobytes() for support in supports}) == len(supports)


def _see_all(path: SaddlePath, data: CertifiedData, conditions: Conditions) -> float:
    """Evaluate the conditions on the whole path; return the largest relative difference of its losses."""
    residuals = PathResiduals(data.columns, data.y, path.times, path.supports, path.values)
    conditions.see_unseen(residuals.unseen)
    difference = 0.0
    for stretch in residuals.stretches():
        shown = slice(stretch.first - 1, stretch.first + len(stretch.integrals))
        signs = sparse_saddles(path.supports[shown], path.signs[shown], data.columns.d)
        conditions.see(stretch, signs, is_last=shown.stop == path.times.size + 1)
        difference = max(difference, relative_loss_difference(stretch.losses, path.losses[shown], path.losses[0]))
    return difference


def _judge(path: SaddlePath, conditions: Conditions, loss_difference: float) -> tuple[Verdict, Statement]:
    """Name the first jump at which something is wrong; else the first at which something is not proved."""
    judged = conditions.on_jumps + ((conditions.end,) if path.outcome in ENDED else ())
    # A dual at jump k follows from the residuals of the saddles before: as far as these are proved, it refutes.
    violated = [(c.violated, place, c) for place, c in enumerate(judged) if c.violated is not None]
    if violated and min(violated)[0] <= conditions.trusted:
        jump, _, condition = min(violated)
        return Verdict.FAILS, condition.statement(jump)
    if loss_difference > LOSS_TOLERANCE:
        return Verdict.FAILS, Statement("reason.diagonal.loss_differs", {"difference": loss_difference})
    if unproved := [(c.unproved, place, c) for place, c in enumerate(judged) if c.unproved is not None]:
        jump, _, condition = min(unproved)
        return Verdict.UNDECIDED, condition.statement(jump)
    values: dict[str, Cell] = {"backward": conditions.backward.worst[0], "tol": conditions.tol}
    return Verdict.HOLDS, Statement("reason.diagonal.path_proved", values)


def _margins(conditions: Conditions, loss_difference: float) -> dict[str, Quantity]:
    """Return the largest excess of each condition, and where it is."""
    margins = {"tol": Quantity(conditions.tol), "loss_difference": Quantity(loss_difference)}
    for condition in (*conditions.on_jumps, conditions.end):
        size, jump, column = condition.worst
        if size > -np.inf:
            margins[condition.name] = Quantity(size, "tolerances" if condition.limit == STATIONARY else "")
            margins[f"{condition.name}_jump"] = Quantity(jump)
            if column >= 0:
                margins[f"{condition.name}_column"] = Quantity(column)
    return margins


def _certificate(
    path: SaddlePath, data: CertifiedData, verdict: Verdict, reason: Statement, margins: dict[str, Quantity]
) -> Certificate:
    ended = path.outcome in ENDED
    values: dict[str, Cell] = {"jumps": int(path.times.size), "time": float(path.times[-1]) if path.times.size else 0.0}
    return Certificate(
        family="diagonal",
        statement=Statement("certificate.diagonal.whole_path" if ended else "certificate.diagonal.path_so_far", values),
        verdict=verdict,
        method=Method.PROVED,
        margins=margins,
        checks=(),
        reason=reason,
        inputs=tuple(data.arrays),
        digest=digest_of(data.arrays),
    )
