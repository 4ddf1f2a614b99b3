"""A picture with transparency as a reader sees it on paper: writing in any colour is darker than the ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

__all__ = ["on_paper"]

STROKE_SHARE = 12
"""No stroke of a letter is wider than this part of the picture's shorter side: what is wider is an area."""
MEASURED_SIDE = 600
"""Pixels of the longer side on which strokes are distinguished from areas."""
LIGHT = 128
"""Grey level from which visible pixels do not stand out from white paper."""
VISIBLE = 32
"""Opacity, 0 to 255, from which a pixel is seen."""


def on_paper(image: Image) -> Image:
    """Return the picture with transparency in 8-bit grey on white.

    Light strokes that stand directly on the transparent ground were made for a dark one: they are turned dark. Light
    areas (a label with writing on it) and light strokes next to dark visible pixels stay as they are.
    """
    import numpy as np
    from PIL import Image as Pillow

    clear = image.convert("RGBA")
    alpha = np.asarray(clear.getchannel("A"))
    grey = np.asarray(clear.convert("RGB").convert("L"))
    light = (alpha >= VISIBLE) & (grey >= LIGHT)
    if light.any() and not (alpha == 255).all():
        grey = np.where(_on_clear_ground(grey, alpha) & light, 255 - grey, grey)
    composed = 255 - (255 - grey.astype(np.uint16)) * alpha // 255
    return Pillow.fromarray(composed.astype(np.uint8))


def _on_clear_ground(grey: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels belong to strokes on the transparent ground, away from dark visible ones."""
    import numpy as np
    from PIL import Image as Pillow
    from PIL import ImageChops, ImageFilter
    from PIL.Image import Resampling

    visible = _small(Pillow.fromarray(np.where(alpha >= VISIBLE, 255, 0).astype(np.uint8)))
    dark = _small(Pillow.fromarray(np.where((alpha >= LIGHT) & (grey < LIGHT), 255, 0).astype(np.uint8)))
    width = max(3, min(visible.size) // STROKE_SHARE | 1)
    opened = visible.filter(ImageFilter.MinFilter(width)).filter(ImageFilter.MaxFilter(width))
    areas = ImageChops.lighter(opened, dark.filter(ImageFilter.MaxFilter(width)))
    return np.asarray(areas.resize(alpha.shape[::-1], Resampling.NEAREST)) < LIGHT


def _small(mask: Image) -> Image:
    """A small copy of a mask, in which thin strokes do not get lost."""
    factor = max(1, -(-max(mask.size) // MEASURED_SIDE))
    return mask.reduce(factor)
