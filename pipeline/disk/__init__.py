"""Room on a disk: how much is free, and whether that is too little to go on. The supervisor imports it: it is light."""

from __future__ import annotations

from pipeline.disk.room import NO_ROOM, DiskState, disk_state

__all__ = ["NO_ROOM", "DiskState", "disk_state"]
