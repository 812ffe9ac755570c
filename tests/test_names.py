"""The documents say what the package is: public names, checks, options."""

import re
from pathlib import Path

import thalweg
from thalweg.families import FAMILIES
from thalweg.texts import sentences

DOCS = Path(__file__).parents[1] / "docs"


def test_names_md_lists_exactly_the_public_names():
    listed = set(re.findall(r"^\| `tw\.([A-Za-z_]+)", (DOCS / "names.md").read_text(encoding="utf-8"), flags=re.M))
    assert listed == set(thalweg.__all__)


def test_every_public_name_loads():
    for name in thalweg.__all__:
        assert getattr(thalweg, name).__doc__


def test_checks_md_explains_every_check():
    explained = set(re.findall(r"^\| `([a-z_.]+)`", (DOCS / "checks.md").read_text(encoding="utf-8"), flags=re.M))
    codes = {code.removeprefix("check.").rpartition(".")[0] for code in sentences("en") if code.startswith("check.")}
    assert explained == codes


def test_every_family_has_a_readme_with_its_theorem():
    for family in FAMILIES:
        readme = (Path(thalweg.__file__).parent / family.name / "README.md").read_text(encoding="utf-8")
        for heading in ("## The theorem", "## Hypotheses", "## A worked example", "## Limits", "## Source"):
            assert heading in readme
