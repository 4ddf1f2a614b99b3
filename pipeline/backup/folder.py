"""The folder of a backup.

    manifest.json       what it is: format, version, moment, counts
    checksums.sha256    SHA-256 of every other file, as `sha256sum -c` reads it
    settings.json       the settings, without secrets
    catalog.db          the catalog at that moment, as an SQLite file whichever database it came from
    points/INDEX/…      the points of every index, in files of some thousand each
    snapshots/INDEX     with --qdrant-snapshots: what a Qdrant server has made of the index
    spool/…             originals, kept texts, and what unfinished work needs
    incomplete          only while the backup is being written, and after that if it was interrupted

All of it is plain: other programs can read it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import BackupUnusable, BadRequest

__all__ = ["BackupFolder", "sha256_of"]

MARK = "incomplete"
CHECKSUMS = "checksums.sha256"
NAMED = 5
"""Damaged files that a message names at most."""


class BackupFolder:
    """Paths of a backup, its mark of being incomplete, and its checksums."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = path / "manifest.json"
        self.settings = path / "settings.json"
        self.catalog = path / "catalog.db"
        self.points = path / "points"
        self.snapshots = path / "snapshots"
        self.spool = path / "spool"
        self.mark = path / MARK
        self.checksums = path / CHECKSUMS

    def create(self) -> None:
        """Make the folder, which only this user may read, and mark it as incomplete.

        Raises:
            BadRequest: there is something in it, or it is no folder.
            OSError: it cannot be made.
        """
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise BadRequest(f"{self.path} is not empty.", "Name a folder that does not exist yet.")
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.mark.touch(mode=0o600)
        for file in (self.catalog, self.settings, self.manifest, self.checksums):
            file.touch(mode=0o600)  # the folder itself may have been made by the user, for all to read
        for folder in (self.points, self.spool):
            folder.mkdir(mode=0o700)

    def finish(self, expected: dict[str, str]) -> None:
        """Write the checksums, read every file once more, and remove the mark.

        Args:
            expected: SHA-256 of files by name, as they were when they were written; other files are read for theirs.

        Raises:
            BackupUnusable: a file does not hold what was written.
        """
        sums = {name: expected.get(name) or sha256_of(self.path / name) for name in self.names()}
        lines = [f"{checksum}  {name}\n" for name, checksum in sorted(sums.items())]
        self.checksums.write_text("".join(lines), "utf-8")
        os.sync()
        self.verify()
        self.mark.unlink()
        os.sync()

    def check_complete(self) -> None:
        """Check that this is a backup that was written to its end.

        Raises:
            BackupUnusable: it is not.
        """
        if self.mark.exists():
            raise BackupUnusable(f"The backup in {self.path} is incomplete: it was interrupted.")
        if not self.manifest.is_file() or not self.checksums.is_file():
            raise BackupUnusable(f"There is no backup in {self.path}.", "Name the folder that docrelay backup wrote.")

    def verify(self) -> None:
        """Compare every file with its checksum.

        Raises:
            BackupUnusable: files are damaged, missing, or not in the list.
        """
        listed = self._listed()
        names = set(self.names())
        damaged = [f"{name} is missing" for name in sorted(listed.keys() - names)]
        damaged += [f"{name} is not in {CHECKSUMS}" for name in sorted(names - listed.keys())]
        for name in sorted(names & listed.keys()):
            if sha256_of(self.path / name) != listed[name]:
                damaged.append(f"{name} is damaged")
        if damaged:
            more = f", and {len(damaged) - NAMED} more" if len(damaged) > NAMED else ""
            raise BackupUnusable(f"The backup in {self.path} is damaged: {', '.join(damaged[:NAMED])}{more}.")

    def names(self) -> Iterator[str]:
        """Names of all files, relative to the folder, but for the mark and the checksums."""
        for folder, _, files in os.walk(self.path):
            for file in files:
                name = Path(folder, file).relative_to(self.path).as_posix()
                if name not in (MARK, CHECKSUMS):
                    yield name

    def _listed(self) -> dict[str, str]:
        try:
            lines = self.checksums.read_text("utf-8").splitlines()
            return {name: checksum for checksum, _, name in (line.partition("  ") for line in lines)}
        except (OSError, ValueError) as error:
            raise BackupUnusable(f"{self.checksums} cannot be read: {error}") from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
