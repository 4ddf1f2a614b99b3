"""The names of files that are embedded in a Word file."""

from __future__ import annotations

import re

__all__ = ["embedded_name"]

NATIVE = re.compile(
    rb"\x02\x00([^\x00-\x1f\\/]{1,255})\x00(?:[A-Za-z]:[\\/]|[\\/])?[^\x00-\x1f]{0,260}\x00\x00\x00\x03\x00"
)
"""How the object packager of Windows begins its record: the file's name, its path, and what kind of record it is.

Source: the stream "Ole10Native" as [MS-OLEDS] 2.3.6 and the programs that write it have it.
"""


def embedded_name(beginning: bytes) -> str:
    """Return the name that the packager of Windows recorded for an embedded file; "" where it recorded none."""
    match = NATIVE.search(beginning)
    return "" if match is None else match[1].decode("cp1252", errors="replace")
