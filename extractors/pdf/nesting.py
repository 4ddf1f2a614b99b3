"""Form XObjects that draw each other: a small file may have a page that draws one of them a thousand million times."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, Any, TypeAlias

from extractors.page_numbers import page_list
from extractors.pdf.objects import dictionary, elements, entry

__all__ = [
    "MAX_DRAWN",
    "drawn_forms",
    "empty_endless_drawings",
    "endless_drawings",
    "may_nest",
    "without_endless_drawings",
]

MAX_DRAWN = 50_000
"""Form XObjects that one page may draw, one counted as often as it is drawn."""
FEW = 100
"""Of a page that draws more, the forms go that draw more than this."""
MAX_DEPTH = 50
"""Levels that are followed; pdfium follows fewer."""
MAX_BYTES = 16 * 2**20
"""Bytes of one content that are searched for what it draws."""
MAX_PAGES = 5_000
MAX_LOOKED_AT = 5_000
"""Form XObjects of a file whose dictionaries are looked at."""
DICTIONARY = 4_096
"""Bytes before and after a form's type in which the rest of its dictionary stands."""
Counts: TypeAlias = dict[tuple[int, int], int]
"""What a form draws, by the identity of the object and its depth."""

FORM = re.compile(rb"/Subtype\s*/Form\b")
DRAWS = re.compile(rb"/([^\s/<>\[\](){}%]+)\s+Do\b")


def may_nest(path: Path) -> bool:
    """Whether form XObjects of the file may draw others. Its bytes say so: no stream is in a packed object."""
    with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
        forms = islice(FORM.finditer(data), MAX_LOOKED_AT)
        return sum(_may_draw(data, form.start()) for form in forms) > 1


def endless_drawings(numbers: Sequence[int]) -> list[str]:
    """The sentence that names the pages from which drawings were left out; none without such pages."""
    if not numbers:
        return []
    return [f"{page_list(numbers)}: drawings that repeat themselves without end are left out."]


def without_endless_drawings(stream: IO[bytes], page_number: int | None = None) -> tuple[BytesIO, list[int]]:
    """Write a PDF without the drawings that would take for ever.

    Args:
        stream: the file, not encrypted.
        page_number: the only page that is looked at; None for all.

    Returns:
        The new file, and the numbers of the pages on which such drawings stood. Both are empty where there are none, or
        where pypdf cannot read the file.
    """
    import pypdf

    logging.getLogger(pypdf.__name__).setLevel(logging.CRITICAL)
    plain = BytesIO()
    try:
        reader = pypdf.PdfReader(stream)
        numbers = empty_endless_drawings(reader, page_number)
        if numbers:
            pypdf.PdfWriter(clone_from=reader).write(plain)
    except MemoryError:
        raise
    except Exception:  # on a damaged file pypdf may raise any error
        return BytesIO(), []
    plain.seek(0)
    return plain, numbers


def empty_endless_drawings(reader: Any, page_number: int | None = None) -> list[int]:
    """Empty the form XObjects that would be drawn without end, in the reader's own objects.

    Args:
        reader: pypdf's or PyPDF2's, of a file that is not encrypted.
        page_number: the only page that is looked at; None for all.

    Returns:
        The numbers of the pages on which they stood.
    """
    counts, numbers = Counts(), list[int]()
    first, last = (1, MAX_PAGES) if page_number is None else (page_number, page_number)
    for number, page in enumerate(islice(reader.pages, first - 1, last), start=first):
        resources = dictionary(page, "/Resources")
        forms = [*_forms(page, resources), *((form, 1) for form in _appearances(page))]
        if sum(times * drawn_forms(form, counts, resources) for form, times in forms) > MAX_DRAWN:
            numbers.append(number)
            for form, _ in forms:
                if drawn_forms(form, counts, resources) > FEW:
                    _empty(form)
            counts.clear()
    return numbers


def drawn_forms(
    form: Any, counts: Counts | None = None, resources: dict[str, Any] | None = None, depth: int = 0
) -> int:
    """How many form XObjects are drawn for one, itself included; one that draws itself is followed `MAX_DEPTH` times.

    Args:
        form: as pypdf gives it.
        counts: those of forms that were counted; filled.
        resources: those of what draws it, which it uses if it has none of its own.
        depth: how many forms draw this one.
    """
    counts = {} if counts is None else counts
    if depth >= MAX_DEPTH:
        return 1
    key = id(form), depth
    if key not in counts:
        own = dictionary(form, "/Resources") or resources or {}
        inner = _forms(form, own)
        counts[key] = 1 + sum(times * drawn_forms(child, counts, own, depth + 1) for child, times in inner)
    return counts[key]


def _may_draw(data: mmap, at: int) -> bool:
    """Whether the form whose type stands here has pictures or forms among its resources, or these stand elsewhere."""
    begin = max(data.rfind(b"obj", max(0, at - DICTIONARY), at), 0)
    end = data.find(b"stream", at, at + DICTIONARY)
    entries = data[begin : end if end > 0 else at + DICTIONARY]
    return b"/XObject" in entries.replace(b"/Type /XObject", b"").replace(b"/Type/XObject", b"") or not re.search(
        rb"/Resources\s*<<", entries
    )


def _forms(holder: Any, resources: dict[str, Any]) -> Iterator[tuple[Any, int]]:
    """The form XObjects that a page or a form with these resources draws, and how often."""
    named = dictionary(resources, "/XObject")
    if not named:
        return
    drawn = Counter(DRAWS.findall(_content(holder)))
    for name in list(named):
        form, times = entry(named, name), drawn[name.lstrip("/").encode("latin-1", "replace")]
        if times and entry(form, "/Subtype") == "/Form":
            yield form, times


def _content(holder: Any) -> bytes:
    parts = [holder] if hasattr(holder, "get_data") else elements(holder, "/Contents", MAX_PAGES)
    return b"\n".join(part.get_data() for part in parts if hasattr(part, "get_data"))[:MAX_BYTES]


def _appearances(page: Any) -> Iterator[Any]:
    for annotation in elements(page, "/Annots", MAX_PAGES):
        form = entry(dictionary(annotation, "/AP"), "/N")
        if hasattr(form, "get_data"):
            yield form


def _empty(form: Any) -> None:
    """Take the content of a form away; what it is and where it stands remains."""
    for key in ("/Filter", "/DecodeParms", "/Resources"):
        form.pop(key, None)
    form._data, form.decoded_self = b"", None
