"""Annotations that are drawn over a page and may hold writing in a picture: stamps, signatures, drawings by hand."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pypdfium2.raw as pdfium_c

from extractors.pdf.grid import Box

__all__ = ["Stamps", "stamps_on"]

MAX_ANNOTATIONS = 2_000
MAX_OBJECTS = 2_000
"""Objects of one annotation that are looked at."""
MAX_DEPTH = 8
EMPTY = 2
"""Bytes of an empty string of pdfium, its end included."""
SHORT_NAME = 32
STAMPS = frozenset({pdfium_c.FPDF_ANNOT_STAMP, pdfium_c.FPDF_ANNOT_WATERMARK})
DRAWINGS = frozenset({pdfium_c.FPDF_ANNOT_INK, pdfium_c.FPDF_ANNOT_POLYGON, pdfium_c.FPDF_ANNOT_POLYLINE})
"""Kinds by which a page without anything else is not blank."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """What annotations draw on a page.

    Attributes:
        count: how many stamps and signatures are drawn.
        pictures: where those stand that are drawn by pictures or paths; the text of others is read as text.
        marked: whether any annotation of these kinds, or a drawing by hand, is seen.
    """

    count: int
    pictures: tuple[Box, ...]
    marked: bool


def stamps_on(page: Any) -> Stamps:
    """Tell what annotations draw on an open page."""
    count, pictures, is_marked = 0, list[Box](), False
    for annotation in _annotations(page):
        kind = pdfium_c.FPDFAnnot_GetSubtype(annotation)
        box = _drawn_at(annotation) if kind in DRAWINGS or _is_stamp(annotation, kind) else None
        is_marked = is_marked or box is not None
        if box and kind not in DRAWINGS:
            is_text = _is_plain_text(annotation)
            count += not (is_text and kind == pdfium_c.FPDF_ANNOT_WIDGET)
            pictures += [] if is_text else [box]
    return Stamps(count, tuple(pictures), is_marked)


def _annotations(page: Any) -> Iterator[Any]:
    for index in range(min(pdfium_c.FPDFPage_GetAnnotCount(page), MAX_ANNOTATIONS)):
        annotation = pdfium_c.FPDFPage_GetAnnot(page, index)
        if annotation:
            try:
                yield annotation
            finally:
                pdfium_c.FPDFPage_CloseAnnot(annotation)


def _drawn_at(annotation: Any) -> Box | None:
    """The place of an annotation that has an appearance and is seen."""
    hidden = pdfium_c.FPDF_ANNOT_FLAG_HIDDEN | pdfium_c.FPDF_ANNOT_FLAG_NOVIEW
    place = pdfium_c.FS_RECTF()
    if pdfium_c.FPDFAnnot_GetFlags(annotation) & hidden or not pdfium_c.FPDFAnnot_HasKey(annotation, b"AP"):
        return None
    if not pdfium_c.FPDFAnnot_GetRect(annotation, place) or place.right <= place.left or place.top <= place.bottom:
        return None
    return place.left, place.bottom, place.right, place.top


def _is_stamp(annotation: Any, kind: int) -> bool:
    """Whether the annotation is of a kind whose writing is not among the texts of annotations, or not all of it."""
    if kind == pdfium_c.FPDF_ANNOT_FREETEXT:
        return bool(pdfium_c.FPDFAnnot_GetStringValue(annotation, b"Contents", None, 0) <= EMPTY)
    return kind in STAMPS or (kind == pdfium_c.FPDF_ANNOT_WIDGET and _is_signature(annotation))


def _is_signature(field: Any) -> bool:
    name = (pdfium_c.FPDF_WCHAR * SHORT_NAME)()
    pdfium_c.FPDFAnnot_GetStringValue(field, b"FT", name, ctypes.sizeof(name))
    return bool(name[:4] == [*map(ord, "Sig"), 0])


def _is_plain_text(annotation: Any) -> bool:
    """Whether an annotation is drawn with text and without pictures: its text is among those of annotations."""
    objects = _kinds(annotation, pdfium_c.FPDFAnnot_GetObjectCount, pdfium_c.FPDFAnnot_GetObject, MAX_DEPTH)
    kinds = set(islice(objects, MAX_OBJECTS))
    return pdfium_c.FPDF_PAGEOBJ_TEXT in kinds and pdfium_c.FPDF_PAGEOBJ_IMAGE not in kinds


def _kinds(holder: Any, count: Any, get: Any, depth: int) -> Iterator[int]:
    """The kinds of the objects that an annotation or a form XObject is drawn with."""
    for index in range(count(holder)):
        item = get(holder, index)
        kind = int(pdfium_c.FPDFPageObj_GetType(item))
        yield kind
        if kind == pdfium_c.FPDF_PAGEOBJ_FORM and depth:
            yield from _kinds(item, pdfium_c.FPDFFormObj_CountObjects, pdfium_c.FPDFFormObj_GetObject, depth - 1)
