"""Pages on which nothing is written, found by their pixels: Tesseract takes a second or two for each of them.

Only a page without anything readable counts. What is larger than a speck, or stands beside another one, may be writing
and is left to OCR, however pale it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

__all__ = ["is_blank"]

UNIFORM = 8
"""Grey levels between the darkest and the lightest pixel of a page that is of one colour."""
INK = 10
"""Grey levels from the paper, from which a pixel may be ink: pencil differs by 60 and more."""
WRITTEN, CLEARLY = 0.002, 40
"""A page with this share of pixels that differ clearly from the paper is not looked at further."""
MARGIN = 0.08
"""Share of the page's sides in which a scanner's dark border lies."""
QUIET = 0.9
"""Share of pixels within two levels of the paper from which a picture has no noise."""
SPECKS = 400
"""Blocks along the longer side. A speck takes up to two blocks in a row: 1.5 mm of a sheet of A4."""
LONGEST = 1.5
"""How many times as long as wide a sheet is at most; of a longer picture (a screen, a receipt) a word is no speck."""
APART = 4
"""Blocks between two specks, at least: dots that stand closer may make up a letter."""
SOLID = 40
"""Grey levels below the paper from which a whole row of blocks may be a dark border."""
EVEN, MOSTLY = 40, 25
"""Grey levels by which the blocks of a border's row differ; per cent of them that may lie in a second border across it.

What is printed on a coloured bar differs more from the bar.
"""


def is_blank(grey: Image) -> bool:
    """Whether nothing can be read on a page: one colour, or paper with a few specks and an even dark border.

    Args:
        grey: the page in 8-bit grey, dark on light.
    """
    import numpy as np

    low, high = grey.getextrema()
    if high - low <= UNIFORM:  # type: ignore[operator]  # both are numbers in this mode
        return True
    pixels = np.asarray(grey)
    paper = _paper(grey)
    if min(pixels.shape) < APART or _is_written(pixels, paper):
        return False
    length = min(max(pixels.shape), int(LONGEST * min(pixels.shape)))
    side = max(1, -(-length // SPECKS))
    calm = _without_noise(grey, paper)
    darkest, lightest = _blocks(calm, side, np.minimum), _blocks(calm, side, np.maximum)
    ink = (darkest < paper - INK) | (lightest > paper + INK)
    return not _is_anything(_within_border(ink, darkest, lightest, paper))


def _paper(grey: Image) -> int:
    """The median of the grey levels."""
    import numpy as np

    counts = np.cumsum(grey.histogram())
    return int(np.searchsorted(counts, counts[-1] / 2, side="right"))


def _is_written(pixels: NDArray[np.uint8], paper: int) -> bool:
    """Whether a sample of the page's inner part has so much ink that it cannot be blank."""
    import numpy as np

    top, left = (int(length * MARGIN) for length in pixels.shape)
    sample = pixels[top : pixels.shape[0] - top : 4, left : pixels.shape[1] - left : 4].astype(np.int16)
    return int(np.count_nonzero(np.abs(sample - paper) > CLEARLY)) > WRITTEN * sample.size


def _without_noise(grey: Image, paper: int) -> NDArray[np.uint8]:
    """The pixels; those of a noisy scan smoothed, so that its noise is not taken for ink."""
    import numpy as np
    from PIL import ImageFilter

    counts = grey.histogram()
    quiet = sum(counts[max(0, paper - 2) : paper + 3]) >= QUIET * sum(counts)
    return np.asarray(grey if quiet else grey.filter(ImageFilter.BoxBlur(1)))


def _blocks(pixels: NDArray[np.uint8], side: int, pick: np.ufunc) -> NDArray[np.uint8]:
    """The darkest or lightest pixel of each block; those at the lower and right edge may be smaller."""
    import numpy as np

    rows = pick.reduceat(pixels, np.arange(0, pixels.shape[0], side), axis=0)
    blocks: NDArray[np.uint8] = pick.reduceat(rows, np.arange(0, pixels.shape[1], side), axis=1)
    return blocks


def _within_border(
    ink: NDArray[np.bool_], darkest: NDArray[np.uint8], lightest: NDArray[np.uint8], paper: int
) -> NDArray[np.bool_]:
    """The blocks within the rows and columns at the edges that are dark and even, and one block beside these."""
    for _ in range(4):  # each time another edge comes uppermost
        border = _are_border(darkest, lightest, paper)
        lines = int(border.argmin()) if border.size and not border.all() else 0
        cut = lines + 1 if lines else 0
        ink = ink[cut:].T[::-1]
        darkest, lightest = darkest[cut:].T[::-1], lightest[cut:].T[::-1]
    return ink


def _are_border(darkest: NDArray[np.uint8], lightest: NDArray[np.uint8], paper: int) -> NDArray[np.bool_]:
    """For each row of blocks, whether it is dark throughout and nothing stands out from it."""
    import numpy as np

    if not darkest.size:
        return np.zeros(0, bool)
    spread = lightest.max(axis=1) - np.percentile(lightest, MOSTLY, axis=1)
    is_even = (np.ptp(darkest, axis=1) <= EVEN) & (spread <= EVEN)
    are_border: NDArray[np.bool_] = is_even & (lightest.max(axis=1) < paper - SOLID)
    return are_border


def _is_anything(ink: NDArray[np.bool_]) -> bool:
    """Whether the marks on a page are more than specks that stand apart."""
    import numpy as np

    y, x = np.nonzero(ink)
    if y.size > SPECKS:
        return True
    distance = np.maximum(np.abs(y[:, None] - y), np.abs(x[:, None] - x))
    return bool(((distance > 1) & (distance <= APART)).any())
