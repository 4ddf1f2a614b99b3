"""Where the characters of a page stand, as pdfium sees them, and whether anything stands over them."""

from __future__ import annotations

import ctypes
from typing import Any

import pypdfium2.raw as pdfium_c

from extractors.pdf.annotations import MAX_ANNOTATIONS
from extractors.pdf.objects import Box
from extractors.pdf.placement import Run

__all__ = ["boxes_of", "has_annotations", "runs_of"]

SILENT = frozenset(
    [
        pdfium_c.FPDF_ANNOT_LINK,
        pdfium_c.FPDF_ANNOT_POPUP,
        pdfium_c.FPDF_ANNOT_PRINTERMARK,
        pdfium_c.FPDF_ANNOT_TRAPNET,
    ]
)
"""Kinds of annotations without text, which most files have; for others the file is opened once more."""
MAX_RUNS = 100_000
MAX_BOXES = 20_000


def has_annotations(page: Any) -> bool:
    """Whether anything but links lies over the page."""
    return any(_kind(page, index) not in SILENT for index in range(_count(page)))


def _count(page: Any) -> int:
    return int(min(pdfium_c.FPDFPage_GetAnnotCount(page), MAX_ANNOTATIONS))


def _kind(page: Any, index: int) -> int:
    annotation = pdfium_c.FPDFPage_GetAnnot(page, index)
    if not annotation:
        return int(pdfium_c.FPDF_ANNOT_POPUP)
    try:
        return int(pdfium_c.FPDFAnnot_GetSubtype(annotation))
    finally:
        pdfium_c.FPDFPage_CloseAnnot(annotation)


def runs_of(textpage: Any, text: str) -> list[Run]:
    """The characters of the page, each as a run; spaces that pdfium has put between them are none."""
    box, runs = pdfium_c.FS_RECTF(), list[Run]()
    for char in range(min(textpage.count_chars(), MAX_RUNS)):
        at = pdfium_c.FPDFText_GetTextIndexFromCharIndex(textpage, char)
        printed = 0 <= at < len(text) and pdfium_c.FPDFText_IsGenerated(textpage, char) <= 0
        if printed and pdfium_c.FPDFText_GetLooseCharBox(textpage, char, ctypes.byref(box)):
            runs.append(Run(at, at + 1, box.left, box.bottom, box.right, box.top))
    return runs


def boxes_of(textpage: Any) -> list[Box]:
    """The boxes of the pieces that the page's text is drawn in."""
    left, top, right, bottom = numbers = [ctypes.c_double() for _ in range(4)]
    return [
        (left.value, bottom.value, right.value, top.value)
        for index in range(min(pdfium_c.FPDFText_CountRects(textpage, 0, -1), MAX_BOXES))
        if pdfium_c.FPDFText_GetRect(textpage, index, *numbers)
    ]
