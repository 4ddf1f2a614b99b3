"""What a Word file holds that is not in its text: embedded files, and pictures that fill a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from extractors.docx.pictures import PIC, WP
from extractors.docx.styles import RELATIONSHIPS, W

__all__ = ["embedded_name", "embedded_sentences", "page_pictures", "picture_sentence"]

NATIVE = re.compile(
    rb"\x02\x00([^\x00-\x1f\\/]{1,255})\x00(?:[A-Za-z]:[\\/]|[\\/])?[^\x00-\x1f]{0,260}\x00\x00\x00\x03\x00"
)
"""How the object packager of Windows begins its record: the file's name, its path, and what kind of record it is.

Source: the stream "Ole10Native" as [MS-OLEDS] 2.3.6 and the programs that write it have it.
"""
OBJECT = "{urn:schemas-microsoft-com:office:office}OLEObject"
MAX_NAMED = 50
"""Embedded files that are named one by one."""
EMU_PER_TWIP = 635
LETTER = (12240, 15840)
PAGE_SHARE = 0.5
"""The share of a page's area from which on a picture fills it."""


def embedded_name(beginning: bytes) -> str:
    """Return the name that the packager of Windows recorded for an embedded file; "" where it recorded none."""
    match = NATIVE.search(beginning)
    return "" if match is None else match[1].decode("cp1252", errors="replace")


def embedded_sentences(body: Any, embedded: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a sentence on each embedded file, with the program that it belongs to.

    Args:
        body: the `w:body`.
        embedded: the relationship id and the name of each file.
    """
    programs = {item.get(f"{{{RELATIONSHIPS}}}id", ""): item.get("ProgID", "") for item in body.iter(OBJECT)}
    files = list(embedded)
    for link, name in files[:MAX_NAMED]:
        program = f" ({programs[link]})" if programs.get(link) else ""
        yield f"The embedded file {name}{program} is not in the text; save it as a file of its own."
    if len(files) > MAX_NAMED:
        yield f"{len(files) - MAX_NAMED} more embedded files are not in the text."


def page_pictures(body: Any) -> int:
    """How many pictures fill most of a page, as scans do; those behind the text are decoration."""
    size = next(body.iter(W + "pgSz"), None)
    width, height = (_number(size, W + "w", LETTER[0]), _number(size, W + "h", LETTER[1]))
    least = PAGE_SHARE * width * height * EMU_PER_TWIP**2
    frames = [frame for kind in ("inline", "anchor") for frame in body.iter(WP + kind) if _area(frame) >= least]
    shown = [frame for frame in frames if frame.get("behindDoc", "0") in ("0", "false")]
    return sum(next(frame.iter(PIC + "pic"), None) is not None for frame in shown)


def picture_sentence(count: int) -> str:
    """Say that writing on this many pictures is not read."""
    pictures = "A picture fills" if count == 1 else f"{count} pictures fill"
    return f"{pictures} most of a page; writing on them is not in the text. Save the file as PDF to have it read."


def _area(frame: Any) -> int:
    extent = frame.find(WP + "extent")
    return _number(extent, "cx", 0) * _number(extent, "cy", 0)


def _number(element: Any, name: str, usual: int) -> int:
    text = "" if element is None else element.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 12 else usual
