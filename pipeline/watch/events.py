"""Hints that something changed below a folder: from the system where its events can be trusted, else none at all."""

from __future__ import annotations

import os
import queue
import re
import threading
from pathlib import Path

import structlog
import watchfiles

from pipeline.ingest.walk import source_of

__all__ = ["Events", "is_trusted"]

log = structlog.get_logger()

STEP_MS = 20
DEBOUNCE_MS = 200
STOP_MS = 500
UNTELLABLE = "Unable to decode path"
"""What watchfiles gives up with when a name changes that is no UTF-8."""

AGAIN_S = 1.0
MOUNTS = Path("/proc/self/mounts")
UNTRUSTED = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "9p", "virtiofs", "vboxsf", "prl_fs", "drvfs", "afs", "ceph"}
    | {"glusterfs", "lustre", "beegfs", "gpfs", "pvfs2", "orangefs", "davfs", "fuse", "fuseblk"}
)
"""File systems on which other machines write: this one's kernel hears nothing of it."""


class Events:
    """Paths that changed below a folder, in a thread of their own. `alive` is False once they cannot be had.

    The folder itself stands for changes that could not be told one by one.
    """

    def __init__(self, root: Path) -> None:
        self.alive = True
        self._root = root
        self._paths: queue.SimpleQueue[set[str]] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"events {root}", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> set[str]:
        """Paths that changed, all that are there; empty when nothing did for so long."""
        found: set[str] = set()
        try:
            found |= self._paths.get(timeout=max(seconds, 0.001))
            while True:
                found |= self._paths.get_nowait()
        except queue.Empty:
            return found

    def close(self) -> None:
        """End the thread."""
        self._ended.set()

    def _run(self) -> None:
        lost = False
        while not self._ended.is_set():
            try:
                self._pass_on(lost=lost)
            except Exception as error:  # whatever the system cannot do, looking by ourselves always works
                lost = str(error).startswith(UNTELLABLE)
                if not lost:
                    log.warning("watch.no_events", folder=source_of(self._root), error=str(error))
                    break
                self._paths.put({str(self._root)})
                self._ended.wait(AGAIN_S)
        self.alive = self._ended.is_set()

    def _pass_on(self, *, lost: bool) -> None:
        for changes in watchfiles.watch(
            self._root,
            watch_filter=None,
            step=STEP_MS,
            debounce=DEBOUNCE_MS,
            rust_timeout=STOP_MS,
            stop_event=self._ended,
            raise_interrupt=False,
            ignore_permission_denied=True,
            yield_on_timeout=True,
        ):
            # Only now is the folder watched again: the look before may have missed what came in between.
            found = {path for _, path in changes} | ({str(self._root)} if lost else set())
            lost = False
            if found:
                self._paths.put(found)


def is_trusted(folder: Path, mounts: str | None = None) -> bool:
    """Whether the system's events can be trusted there, by the kind of file system.

    Args:
        folder: the folder.
        mounts: what the kernel says is mounted, as in `/proc/self/mounts`.
    """
    if mounts is None:
        try:
            mounts = MOUNTS.read_text("utf-8", "surrogateescape")
        except OSError:
            return True  # no Linux: there the disks are local, or nothing can be known
    real = os.path.realpath(folder)
    kinds = [(_unescaped(line.split()[1]), line.split()[2]) for line in mounts.splitlines() if len(line.split()) > 2]
    holding = [(point, kind) for point, kind in kinds if f"{real}/".startswith(point.rstrip("/") + "/")]
    # Of two mounted on one place the later one is on top.
    kind = max(enumerate(holding), key=lambda one: (len(one[1][0]), one[0]))[1][1] if holding else ""
    return kind not in UNTRUSTED and not kind.startswith("fuse.")


def _unescaped(point: str) -> str:
    return re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), point)
