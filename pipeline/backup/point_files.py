"""Points in files: one JSON document a line, compressed."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import BackupUnusable
from pipeline.vectorstore.base import Point
from pipeline.vectorstore.point_json import pack_point, unpack_point

__all__ = ["PointFile", "read_points"]

LEVEL = 1
"""Of compression: the numbers of vectors hardly get smaller by more."""


class PointFile:
    """A file of points that is being written; `close` returns its SHA-256."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.points = 0
        self._hash = hashlib.sha256()
        self._raw = path.open("wb")
        self._zip = gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=self, mtime=0)

    def add(self, points: Sequence[Point]) -> None:
        """Append points."""
        for point in points:
            self._zip.write(json.dumps(pack_point(point)).encode() + b"\n")
        self.points += len(points)

    def write(self, data: Any) -> int:
        """Take compressed bytes; called by the compressor."""
        self._hash.update(data)
        return self._raw.write(data)

    def flush(self) -> None:
        """Write out what is buffered."""
        self._raw.flush()

    def close(self) -> str:
        """End the file. Returns its SHA-256."""
        self._zip.close()
        self._raw.close()
        return self._hash.hexdigest()


def read_points(path: Path) -> Iterator[Point]:
    """Read the points of a file.

    Raises:
        BackupUnusable: a line is no point.
    """
    try:
        with gzip.open(path, "rb") as file:
            for line in file:
                yield unpack_point(json.loads(line))
    except (OSError, EOFError, ValueError, KeyError, TypeError, struct.error, zlib.error) as error:
        raise BackupUnusable(f"{path} cannot be read: {error}") from error
