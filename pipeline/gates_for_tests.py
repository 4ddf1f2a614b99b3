"""Gates: named points at which a process waits or dies when a test wants it, so that a test can act in mid-work.

They are on only where the variable DOCRELAY_TEST_GATES names a folder, which only tests set. In that folder the test
and the processes that it holds leave files for each other:

    NAME.closed         made and removed by the test: the gate is closed as long as it is there
    NAME.NUMBER.pass    made by the test: lets one visitor through, which removes it
    NAME.VISITOR.waits  made by a visitor as long as it waits, with its process id and its worker
    NAME.JOB.NUMBER.kill  made by the test: one visitor that works for the job ("any": for any) removes it and dies by
                        SIGKILL; the file holds `process`, or `worker` for the leader of its session too

Where the variable DOCRELAY_TEST_HISTORY names a file, every visit of a gate is appended to it, one line of JSON each.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextvars import ContextVar
from pathlib import Path

__all__ = [
    "ANY_JOB",
    "COMMITTED",
    "DROPPED",
    "FOLDER",
    "HISTORY",
    "INTAKE",
    "LOOKS",
    "LOST",
    "NOTIFIED",
    "PUBLISHED",
    "RETRIED",
    "RETURNED",
    "SANDBOX",
    "SCHEDULED",
    "SUPERVISOR",
    "WORKED",
    "are_watched",
    "job_of",
    "pass_gate",
]

FOLDER = "DOCRELAY_TEST_GATES"
HISTORY = "DOCRELAY_TEST_HISTORY"

BACKUP = "backup"
"""A backup has copied what it could without the write lock, and has not taken the lock."""
INTAKE = "intake"
"""A group of files is recorded; the next one is not begun, and a request that brought them is not answered."""
LOOKS = "looks"
NOTIFIED = "notified"
"""A notification was sent, or could not be, and what came of it is not recorded."""
SANDBOX = "sandbox"
"""A sandbox has received a request, and has not read the file."""
SUPERVISOR = "supervisor"
"""A supervisor has the locks of its data folder, and has started nothing and said nothing."""
SCHEDULED = "schedule-"
"""Before the name of an entry of the schedule: its run is claimed, and nothing is done yet."""
DROPPED = "dropped"
"""A message was received whose task is done, or is in the hands of another process."""

WORKED = "-worked"
"""Behind a stage's name: its work is done, and not committed. The name alone: it is claimed, and nothing is done."""
COMMITTED = "-committed"
"""Behind a stage's name: its work is committed, and nothing that follows is published."""
PUBLISHED = "-published"
"""Behind a stage's name: one message has just been published; others of the same canvas may follow."""
RETURNED = "-returned"
"""Behind a stage's name: Celery has recorded the task's result, and has not acknowledged its message."""
RETRIED = "-retried"
"""Behind a stage's name: its claim was given back after an error that a retry can cure."""
LOST = "-lost"
"""Behind a stage's name: its work was done, and the claim belonged to another process by then."""

ANY_JOB = "any"

LONGEST_S = 300.0
"""A gate that a dead test left closed does not hold a process longer."""

POLL_S = 0.01

_WORKS_FOR: ContextVar[tuple[str, str]] = ContextVar("_WORKS_FOR", default=("", ""))
"""The visitor and the job of the last visit in this thread."""


def pass_gate(name: str, visitor: str, node: str = "", job: str = "") -> None:
    """Wait while a test keeps this gate closed; die where the test says so.

    Args:
        name: the gate.
        visitor: the task, job or process that waits, by an id that no other visitor of this gate has.
        node: the worker that the visitor runs on, if any.
        job: the job that the visitor works for, if any.
    """
    if (history := os.environ.get(HISTORY)) is not None:
        _append(history, {"at": name, "visitor": visitor, "node": node, "job": job})
    if (folder := os.environ.get(FOLDER)) is None:
        return
    _WORKS_FOR.set((visitor, job))
    _die_if_asked(Path(folder), name, job, history)
    if (closed := Path(folder, f"{name}.closed")).exists():
        _wait(closed, name, visitor, node)


def are_watched() -> bool:
    """Whether a test uses gates or reads the history: without it, nothing that serves tests alone is set up."""
    return FOLDER in os.environ or HISTORY in os.environ


def job_of(visitor: str) -> str:
    """The job of this visitor if it was the last one in this thread to pass a gate; else empty."""
    last, job = _WORKS_FOR.get()
    return job if last == visitor else ""


def _append(path: str, event: dict[str, str]) -> None:
    """Add a line to the history. One write to a file that is open for appending is not mixed with another.

    A sandbox may write nowhere, so its visits are not in the history.
    """
    clocks = {"monotonic": time.monotonic(), "wall": time.time()}
    line = json.dumps({**event, "pid": os.getpid(), "started": _start_time(), **clocks}) + "\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except PermissionError:
        return
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _start_time() -> int:
    """When this process started, in clock ticks since the machine did; 0 where the system does not say it."""
    try:
        return int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0


def _die_if_asked(folder: Path, name: str, job: str, history: str | None) -> None:
    for path in [found for who in (job, ANY_JOB) if who for found in folder.glob(f"{name}.{who}.*.kill")]:
        try:
            who = path.read_text()
            path.unlink()
        except FileNotFoundError:  # another visitor was quicker
            continue
        if history is not None:
            _append(history, {"at": "killed", "visitor": name, "node": who, "job": job})
        if who == "worker":
            os.kill(os.getsid(0), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def _wait(closed: Path, name: str, visitor: str, node: str) -> None:
    sign = closed.with_name(f"{name}.{visitor}.waits")
    draft = sign.with_suffix(".draft")
    draft.write_text(json.dumps({"visitor": visitor, "pid": os.getpid(), "node": node}))
    draft.replace(sign)
    deadline = time.monotonic() + LONGEST_S
    try:
        while closed.exists() and not _use_pass(closed.parent, name) and time.monotonic() < deadline:
            time.sleep(POLL_S)
    finally:
        sign.unlink(missing_ok=True)


def _use_pass(folder: Path, name: str) -> bool:
    for path in folder.glob(f"{name}.*.pass"):
        try:
            path.unlink()
        except FileNotFoundError:  # another visitor was quicker
            continue
        return True
    return False
