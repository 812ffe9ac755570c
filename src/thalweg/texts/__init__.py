"""Every sentence a user reads, by code, in English and Japanese.

The sentences stand in `en.toml` and `ja.toml` beside this file; code elsewhere names them by a dotted code
and hands over what fills the placeholders. This package uses the standard library alone and knows no other
part of thalweg, so that error messages and reprs can speak without importing more.
"""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import Any

LANGUAGES = ("en", "ja")


@functools.cache
def sentences(lang: str) -> dict[str, str]:
    """Return all sentences of one language by their dotted code."""
    source = resources.files(__name__).joinpath(f"{lang}.toml").read_text(encoding="utf-8")
    return _flatten(tomllib.loads(source))


def text(code: str, lang: str = "en", **values: object) -> str:
    """Return the sentence `code` in the language `lang` with its placeholders filled.

    Returns
    -------
    str
        One or more whole sentences, or a word.

    Raises
    ------
    KeyError
        If the code is unknown or a placeholder has no value: a defect of thalweg, never of the input.
    """
    return sentences(lang)[code].format_map(values)


def has_text(code: str) -> bool:
    """Tell whether a sentence of this code exists."""
    return code in sentences("en")


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, item in tree.items():
        code = f"{prefix}{name}"
        flat.update(_flatten(item, f"{code}.") if isinstance(item, dict) else {code: item})
    return flat
