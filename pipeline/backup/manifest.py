"""The manifest of a backup: what it is, of which moment, and what is in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.errors import BackupUnusable

__all__ = ["FORMAT", "Manifest", "read_manifest", "write_manifest"]

FORMAT = 1
"""Number of the layout of a backup; a program restores its own and earlier ones."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. Times are seconds since 1970.

    begun_at            when the first file was written
    moment              the moment whose documents it holds
    counts              collections, documents, unfinished_jobs
    indexes             points of each index, and the fingerprint of their space
    missing_points      points that the store lacked at that moment
    """

    begun_at: float
    moment: float
    counts: dict[str, int]
    indexes: dict[str, dict[str, Any]]
    files: int
    missing_points: int
    format: int = FORMAT
    docrelay: str = version("docrelay")

    @property
    def points(self) -> int:
        """Points of all indexes."""
        return sum(int(index["points"]) for index in self.indexes.values())


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest as JSON."""
    path.write_text(json.dumps(asdict(manifest), indent=2) + "\n", "utf-8")


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; fields of later versions of the same format are ignored.

    Raises:
        BackupUnusable: it is damaged, or a newer program has written the backup in another format.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["format"] > FORMAT:
            raise BackupUnusable(
                f"The backup was written by Docrelay {data.get('docrelay')} in the format {data['format']}; "
                f"this version reads formats up to {FORMAT}.",
                "Restore it with that version of Docrelay, or a newer one.",
            )
        return Manifest(**{name: data[name] for name in Manifest.__slots__ if name in data})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupUnusable(f"{path} cannot be read: {error}") from error
