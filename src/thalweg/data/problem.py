"""Problem: the arrays to learn from, with everything that was found and decided about the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

import numpy as np

from thalweg.data.checks import check_data
from thalweg.data.columns import Column, read_columns
from thalweg.data.decisions import apply_decisions
from thalweg.data.table import Table
from thalweg.numerics.validation import has_plain_size, list_some, nearest
from thalweg.records import Check, ColumnProfile, DataProfile, Decisions, Fit, InputError, Provenance, digest_of
from thalweg.runtime.versions import versions

IMPUTATIONS = ("median",)


@dataclass(frozen=True, eq=False)
class Problem:
    """Features `X (n, d)` and target `y (n,)` in float64, with the checks of the data.

    `X` and `y` may hold NaN where the file does; families refuse such a problem (`require_computable`).
    `source_path` is empty for data that did not come from a file. `dropped`, `kept` and `impute` are what the user
    decided, the first two with what `decisions` (a file of decisions) adds.
    """

    X: np.ndarray
    y: np.ndarray
    feature_names: tuple[str, ...]
    target_name: str
    profile: DataProfile
    checks: tuple[Check, ...]
    source_digest: str
    source_path: str
    dropped: tuple[str, ...] = ()
    impute: str | None = None
    kept: tuple[str, ...] = ()
    decisions: Decisions | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of X and y: certificates are bound to it."""
        return digest_of({"X": self.X, "y": self.y})

    @cached_property
    def is_computable(self) -> bool:
        """Whether every entry of X and y is a finite number and no column is of extreme size."""
        finite = bool(np.isfinite(self.X).all() and np.isfinite(self.y).all())
        return finite and all(map(has_plain_size, (*self.X.T, self.y)))

    def require_computable(self) -> None:
        """Refuse a problem with holes or extreme sizes.

        Raises
        ------
        InputError
            If X or y holds NaN or infinities (names the first rows and columns), or a column of extreme size.
        """
        if self.is_computable:
            return
        extreme = [c for check in self.checks if check.code == "data.magnitude" for c in check.columns]
        if extreme:
            raise InputError("problem_magnitude", columns=list_some(extreme))
        bad = ~np.isfinite(np.column_stack([self.X, self.y]))
        names = (*self.feature_names, self.target_name)
        columns = [names[j] for j in np.flatnonzero(bad.any(axis=0))]
        rows = (np.flatnonzero(bad.any(axis=1)) + 1).tolist()
        raise InputError("problem_incomplete", count=int(bad.sum()), columns=list_some(columns), rows=list_some(rows))

    def require_subject_of(self, fit: Fit, family: str) -> None:
        """Refuse a fit that does not speak of this problem.

        Parameters
        ----------
        fit
            Made here or elsewhere.
        family
            The one that is asked to certify it.

        Raises
        ------
        InputError
            If the fit is of another family, or its features or target are not those of the problem (names them).
        """
        if fit.family != family:
            raise InputError("family_differs", found=fit.family, wanted=family)
        found, wanted = (*fit.feature_names, fit.target_name), (*self.feature_names, self.target_name)
        if different := [pair for pair in zip_longest(found, wanted, fillvalue="-") if pair[0] != pair[1]]:
            there, here = zip(*different, strict=True)
            raise InputError("features_differ", found=list_some(there), wanted=list_some(here))

    def provenance(self, seed: int, command: str) -> Provenance:
        """Return from what, with what and by which command a result of this problem is made."""
        return Provenance(
            source=self.profile.source,
            source_digest=self.source_digest,
            problem_digest=self.digest,
            versions=versions(),
            seed=seed,
            command=command,
        )

    def __repr__(self) -> str:
        n, d = self.X.shape
        return f"<Problem {self.profile.source}: {n} rows, {d} features -> {self.target_name!r}>"


def make_problem(
    table: Table,
    target: str,
    *,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    impute: str | None = None,
    decisions: Decisions | None = None,
    path: str = "",
) -> Problem:
    """Choose target and features of a table, apply what the user decided, and check the data.

    Parameters
    ----------
    table
        What was read.
    target
        Name of the column to learn.
    drop
        Names of columns to leave out.
    keep
        Names of features to force in; see the family's option `keep`.
    impute
        "median" fills missing and text cells of features with the median of their column and leaves out the
        rows without a target; None keeps them as NaN.
    decisions
        Further columns to leave out and to keep, with who decided it and why.
    path
        Where the table was read from, for the commands in the report.

    Returns
    -------
    Problem
        Its checks tell what was found and what was changed.

    Raises
    ------
    InputError
        If a name is not in the table, the target is text, a kept column is no feature, decisions contradict each
        other, or no numeric feature is left.
    """
    columns = {column.name: column for column in read_columns(table.frame)}
    for name in (target, *drop, *keep):
        if name not in columns:
            raise InputError("column_unknown", column=name, source=table.source, near=nearest(name, columns))
    drop, keep = apply_decisions(decisions, drop, keep, target, columns)
    if target in drop:
        raise InputError("target_dropped", column=target)
    if target in keep:
        raise InputError("keep_target", column=target)
    if impute is not None and impute not in IMPUTATIONS:
        raise InputError("option_range", name="impute", value=impute, wanted=" | ".join(IMPUTATIONS))
    aim = columns[target]
    if not np.isfinite(aim.numbers).any():
        raise InputError("target_not_numeric", column=target, cells=list_some(aim.text_cells) or "-")
    features = [c for c in columns.values() if c.is_numeric and c.name != target and c.name not in drop]
    if not features:
        raise InputError("no_features", source=table.source, target=target)
    if words := [name for name in keep if not columns[name].is_numeric]:
        raise InputError("keep_not_numeric", column=words[0])
    X = np.column_stack([c.numbers for c in features])
    y, rows_left_out = aim.numbers, 0
    if impute == "median":
        X, y, rows_left_out = _impute_median(X, y)
    return Problem(
        X=X,
        y=y,
        feature_names=tuple(c.name for c in features),
        target_name=target,
        profile=_profile(table, columns, target, drop, keep),
        checks=check_data(X, y, features, aim, _left_out(columns, target, drop), rows_left_out, impute),
        source_digest=table.digest,
        source_path=path,
        dropped=drop,
        impute=impute,
        kept=keep,
        decisions=decisions,
    )


def _impute_median(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Fill holes of X by column medians; drop rows whose target is no finite number."""
    keep = np.isfinite(y)
    X, left_out = X[keep].copy(), int((~keep).sum())
    for j in range(X.shape[1]):
        finite = np.isfinite(X[:, j])
        if finite.any():
            X[~finite, j] = np.median(X[finite, j])
    return X, y[keep], left_out


def _left_out(columns: dict[str, Column], target: str, drop: Sequence[str]) -> list[Column]:
    return [c for c in columns.values() if not c.is_numeric and c.name != target and c.name not in drop]


def _profile(
    table: Table, columns: dict[str, Column], target: str, drop: Sequence[str], keep: Sequence[str]
) -> DataProfile:
    def role(column: Column) -> str:
        if column.name == target:
            return "target"
        if column.name in drop:
            return "dropped"
        if column.name in keep:
            return "kept"
        return "feature" if column.is_numeric else column.kind

    profiles: tuple[ColumnProfile, ...] = tuple(c.profile(role(c)) for c in columns.values())
    return DataProfile(table.source, len(table.frame), target, profiles)
