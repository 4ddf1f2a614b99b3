"""Pictures: PNG, JPEG, TIFF with its pages, BMP, WebP, GIF. Every page waits for OCR.

Of an animation (GIF, WebP, PNG) the first frame is read.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from extractors.document import Document, Page
from extractors.errors import Corrupt, Empty, TooLarge, is_of_system
from extractors.options import Options
from extractors.pictures.tiff_frames import Frame, OpenedAt, frames
from extractors.registry import extractor, renderer

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MEDIA_TYPES", "extract_image", "render"]

MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
    "WEBP": "image/webp",
    "GIF": "image/gif",
}
"""Pillow's names of the formats that are read. MPO is a JPEG that carries a second picture (a preview)."""

OPENED = tuple(name for name in MEDIA_TYPES if name != "MPO")  # the reader of JPEG opens it

ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""
REDUCED, MASK = 1, 4
"""Bits of NewSubfileType: a smaller copy of another frame, a transparency mask."""
OLD_REDUCED = 2
"""Value of SubfileType for a smaller copy."""
FRAMES_PER_PAGE = 10
"""How many frames of a TIFF are looked at for each page that is allowed: a page may have several smaller copies."""


@extractor(*dict.fromkeys(MEDIA_TYPES.values()))
def extract_image(path: Path, options: Options) -> Document:
    """Look at a picture without decoding it: one `pending` page for each of its pages.

    A page of a TIFF whose data equal those of an earlier one gets the text of that page (`Page.same_as`).

    Raises:
        Empty: `options.ocr` is "off", and a picture has no other text.
        TooLarge: a frame declares more than `options.max_image_pixels`, or there are too many frames.
        Corrupt: it is no picture of these formats, or is cut off.
    """
    if options.ocr == "off":
        raise Empty("A picture has text by OCR alone, which the setting `ocr` turns off: set it to `auto`.")
    with _opened(path) as image:
        pages: tuple[Page, ...] = (Page(1, "", origin="pending"),)
        if image.format == "TIFF":
            pages = _pages_of(_page_frames(path, options, compare=True))
        else:
            _check_size(image.size, options)
        return Document(media_type=MEDIA_TYPES[str(image.format)], pages=pages)


@renderer(*dict.fromkeys(MEDIA_TYPES.values()))
def render(path: Path, page_number: int, options: Options) -> Image:
    """Decode one page, set upright as its EXIF data says; `info["dpi"]` is kept where the file has it.

    Args:
        path: the picture.
        page_number: the page, counted from 1; smaller copies and masks in a TIFF do not count.
        options: `max_image_pixels` is the limit.

    Raises:
        TooLarge: the frame declares more pixels than allowed; it is not decoded.
        Corrupt: the frame is not there, or its data are damaged or cut off.
    """
    from PIL import ImageOps

    with _opened(path, page_number, options.max_pages) as image:
        _check_size(image.size, options)
        image.load()
        upright = ImageOps.exif_transpose(image) if image.getexif().get(ORIENTATION, 1) != 1 else image.copy()
        if "dpi" in image.info:
            upright.info["dpi"] = image.info["dpi"]
        return upright


@contextmanager
def _opened(path: Path, page_number: int = 1, max_pages: int | None = None) -> Iterator[Image]:
    """Open with the readers of our formats only, and put every way in which Pillow fails into our words.

    With `max_pages`, the picture is that of a page of a TIFF; EOFError if there is none.
    """
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Sizes are checked against the caller's limit; the rest is about EXIF and TIFF tags.
            warnings.simplefilter("ignore")
            # By its path Pillow maps an uncompressed TIFF into memory, and garbles one that is to be turned.
            with path.open("rb") as file, Pillow.open(file, formats=OPENED) as image:
                if max_pages is None or image.format != "TIFF":
                    image.seek(page_number - 1)
                    yield image
                    return
                with (
                    OpenedAt(file, _place(path, page_number, max_pages)) as from_there,
                    Pillow.open(from_there, formats=["TIFF"]) as frame,
                ):
                    yield frame
    except Pillow.DecompressionBombError as error:
        raise TooLarge(f"The picture is far larger than any page: {error}") from None
    except UnidentifiedImageError:
        raise Corrupt("The picture's header cannot be read.") from None
    except PICTURE_ERRORS as error:
        if isinstance(error, OSError) and is_of_system(error):
            raise
        raise Corrupt(f"The picture is damaged or cut off: {error}") from error


PICTURE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
)
"""What Pillow's decoders raise on broken data; an OSError without a number says that it ends too early."""


def _place(path: Path, page_number: int, max_pages: int) -> int:
    """Where the frame is that is this page of a TIFF; EOFError if there is none."""
    file = path.stat()
    places = _places(path, file.st_size, file.st_mtime_ns, max_pages)
    if page_number > len(places):
        raise EOFError("there is no such page")
    return places[page_number - 1]


@lru_cache(maxsize=4)
def _places(path: Path, _size: int, _modified_ns: int, max_pages: int) -> tuple[int, ...]:
    """Where the pages of a TIFF are: its pages are rendered in groups, and the walk over a large file takes a while."""
    return tuple(frame.offset for frame in _page_frames(path, Options(max_pages=max_pages), compare=False))


def _page_frames(path: Path, options: Options, *, compare: bool) -> list[Frame]:
    """Return the frames of a TIFF that are pages; with `compare`, equal ones have equal keys.

    Where every frame is marked as a copy or a mask, every frame is a page.

    Raises:
        TooLarge: there are too many pages, or too many frames beside them, or a page is too large.
    """
    pages, others = list[Frame](), list[Frame]()
    with path.open("rb") as file:
        for number, frame in enumerate(frames(file, compare=compare), 1):
            (pages if _is_page(frame) else others).append(frame)
            if len(pages) > options.max_pages or number > FRAMES_PER_PAGE * options.max_pages:
                raise TooLarge(f"The file has more than {options.max_pages} pages (`max_pages`).")
    pages = pages or others[: options.max_pages]
    if compare:
        for frame in pages:
            _check_size((frame.width, frame.height), options)
    return pages


def _pages_of(frames: list[Frame]) -> tuple[Page, ...]:
    """One page for each frame; one that equals an earlier one gets the words of that page."""
    first: dict[bytes, int] = {}
    pages = list[Page]()
    for number, frame in enumerate(frames, 1):
        same = first.setdefault(frame.key, number) if frame.key is not None else number
        pages.append(Page(number, "", origin="pending", same_as=same if same != number else None))
    return tuple(pages)


def _is_page(frame: Frame) -> bool:
    """Whether a frame is a picture of its own, not a smaller copy or the mask of another one."""
    return not frame.kind & (REDUCED | MASK) and frame.old_kind != OLD_REDUCED


def _check_size(size: tuple[int, int], options: Options) -> None:
    if size[0] * size[1] > options.max_image_pixels:
        shown = f"{size[0]} × {size[1]}"
        raise TooLarge(f"The picture has {shown} pixels; `max_image_pixels` allows {options.max_image_pixels}.")
