"""The objects of a PDF that pdfium does not give: read by pypdf, only where the file has such objects."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import IO, Any

from extractors.pdf.annotations import read_annotations
from extractors.pdf.attachments import attached_files, not_read, repeated
from extractors.pdf.engine import Unread
from extractors.pdf.objects import dictionary, elements
from extractors.pdf.placement import Run, overlay, turned, with_annotations
from extractors.pdf.xfa import is_laid_out_by_viewer, xfa_text

__all__ = ["LazyStructure", "PdfStructure", "open_structure"]

MAX_PAGES = 5_000
"""Pages that are searched for files pinned to them."""
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

    def annotated(self, text: str, runs: Callable[[], list[Run]], index: int) -> tuple[str, str]:
        """(the text of the page of this index with its annotations at their places, the annotations alone).

        Args:
            text: the page's own text.
            runs: tells where the text stands.
            index: which page, from 0.

        The first page of a form that the viewer lays out is the form's text.
        """
        if index == 0 and is_laid_out_by_viewer(self._root):
            return (xfa_text(self._root),) * 2
        page = self._pages[index]
        annotations = read_annotations(page)
        alone = overlay(annotations)
        if not annotations:
            return text, alone
        quarters = int(page.get("/Rotate", 0)) // 90 % 4
        if not quarters:
            return with_annotations(text, runs(), annotations), alone
        upright = [Run(run.start, run.end, *turned(run[2:], quarters)) for run in runs()]
        annotations = [replace(a, box=turned(a.box, quarters)) for a in annotations]
        return with_annotations(text, upright, annotations), alone

    def attachments(self) -> Unread:
        """The sentences that name the attached files, which are not read."""
        pages = (self._pages[index] for index in range(min(len(self._pages), MAX_PAGES)))
        files = attached_files(self._root, pages)
        return Unread(not_read(files), repeated(files))

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


NOT_READ = "Form fields, notes or attached files of the PDF could not be read: the file is damaged."


class LazyStructure:
    """A PDF's structure, opened when it is first asked for."""

    def __init__(self, open_file: Callable[[], PdfStructure]) -> None:
        self._open = open_file
        self._structure: PdfStructure | None = None
        self._is_damaged = False

    def __call__(self) -> PdfStructure | None:
        """The structure; None if the file's objects cannot be read."""
        if self._structure is None and not self._is_damaged:
            try:
                self._structure = self._open()
            except MemoryError:
                raise
            except Exception:  # pypdf lets any exception of the language escape on a damaged file
                self._is_damaged = True
        return self._structure

    def annotated(self, text: str, runs: Callable[[], list[Run]], index: int) -> tuple[str, str]:
        """As `PdfStructure.annotated`; the page's own text and "" if the annotations cannot be read."""
        structure = self()
        try:
            return structure.annotated(text, runs, index) if structure else (text, "")
        except MemoryError:
            raise
        except Exception:  # as for the file
            self._is_damaged = True
            return text, ""

    def unread(self, *, attachments: bool) -> Unread:
        """What is not read beside the pages; attached files only where they are asked for."""
        structure = self() if attachments else None
        try:
            files = structure.attachments() if structure else Unread([], [])
        except MemoryError:
            raise
        except Exception:  # as for the file
            self._is_damaged, files = True, Unread([], [])
        return files._replace(missing=[*files.missing, NOT_READ]) if self._is_damaged else files


def open_structure(stream: IO[bytes]) -> PdfStructure:
    """Open a PDF that is not encrypted. Any exception means that its objects cannot be read."""
    import pypdf

    # its warnings about damaged files quote the document, which has no place in a log
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    return PdfStructure(pypdf.PdfReader(stream))
