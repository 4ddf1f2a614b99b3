"""Routing: the collection that a workflow's route names for a kind of file."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from extractors.errors import ExtractError
from extractors.options import Options
from extractors.sniff import sniff
from pipeline.disk.temporary_folder import temporary_folder
from pipeline.plan import Plan

__all__ = ["media_type_of", "routed_collection"]


def routed_collection(plan: Plan, media_type: str | None) -> str | None:
    """The collection that the plan's route names for this kind of file; None for the job's own."""
    for pattern, collection in plan.route.get("collections", {}).items():
        if media_type is not None and fnmatchcase(media_type, pattern):
            return str(collection)
    otherwise = plan.route.get("otherwise")
    return str(otherwise) if otherwise else None


def media_type_of(source: str, content: bytes | Path, options: Options, tmp: Path | None = None) -> str | None:
    """Media type of a file by its content; its name decides between kinds of text. None if it cannot be read.

    Args:
        source: with the name.
        content: or the file that holds it.
        options: of the extractors.
        tmp: folder for temporary folders; None for the system's.
    """
    with temporary_folder(tmp, "kind-") as folder:
        named = folder / f"file{PurePath(source).suffix[:16]}"
        if isinstance(content, Path):
            named.symlink_to(content.absolute())
        else:
            named.write_bytes(content)
        try:
            return sniff(named, options)
        except (ExtractError, OSError):
            return None
