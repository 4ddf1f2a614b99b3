"""Which files are attached to a PDF: embedded in it, or pinned to a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from extractors.pdf.objects import dictionary, elements, entry, number, text

__all__ = ["AttachedFile", "attached_files", "not_read", "repeated"]

MAX_FILES = 1_000
"""Attached files that are looked for."""
MAX_NODES = 10_000
MAX_NAMED = 20
"""Attached files that are named; further ones are counted."""
MAX_NAME = 120


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file in a PDF; its size in bytes is None where the PDF does not record it.

    `repeats_pages`: it is what the pages say as XML, as that of an electronic invoice (Factur-X, ZUGFeRD).
    """

    name: str
    size: int | None
    repeats_pages: bool = False


def attached_files(root: Any, pages: Iterator[Any]) -> list[AttachedFile]:
    """The files attached to the document and its pages, each once; the objects are pypdf's."""
    files = dict[int, AttachedFile]()
    for specification in islice(_specifications(root, pages), MAX_NODES):
        stream = _stream(specification)
        if stream is not None and len(files) < MAX_FILES:
            name = _name(specification)
            file = AttachedFile(name, _size(stream), _repeats_pages(specification, stream, name))
            files.setdefault(id(stream), file)
    return list(files.values())


def not_read(files: list[AttachedFile]) -> list[str]:
    """The sentences that say which attached files are not in the text."""
    others = (file for file in files if not file.repeats_pages)
    sentences = [f"The attached file {_shown(file)} is not read: save it, and ingest it by itself." for file in others]
    more = len(sentences) - MAX_NAMED
    return [*sentences[:MAX_NAMED], f"{more} more attached files are not read."] if more > 0 else sentences


def repeated(files: list[AttachedFile]) -> list[str]:
    """The sentences that say which attached files hold what the pages say."""
    names = [_shown(file) for file in files if file.repeats_pages][:MAX_NAMED]
    return [f"The attached file {name} is not read: it holds as XML what the pages say." for name in names]


def _specifications(root: Any, pages: Iterator[Any]) -> Iterator[Any]:
    yield from _named(dictionary(dictionary(root, "/Names"), "/EmbeddedFiles"))
    yield from elements(root, "/AF", MAX_FILES)
    for page in pages:
        yield from elements(page, "/AF", MAX_FILES)
        for annotation in elements(page, "/Annots", MAX_FILES):
            yield entry(annotation, "/FS")
            yield from elements(annotation, "/AF", MAX_FILES)


def _named(tree: Any) -> Iterator[Any]:
    """The values of a name tree, each node once."""
    stack, seen = [tree], dict[int, Any]()
    while stack and len(seen) < MAX_NODES:
        node = stack.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            yield from islice(elements(node, "/Names", 2 * MAX_FILES), 1, None, 2)
            stack += reversed(list(elements(node, "/Kids", MAX_NODES)))


def _stream(specification: Any) -> Any:
    """The embedded file of a file specification; None where it only refers to a file elsewhere."""
    embedded = dictionary(specification, "/EF")
    streams = (entry(embedded, key) for key in ("/UF", "/F", "/Unix", "/Mac", "/DOS"))
    return next((stream for stream in streams if stream is not None), None)


def _repeats_pages(specification: Any, stream: Any, name: str) -> bool:
    """Whether it is XML that the PDF calls an alternative to its pages, or the data that they show.

    Source: ISO 32000-2, 7.11.3 (`AFRelationship`); Factur-X 1.07, 6.2.
    """
    is_xml = name.lower().endswith(".xml") or text(entry(stream, "/Subtype")).removeprefix("/").endswith("/xml")
    return is_xml and str(entry(specification, "/AFRelationship")) in ("/Alternative", "/Data")


def _name(specification: Any) -> str:
    names = (text(entry(specification, key)) for key in ("/UF", "/F", "/Unix", "/Mac", "/DOS", "/Desc"))
    name = " ".join(next((name for name in names if name), "without a name").split())
    return name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…"


def _size(stream: Any) -> int | None:
    recorded = number(dictionary(stream, "/Params"), "/Size")
    plain = hasattr(stream, "get_data") and entry(stream, "/Filter") is None
    return recorded or (len(stream.get_data()) if plain else None)


def _shown(file: AttachedFile) -> str:
    if file.size is None:
        return file.name
    for unit, factor in (("MB", 1_000_000), ("kB", 1_000)):
        if file.size >= factor:
            return f"{file.name} ({file.size / factor:.0f} {unit})"
    return f"{file.name} ({file.size} bytes)"
