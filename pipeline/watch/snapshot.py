"""A snapshot: the files that one scan of a folder has listed, beside what the catalog knows of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pipeline.catalog.documents.watched_files import FileKey, FileMark, KnownFile
from pipeline.ingest.walk import path_of, source_of
from pipeline.watch.known_files import KnownFiles
from pipeline.watch.scan import Scan, ScannedFile, Scope

__all__ = ["Snapshot", "in_scope", "is_below", "is_unchanged", "renumbered_disks", "take_out_sidecars", "take_snapshot"]


@dataclass
class Snapshot:
    """Files of a scan, beside the known files that the scan says something about.

    present     files that are there
    known       what the catalog knows of the files in the scanned part
    unreadable  folders that cannot be read, with the system's message
    sidecars    what marks the metadata beside a file
    changed     files that differ from what is known, with their mark now; None for one that is missing
    """

    present: dict[FileKey, ScannedFile] = field(default_factory=dict)
    known: dict[FileKey, KnownFile] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    sidecars: dict[FileKey, str] = field(default_factory=dict)
    changed: dict[FileKey, FileMark | None] = field(default_factory=dict)


def take_out_sidecars(scanned: Scan, suffix: str | None) -> dict[str, FileMark]:
    """Remove from a scan the metadata that lies beside files: it is no document.

    Returns:
        The sidecar's mark by the source of its file.
    """
    sidecars: dict[str, FileMark] = {}
    if not suffix:
        return sidecars
    bases = {source: source.removesuffix(suffix) for source in scanned.files if source.endswith(suffix)}
    with_sidecar = {base for base in bases.values() if base in scanned.files}
    for source, base in bases.items():
        path = scanned.files[source].path
        if base in with_sidecar:
            sidecars[base] = scanned.files.pop(source).mark
        elif path.with_name(path.name.removesuffix(suffix)).is_file():
            del scanned.files[source]  # its file is ignored, and so is it
    return sidecars


def take_snapshot(
    scanned: Scan, keys: Mapping[str, FileKey], files: KnownFiles, scope: Scope | None, sidecars: Mapping[str, FileMark]
) -> Snapshot:
    """Put a scan beside the known files.

    Args:
        scanned: what is there.
        keys: {source: key} of the scanned files.
        files: all known files.
        scope: the scanned part of the folder; None for all of it.
        sidecars: marks of the metadata beside files, by the source of the file.
    """
    snapshot = Snapshot(unreadable=scanned.unreadable)
    snapshot.present = {keys[source]: file for source, file in scanned.files.items()}
    snapshot.known = {key: files[key] for key in _known_in(files, scope) if not is_below(scanned.unreadable, key[1])}
    for key, file in snapshot.present.items():
        if key not in files:
            snapshot.known |= _former_names(file, files, snapshot.known)
    snapshot.sidecars = {keys[source]: ":".join(map(str, mark.content)) for source, mark in sidecars.items()}
    for key, file in snapshot.present.items():
        known = snapshot.known.get(key)
        if known is None or known.sidecar != snapshot.sidecars.get(key) or not is_unchanged(file.mark, known):
            # Both must be complete: the one that was written last decides.
            marks = (file.mark, sidecars.get(key[1], file.mark))
            snapshot.changed[key] = max(marks, key=lambda mark: mark.written_at)
    missing = {key for key, known in snapshot.known.items() if key not in snapshot.present and not known.gone}
    snapshot.changed |= dict.fromkeys(missing)
    return snapshot


def _former_names(file: ScannedFile, files: KnownFiles, known: Collection[FileKey]) -> dict[FileKey, KnownFile]:
    """Known files with the inode of a new one that are not there any more: it may have been renamed.

    No event may have named their folder yet, so that it was not scanned.
    """
    same_inode = (key for key in files.with_inode(file.mark.inode) if key not in known)
    return {key: files[key] for key in same_inode if not os.path.lexists(path_of(key[1]))}


def _known_in(files: KnownFiles, scope: Scope | None) -> Collection[FileKey]:
    if scope is None:
        return files
    return {key for folder, deep in scope.items() for key in files.inside(source_of(folder), deep=deep)}


def renumbered_disks(snapshot: Snapshot) -> dict[str, str]:
    """{known number: number now} of the disks that the known files are on."""
    present = snapshot.present
    return {known.mark.device: present[key].mark.device for key, known in snapshot.known.items() if key in present}


def is_unchanged(mark: FileMark, known: KnownFile) -> bool:
    """Whether a file is as it was when it was ingested."""
    return not known.gone and known.document_id is not None and known.mark.same(mark)


def is_below(folders: Collection[str], source: str) -> bool:
    """Whether a source lies below one of the folders."""
    return any(source.startswith(f"{folder.rstrip('/')}/") for folder in folders)


def in_scope(source: str, scope: Scope | None) -> bool:
    """Whether a scan of this scope lists the folder of a file."""
    if scope is None:
        return True
    path = path_of(source)
    return any((deep and folder in path.parents) or folder == path.parent for folder, deep in scope.items())
