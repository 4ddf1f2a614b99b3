"""A picture of a page as Tesseract reads it best, and the way back from it to the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from extractors.options import Options
from extractors.pictures.page_geometry import Geometry
from extractors.pictures.page_image import calm, is_bilevel, is_certain, skew_angle, turn_level, zoom_for
from extractors.pictures.page_ink import letter_height, needs_local_threshold
from extractors.pictures.page_light import even_light, full_contrast, without_screen

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PreparedPage", "Threshold", "prepare"]

Threshold = Literal["global", "local"]
"""How Tesseract tells ink from paper: by one grey level for the whole page, or by one for each place."""

ENLARGED = 1 / 2
"""How far a scan is enlarged towards the wanted resolution: the rest costs time and shows nothing new."""
ENLARGED_BILEVEL = 0.9
"""The same for black and white alone. Recall on faxes of 200 dpi: .981, with half of the way .978."""
SMALL = 1_000_000
"""Pixels of a picture that is enlarged the whole way: it takes little time."""
MARGIN = 20
"""White pixels put around the page: Tesseract misses writing that touches the edge."""


@dataclass(frozen=True, slots=True)
class PreparedPage:
    """The page in grey, how Tesseract is to tell its ink from its paper, and how it came from the picture."""

    image: Image
    threshold: Threshold
    geometry: Geometry


def prepare(image: Image, dpi: float | None, options: Options) -> PreparedPage:
    """Prepare a picture in grey; `dpi` is the resolution that its file claims."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    flat = without_screen(image)
    soft = calm(flat)
    grey = full_contrast(even_light(soft))
    threshold: Threshold = "local" if needs_local_threshold(grey) else "global"
    letters = None if is_certain(dpi) else letter_height(grey)
    zoom = zoom_for(image.size, dpi, options.ocr_dpi, options.max_image_pixels, letters)
    if zoom > 1 and is_certain(dpi) and image.width * image.height > SMALL:
        zoom = 1 + (zoom - 1) * (ENLARGED_BILEVEL if is_bilevel(grey) else ENLARGED)
    if zoom != 1:
        grey = grey.resize([max(1, round(side * zoom)) for side in grey.size], Resampling.LANCZOS)
    angle = skew_angle(grey)
    level = turn_level(grey, angle, speckled=soft is not flat)
    geometry = Geometry(grey.size, level.size, angle, MARGIN)
    return PreparedPage(ImageOps.expand(level, MARGIN, 255), threshold, geometry)
