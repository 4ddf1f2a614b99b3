"""Output of the commands: results on stdout, as one JSON document with --json; all else, errors too, on stderr."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pydantic import BaseModel

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
    "quantity",
    "reporting",
    "reread_command",
    "show",
]

Shown = TypeVar("Shown", bound="BaseModel")

FAILED = 1
"""Exit code: some documents failed."""

WRONG_USE = 2
"""Exit code: an option, id, path or setting that cannot be."""

UNREACHABLE = 3
"""Exit code: the stack could not be reached or started."""

WIDTH_OFF_TERMINAL = 10_000
"""Columns of a table that is written to a file or pipe: wide enough to never fold a cell."""

INTERRUPTED = 130
"""Exit code: Ctrl-C, as shells report it."""

UNUSUAL = re.compile(r"[^ -~\n]")
"""Characters of a JSON document that may be no printable ones."""

# No markup and no emoji names: what is printed holds names and texts of users.
out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def plain(text: str) -> str:
    """A text of a user or a file as one printable line: newlines and control characters are escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def quantity(number: int, noun: str) -> str:
    """A number with its noun: 1 document, 2 documents."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def note(line: str) -> None:
    """Print a line that is not the result, such as progress, on stderr."""
    err.print(Text(plain(line)))


def reread_command(collection: str) -> str:
    """The command that reads the outdated documents of a collection again."""
    return command(f"reindex --collection {collection} --outdated --per-minute 60")


def command(words: str) -> str:
    """The command line `docrelay <words>` for the user to type, with the --data-dir and --server of this command."""
    typed = ["docrelay", words]
    for option in ("--data-dir", "--server"):
        values = [value for flag, value in pairwise(sys.argv) if flag == option]
        values += [word.removeprefix(f"{option}=") for word in sys.argv if word.startswith(f"{option}=")]
        typed += [f"{option} {shlex.quote(values[-1])}"] if values else []
    return " ".join(typed)


def print_table(table: Table) -> None:
    """Print a table whose cells are never cut: folded on a terminal, as wide as they are elsewhere."""
    for column in table.columns:
        column.overflow = "fold"
    # `width` of Console.print is never more than the console's own.
    wide = Console(width=WIDTH_OFF_TERMINAL, highlight=False, soft_wrap=True, markup=False, emoji=False)
    (out if out.is_terminal else wide).print(table)


def print_json(data: Any) -> None:
    """Print the one JSON document of this command on stdout."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(data, ensure_ascii=not utf8, indent=2)
    sys.stdout.write(UNUSUAL.sub(_escaped, text) + "\n")
    sys.stdout.flush()


def show(result: Shown, print_for_people: Callable[[Shown], None], *, as_json: bool) -> None:
    """Print the result of a command: as its JSON document, or by a function that prints it for people."""
    if as_json:
        print_json(result.model_dump())
    else:
        print_for_people(result)


def _escaped(found: re.Match[str]) -> str:
    """A character as JSON's escape, if a terminal would obey it: C1 controls, marks of direction, and the like."""
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


@contextmanager
def reporting() -> Iterator[None]:
    """Turn errors into a sentence, a hint and an exit code.

    Raises:
        SystemExit: the command failed; its code is the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a letter gets its escape, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except SystemExit as ended:
        # Typer has printed what is wrong with an option or a value for a person; a program needs it as JSON.
        format_message = getattr(ended.__context__, "format_message", None)
        if format_message is not None:
            hint = _dashed_path_hint(sys.argv[1:])
            _print_json_error("bad_request", format_message(), hint or "See: docrelay --help")
            if hint:
                note(hint)
        raise
    except Exception as error:  # every command ends here: a known error becomes a sentence
        code = _report(error)
        if code is None:
            raise
        raise SystemExit(code) from error


def _report(error: Exception) -> int | None:
    """Print a known error.

    Returns:
        Its exit code; None for an error that is not known, which is not printed.
    """
    # Imported only now: these imports take longer than all the rest of `--help`.
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
    """The exit code for a known error: unreachable, wrong use, or failed."""
    from embeddings.errors import EmbedError
    from pipeline.errors import AlreadyUp, BadRequest, Busy, Refused, SpaceMismatch, StackUnavailable, UnknownId

    if isinstance(error, (StackUnavailable, AlreadyUp, Busy)) or (isinstance(error, EmbedError) and error.transient):
        return UNREACHABLE
    wrong_use = (BadRequest, Refused, UnknownId, SpaceMismatch, EmbedError)
    return WRONG_USE if isinstance(error, wrong_use) else FAILED


def _unreachable(error: Exception) -> StackUnavailable:
    """The error of the catalog, a service or a file as one that says what to do."""
    from pipeline.errors import DiskFull, StackUnavailable
    from pipeline.retries import NO_ROOM_SENTENCES

    if any(sentence in str(error) for sentence in NO_ROOM_SENTENCES):
        return DiskFull(f"disk full: {getattr(error, 'orig', error)}.")
    if hasattr(error, "orig"):
        return StackUnavailable(f"The catalog cannot be used: {error.orig}", "Check the data folder.")
    if isinstance(error, OSError) and error.filename is not None:
        message = f"{error.filename} cannot be used: {error.strerror}."
        return StackUnavailable(message, "If it is in the data folder, give another one with --data-dir.")
    return StackUnavailable(f"A service or a file cannot be reached: {error}", "Start the stack with: docrelay up")


def _dashed_path_hint(words: list[str]) -> str:
    """What to write for a file or folder whose name was read as an option; "" if no word is one."""
    for word in words:
        if word.startswith("-") and os.path.lexists(word):
            return f"{word} is a path that begins with -: write ./{word}, or put -- before it."
    return ""


def _print_json_error(code: str, message: str, hint: str) -> None:
    if "--json" in sys.argv:
        print_json({"error": {"code": code, "message": plain(message), "hint": plain(hint)}})


def _print_problem(problem: Problem) -> None:
    _print_json_error(problem.code, problem.message, problem.hint)
    err.print(Text.assemble(("error ", "bold red"), (f"{problem.code}: ", "bold"), plain(problem.message)))
    if problem.hint:
        err.print(Text(f"  {plain(problem.hint)}"))
