"""Errors that say what, where, why it matters and how to fix it; the words stand in `texts`."""

from __future__ import annotations

from thalweg.texts import text


class ThalwegError(Exception):
    """Base of all errors that thalweg raises on purpose.

    Parameters
    ----------
    code
        Name of the entry under `[error]` in the texts.
    values
        What fills its placeholders (rows, columns, arguments, nearest names).
    """

    exit_code = 3

    def __init__(self, code: str, **values: object) -> None:
        self.code = code
        self.values = values
        super().__init__(self.message())

    def message(self, lang: str = "en") -> str:
        """Return the sentence in the given language: what and where, why it matters, how to fix it."""
        parts = (text(f"error.{self.code}.{part}", lang, **self.values) for part in ("what", "why", "fix"))
        return " ".join(part for part in parts if part)


class InputError(ThalwegError, ValueError):
    """Unusable input: a file, a column, an array or an option (exit code 2)."""

    exit_code = 2
