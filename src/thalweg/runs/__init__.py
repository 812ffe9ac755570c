"""Run folders: a training run as files, written whole or not at all, read back bit by bit, compared."""

from thalweg.runs.compare import compare
from thalweg.runs.folder import Run, read_run, write_run

__all__ = ["Run", "compare", "read_run", "write_run"]
