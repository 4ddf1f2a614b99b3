"""What commands say: JSON for programs on stdout, everything for people on stderr or as the final lines."""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pipeline.errors import StackUnavailable
    from pipeline.errors.problem import KnownError, Problem

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "UNREACHABLE",
    "WRONG_USE",
    "command",
    "note",
    "out",
    "plain",
    "print_json",
    "print_table",
    "reporting",
    "several",
]

FAILED = 1
"""Some documents failed."""

WRONG_USE = 2
UNREACHABLE = 3

WIDEST = 10_000
"""Columns of a line that no terminal shows."""

INTERRUPTED = 130
"""Ctrl-C, as shells say it."""

# No markup and no emoji names: what is printed holds names and words from outside.
out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def plain(words: str) -> str:
    """Words from outside as one printable line: names may hold newlines and control characters."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in words)


def several(number: int, noun: str) -> str:
    """A number with its noun: 1 document, 2 documents."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def note(words: str) -> None:
    """Tell a person something that is not the result."""
    err.print(Text(plain(words)))


def command(words: str) -> str:
    """A command for the user to type, on the same data folder or server as this one."""
    found = ["docrelay", words]
    for option in ("--data-dir", "--server"):
        given = [after for flag, after in pairwise(sys.argv) if flag == option]
        given += [word.removeprefix(f"{option}=") for word in sys.argv if word.startswith(f"{option}=")]
        found += [f"{option} {shlex.quote(given[-1])}"] if given else []
    return " ".join(found)


def print_table(table: Table) -> None:
    """Print a table whose cells are never cut: folded on a terminal, as wide as they are elsewhere."""
    for column in table.columns:
        column.overflow = "fold"
    out.print(table, width=None if out.is_terminal else WIDEST)


def print_json(data: Any) -> None:
    """Print the one JSON document."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(data, ensure_ascii=not utf8, indent=2) + "\n")
    sys.stdout.flush()


@contextmanager
def reporting() -> Iterator[None]:
    """Turn errors into a sentence, a hint and the fixed exit codes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a letter gets its escape, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except SystemExit as ended:
        # An option that there is not, or a value that cannot be: Typer has told a person about it.
        told = getattr(ended.__context__, "format_message", None)
        if told is not None:
            _print_json_error("bad_request", told(), "See: docrelay --help")
        raise
    except Exception as error:  # the last door: what is known gets a sentence, the rest its traceback
        code = _explained(error)
        if code is None:
            raise
        raise SystemExit(code) from error


def _explained(error: Exception) -> int | None:
    """Tell a person about the error; its exit code, None for one that nobody foresaw."""
    # Imported only now: with their services these are most of the time that `--help` would take.
    import redis

    from pipeline.catalog import CATALOG_ERRORS
    from pipeline.errors.problem import KNOWN, problem_of

    if isinstance(error, KNOWN):
        _print_problem(problem_of(error))
        return _exit_code(error)
    if isinstance(error, (*CATALOG_ERRORS, redis.RedisError, OSError)):
        _print_problem(problem_of(_unreachable(error)))
        return UNREACHABLE
    return None


def _exit_code(error: KnownError) -> int:
    from embeddings.errors import EmbedError
    from pipeline.errors import BadRequest, Busy, Refused, SpaceMismatch, StackUnavailable, UnknownId

    if isinstance(error, (StackUnavailable, Busy)) or (isinstance(error, EmbedError) and error.transient):
        return UNREACHABLE
    wrong_use = (BadRequest, Refused, UnknownId, SpaceMismatch, EmbedError)
    return WRONG_USE if isinstance(error, wrong_use) else FAILED


def _unreachable(error: Exception) -> StackUnavailable:
    """What cannot be reached, and what to do."""
    from pipeline.errors import StackUnavailable

    if hasattr(error, "orig"):
        return StackUnavailable(f"The catalog cannot be used: {error.orig}", "Check the data folder.")
    if isinstance(error, OSError) and error.filename is not None:
        message = f"{error.filename} cannot be used: {error.strerror}."
        return StackUnavailable(message, "If it is in the data folder, give another one with --data-dir.")
    return StackUnavailable(f"A service or a file cannot be reached: {error}", "Start the stack with: docrelay up")


def _print_json_error(code: str, message: str, hint: str) -> None:
    if "--json" in sys.argv:
        print_json({"error": {"code": code, "message": plain(message), "hint": plain(hint)}})


def _print_problem(problem: Problem) -> None:
    _print_json_error(problem.code, problem.message, problem.hint)
    err.print(Text.assemble(("error ", "bold red"), (f"{problem.code}: ", "bold"), plain(problem.message)))
    if problem.hint:
        err.print(Text(f"  {plain(problem.hint)}"))
