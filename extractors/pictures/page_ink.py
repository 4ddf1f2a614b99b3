"""Measure the writing on a picture of a page: the height of its letters, and which threshold tells ink from paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

__all__ = ["ink_level", "letter_height", "level_between", "needs_local_threshold"]

FEW = 100
"""Strokes, below which nothing is said about letters."""
MOST_PIXELS = 16_000_000
"""Of a larger picture, the letters in its middle are measured."""
STEM = 8
"""Pixels from the left edge of ink that count as a stroke."""
HIGHEST = 3
"""No letter is more times as high as the middle one: bars of a bar code and frames are."""
BLOCK = 4
"""Pixels of a block's side in which the lightest and the darkest pixel are looked at."""
VISIBLE = 60
"""Grey levels by which writing differs from its ground."""
PALE, BURIED = 0.02, 0.035
"""Shares of a page's writing that one threshold for the whole page would lose, from which the threshold is local."""


def ink_level(grey: Image) -> int:
    """Return the grey level that parts ink from paper best (Otsu)."""
    return level_between(grey.histogram())


def level_between(histogram: list[int]) -> int:
    """Return the same of a histogram of 256 levels."""
    import numpy as np

    counts = np.array(histogram, dtype=np.float64)
    below, mass = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mass[-1] * below / below[-1] - mass) ** 2 / (below * (below[-1] - below))
    return int(np.nan_to_num(between, posinf=0.0).argmax())


def letter_height(grey: Image) -> float | None:
    """Return how high the letters without ascenders are, in pixels; None where there are too few to say.

    A page on its side is measured as well: the strokes across a line are longer than those along it.
    """
    import numpy as np

    rows = max(1, MOST_PIXELS // max(1, grey.width))
    top = max(0, (grey.height - rows) // 2)
    ink = np.asarray(grey)[top : top + rows] <= ink_level(grey)
    heights = [height for height in map(_stroke_height, (ink, ink.T)) if height]
    return max(heights, default=None)


def _stroke_height(ink: NDArray[np.bool_]) -> float | None:
    """The height of most upright strokes: runs of ink in a column that are longer than strokes are thick.

    Most of them are no higher than a letter without ascender: the sides of round letters are shorter, few letters
    are higher.
    """
    import numpy as np

    padded = np.pad(ink, ((1, 1), (STEM, 0)))
    stems = (padded[:, STEM:] & ~padded[:, :-STEM]).T.ravel()  # of a filled area, its left edge alone
    edges = np.flatnonzero(stems[1:] != stems[:-1])
    runs = edges[1::2] - edges[::2]
    runs = runs[(runs >= 2) & (runs < ink.shape[0] // 8)]
    if runs.size < FEW:
        return None
    upright = runs[runs > 2.5 * np.bincount(runs).argmax()]
    letters = upright[upright <= HIGHEST * np.median(upright)] if upright.size else upright
    return float(np.percentile(letters, 85)) if letters.size >= FEW else None


def needs_local_threshold(grey: Image) -> bool:
    """Whether one threshold for the whole page loses writing: pale beside black, or dark on a dark ground."""
    import numpy as np

    level = ink_level(grey)
    pixels = np.asarray(grey)
    darkest, lightest = _blocks(pixels, np.minimum), _blocks(pixels, np.maximum)
    if darkest.size == 0:
        return False
    paper = int(np.median(lightest))
    written = darkest <= paper - VISIBLE
    edges = lightest.astype(np.int16) - darkest >= VISIBLE
    pale = written & edges & ~_grown(darkest <= level)
    buried = edges & ~_grown(lightest > level)
    everything = max(1, int((written & edges).sum()))
    return int(pale.sum()) > PALE * everything or int(buried.sum()) > BURIED * everything


def _blocks(pixels: NDArray[np.uint8], pick: np.ufunc) -> NDArray[np.uint8]:
    height, width = (length // BLOCK * BLOCK for length in pixels.shape)
    inner = pixels[:height, :width]
    rows = inner[0::BLOCK]
    for step in range(1, BLOCK):
        rows = pick(rows, inner[step::BLOCK])
    result = rows[:, 0::BLOCK]
    for step in range(1, BLOCK):
        result = pick(result, rows[:, step::BLOCK])
    return result


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask and its neighbours."""
    import numpy as np

    wide = np.pad(mask, 1)
    tall: NDArray[np.bool_] = wide[:-2] | wide[1:-1] | wide[2:]
    result: NDArray[np.bool_] = tall[:, :-2] | tall[:, 1:-1] | tall[:, 2:]
    return result
