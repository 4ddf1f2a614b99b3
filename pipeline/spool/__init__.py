"""The spool: originals on their way in, and what one stage leaves for the next.

    drafts/…                what is being written, swept after a day
    originals/ab/abcd….pdf  a file as it was taken in, named by its SHA-256
    batches/<batch id>/…    texts, chunks and vectors of one document batch

A local folder, or any fsspec URL shared by all hosts. Writes are atomic: a key holds all of it or nothing.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.disk.temporary_folder import tmp_of
from pipeline.spool.base import ORIGINALS, Kept, Spool, original_key
from pipeline.spool.json_files import read_json, write_json
from pipeline.spool.local import LocalSpool
from pipeline.spool.remote import RemoteSpool

__all__ = [
    "ORIGINALS",
    "Kept",
    "LocalSpool",
    "RemoteSpool",
    "Spool",
    "open_spool",
    "original_key",
    "read_json",
    "write_json",
]


def open_spool(url: str | None, data_dir: Path) -> Spool:
    """The spool at this path or fsspec URL; without one, in the data folder."""
    if url is None:
        return LocalSpool(data_dir / "spool")
    return (
        RemoteSpool(url, tmp_of(data_dir))
        if "://" in url and not url.startswith("file://")
        else LocalSpool(Path(url.removeprefix("file://")))
    )
