"""Every sentence exists in both languages, with the same placeholders, and every code that exists is used."""

import ast
import re
import string
from pathlib import Path

import pytest

from thalweg.records import Outcome
from thalweg.records.errors import ThalwegError
from thalweg.texts import LANGUAGES, sentences, text

ROOT = Path(__file__).parents[1] / "src" / "thalweg"


FILES = {"certificate.json"}


def placeholders(sentence):
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_both_languages_have_the_same_codes_in_the_same_order():
    assert list(sentences("en")) == list(sentences("ja"))


@pytest.mark.parametrize("code", sentences("en"))
def test_both_languages_have_the_same_placeholders(code):
    assert placeholders(sentences("en")[code]) == placeholders(sentences("ja")[code])


def test_japanese_is_japanese():
    words = [c for c, s in sentences("ja").items() if s and not re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", s)]
    marks = {code for code in words if code.startswith("mark.")}
    assert set(words) <= marks | {"column.time", "column.log10_alpha", "glossary.rmse.term", "ui.range"}


def python_files():
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in sorted(ROOT.rglob("*.py"))]


def error_calls():
    """Yield (code, keywords) of every error raised in the source."""
    for path, tree in python_files():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("InputError", "ThalwegError", "_fail"):
                literals = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                if literals:
                    yield path.name, literals[0], {keyword.arg for keyword in node.keywords}


def test_every_error_has_words_and_fills_them():
    seen = set()
    for file, code, given in error_calls():
        for part in ("what", "why", "fix"):
            wanted = placeholders(sentences("en")[f"error.{code}.{part}"])
            assert wanted <= given, f"{file}: {code}.{part} lacks {wanted - given}"
        seen.add(code)
    existing = {code.split(".")[1] for code in sentences("en") if code.startswith("error.")}
    assert seen == existing, seen ^ existing


def test_errors_speak_both_languages():
    error = ThalwegError("file_empty", path="a.csv")
    assert "a.csv is empty" in error.message() and "a.csv は空です" in error.message("ja")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_outcome_has_a_sentence(lang):
    assert {f"outcome.{o.value}" for o in Outcome} == {c for c in sentences(lang) if c.startswith("outcome.")}


def used_codes():
    """Collect the literals in the source and the template, and the prefixes before a part filled at run time."""
    exact, prefixes = set(), set()
    for _, tree in python_files():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                exact.add(node.value)
            if isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
                prefixes.add(str(node.values[0].value))
    template = (ROOT / "reports" / "templates" / "report.html.j2").read_text(encoding="utf-8")
    exact |= set(re.findall(r"""["']([a-z_.]+)["']""", template))
    prefixes |= set(re.findall(r"""t\(["']([a-z_.]+\.)["'] ~""", template))
    return exact, {p for p in prefixes if re.fullmatch(r"[a-z_]+\.", p)}


def test_every_code_is_used_and_every_used_code_exists():
    exact, prefixes = used_codes()
    codes = set(sentences("en"))
    sections = {code.split(".")[0] for code in codes}
    for literal in exact:
        if (
            re.fullmatch(r"[a-z_]+(\.[a-z_0-9]+)+", literal)
            and literal.split(".")[0] in sections
            and literal not in FILES
        ):
            found = literal in codes or any(c.startswith(f"{literal}.") for c in codes) or literal in {
                c.removeprefix(p) for p in ("check.", "figure.", "table.") for c in codes if c.startswith(p)
            } or any(c.startswith(f"{kind}.{literal}.") for kind in ("check", "figure") for c in codes)  # fmt: skip
            assert found, literal
    for code in codes:
        parts = code.split(".")
        by_prefix = parts[0] + "." in prefixes
        # check.<code>.<part> and figure.<code>.<part>: the middle must stand in the source
        middle = ".".join(parts[1:-1]) if parts[0] in ("check", "figure") else ".".join(parts[1:])
        named = code in exact or (by_prefix and (middle in exact or parts[-1] in exact or parts[1] in exact))
        implicit = parts[0] in ("error", "outcome", "verdict", "method", "role", "glossary", "mark", "group")
        assert named or implicit, f"{code} is not used"


def test_unknown_codes_and_missing_placeholders_are_defects():
    with pytest.raises(KeyError):
        text("nothing.like.this")
    with pytest.raises(KeyError):
        text("decision.blocked")
