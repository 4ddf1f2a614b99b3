"""The disk: how much room is free, whether that is too little to go on, and temporary folders.

The supervisor imports it: it is light.
"""

from __future__ import annotations

from pipeline.disk.room import MB, NO_ROOM, DiskState, disk_state

__all__ = ["MB", "NO_ROOM", "DiskState", "disk_state"]
