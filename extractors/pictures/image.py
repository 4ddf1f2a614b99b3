"""Pictures: PNG, JPEG, TIFF with its pages, BMP, WebP, GIF. Every page waits for OCR.

Of an animation (GIF, WebP, PNG) the first frame is read.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extractors.document import Document, Page
from extractors.errors import Corrupt, Empty, TooLarge, is_of_system
from extractors.options import Options
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
NEW_SUBFILE_TYPE, SUBFILE_TYPE = 254, 255
"""TIFF tags that say what a frame is; the second one is the form of TIFF 5 and before."""
REDUCED, MASK = 1, 4
"""Bits of NewSubfileType: a smaller copy of another frame, a transparency mask."""
OLD_REDUCED = 2
"""Value of SubfileType for a smaller copy."""
FRAMES_PER_PAGE = 10
"""How many frames of a TIFF are looked at for each page that is allowed: a page may have several smaller copies."""


@extractor(*dict.fromkeys(MEDIA_TYPES.values()))
def extract_image(path: Path, options: Options) -> Document:
    """Look at a picture without decoding it: one `pending` page for each of its pages.

    Raises:
        Empty: `options.ocr` is "off", and a picture has no other text.
        TooLarge: a frame declares more than `options.max_image_pixels`, or there are too many frames.
        Corrupt: it is no picture of these formats, or is cut off.
    """
    if options.ocr == "off":
        raise Empty("A picture has text by OCR alone, which the setting `ocr` turns off: set it to `auto`.")
    with _opened(path) as image:
        pages = len(_page_frames(image, options))
        return Document(
            media_type=MEDIA_TYPES[str(image.format)],
            pages=tuple(Page(number, "", origin="pending") for number in range(1, pages + 1)),
        )


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

    with _opened(path) as image:
        _seek_page(image, page_number, options)
        image.load()
        upright = ImageOps.exif_transpose(image) if image.getexif().get(ORIENTATION, 1) != 1 else image.copy()
        if "dpi" in image.info:
            upright.info["dpi"] = image.info["dpi"]
        return upright


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    """Open with the readers of our formats only, and put every way in which Pillow fails into our words."""
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Sizes are checked against the caller's limit; the rest is about EXIF and TIFF tags.
            warnings.simplefilter("ignore")
            # By its path Pillow maps an uncompressed TIFF into memory, and garbles one that is to be turned.
            with path.open("rb") as file, Pillow.open(file, formats=OPENED) as image:
                yield image
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


def _seek_page(image: Image, page_number: int, options: Options) -> None:
    """Go to the frame that is this page; EOFError if there is none."""
    if image.format == "TIFF":
        frames = _page_frames(image, options, page_number)
        if page_number > len(frames):
            raise EOFError("there is no such page")
        image.seek(frames[page_number - 1])
    elif page_number > 1:
        image.seek(page_number - 1)
    _check_size(image, options)


def _page_frames(image: Image, options: Options, wanted: int | None = None) -> list[int]:
    """Return which frames are pages, each of an allowed size. Only TIFF has pages; the others move.

    Where every frame is marked as a copy or a mask, every frame is a page. With `wanted`, the search ends at that page.

    Raises:
        TooLarge: there are too many pages, or too many frames beside them, or a page is too large.
    """
    pages, frames = list[int](), 0
    while len(pages) != wanted and (frames == 0 or (image.format == "TIFF" and _seek(image, frames))):
        if _is_page(image):
            _check_size(image, options)
            pages.append(frames)
        frames += 1
        if len(pages) > options.max_pages or frames > FRAMES_PER_PAGE * options.max_pages:
            raise TooLarge(f"The file has more than {options.max_pages} pages (`max_pages`).")
    return pages or list(range(frames))[: options.max_pages]


def _is_page(image: Image) -> bool:
    """Whether the current frame is a picture of its own, not a smaller copy or the mask of another one."""
    tags: Any = getattr(image, "tag_v2", {})
    kind, old_kind = tags.get(NEW_SUBFILE_TYPE, 0), tags.get(SUBFILE_TYPE, 0)
    reduced = isinstance(kind, int) and kind & (REDUCED | MASK)
    return not reduced and old_kind != OLD_REDUCED


def _seek(image: Image, frame: int) -> bool:
    try:
        image.seek(frame)
    except EOFError:  # how Pillow says that there is no such frame
        return False
    return True


def _check_size(image: Image, options: Options) -> None:
    pixels = image.width * image.height
    if pixels > options.max_image_pixels:
        size = f"{image.width} × {image.height}"
        raise TooLarge(f"The picture has {size} pixels; `max_image_pixels` allows {options.max_image_pixels}.")
