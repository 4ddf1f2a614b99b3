"""File events of the operating system: the paths that changed below a folder, where such events can be trusted."""

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
UNDECODABLE = "Unable to decode path"
"""Begin of the error with which watchfiles ends when a name changes that is not UTF-8."""

RESTART_S = 1.0
MOUNTS = Path("/proc/self/mounts")
UNTRUSTED = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "9p", "virtiofs", "vboxsf", "prl_fs", "drvfs", "afs", "ceph"}
    | {"glusterfs", "lustre", "beegfs", "gpfs", "pvfs2", "orangefs", "davfs", "fuse", "fuseblk"}
)
"""File systems on which other machines write: the kernel of this one has no events for that."""


class Events:
    """Collects the paths that changed below a folder, in a thread. `alive` is False once there are no events any more.

    The folder itself stands for changes that have no path of their own.
    """

    def __init__(self, root: Path) -> None:
        self.alive = True
        self._root = root
        self._paths: queue.SimpleQueue[set[str]] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"events {root}", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> set[str]:
        """The paths that have changed so far; waits for the first one. Empty if nothing changed for so long."""
        paths: set[str] = set()
        try:
            paths |= self._paths.get(timeout=max(seconds, 0.001))
            while True:
                paths |= self._paths.get_nowait()
        except queue.Empty:
            return paths

    def close(self) -> None:
        """End the thread."""
        self._ended.set()

    def _run(self) -> None:
        """Collect until closed. After a name that is not UTF-8 the folder is watched again; other errors end it."""
        lost = False
        while not self._ended.is_set():
            try:
                self._collect(lost=lost)
            except Exception as error:  # entry point of the thread: without events the folder is polled
                lost = str(error).startswith(UNDECODABLE)
                if not lost:
                    log.warning("watch.no_events", folder=source_of(self._root), error=str(error))
                    break
                self._paths.put({str(self._root)})
                self._ended.wait(RESTART_S)
        self.alive = self._ended.is_set()

    def _collect(self, *, lost: bool) -> None:
        """Put the changed paths into the queue; `lost` says that changes before this call have no path."""
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
            # The folder is watched again from now on: a scan before this may have missed changes in between.
            paths = {path for _, path in changes} | ({str(self._root)} if lost else set())
            lost = False
            if paths:
                self._paths.put(paths)


def is_trusted(folder: Path, mounts: str | None = None) -> bool:
    """Whether events can be trusted in a folder, by the kind of its file system.

    Args:
        folder: the folder.
        mounts: the content of `/proc/self/mounts`; None reads it.
    """
    if mounts is None:
        try:
            mounts = MOUNTS.read_text("utf-8", "surrogateescape")
        except OSError:
            return True  # not Linux: nothing is known of its file systems
    real = os.path.realpath(folder)
    kinds = [(_unescaped(line.split()[1]), line.split()[2]) for line in mounts.splitlines() if len(line.split()) > 2]
    mounted = [(point, kind) for point, kind in kinds if f"{real}/".startswith(point.rstrip("/") + "/")]
    # Of two mounted at one point the later one counts.
    kind = max(enumerate(mounted), key=lambda item: (len(item[1][0]), item[0]))[1][1] if mounted else ""
    return kind not in UNTRUSTED and not kind.startswith("fuse.")


def _unescaped(point: str) -> str:
    return re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), point)
