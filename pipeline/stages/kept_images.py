"""Kept images: pictures of pages, and where the characters stand on them, each made once and kept while there is room.

    images/ab/abcd…/<name>

Named by the content's SHA-256; the name says the rest. Which are kept longest are those that were asked for last. All
of them can be made again: one that cannot be written or read is no error.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass

import structlog

from pipeline.catalog.documents import garbage
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.settings.room import LATER, full_disk
from pipeline.spool import Spool

__all__ = ["IMAGES", "image_folder", "keep_image", "kept_image", "sweep_images"]

log = structlog.get_logger()

IMAGES = "images"
"""Folder of the spool for these files."""

SLACK = 0.1
"""Share of the bound that a process writes until it looks again at how much there is."""


@dataclass
class _Written:
    """Bytes that this process has written since it looked how much there is."""

    settings: Settings
    bytes: float = math.inf


@dataclass(frozen=True, slots=True, order=True)
class _File:
    modified_at: float
    size: int
    key: str


def image_folder(content_sha256: str) -> str:
    """Folder of all that is kept of the pages of this content."""
    return f"{IMAGES}/{content_sha256[:2]}/{content_sha256}"


def kept_image(services: Services, key: str) -> bytes | None:
    """Return what is kept under a key, which counts as asked for now; None if nothing is."""
    try:
        data = services.spool.read(key)
        services.spool.renew(key)
    except OSError:
        return None
    return data


def keep_image(services: Services, key: str, data: bytes) -> None:
    """Keep what was made, if the settings and the disk have room for it; what was not asked for longest makes room."""
    most = services.settings.page_images_mb << 20
    if len(data) > most * SLACK or full_disk(services.settings, LATER) is not None:
        return
    written = services.singleton(_Written)
    try:
        if written.bytes + len(data) > most * SLACK:
            _make_room(services.spool, most * (1 - SLACK))
            written.bytes = 0
        services.spool.write(key, data)
    except OSError as error:
        log.warning("page_image.not_kept", error=str(error))
        return
    written.bytes += len(data)


def sweep_images(services: Services) -> None:
    """Remove what is kept of contents that no reader sees, and what is more than the settings allow."""
    spool = services.spool
    contents = {content for part in spool.names(IMAGES) for content in spool.names(f"{IMAGES}/{part}")}
    if not contents:
        return
    with services.catalog.connect() as connection:
        needed = {content for content, _, _ in garbage.needed_texts(connection, contents)}
    for content in contents - needed:
        spool.delete(image_folder(content))
    _make_room(spool, services.settings.page_images_mb << 20)


def _make_room(spool: Spool, most: float) -> None:
    """Remove the files that were asked for longest ago, until the others have so many bytes at most."""
    left = most
    for file in sorted(_files(spool), reverse=True):
        left -= file.size
        if left < 0:
            spool.delete(file.key)


def _files(spool: Spool) -> list[_File]:
    files = []
    for part in spool.names(IMAGES):
        for content in spool.names(f"{IMAGES}/{part}"):
            for name in spool.names(image_folder(content)):
                key = f"{image_folder(content)}/{name}"
                with suppress(FileNotFoundError):  # another process makes room, too
                    files.append(_File(spool.modified_at(key), spool.size(key), key))
    return files
