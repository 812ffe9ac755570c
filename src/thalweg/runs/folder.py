"""A run as a folder: run.json, fit.json with fit.npz, certificate.json, and data.npz if the user keeps the data.

The folder is written under a hidden name beside its place and renamed when it is whole, so a killed run leaves
either all of it or none.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thalweg.data.problem import Problem
from thalweg.records import (
    Certificate,
    Decisions,
    Fit,
    InputError,
    Provenance,
    from_document,
    record,
    to_document,
)

KEPT_DATA = "data.npz"


@record
class Manifest:
    """What a run was made from: `run.json`."""

    family: str
    provenance: Provenance
    source_path: str
    target: str
    dropped: tuple[str, ...]
    impute: str | None
    data_kept: bool
    kept: tuple[str, ...] = ()
    decisions: Decisions | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder in memory; `kept_X` and `kept_y` are None unless the data were kept."""

    path: Path
    manifest: Manifest
    fit: Fit
    certificate: Certificate
    kept_X: np.ndarray | None = None
    kept_y: np.ndarray | None = None


def write_run(
    path: Path,
    problem: Problem,
    fit: Fit,
    certificate: Certificate,
    provenance: Provenance,
    *,
    keep_data: bool = False,
) -> Path:
    """Write a run folder atomically.

    Parameters
    ----------
    path
        The folder to make; it must not exist.
    problem, fit, certificate, provenance
        What the run was made from and what it made.
    keep_data
        Also store X and y; without it only their digests are kept.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If the folder exists already or cannot be written.
    """
    if path.exists():
        raise InputError("run_exists", path=path)
    partial = path.parent / f".{path.name}.partial-{os.getpid()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        partial.mkdir()
        manifest = Manifest(
            family=fit.family,
            provenance=provenance,
            source_path=problem.source_path,
            target=problem.target_name,
            dropped=problem.dropped,
            impute=problem.impute,
            data_kept=keep_data,
            kept=problem.kept,
            decisions=problem.decisions,
        )
        arrays: dict[str, np.ndarray] = {}
        _write_json(partial / "run.json", to_document(manifest))
        _write_json(partial / "fit.json", to_document(fit, arrays))
        np.savez(partial / "fit.npz", **arrays)  # type: ignore[arg-type]
        _write_json(partial / "certificate.json", to_document(certificate))
        if keep_data:
            np.savez(partial / KEPT_DATA, X=problem.X, y=problem.y)
        os.rename(partial, path)
    except OSError as error:
        raise InputError("run_not_written", path=path, reason=error.strerror or str(error)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return path


def read_run(path: Path) -> Run:
    """Read a run folder.

    Returns
    -------
    Run
        Manifest, fit, certificate, and the data if they were kept.

    Raises
    ------
    InputError
        If the folder is missing, incomplete or damaged; names the file.
    """
    if not path.is_dir() or not (path / "run.json").exists():
        raise InputError("run_missing", path=path)
    manifest = _read(path / "run.json", Manifest)
    fit = _read(path / "fit.json", Fit, _read_arrays(path / "fit.npz"))
    certificate = _read(path / "certificate.json", Certificate)
    kept: Mapping[str, np.ndarray] = _read_arrays(path / KEPT_DATA) if manifest.data_kept else {}
    return Run(path, manifest, fit, certificate, kept.get("X"), kept.get("y"))


def replace_certificate(run: Run, certificate: Certificate) -> None:
    """Put a new certificate into a run folder, atomically."""
    target = run.path / "certificate.json"
    partial = target.with_suffix(f".partial-{os.getpid()}")
    try:
        _write_json(partial, to_document(certificate))
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    """Remove what runs of the same name left behind when they were killed while writing."""
    import psutil

    for leftover in path.parent.glob(f".{path.name}.partial-*"):
        owner = leftover.name.rpartition("-")[2]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(leftover, ignore_errors=True)


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    content = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    path.write_text(content + "\n", encoding="utf-8")


def _read(path: Path, kind: type, arrays: Mapping[str, np.ndarray] | None = None) -> Any:
    try:
        found = from_document(json.loads(path.read_text(encoding="utf-8")), arrays)
    except (OSError, ValueError) as error:
        raise InputError("run_damaged", path=path, reason=str(error).split("\n")[0]) from None
    if not isinstance(found, kind):
        raise InputError("run_damaged", path=path, reason=f"{type(found).__name__} != {kind.__name__}")
    return found


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        # The library's own words would advise to load pickles.
        raise InputError("run_damaged", path=path, reason=type(error).__name__) from None
