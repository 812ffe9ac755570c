"""The page: a Jinja2 template with autoescape, filled from records through the words of one language.

The Content-Security-Policy allows exactly the two scripts in the page, by their hashes, and no request.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from thalweg.families import find_family
from thalweg.records import Certificate, DataTable, Decisions, Fit, Picture, Provenance, Section, Survey
from thalweg.records.fit import option_words
from thalweg.reports.decisions import view
from thalweg.reports.numbers import column_kinds, group_checks, heading, headings, show_cell, show_number
from thalweg.texts import sentences, text

ROWS_SHOWN = 100
"""Rows of a table that stands by itself; report.json has all."""

COLUMNS_SHOWN = 200
"""Rows of the table of columns; a wider file lists the rest in report.json alone."""


def render(
    survey: Survey | None,
    studies: Mapping[str, list[Picture]],
    results: tuple[tuple[Fit, Certificate | None], ...],
    provenance: Provenance | None,
    decisions: Decisions | None,
    lang: str,
) -> str:
    """Return the page of a survey, of runs, or of both."""
    decided = decisions or (survey.decisions if survey else None)
    pictures = _Pictures(lang, decided)
    features = results[0][0].feature_names if results else ()
    sections = survey.sections if survey else ()
    scripts = (_plotly_script(), _resource("report.js"))
    return _environment(lang).get_template("report.html.j2").render(
        lang=lang,
        survey=survey,
        sections=[_Card(section, studies, pictures) for section in sections if section.applies],
        inapplicable=[section for section in sections if not section.applies],
        results=[(fit, certificate, pictures.of(fit), _tables(fit)) for fit, certificate in results],
        decided=view(survey, decisions, features, lang),
        rows_shown=ROWS_SHOWN,
        provenance=provenance,
        groups=group_checks(survey.all_checks) if survey else {},
        columns_shown=COLUMNS_SHOWN,
        glossary=_glossary(lang),
        style=Markup(_resource("style.css")),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
    )  # fmt: skip


class _Card:
    """One family's section with its drawn fits."""

    def __init__(self, section: Section, studies: Mapping[str, list[Picture]], pictures: _Pictures) -> None:
        self.section = section
        self.pictures = [picture for fit in section.fits for picture in pictures.of(fit)]
        self.studies = [pictures.drawn(picture) for picture in studies[section.family]]
        self.tables = [table for fit in section.fits for table in _tables(fit)]


def _tables(fit: Fit) -> tuple[DataTable, ...]:
    return find_family(fit.family).tables(fit)


class _Pictures:
    """Draws fits and numbers the figures of the page."""

    def __init__(self, lang: str, decisions: Decisions | None) -> None:
        self.lang, self.decisions, self.count = lang, decisions, 0

    def of(self, fit: Fit) -> list[dict[str, Any]]:
        return [self.drawn(p) for p in find_family(fit.family).figures(fit, self.lang, self.decisions)]

    def drawn(self, picture: Picture) -> dict[str, Any]:
        self.count += 1
        return {
            "id": f"figure-{self.count}",
            "title": picture.title,
            "alternative": picture.alternative.say(self.lang),
            "tables": picture.tables,
            "height": picture.figure.layout.height,
            "data": _script_safe(picture.figure.to_json()),
        }


def _script_safe(data: str) -> Markup:
    """Make JSON safe inside a script element: nothing in it can close the element or open a comment."""
    return Markup(data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _glossary(lang: str) -> list[tuple[str, str]]:
    names = [code.split(".")[1] for code in sentences(lang) if code.startswith("glossary.") and ".term" in code]
    return [(text(f"glossary.{name}.term", lang), text(f"glossary.{name}.meaning", lang)) for name in names]


def _table_title(table: DataTable, lang: str) -> str:
    return text(f"table.{table.code}", lang)


@functools.cache
def _environment(lang: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("thalweg.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        t=functools.partial(_translate, lang),
        heading=functools.partial(heading, lang=lang),
        table_title=functools.partial(_table_title, lang=lang),
        headings=functools.partial(headings, lang=lang),
        column_kinds=functools.partial(column_kinds, lang=lang),
    )
    environment.filters["number"] = show_number
    environment.filters["cell"] = functools.partial(show_cell, lang=lang)
    environment.filters["option"] = option_words
    environment.filters["rough"] = "{:.2g}".format
    return environment


def _translate(lang: str, code: str, **values: object) -> str:
    return text(code, lang, **values)


@functools.cache
def _resource(name: str) -> str:
    return resources.files("thalweg.reports").joinpath("templates", name).read_text(encoding="utf-8")


@functools.cache
def _plotly_script() -> str:
    return resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")


def _policy(scripts: tuple[str, ...]) -> str:
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"
