"""The data of a run, found again: kept in the folder, given anew, or at the place where they were read."""

from __future__ import annotations

from pathlib import Path

import pandas

from thalweg.data.problem import Problem, make_problem
from thalweg.data.reading import read
from thalweg.data.table import read_table
from thalweg.records import InputError
from thalweg.runs.folder import Run


def problem_of(run: Run, data: Path | None = None) -> Problem:
    """Return the problem of a run.

    Parameters
    ----------
    run
        A run folder that was read.
    data
        The data file, if it has moved.

    Returns
    -------
    Problem
        Bit for bit that of the run.

    Raises
    ------
    InputError
        If no data can be found, or they are not those of the run.
    """
    manifest = run.manifest
    if data is None and run.kept_X is not None and run.kept_y is not None:
        frame = pandas.DataFrame(run.kept_X, columns=list(run.fit.feature_names))
        frame[manifest.target] = run.kept_y
        problem = make_problem(read_table(frame), manifest.target, keep=manifest.kept)
    else:
        source = data or Path(manifest.source_path)
        if data is None and not (manifest.source_path and source.exists()):
            raise InputError(
                "run_data_missing", path=run.path, source=manifest.source_path or manifest.provenance.source
            )
        problem = read(source, manifest.target, drop=manifest.dropped, keep=manifest.kept, impute=manifest.impute)
    if problem.digest != manifest.provenance.problem_digest:
        raise InputError("run_data_differ", path=run.path, source=problem.profile.source)
    return problem
