"""The engine `pypdf`: pure Python, slower, no binary parts."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from extractors.divided_words import HYPHEN
from extractors.errors import Corrupt, ExtractError
from extractors.options import Options
from extractors.pdf_engine import MAX_BOOKMARKS, Bookmark, RawPage
from extractors.pdf_pdfium import unlocked

__all__ = ["PypdfFile", "open_pdf", "open_with"]

MAX_DEPTH = 15
LINE_END_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u00ad][ \t]*\r?\n[ \t]*(?=[^\W_])")
PAINTING = frozenset(b"Do BI f F f* S s B B* b b* sh Tj TJ ' \"".split()) | {b"INLINE IMAGE"}


class PypdfFile:
    """An open PDF, read by pypdf or by its predecessor: their readers have the same shape."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._count: int = len(reader.pages)
        self._labels: list[str] = self._read_labels()

    @property
    def page_count(self) -> int:
        """How many pages the file has."""
        return self._count

    @property
    def metadata(self) -> dict[str, str]:
        """The entries of the information dictionary that are set."""
        entries = self._reader.metadata or {}
        return {key.lstrip("/").lower(): str(value) for key, value in entries.items() if str(value)}

    def page(self, index: int) -> RawPage:
        """Read one page, and see on the way what it paints."""
        page = self._reader.pages[index]
        painted = _Painted(page)
        text = LINE_END_HYPHEN.sub(HYPHEN, page.extract_text(visitor_operand_before=painted.see))
        return RawPage(text, self._labels[index] if self._labels else None, painted.picture, painted.marked)

    def outline(self) -> Iterator[Bookmark]:
        """Yield the bookmarks that point to a page."""
        yield from islice(self._bookmarks(self._reader.outline, 0), MAX_BOOKMARKS)

    def _bookmarks(self, entries: list[Any], level: int) -> Iterator[Bookmark]:
        for entry in entries:
            if isinstance(entry, list):
                yield from self._bookmarks(entry, level + 1) if level < MAX_DEPTH else ()
                continue
            index = self._reader.get_destination_page_number(entry)
            if index is not None and index >= 0:
                yield Bookmark(level, str(entry.title or ""), index)

    def _read_labels(self) -> list[str]:
        """The printed page numbers, where the file records them and the reader knows of them."""
        recorded = "/PageLabels" in self._reader.trailer["/Root"]
        labels = list(getattr(self._reader, "page_labels", ())) if recorded else []
        return labels if len(labels) == self._count else []


class _Painted:
    """Looks over the operators of a page for pictures and other marks."""

    def __init__(self, page: Any) -> None:
        self.picture = 0.0
        self.marked = False
        self._area = max(float(page.mediabox.width) * float(page.mediabox.height), 1.0)
        resources = page.get("/Resources")
        objects = resources.get_object().get("/XObject") if resources else None
        self._objects = objects.get_object() if objects else {}

    def see(self, operator: bytes, operands: Any, matrix: list[float], _: Any) -> None:
        """Note what one operator paints; `matrix` is the transformation in force."""
        if operator in PAINTING:
            self.marked = True
        inline = operator in {b"BI", b"INLINE IMAGE"}
        if inline or (operator == b"Do" and operands and self._is_picture(operands[0])):
            share = abs(matrix[0] * matrix[3] - matrix[1] * matrix[2]) / self._area
            self.picture = max(self.picture, min(share, 1.0))

    def _is_picture(self, name: Any) -> bool:
        reference = self._objects.get(name)
        return reference is not None and reference.get_object().get("/Subtype") == "/Image"


@contextmanager
def open_pdf(path: Path, options: Options) -> Iterator[PypdfFile]:
    """Open a PDF, with the empty or one of the given passwords.

    Raises:
        Encrypted: no password opens it.
        Corrupt: pypdf cannot read it.
    """
    import pypdf

    with open_with(pypdf, path, options) as pdf:
        yield pdf


@contextmanager
def open_with(library: ModuleType, path: Path, options: Options) -> Iterator[PypdfFile]:
    """Open a PDF by pypdf or PyPDF2.

    Raises:
        Encrypted, Corrupt: as `open_pdf`.
    """
    # their warnings about damaged files quote the document, which has no place in a log
    logging.getLogger(library.__name__).setLevel(logging.CRITICAL)
    with path.open("rb") as stream:
        yield _opened(library, stream, path, options)


def _opened(library: ModuleType, stream: BinaryIO, path: Path, options: Options) -> PypdfFile:
    try:
        reader = _reader(library, stream)
        return PypdfFile(reader or library.PdfReader(unlocked(path, options)))
    except (ExtractError, MemoryError):
        raise
    except Exception as error:  # these readers let any exception of the language escape on a damaged file
        raise Corrupt("The PDF is damaged beyond repair.") from error


def _reader(library: ModuleType, stream: BinaryIO) -> Any | None:
    """A reader, or None for an encrypted file: AES needs one more package here, pdfium knows every kind."""
    try:
        reader = library.PdfReader(stream)
    except library.errors.DependencyError:
        return None
    return None if reader.is_encrypted else reader
