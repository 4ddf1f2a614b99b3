"""What is drawn over a PDF page and written beside it: form fields, typed remarks, stamps, notes and comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from extractors.pdf.fields import PASSWORD, field_label, is_shown_as, is_tick, shown_value
from extractors.pdf.nesting import drawn_forms
from extractors.pdf.objects import Box, box_of, dictionary, elements, entry, inherited, number, text, visible_text

__all__ = ["MAX_ANNOTATIONS", "SILENT", "Annotation", "Kind", "read_annotations"]

Kind = Literal["value", "tick", "block", "note"]

MAX_ANNOTATIONS = 2_000
"""Annotations of one page that are read."""
MAX_PAGE_CHARS = 1_000_000
"""Characters that the annotations of one page may have."""

HIDDEN = 1 << 1 | 1 << 5
"""The flags Hidden and NoView."""

SILENT = frozenset(["/Link", "/Popup", "/PrinterMark", "/TrapNet", "/Screen", "/Movie", "/Sound", "/3D", "/RichMedia"])
"""Kinds of annotations without text of their own; a pop-up only shows its parent's."""
SHAPES = frozenset(["/Square", "/Circle", "/Polygon", "/PolyLine", "/Line", "/Ink"])
DRAWN = frozenset(["/Stamp", "/Watermark"]) | SHAPES
"""Kinds that may have text in their appearance; what they say besides is a comment."""
MAX_DRAWN_TEXT = 1_000
"""Form XObjects that an appearance may draw for its text to be read; pypdf is slow."""
CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Annotation:
    """One text over or beside a page.

    A `value` stands in a form field, a `tick` is a box, ticked or not, a `block` is text of its own, and a `note` is
    not on the page but attached to it. `label` says what a tick means where no text stands beside it.
    """

    kind: Kind
    text: str
    box: Box
    label: str = ""


def read_annotations(page: Any) -> list[Annotation]:
    """Read a page's visible annotations, in the order of the file; `page` is pypdf's."""
    seen, rest = set[tuple[str, str]](), MAX_PAGE_CHARS
    read = list[Annotation]()
    for annotation in _all(page):
        rest -= len(annotation.text)
        if rest < 0:
            break
        if annotation.kind != "note" or (annotation.kind, annotation.text) not in seen:
            seen.add((annotation.kind, annotation.text))
            read.append(annotation)
    return read


def _all(page: Any) -> Iterator[Annotation]:
    for raw in elements(page, "/Annots", MAX_ANNOTATIONS):
        box = box_of(raw)
        if box and entry(raw, "/Subtype") not in SILENT and not number({"/F": entry(raw, "/F")}, "/F") & HIDDEN:
            yield from (found for found in _read(page, raw, box) if found.text)


def _read(page: Any, raw: Any, box: Box) -> Iterator[Annotation]:
    kind = entry(raw, "/Subtype")
    if kind == "/Widget":
        yield from _field(page, raw, box)
    elif kind == "/FreeText":
        yield Annotation("block", _typed(page, raw), box)
    else:
        drawn = _drawn_text(page, raw) if kind in DRAWN else ""
        drawn = drawn or (_standard_stamp(raw) if kind == "/Stamp" else "")
        comment = _comment(raw)
        yield Annotation("block", drawn, box)
        yield Annotation("note", _note(raw, comment) if comment != drawn else "", box)


def _field(page: Any, raw: Any, box: Box) -> Iterator[Annotation]:
    if box[0] == box[2] or box[1] == box[3]:
        return
    if inherited(raw, "/FT") == "/Sig":
        yield Annotation("block", _drawn_text(page, raw), box)
    elif is_tick(raw):
        yield Annotation("tick", shown_value(raw), box, field_label(raw))
    else:
        yield Annotation("value", _value(page, raw), box)


def _value(page: Any, raw: Any) -> str:
    """What a field shows: its value, or a number as the field's format writes it."""
    value = shown_value(raw)
    if not value:
        return _computed(page, raw)
    is_number = inherited(raw, "/FT") == "/Tx" and not any(map(str.isalpha, value))
    drawn = _drawn_text(page, raw) if is_number else ""
    return drawn if is_shown_as(value, drawn) else value


def _computed(page: Any, raw: Any) -> str:
    """What a text field shows though no value is stored: a program fills it when the file is opened."""
    is_plain = inherited(raw, "/FT") == "/Tx" and not number(raw, "/Ff") & PASSWORD
    return _drawn_text(page, raw) if is_plain and inherited(raw, "/V") is None else ""


def _typed(page: Any, raw: Any) -> str:
    return text(entry(raw, "/Contents")) or visible_text(entry(raw, "/RC")) or _drawn_text(page, raw)


def _comment(raw: Any) -> str:
    """What a reader wrote about the page: no reply that only sets a state ("accepted"), no name of an attached file."""
    if entry(raw, "/StateModel") is not None:
        return ""
    comment = text(entry(raw, "/Contents")) or visible_text(entry(raw, "/RC"))
    file = dictionary(raw, "/FS")
    return "" if comment in {text(entry(file, "/UF")), text(entry(file, "/F"))} else comment


def _note(raw: Any, comment: str) -> str:
    author = text(entry(raw, "/T"))
    return f"Note ({author}): {comment}" if author and comment else comment and f"Note: {comment}"


def _standard_stamp(raw: Any) -> str:
    """What a viewer draws for a stamp without an appearance: its name ("NotApproved")."""
    name = text(entry(raw, "/Name")).lstrip("/")
    return "" if dictionary(raw, "/AP") or not name.isalpha() else CAPITAL.sub(" ", name)


def _drawn_text(page: Any, raw: Any) -> str:
    """The text of an annotation's appearance."""
    appearance = entry(dictionary(raw, "/AP"), "/N")
    if not hasattr(appearance, "get_data"):
        return ""
    try:
        return text(page.extract_xform_text(appearance)) if drawn_forms(appearance) <= MAX_DRAWN_TEXT else ""
    except MemoryError:
        raise
    except Exception:  # on a damaged appearance pypdf may raise any error
        return ""
