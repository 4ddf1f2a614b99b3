"""Coloured writing on a coloured ground: which grey shows it, and whether it is lighter than its ground."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["grey_of_colours", "is_light_writing"]

LOOKED_AT = 600
"""Pixels of the longer side of the small copy that is looked at."""
GROUND = 8
"""Pixels around a place whose mean is its ground."""
PLAIN = 24
"""Grey levels by which writing stands out at least where its brightness alone shows it."""
CLEARLY = 2.0
"""Factor by which it must stand out more in one of the colours."""
STANDS_OUT = 40
"""Grey levels from the ground, from which a pixel is writing."""
DARK = 96
"""A darker ground has light writing on it."""
PALE = 200
"""On a lighter ground than this there is dark writing."""
MORE = 3
"""So many times as much light writing as dark makes it light writing."""
MOST_WRITING = 0.3
"""Share of a picture that writing takes; what takes more is a ground itself."""


def grey_of_colours(image: Image) -> Image:
    """Return the picture in 8-bit grey: its brightness, or the one of its colours in which alone writing stands out.

    Args:
        image: in RGB.
    """
    grey = image.convert("L")
    small = image.reduce(max(1, max(image.size) // LOOKED_AT))
    plain = _standing_out(small.convert("L"))
    if plain >= PLAIN:
        return grey
    colours = {name: _standing_out(small.getchannel(name)) for name in "RGB"}
    best = max(colours, key=lambda name: colours[name])
    return image.getchannel(best) if colours[best] >= max(PLAIN, CLEARLY * plain) else grey


def is_light_writing(grey: Image) -> bool:
    """Whether the writing of a picture is lighter than its ground, which need not be dark."""
    levels = grey.histogram()
    ground = bisect_right(list(accumulate(levels)), sum(levels) // 2)
    if not DARK <= ground < PALE:
        return ground < DARK
    dark, light = sum(levels[: ground - STANDS_OUT]), sum(levels[ground + STANDS_OUT :])
    return MORE * dark < light < MOST_WRITING * sum(levels)


def _standing_out(grey: Image) -> float:
    """Grey levels by which the writing on a small picture differs from the ground around it; low for a plain one."""
    import numpy as np
    from PIL import ImageFilter

    ground = np.asarray(grey.filter(ImageFilter.BoxBlur(GROUND)), dtype=np.int16)
    return float(np.percentile(np.abs(np.asarray(grey, dtype=np.int16) - ground), 97))
