"""The room on the disks that these settings write to, and waiting for more of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.disk import MB, DiskState, disk_state
from pipeline.errors import DiskFull
from pipeline.settings.schema import Settings

__all__ = ["LATER", "check_room", "disk_of", "disks", "full_disk", "wait_for_room"]

SETTING = "min_free_mb"

LATER = 0.5
"""Share of `min_free_mb` that is enough for the stages after extraction: they end what was begun."""

LEAST_BYTES = MB
"""Less than this is no room, whatever `min_free_mb` says; it is also what the system's temporary folder must have."""

POLL_S = 1.0


def disk_of(settings: Settings) -> DiskState | None:
    """The state of the disk that is full, else of that of the data folder; None where the system cannot say."""
    return full_disk(settings) or disk_state(settings.data_dir, _needed(settings, 1.0), SETTING)


def full_disk(settings: Settings, share: float = 1.0) -> DiskState | None:
    """The first of the disks without room; None if each has some.

    Args:
        settings: name the folders, and how much must be free.
        share: how much of that is enough.
    """
    return next((state for state in disks(settings, share) if state.full), None)


def disks(settings: Settings, share: float = 1.0) -> Iterator[DiskState]:
    """The disks that work writes to: of the data folder, of a local spool, of the system's temporary folder.

    Several of these folders may be on one disk. One of which the system cannot say anything is left out.
    """
    needed = _needed(settings, share)
    folders = [(settings.data_dir, needed, SETTING)]
    if settings.spool_url is not None and "://" not in settings.spool_url.removeprefix("file://"):
        folders.append((Path(settings.spool_url.removeprefix("file://")), needed, SETTING))
    # `tempfile.gettempdir` would look for a folder that is not full.
    folders.append((Path(os.environ.get("TMPDIR") or "/tmp"), LEAST_BYTES, ""))  # noqa: S108 - nothing is written there
    states = (disk_state(*folder) for folder in folders)
    return (state for state in states if state is not None)


def check_room(settings: Settings, share: float = 1.0) -> None:
    """Check that there is room.

    Raises:
        DiskFull: there is too little.
    """
    state = full_disk(settings, share)
    if state is not None:
        raise DiskFull(state.message)


def wait_for_room(settings: Settings, share: float = 1.0, say: Callable[[str], None] | None = None) -> None:
    """Wait until there is room; `say` takes one line when the wait begins, and one when it ends."""
    state = full_disk(settings, share)
    if state is None:
        return
    if say is not None:
        say(state.message)
    while full_disk(settings, share) is not None:
        time.sleep(POLL_S)
    if say is not None:
        say("There is room on the disk again: work goes on.")


def _needed(settings: Settings, share: float) -> int:
    return max(int(settings.min_free_mb * MB * share), LEAST_BYTES)
