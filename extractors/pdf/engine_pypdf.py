"""The engine `pypdf`: pure Python, slower, no binary parts."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from extractors.divided_words import HYPHEN
from extractors.errors import Corrupt, ExtractError
from extractors.options import Options
from extractors.pdf.engine import MAX_BOOKMARKS, Bookmark, Drawn, RawPage, Unread
from extractors.pdf.engine_pdfium import PdfiumFile, unlocked
from extractors.pdf.engine_pdfium import open_pdf as open_by_pdfium
from extractors.pdf.nesting import empty_endless_drawings, endless_drawings, may_nest
from extractors.pdf.pieces import Pieces
from extractors.pdf.structure import LazyStructure, PdfStructure

__all__ = ["PypdfFile", "open_pdf", "open_with"]

MAX_DEPTH = 15
LINE_END_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u00ad][ \t]*\r?\n[ \t]*(?=[^\W_])")


class PypdfFile:
    """An open PDF, read by pypdf or by its predecessor: their readers have the same shape."""

    def __init__(self, reader: Any, drawings: PdfiumFile | None, endless: Sequence[int] = ()) -> None:
        self._reader = reader
        self._endless = endless
        self._structure = LazyStructure(lambda: PdfStructure(reader))
        self._drawings = drawings
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
        """Read one page with its annotations; what is drawn on it pdfium sees, whose eyes OCR has as well."""
        pieces = Pieces()
        text = pieces.without_copies(self._reader.pages[index].extract_text(visitor_text=pieces.add))
        annotated, over = self._structure.annotated(text, lambda: pieces.runs(text), index)
        raw = LINE_END_HYPHEN.sub(HYPHEN, annotated)
        return RawPage(raw, self._labels[index] if self._labels else None, self._drawn(index, raw), overlay=over)

    def _drawn(self, index: int, text: str) -> Drawn:
        try:
            return self._drawings.drawn(index, text) if self._drawings else Drawn(marked=True)
        except MemoryError:
            raise
        except Exception:  # a damaged page that pypdf can read all the same
            return Drawn(marked=True)

    def unread(self) -> Unread:
        """Name the attached files, and the pages with drawings that are left out."""
        unread = self._structure.unread(attachments=True)
        return unread._replace(missing=[*endless_drawings(self._endless), *unread.missing])

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
    with path.open("rb") as stream, _drawings(path, options) as drawings:
        yield _opened(library, stream, path, options, drawings)


@contextmanager
def _drawings(path: Path, options: Options) -> Iterator[PdfiumFile | None]:
    """The file as pdfium sees it; None where pdfium cannot open it."""
    with ExitStack() as stack:
        try:
            drawings = stack.enter_context(open_by_pdfium(path, options))
        except ExtractError:
            yield None
        else:
            yield drawings


def _opened(
    library: ModuleType, stream: BinaryIO, path: Path, options: Options, drawings: PdfiumFile | None
) -> PypdfFile:
    try:
        reader = _reader(library, stream) or library.PdfReader(unlocked(path, options))
        endless = empty_endless_drawings(reader) if may_nest(path) else []
        return PypdfFile(reader, drawings, endless)
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
