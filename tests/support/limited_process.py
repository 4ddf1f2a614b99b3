"""Reads one file in a child process under limits, as a worker's supervisor does, and reports how the child ended."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

__all__ = ["Ending", "read_limited"]

MEMORY = 2 * 2**30
SECONDS = 60.0
NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request")


@dataclass(frozen=True, slots=True)
class Ending:
    """How the child ended: `completed`, a code, or the name of an exception that was not caught."""

    outcome: str
    text: str = ""
    network: tuple[str, ...] = ()


def read_limited(path: Path) -> Ending:
    """Read the file with 2 GiB of address space and 60 seconds; then kill the child and its descendants."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["extractors"])
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_read, args=(os.fsencode(path), theirs))
    child.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(SECONDS) else Ending("timeout")
    except EOFError:
        return Ending("crashed")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid or 0, signal.SIGKILL)
        child.join()
        child.close()
        ours.close()


def _read(path: bytes, answer: Connection) -> None:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    touched: list[str] = []
    sys.addaudithook(lambda event, _: touched.append(event) if event in NETWORK else None)
    outcome, text = _outcome(Path(os.fsdecode(path)))
    answer.send(Ending(outcome, text[:100_000], tuple(touched)))
    answer.close()


def _outcome(path: Path) -> tuple[str, str]:
    from extractors import read
    from extractors.errors import ExtractError
    from extractors.options import Options

    try:
        return "completed", read(path, Options()).text
    except ExtractError as error:
        return error.code, error.message
    except MemoryError:
        return "out_of_memory", ""
    except Exception as error:  # the test reports every exception that an extractor lets through
        return f"{type(error).__name__}: {error}", ""
