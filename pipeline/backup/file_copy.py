"""Copying files of the spool: kept texts, originals, and the artifacts of unfinished batches."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from pipeline.backup.folder import BackupFolder
from pipeline.catalog import Connection
from pipeline.catalog.documents import garbage, restoring
from pipeline.services import Services
from pipeline.spool import ORIGINALS, Spool, original_key
from pipeline.stages.artifacts import batch_prefix
from pipeline.stages.discard import keys_in
from pipeline.stages.kept_texts import text_key_of

__all__ = ["FileCopy", "artifacts", "changed_files", "needed_files"]

BLOCK = 1 << 20


class FileCopy:
    """The copies of the spool's files in the folder of a backup.

    They are copies, not second names of the same files: a block of the disk that goes bad must not damage both.

    Attributes:
        checksums: SHA-256 of the files by name.
    """

    def __init__(self, spool: Spool, folder: BackupFolder) -> None:
        self.checksums: dict[str, str] = {}
        self._spool = spool
        self._folder = folder
        self._times: dict[str, float] = {}

    def copy(self, keys: Iterable[str], deadline: float = float("inf"), *, changed: bool = False) -> bool:
        """Copy files that are not copied yet; those that do not exist are left out.

        Args:
            keys: their keys in the spool.
            deadline: when to give up, as `time.monotonic` counts.
            changed: also those that were written again since they were copied.

        Returns:
            Whether it came to its end.
        """
        for key in keys:
            if time.monotonic() > deadline:
                return False
            if changed or key not in self._times:
                with suppress(FileNotFoundError):
                    self._copy(key)
        return True

    def finish(self, keep: Collection[str]) -> int:
        """Remove the copies that are not needed in the end. Returns how many are left."""
        for key in self._times.keys() - set(keep):
            path = self._path(key)
            path.unlink()
            self.checksums.pop(self._name(path))
            del self._times[key]
        return len(self._times)

    def _copy(self, key: str) -> None:
        modified_at = self._spool.modified_at(key)
        if self._times.get(key) == modified_at != float("inf"):
            return
        path = self._path(key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        checksum = hashlib.sha256()
        with self._spool.local(key) as source, source.open("rb") as file, path.open("wb") as out:
            while block := file.read(BLOCK):
                checksum.update(block)
                out.write(block)
        self._times[key] = modified_at
        self.checksums[self._name(path)] = checksum.hexdigest()

    def _path(self, key: str) -> Path:
        return self._folder.spool / key

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder.path).as_posix()


def changed_files(connection: Connection, since: float) -> set[str]:
    """Keys of the texts and originals that documents need whose versions have changed since this time."""
    return _needed(connection, restoring.contents_changed(connection, since))


def needed_files(services: Services, connection: Connection) -> set[str]:
    """Keys of the texts and originals that documents need; with `keep_originals` those of all originals."""
    keys = _needed(connection, None)
    return keys | (keys_in(services.spool, ORIGINALS) if services.settings.keep_originals else set())


def _needed(connection: Connection, contents: Collection[str] | None) -> set[str]:
    keys = {text_key_of(*row) for row in garbage.needed_texts(connection, contents)}
    return keys | {original_key(*row) for row in garbage.needed_originals(connection, contents)}


def artifacts(services: Services, connection: Connection) -> list[str]:
    """Keys of the artifacts of batches that wait or are under way."""
    known = set(services.spool.names("batches"))
    prefixes = [batch_prefix(name) for name in restoring.open_batches(connection) if name in known]
    return [f"{prefix}/{name}" for prefix in prefixes for name in services.spool.names(prefix)]
