"""A picture of a page as a file: PNG, JPEG or WebP, of a bounded size, with the passages marked that are asked for."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, get_args

from extractors.boxes import Box

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["FORMATS", "MAX_HEIGHT", "ImageFormat", "Look", "Picture", "encode"]

ImageFormat = Literal["png", "jpeg", "webp"]
FORMATS: tuple[ImageFormat, ...] = get_args(ImageFormat)

MAX_HEIGHT = 9600
"""Pixels; the picture of a very long page is narrower than it was asked for."""

QUALITY = 85
MARKER, RIM = (255, 235, 110), (232, 150, 0)
"""Colours of a marked passage: what is drawn under it stays readable."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a page is to be drawn: pixels of its width at most, the format, and the boxes that are marked."""

    width: int
    format: ImageFormat = "png"
    boxes: tuple[Box, ...] = ()

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Look:
        """Make a look from its fields as JSON has them."""
        return cls(data["width"], data["format"], tuple(Box(*box) for box in data["boxes"]))


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as the bytes of a file, with its size in pixels."""

    data: bytes
    width: int
    height: int

    def to_json(self) -> dict[str, Any]:
        """Return the picture as JSON-ready data."""
        return {"data": b64encode(self.data).decode(), "width": self.width, "height": self.height}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Picture:
        """Make a picture from the output of `to_json`."""
        return cls(b64decode(data["data"], validate=True), int(data["width"]), int(data["height"]))


def encode(image: Image, look: Look) -> Picture:
    """Return a picture as it is asked for; it is made smaller where it is too large, never larger."""
    from PIL.Image import Resampling

    small = image.convert("RGB")
    small.thumbnail((look.width, MAX_HEIGHT), Resampling.LANCZOS)
    _mark(small, look.boxes)
    file = BytesIO()
    small.save(file, look.format, **({} if look.format == "png" else {"quality": QUALITY}))
    return Picture(file.getvalue(), *small.size)


def _mark(image: Image, boxes: Iterable[Box]) -> None:
    from PIL import Image as Pillow
    from PIL import ImageChops, ImageDraw

    draw = ImageDraw.Draw(image)
    for box in boxes:
        left, top = int(box.left * image.width), int(box.top * image.height)
        right, bottom = -int(-box.right * image.width // 1), -int(-box.bottom * image.height // 1)
        area = (left, top, min(image.width, max(right, left + 1)), min(image.height, max(bottom, top + 1)))
        part = image.crop(area)
        image.paste(ImageChops.multiply(part, Pillow.new("RGB", part.size, MARKER)), area)
        draw.rectangle((area[0], area[1], area[2] - 1, area[3] - 1), outline=RIM)
