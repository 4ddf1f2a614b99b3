"""Even out what stands between a picture of a page and its writing: shadow, pale ink, the dots of a screen."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from extractors.pictures.page_ink import level_between

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

__all__ = ["even_light", "full_contrast", "without_screen"]

SCREENED = 0.002
"""Share of pixels that differ from all their neighbours, from which a picture is printed in dots (dithered)."""
DENSE = 0.02
"""The same share around a place, from which the dots there make up a grey."""
SCREEN_BLUR = 1.3
"""Pixels; turns the dots into grey and leaves strokes of two pixels."""
MOST_PIXELS = 40_000_000
"""Larger pictures are not looked at for dots: no print has any at such a resolution."""
STRIP = 64
"""Rows that are worked on at once: so few stay in the processor's cache."""
UNEVEN = 25
"""Grey levels between the paper in the light and that in the shade, from which the light is evened out."""
SHADE = 0.45
"""Paper is not darker than this share of the lightest: what is, is ink or a filled area."""
LIGHT_SIDE = 250
"""Blocks along the longer side in which the paper's light is measured."""
PALE = 115
"""Grey level of the darker quarter of a page's ink from which it is pale."""
DIM = 210
"""Grey level of an even ground below which it is made white: Tesseract takes it for ink beside the white margin."""
EVEN, GROUND = 25, 0.6
"""A ground is even if this share of the picture lies within so many grey levels of it."""
LEAST_CONTRAST = 20
"""Grey levels between ink and paper below which there is nothing but noise."""


def without_screen(grey: Image) -> Image:
    """Return the picture with dithered areas smoothed to the grey that they stand for; others are left as they are."""
    import numpy as np
    from PIL import Image as Pillow
    from PIL import ImageFilter

    pixels = np.asarray(grey)
    if min(pixels.shape) < 5 or pixels.size > MOST_PIXELS:
        return grey
    dots = _lone_dots(pixels)
    if np.count_nonzero(dots) < SCREENED * dots.size:
        return grey
    density = Pillow.fromarray(np.pad(dots, 1).astype(np.uint8) * 255).filter(ImageFilter.BoxBlur(8))
    screened = density.point(lambda share: 255 if share >= 255 * DENSE else 0).filter(ImageFilter.MaxFilter(9))
    smooth = grey.copy()
    smooth.paste(grey.filter(ImageFilter.GaussianBlur(SCREEN_BLUR)), mask=screened)
    return smooth


def _lone_dots(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which of the inner pixels are black among white or white among black."""
    import numpy as np

    dots = np.empty((pixels.shape[0] - 2, pixels.shape[1] - 2), dtype=np.bool_)
    for top in range(0, len(dots), STRIP):
        dark = pixels[top : top + STRIP + 2] < 128
        upright, level = dark[1:] ^ dark[:-1], dark[1:-1, 1:] ^ dark[1:-1, :-1]
        dots[top : top + STRIP] = upright[:-1, 1:-1] & upright[1:, 1:-1] & level[:, :-1] & level[:, 1:]
    return dots


def even_light(grey: Image) -> Image:
    """Return the picture as if the light fell on it evenly, if a good part of it lies in shade."""
    import numpy as np
    from PIL import Image as Pillow
    from PIL.Image import Resampling

    light = _light(grey)
    if light is None:
        return grey
    lightest = float(np.percentile(light, 90))
    if lightest - float(np.percentile(light, 20)) < UNEVEN:
        return grey
    paper = Pillow.fromarray(np.maximum(light, lightest * SHADE).astype(np.uint8)).resize(
        grey.size, Resampling.BILINEAR
    )
    evened, ground = np.array(grey), np.asarray(paper)
    for top in range(0, len(evened), STRIP):
        strip = slice(top, top + STRIP)
        evened[strip] = np.minimum(evened[strip] * (np.float32(250) / ground[strip]), 255)
    return Pillow.fromarray(evened)


def _light(grey: Image) -> NDArray[np.uint8] | None:
    """The grey of the paper, block by block; None for a picture of a few pixels."""
    import numpy as np
    from PIL import Image as Pillow
    from PIL import ImageFilter

    soft = np.asarray(grey.reduce(2))
    side = max(2, max(soft.shape) // LIGHT_SIDE)
    height, width = (length // side for length in soft.shape)
    if min(height, width) < 5:
        return None
    blocks = soft[: height * side, : width * side].reshape(height, side, width, side).max(axis=3).max(axis=1)
    paper = Pillow.fromarray(blocks).filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.MinFilter(3))
    return np.asarray(paper.filter(ImageFilter.GaussianBlur(2)))


def full_contrast(grey: Image) -> Image:
    """Return the picture with pale ink made black and a dim ground made white; other pictures are left as they are."""
    counts = grey.histogram()
    inked = sum(counts[: level_between(counts) + 1])
    ink, paper = _level(counts, inked / 4), _level(counts, 0.6 * grey.width * grey.height)
    dim = paper < DIM and sum(counts[max(0, paper - EVEN) : paper + EVEN + 1]) >= GROUND * sum(counts)
    if (ink < PALE and not dim) or paper - ink < LEAST_CONTRAST:
        return grey
    stretch = 250 / (paper - ink)
    return grey.point([min(255, max(0, round((level - ink) * stretch))) for level in range(256)])


def _level(counts: list[int], wanted: float) -> int:
    """The grey level up to which this many pixels lie."""
    return bisect_left(list(accumulate(counts)), wanted)
