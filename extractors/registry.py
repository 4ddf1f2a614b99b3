"""The formats that can be read, and the function that reads each.

    @extractor("application/pdf")        (path, options) -> Document
    @renderer("application/pdf")         (path, page_number, options) -> PIL image of that page

A built-in format is a row of `BUILTIN` and a module that is imported when a file first needs it.
A format of a plug-in registers itself when its module is imported: it needs no row. Modules that packages name in the
entry points `docrelay.extractors` are imported when the formats are first needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from extractors.document import Document
from extractors.errors import Unsupported
from extractors.options import Options

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "BUILTIN",
    "Extract",
    "Format",
    "Render",
    "extractor",
    "find_extractor",
    "find_renderer",
    "formats",
    "has_renderer",
    "media_types_of",
    "outside",
    "renderer",
]

Extract: TypeAlias = Callable[[Path, Options], Document]
Render: TypeAlias = "Callable[[Path, int, Options], Image]"


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file that can be read.

    `suffixes` are lower case with their dot, the usual one first. `module` holds the extractor and is
    imported on first use; it is "" where the extractor registered itself.
    """

    name: str
    media_types: tuple[str, ...]
    suffixes: tuple[str, ...]
    module: str = ""


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

BUILTIN = (
    Format("PDF", ("application/pdf",), (".pdf",), "extractors.pdf.extract"),
    Format("Word", (DOCX,), (".docx",), "extractors.docx.extract"),
    Format("Markdown", ("text/markdown",), (".md", ".markdown", ".mdown"), "extractors.text.extract"),
    Format("Text", ("text/plain",), (".txt", ".text", ".log", ".rst"), "extractors.text.extract"),
    Format("CSV", ("text/csv",), (".csv",), "extractors.text.extract"),
    Format("TSV", ("text/tab-separated-values",), (".tsv", ".tab"), "extractors.text.extract"),
    Format("JSON", ("application/json",), (".json", ".jsonl", ".ndjson", ".geojson"), "extractors.text.json_text"),
    Format("Mail", ("message/rfc822",), (".eml", ".mht", ".mhtml"), "extractors.mail.extract"),
    Format("Mailbox", ("application/mbox",), (".mbox",), "extractors.mail.extract"),
    Format("RSS", ("application/rss+xml",), (".rss",), "extractors.xml.feed"),
    Format("Atom", ("application/atom+xml",), (".atom",), "extractors.xml.feed"),
    Format("XML", ("application/xml",), (".xml",), "extractors.xml.extract"),
    Format("SVG", ("image/svg+xml",), (".svg",), "extractors.xml.svg"),
    Format("PNG", ("image/png",), (".png",), "extractors.pictures.image"),
    Format("JPEG", ("image/jpeg",), (".jpg", ".jpeg"), "extractors.pictures.image"),
    Format("TIFF", ("image/tiff",), (".tif", ".tiff"), "extractors.pictures.image"),
    Format("BMP", ("image/bmp",), (".bmp",), "extractors.pictures.image"),
    Format("WebP", ("image/webp",), (".webp",), "extractors.pictures.image"),
    Format("GIF", ("image/gif",), (".gif",), "extractors.pictures.image"),
)

_formats: dict[str, Format] = {media_type: row for row in BUILTIN for media_type in row.media_types}
_extractors: dict[str, Extract] = {}
_renderers: dict[str, Render] = {}


def extractor(*media_types: str, suffixes: tuple[str, ...] = (), name: str = "") -> Callable[[Extract], Extract]:
    """Register the decorated function as the reader of these media types.

    `suffixes` and `name` describe a format that has no row in `BUILTIN`; a built-in row is kept as it is.
    A reader of a plug-in replaces a built-in one, in whichever order they are imported.
    """

    def register(function: Extract) -> Extract:
        new = Format(name or media_types[0], media_types, suffixes)
        for media_type in media_types:
            row = _formats.setdefault(media_type, new)
            if media_type not in _extractors or function.__module__ != row.module:
                _extractors[media_type] = function
        return function

    return register


def renderer(*media_types: str) -> Callable[[Render], Render]:
    """Register the decorated function as the renderer of these media types: it draws a page for OCR."""

    def register(function: Render) -> Render:
        for media_type in media_types:
            row = _formats.get(media_type)
            if media_type not in _renderers or row is None or function.__module__ != row.module:
                _renderers[media_type] = function
        return function

    return register


@lru_cache(maxsize=1)
def outside() -> list[tuple[EntryPoint, str]]:
    """Import the formats of plug-ins. Returns those that cannot be imported, each with the reason; the rest works."""
    broken: list[tuple[EntryPoint, str]] = []
    for entry in entry_points(group="docrelay.extractors"):
        try:
            entry.load()
        except (Exception, SystemExit) as error:  # an entry point: a plug-in may raise anything
            broken.append((entry, f"{type(error).__name__}: {error}"))
    return broken


def formats() -> list[Format]:
    """Return every format that can be read, built-in ones first; no built-in reader is imported for it."""
    outside()
    return list(dict.fromkeys(_formats.values()))


def media_types_of(word: str) -> tuple[str, ...]:
    """Return the media types that a word means: a media type itself, a suffix with or without dot, or a format's name.

    Empty where no format is known by it.
    """
    if "/" in word:
        return (word.lower(),)
    wanted, suffix = word.lower(), "." + word.lower().lstrip(".")
    known = [row for row in formats() if suffix in row.suffixes or row.name.lower() == wanted]
    return tuple(media_type for row in known for media_type in row.media_types)


def find_extractor(media_type: str) -> Extract:
    """Return the function that reads this media type.

    Raises:
        Unsupported: no format has this media type.
    """
    _load(media_type, _extractors)
    if media_type not in _extractors:
        raise Unsupported(f"Files of type {media_type} are not supported.")
    return _extractors[media_type]


def find_renderer(media_type: str) -> Render:
    """Return the function that draws a page of this media type.

    Raises:
        Unsupported: pages of this media type cannot be drawn.
    """
    _load(media_type, _renderers)
    if media_type not in _renderers:
        raise Unsupported(f"Pages of type {media_type} cannot be drawn for OCR.")
    return _renderers[media_type]


def has_renderer(media_type: str) -> bool:
    """Whether pages of this media type can be drawn."""
    _load(media_type, _renderers)
    return media_type in _renderers


def _load(media_type: str, registered: dict[str, Extract] | dict[str, Render]) -> None:
    outside()
    row = _formats.get(media_type)
    if media_type not in registered and row and row.module:
        import_module(row.module)
