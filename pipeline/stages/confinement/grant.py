"""What one process that reads files is granted, and the giving up of everything else."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from pipeline.stages.confinement import folders, landlock, seccomp

__all__ = ["CLOSABLE", "Grant", "confine"]

CLOSABLE = ("signals", "files", "programs", "network", "system calls")
"""What a kernel may offer no means to close."""

SIGNALS_SINCE = 6


@dataclass(frozen=True, slots=True)
class Grant:
    """The paths that a process may read and write beside its program, and the data folder, which is closed to it."""

    data_dir: str | None
    readable: tuple[str, ...]
    writable: tuple[str, ...]
    file_mb: int
    """Megabytes of the largest file that it may write."""

    def to_json(self) -> str:
        """As text, for the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Grant:
        """What `to_json` wrote."""
        fields = json.loads(text)
        return cls(fields["data_dir"], tuple(fields["readable"]), tuple(fields["writable"]), fields["file_mb"])


def confine(grant: Grant, terminals: Iterable[str]) -> list[str]:
    """Give up, for good, everything that is not granted, for this process and all that it starts.

    Returns:
        What of `CLOSABLE` stays open since this kernel offers no means against it; empty where all is closed.
    """
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, grant.file_mb << 20)
    still_open = [] if landlock.abi() >= SIGNALS_SINCE else ["signals"]
    if not (landlock.abi() and _is_taken(partial(_close_files, grant, terminals))):
        still_open += ["files", "programs"]
    if not (seccomp.is_known() and _is_taken(seccomp.refuse)):
        still_open += ["network", "system calls"]
    return still_open


def _close_files(grant: Grant, terminals: Iterable[str]) -> None:
    readable, writable = map(Path, grant.readable), map(Path, grant.writable)
    closed = None if grant.data_dir is None else Path(grant.data_dir)
    landlock.restrict(folders.rules(readable, writable, terminals, closed))


def _is_taken(step: Callable[[], None]) -> bool:
    """Whether the kernel takes a step. Where it does not, as within too many containers, the others still hold."""
    try:
        step()
    except OSError:
        return False
    return True


def _limit(which: int, value: int) -> None:
    """Lower a limit, never raise it."""
    soft, hard = resource.getrlimit(which)
    limits = [one for one in (soft, hard, value) if one != resource.RLIM_INFINITY]
    resource.setrlimit(which, (min(limits), min(limits)))
