"""Part `spool`: is there room on the disks, and does the spool keep what is written to it."""

from __future__ import annotations

import uuid

from pipeline.disk import MB, DiskState
from pipeline.errors import DiskFull
from pipeline.health.finding import Finding, degraded, failed, ok
from pipeline.services import Services
from pipeline.settings.room import disk_of
from pipeline.spool import Spool

__all__ = ["check_spool", "judge_room"]

ROOM_HINT = "Free some space there before it is full: then work waits for room."
SPARE = 2.0
"""With less than this many times the bytes that are needed, the room is short."""


def check_spool(services: Services) -> Finding:
    """Look at the room on the disks, and write, read and delete a small file. Raises the error of the spool."""
    room = judge_room(disk_of(services.settings))
    if room.state != "failed":
        _write_and_read(services.spool)
    return room


def judge_room(disk: DiskState | None) -> Finding:
    """Judge the room on the fullest disk; None where the system does not tell it."""
    if disk is None:
        return ok()
    measured = {"free_bytes": float(disk.free_bytes), "needed_bytes": float(disk.needed_bytes)}
    if disk.full:
        return failed(disk.message, DiskFull.hint, **measured)
    if disk.free_bytes < SPARE * disk.needed_bytes:
        cause = f"{disk.path} has {disk.free_bytes / MB:.0f} MB free; below {disk.needed_bytes / MB:.0f} MB work waits."
        return degraded(cause, ROOM_HINT, 0.0, **measured)
    return ok(**measured)


def _write_and_read(spool: Spool) -> None:
    """Raises OSError: what was written cannot be read. A file that a killed process leaves is swept after a day."""
    key, data = f"drafts/health-{uuid.uuid4().hex}", uuid.uuid4().bytes
    spool.write(key, data)
    try:
        if spool.read(key) != data:
            raise OSError("the spool returns other bytes than were written")
    finally:
        spool.delete(key)
