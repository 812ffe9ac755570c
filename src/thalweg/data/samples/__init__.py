"""Real data sets shipped with thalweg, each with the question it is good for; LICENSES.md tells their sources."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from thalweg.records import InputError


@dataclass(frozen=True)
class Sample:
    """A shipped file with a target, the columns to leave out and a one-line description by text code."""

    name: str
    file: str
    target: str
    drop: tuple[str, ...]
    description: str

    @property
    def path(self) -> Path:
        """Where the file lies in the installed package."""
        return Path(str(resources.files(__name__).joinpath(self.file)))


SAMPLES = (
    Sample("pv-inverter", "pv_inverter.csv", "inverter_temp", (), "sample.pv_inverter"),
    Sample("tecator-fat", "tecator.csv", "fat", ("water", "protein"), "sample.tecator_fat"),
)


def find_sample(name: str) -> Sample:
    """Return the sample of this name.

    Returns
    -------
    Sample
        That of `SAMPLES`.

    Raises
    ------
    InputError
        If there is none; names those that exist.
    """
    for sample in SAMPLES:
        if sample.name == name:
            return sample
    raise InputError("sample_unknown", name=name, known=", ".join(s.name for s in SAMPLES))
