"""The image of a page, and the boxes of a passage on it: made in a sandbox, kept in the spool."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import TypeVar

from extractors.boxes import Box, Place, Size, checked_box, passage_boxes
from pipeline.page_images.renderers import Renderers
from pipeline.page_images.single_flight import SingleFlight
from pipeline.page_images.source import PageSource
from pipeline.page_images.text_reads import TextReads
from pipeline.results import PageBox, PageDetail
from pipeline.services import Services
from pipeline.stages.kept_images import keep_image, kept_image
from pipeline.stages.sandbox import Sandbox

__all__ = ["PageImage", "draw_image", "find_image", "page_detail", "prepare_pages"]

T = TypeVar("T")

BOXES = Struct("!I")
"""How many boxes are marked on a kept image stands before its data."""

Places = tuple[Size, list[Place]]
"""Width and height of a page, and where the characters of its text stand."""


@dataclass(frozen=True, slots=True)
class PageImage:
    """An image as the bytes of a file; `boxes` is how many are marked on it."""

    data: bytes
    media_type: str
    version_id: str
    boxes: int


def prepare_pages(services: Services) -> None:
    """Make what all requests of a process share: threads that come first at once would make one each."""
    for kind in (Renderers, SingleFlight, TextReads):
        services.singleton(kind)


def find_image(source: PageSource) -> PageImage | None:
    """The image that was asked for, if it is kept; nothing is drawn."""
    kept = kept_image(source.services, source.key_of(source.etag))
    if kept is None or len(kept) <= BOXES.size:
        return None
    return _image(source, kept[BOXES.size :], BOXES.unpack_from(kept)[0])


def draw_image(source: PageSource) -> PageImage:
    """The image that was asked for, drawn unless it is kept.

    Raises:
        UnknownPage: there is no such page.
        Gone: neither the original nor the text that it is drawn from is there any more.
        ExtractError: the page cannot be drawn, or drawing it broke a limit.
        Busy: too many pages are being drawn.
    """
    data, boxes = source.services.singleton(SingleFlight).run(source.etag, lambda: _drawn(source))
    return _image(source, data, boxes)


def _drawn(source: PageSource) -> tuple[bytes, int]:
    """The image that was asked for, and how many boxes are marked on it."""
    kept = find_image(source)  # another request may have drawn it while this one waited for its thread
    if kept is not None:
        return kept.data, kept.boxes
    boxes = [] if source.request.passage is None else _boxes(source, _places(source))
    look = {"width": source.request.width, "format": source.request.format, "boxes": boxes}
    page = {"page": source.request.page, "look": look, "text": source.sheet}
    timeout_s = source.services.settings.extract_timeout_s
    picture = _in_sandbox(source, "draw", lambda sandbox, path: sandbox.draw(path, source.options, page, timeout_s))
    _keep(source, source.key_of(source.etag), BOXES.pack(len(boxes)) + picture.data)
    return picture.data, len(boxes)


def page_detail(source: PageSource) -> PageDetail:
    """Size and text of a page, and the boxes of the passage that was asked for. Raises what `draw_image` raises."""
    request, text = source.request, source.text
    (width, height), places = found = _places(source)
    part = (0, 0) if text is None or request.passage is None else text.within(request.passage)
    return PageDetail(
        document_id=source.document.id,
        version_id=source.document.version_id or "",
        page=request.page,
        pages=source.document.pages if text is None else text.pages,
        width=width,
        height=height,
        unit=source.unit,
        drawn_from="file" if source.from_file else "text",
        char_start=None if text is None else text.char_start,
        char_end=None if text is None else text.char_end,
        boxes=[PageBox(**box._asdict()) for box in _boxes(source, found)],
        letters=0 if text is None else _letters(text.text, part),
        letters_found=0 if text is None else _letters_found(text.text, part, places),
    )


def _image(source: PageSource, data: bytes, boxes: int) -> PageImage:
    return PageImage(data, f"image/{source.request.format}", source.document.version_id or "", boxes)


def _boxes(source: PageSource, found: Places) -> list[Box]:
    """The boxes of the passage; none where it does not stand on this page, or is not found there."""
    text, passage = source.text, source.request.passage
    if text is None or passage is None:
        return []
    size, places = found
    return passage_boxes(places, *text.within(passage), size)


def _letters(text: str, part: tuple[int, int]) -> int:
    return sum(map(str.isalnum, text[slice(*part)]))


def _letters_found(text: str, part: tuple[int, int], places: Sequence[Place]) -> int:
    spans = ((max(place.start, part[0]), min(place.end, part[1])) for place in places)
    return sum(_letters(text, span) for span in spans if span[0] < span[1])


def _places(source: PageSource) -> Places:
    """Where the page's characters stand, found in the sandbox unless they are kept; without a passage only its size."""
    flights = source.services.singleton(SingleFlight)
    return flights.run(_places_key(source), lambda: _kept_places(source) or _located(source))


def _located(source: PageSource) -> Places:
    text = source.text
    wanted = source.sheet
    if text is not None and source.request.passage is not None:
        wanted = text.text
    by_ocr = bool(wanted) and text is not None and text.by_ocr
    page = {"page": source.request.page, "text": wanted, "ocr": by_ocr}
    settings = source.services.settings
    timeout_s = settings.extract_timeout_s + (settings.ocr_timeout_s if by_ocr else 0.0)
    found = _in_sandbox(source, "locate", lambda sandbox, path: sandbox.places(path, source.options, page, timeout_s))
    data = json.dumps({"size": found[0], "places": found[1]}).encode()
    _keep(source, _places_key(source), zlib.compress(data, 1))
    return found


def _keep(source: PageSource, key: str, data: bytes) -> None:
    """Keep what was made; not where the text was gone that the passage had to be found in, as it may come back."""
    if not source.has_text or source.text is not None:
        keep_image(source.services, key, data)


def _kept_places(source: PageSource) -> Places | None:
    data = kept_image(source.services, _places_key(source))
    if data is None:
        return None
    try:
        kept = json.loads(zlib.decompress(data))
        width, height = kept["size"]
        return (width, height), [Place(start, end, checked_box(*box)) for start, end, box in kept["places"]]
    except (ValueError, KeyError, TypeError, zlib.error):  # damaged: it is made anew
        return None


def _places_key(source: PageSource) -> str:
    return source.key_of(source.name_of("places", source.request.passage is not None, source.has_text))


def _in_sandbox(source: PageSource, what: str, work: Callable[[Sandbox, Path | None], T]) -> T:
    """Do something with a sandbox and the file of the page; with no file where a sheet is drawn.

    The file, which may have to be copied, is opened when there is a sandbox for it.

    Args:
        source: the page.
        what: is done; if it fails, it is not tried again at once.
        work: a function of the sandbox and the file.
    """

    def work_on_file(sandbox: Sandbox) -> T:
        with source.file() if source.from_file else nullcontext() as path:
            return work(sandbox, path)

    return source.services.singleton(Renderers).use(source.name_of(what), work_on_file)
