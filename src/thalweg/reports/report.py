"""Report: a survey, a run, or both, in one language, as HTML and as JSON."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from thalweg.families import find_family
from thalweg.records import SCHEMA, Certificate, Decisions, Fit, InputError, Picture, Provenance, Survey
from thalweg.records.codec import encode
from thalweg.reports.html import render
from thalweg.texts import LANGUAGES

GENERATOR = '<meta name="generator" content="thalweg">'
"""Stands in every page: only pages with it are ever replaced."""


@dataclass(frozen=True, eq=False)
class Report:
    """What goes into one report; `measured` are seconds and sizes, the only part that may differ in a rerun."""

    survey: Survey | None
    results: tuple[tuple[Fit, Certificate | None], ...]
    provenance: Provenance | None
    lang: str = "en"
    measured: Mapping[str, float] = field(default_factory=dict)
    decisions: Decisions | None = None

    def html(self) -> str:
        """Return the page: one file, no request to anywhere."""
        return render(self.survey, self.study_pictures, self.results, self.provenance, self.decisions, self.lang)

    def facts(self) -> dict[str, Any]:
        """Return the same facts as JSON-able values; arrays are lists, `measured` stands apart."""
        return {
            "schema": SCHEMA,
            "record": "Report",
            "survey": encode(self.survey),
            "studies": self._studies(),
            "results": [
                {
                    "fit": encode(fit),
                    "certificate": encode(certificate),
                    "tables": encode(find_family(fit.family).tables(fit)),
                }
                for fit, certificate in self.results
            ],
            "decisions": encode(self.decisions),
            "provenance": encode(self.provenance),
            "measured": dict(self.measured),
        }

    @cached_property
    def study_pictures(self) -> dict[str, list[Picture]]:
        """What the survey studied while the data were at hand, drawn once: pictures by family."""
        sections = self.survey.sections if self.survey else ()
        return {s.family: [p for study in s.studies for p in study.pictures(self.lang)] for s in sections}

    def _studies(self) -> list[Any]:
        """Return what the pictures of studies show, as words and tables."""
        return [
            {"code": p.code, "title": p.title, "alternative": encode(p.alternative), "tables": encode(p.tables)}
            for pictures in self.study_pictures.values()
            for p in pictures
        ]

    def json(self) -> str:
        """Return the facts as text; equal inputs give equal bytes apart from `measured`."""
        return json.dumps(self.facts(), ensure_ascii=False, allow_nan=False, indent=1) + "\n"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to `path` and the facts beside it with the ending .json, each atomically.

        Returns
        -------
        Path
            That of the page.

        Raises
        ------
        InputError
            If a file cannot be written, or one is there that is no report.
        """
        page = Path(path)
        for target, mark in ((page, GENERATOR), (page.with_suffix(".json"), '"record": "Report"')):
            if target.is_file() and mark not in target.read_text(encoding="utf-8", errors="replace")[:4096]:
                raise InputError("file_exists", path=target)
        write_atomically(page, self.html())
        write_atomically(page.with_suffix(".json"), self.json())
        return page

    def _repr_html_(self) -> str:
        from html import escape

        return f'<iframe srcdoc="{escape(self.html())}" style="width:100%;height:720px;border:0"></iframe>'


def report(
    *sources: Survey | Fit | Certificate,
    lang: str = "en",
    provenance: Provenance | None = None,
    measured: Mapping[str, float] | None = None,
    decisions: Decisions | None = None,
) -> Report:
    """Gather a survey, fits and certificates into one report.

    Parameters
    ----------
    sources
        At most one survey; each certificate belongs to the fit before it.
    lang
        "en" or "ja".
    provenance
        Of the run; that of the survey unless given.
    measured
        Seconds and sizes to show beside the predictions.
    decisions
        On columns, to be shown with lines to sign; those of the survey unless given.

    Returns
    -------
    Report
        Call `save("report.html")` on it.

    Raises
    ------
    InputError
        If the language is unknown, or the sources are not of these kinds.
    """
    if lang not in LANGUAGES:
        raise InputError("option_range", name="lang", value=lang, wanted=" | ".join(LANGUAGES))
    survey: Survey | None = None
    results: list[tuple[Fit, Certificate | None]] = []
    for source in sources:
        if isinstance(source, Survey) and survey is None:
            survey = source
        elif isinstance(source, Fit):
            results.append((source, None))
        elif isinstance(source, Certificate) and results and results[-1][1] is None:
            results[-1] = (results[-1][0], source)
        else:
            raise InputError("report_sources", kind=type(source).__name__)
    chosen = provenance or (survey.provenance if survey else None)
    return Report(survey, tuple(results), chosen, lang, dict(measured or {}), decisions)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file under a hidden name and rename it when it is whole.

    Parameters
    ----------
    path
        The file; its folder is made if it is missing.
    content
        The text, or bytes.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        os.replace(partial, path)
    except OSError as error:
        raise InputError("file_not_written", path=path, reason=error.strerror or str(error)) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
