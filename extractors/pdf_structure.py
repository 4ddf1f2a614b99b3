"""The objects of a PDF that pdfium does not give: read by pypdf, only where the file has such objects."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import islice
from typing import Any, BinaryIO

from extractors.pdf_annotations import Annotation, read_annotations
from extractors.pdf_objects import dictionary, elements

__all__ = ["LazyStructure", "PdfStructure", "open_structure"]

MAX_DEPTH = 32
"""Levels of a form's tree that pdfium descends."""
MAX_FIELDS = 50_000
"""Fields that a form may have, one counted as often as the tree names it, to be drawn."""


class PdfStructure:
    """A PDF's annotations, form and attached files; the reader is pypdf's or PyPDF2's."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._pages = reader.pages
        self._root = reader.trailer["/Root"]

    def annotations(self, index: int) -> list[Annotation]:
        """What is drawn over the page of this index and written beside it."""
        return read_annotations(self._pages[index])

    def rotation(self, index: int) -> int:
        """By how many quarters of a circle the page is shown turned clockwise."""
        return int(self._pages[index].get("/Rotate", 0)) // 90 % 4

    def has_bounded_form(self) -> bool:
        """Whether a program that follows the tree of form fields without looking where it has been comes to an end."""
        stack = [(field, 1) for field in elements(dictionary(self._root, "/AcroForm"), "/Fields", MAX_FIELDS)]
        visits = len(stack)
        while stack and visits < MAX_FIELDS:
            field, depth = stack.pop()
            if depth < MAX_DEPTH:
                kids = list(islice(elements(field, "/Kids", MAX_FIELDS), MAX_FIELDS - visits))
                visits += len(kids)
                stack += [(kid, depth + 1) for kid in kids]
        return visits < MAX_FIELDS


class LazyStructure:
    """A PDF's structure, opened when it is first asked for."""

    def __init__(self, open_file: Callable[[], BinaryIO]) -> None:
        self._open_file = open_file
        self._stream: BinaryIO | None = None
        self._structure: PdfStructure | None = None
        self.failed = False

    def __call__(self) -> PdfStructure | None:
        """The structure; None if the file's objects cannot be read."""
        if self._structure is None and not self.failed:
            try:
                self._stream = self._open_file()
                self._structure = open_structure(self._stream)
            except MemoryError:
                raise
            except Exception:  # pypdf lets any exception of the language escape on a damaged file
                self.failed = True
        return self._structure

    def close(self) -> None:
        """Close the file, if it was opened."""
        if self._stream:
            self._stream.close()


def open_structure(stream: BinaryIO) -> PdfStructure:
    """Open a PDF that is not encrypted. Any exception means that its objects cannot be read."""
    import pypdf

    # its warnings about damaged files quote the document, which has no place in a log
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    return PdfStructure(pypdf.PdfReader(stream))
