"""The `thalweg` command: the verb that is called is loaded alone, and every way to fail has words and a code.

Exit codes: 0 done, nothing blocking; 1 done, something blocking (with --strict: any warning); 2 usage or
unreadable input; 3 internal error; 130 interrupted.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

import thalweg

VERBS = {
    "survey": "Check the data, predict the training, write a report.",
    "train": "Train one family, prove the result, write a run folder.",
    "certify": "Prove what a run or a model made elsewhere claims, from its data.",
    "report": "Write the report of a run.",
    "compare": "Say what two runs share and what differs.",
    "path": "Print which feature switches on when.",
    "demo": "Survey a real data set that comes with thalweg.",
    "doctor": "Show versions and threads, recompute golden values.",
}


def build_app(arguments: list[str]) -> typer.Typer:
    """Return the command line with the called verb loaded; the others are only named, which is fast."""
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help="Tells where training will go before anyone pays for it, and proves where it went.",
    )
    called = next((a for a in arguments if not a.startswith("-")), None)
    app.callback(invoke_without_command=True)(_version)
    for verb, summary in VERBS.items():
        if verb == called:
            module = importlib.import_module(f"thalweg.cli.{verb}")
            app.command(verb)(_in_words(getattr(module, verb), _language(arguments)))
        else:
            app.command(verb, help=summary)(lambda: None)
    return app


def _version(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(thalweg.__version__)
        raise typer.Exit


def run() -> None:
    """Run the command line and exit with its code; no traceback reaches the user."""
    build_app(sys.argv[1:])()


def _in_words(verb: Callable[..., None], lang: str) -> Callable[..., None]:
    """Wrap a verb so that every error ends in a sentence and an exit code."""

    @functools.wraps(verb)
    def wrapped(*args: object, **kwargs: object) -> None:
        from thalweg.records.errors import ThalwegError

        try:
            verb(*args, **kwargs)
        except typer.Exit:
            raise
        except KeyboardInterrupt:
            _fail(ThalwegError("interrupted"), lang, 130)
        except ThalwegError as error:
            _fail(error, lang, error.exit_code)
        except MemoryError:
            _fail(ThalwegError("memory"), lang, 3)
        except Exception as error:  # the one place where the unforeseen ends in words
            if os.environ.get("THALWEG_TRACEBACK"):
                raise
            reason = str(error).split("\n")[0]
            _fail(ThalwegError("internal", kind=type(error).__name__, reason=reason), lang, 3)

    return wrapped


def _fail(error: Exception, lang: str, exit_code: int) -> None:
    sys.stderr.write(error.message(lang) + "\n")  # type: ignore[attr-defined]
    raise typer.Exit(exit_code) from None


def _language(arguments: list[str]) -> str:
    """Return the language asked for: errors need it before the arguments are parsed."""
    following = [*arguments[1:], ""]
    asked = [
        argument.partition("=")[2] or after
        for argument, after in zip(arguments, following, strict=True)
        if argument.partition("=")[0] == "--lang"
    ]
    return "ja" if asked and asked[-1] == "ja" else "en"
