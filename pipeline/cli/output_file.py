"""Files that a command writes: whole or not at all, and none is replaced unless its user says so."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipeline.errors import BadRequest

__all__ = ["new_file"]

HINT = "Name a file in a folder that is there and that you may write to."


@contextmanager
def new_file(target: Path, *, force: bool) -> Iterator[Path]:
    """Yield a path beside the target; what is written there takes the target's place at the end.

    Args:
        target: the file.
        force: whether one that is there already is replaced.

    Raises:
        BadRequest: the file is there already, or its folder cannot be written to.
    """
    if target.exists() and not force:
        raise BadRequest(f"{target} is there already.", "Take another name, or replace it with --force.")
    with ExitStack() as scope:
        try:
            beside = scope.enter_context(tempfile.TemporaryDirectory(dir=target.parent, prefix=".docrelay-"))
        except OSError as error:
            raise _unwritable(target, error) from None
        path = Path(beside) / f"new{target.suffix}"
        yield path
        try:
            path.replace(target)
        except OSError as error:
            raise _unwritable(target, error) from None


def _unwritable(target: Path, error: OSError) -> BadRequest:
    return BadRequest(f"{target} cannot be written: {error.strerror}.", HINT)
