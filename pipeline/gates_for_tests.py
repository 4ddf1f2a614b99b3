"""Gates: named points at which a process waits while a test keeps them closed, so that a test can act in mid-work.

They are on only where the variable DOCRELAY_TEST_GATES names a folder, which only tests set. In that folder the test
and the processes that it holds leave files for each other:

    NAME.closed         made and removed by the test: the gate is closed as long as it is there
    NAME.NUMBER.pass    made by the test: lets one visitor through, which removes it
    NAME.VISITOR.waits  made by a visitor as long as it waits, with its process id and its worker
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

__all__ = ["FOLDER", "INTAKE", "SANDBOX", "SUPERVISOR", "WORKED", "pass_gate"]

FOLDER = "DOCRELAY_TEST_GATES"

INTAKE = "intake"
"""A group of files is recorded; the next one is not begun, and a request that brought them is not answered."""
SANDBOX = "sandbox"
"""A sandbox has received a request, and has not read the file."""
SUPERVISOR = "supervisor"
"""A supervisor has the locks of its data folder, and has started nothing and said nothing."""
WORKED = "-worked"
"""Behind a stage's name: its work is done, and not committed. The name alone: it is claimed, and nothing is done."""

LONGEST_S = 300.0
"""A gate that a dead test left closed does not hold a process longer."""

POLL_S = 0.01


def pass_gate(name: str, visitor: str, node: str = "") -> None:
    """Wait while a test keeps this gate closed.

    Args:
        name: the gate.
        visitor: the task, job or process that waits, by an id that no other visitor of this gate has.
        node: the worker that the visitor runs on, if any.
    """
    folder = os.environ.get(FOLDER)
    if folder is not None and (closed := Path(folder, f"{name}.closed")).exists():
        _wait(closed, name, visitor, node)


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
