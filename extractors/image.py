"""Pictures: PNG, JPEG, TIFF with its pages, BMP, WebP, GIF. Every page waits for OCR.

Of an animation (GIF, WebP, PNG) the first frame is read.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from extractors.document import Document, Page
from extractors.errors import Corrupt, TooLarge, is_of_system
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


@extractor(*dict.fromkeys(MEDIA_TYPES.values()))
def extract_image(path: Path, options: Options) -> Document:
    """Look at a picture without decoding it: one `pending` page for each of its frames.

    Raises:
        TooLarge: a frame declares more than `options.max_image_pixels`, or there are too many frames.
        Corrupt: it is no picture of these formats, or is cut off.
    """
    with _opened(path) as image:
        frames = _frames(image, options)
        return Document(
            media_type=MEDIA_TYPES[str(image.format)],
            pages=tuple(Page(number, "", origin="pending") for number in range(1, frames + 1)),
        )


@renderer(*dict.fromkeys(MEDIA_TYPES.values()))
def render(path: Path, page_number: int, options: Options) -> Image:
    """Decode one frame, set upright as its EXIF data says; `info["dpi"]` is kept where the file has it.

    Args:
        path: the picture.
        page_number: the frame, counted from 1.
        options: `max_image_pixels` is the limit.

    Raises:
        TooLarge: the frame declares more pixels than allowed; it is not decoded.
        Corrupt: the frame is not there, or its data are damaged or cut off.
    """
    from PIL import ImageOps

    with _opened(path) as image:
        if page_number > 1:
            image.seek(page_number - 1)
        _check_size(image, options)
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


def _frames(image: Image, options: Options) -> int:
    """How many pages the picture has, each of an allowed size. Only TIFF has pages; the others move."""
    _check_size(image, options)
    frames = 1
    while image.format == "TIFF" and _seek(image, frames):
        frames += 1
        if frames > options.max_pages:
            raise TooLarge(f"The file has more than {options.max_pages} pages (`max_pages`).")
        _check_size(image, options)
    return frames


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
