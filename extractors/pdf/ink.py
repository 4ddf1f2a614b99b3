"""Does the picture of a page look like writing? Judged by its strokes, without reading it.

Writing is small dark (or light) strokes in both directions, close together, on a ground that stays even from one
place to the next. A photograph has strokes as well, but no even ground; a chart or a drawing has the ground, but few
strokes. Measured on scans of 100 to 300 dpi, clean, blurred, noisy and pale, and on photographs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Values: TypeAlias = NDArray[np.float32]
    Cells: TypeAlias = NDArray[np.bool_]

__all__ = ["INK_DPI", "writing_share"]

INK_DPI = 100
"""The resolution at which a page is looked at; the sizes below are pixels of it."""

CELL = 14
"""About one line of writing."""
SPECKLED = 4.0
"""Grey levels between neighbours by which a picture counts as noisy, and is softened."""
FAINTEST = 10.0
"""Grey levels; a fainter mark is taken for the paper's grain."""
STROKES = 5
"""Beginnings of strokes within a cell, in the direction that has fewer of them."""
LEAST_INK, MOST_INK = 0.04, 0.5
"""Share of a cell that strokes of writing cover."""
UNEVEN = 6.0
"""Grey levels by which the ground may change from one block to the next."""
EVEN_SHARE = 0.5
"""Of the cells with strokes, so many stand on even ground in writing; measured: .9 and more, photographs below .45."""
CLEARLY = 0.02
"""With so much dark writing, light writing is not looked for."""
CALM_LEVELS = 5.0
"""Grey levels by which a pixel of calm ground leaves the mean around it."""
CALM_SHARE = 0.2
"""So many cells are calm where there is writing, between its lines; measured: .35 and more."""


def writing_share(grey: Image, covered: Image | None = None) -> float:
    """Return which share of a picture's area looks like writing, 0 to 1; a full page of writing has about 0.1.

    Args:
        grey: the picture at about `INK_DPI`, in grey.
        covered: of the same size, not 0 where the picture does not count.
    """
    import numpy as np
    from PIL import ImageFilter

    if min(grey.size) < 3 * CELL:
        return 0.0
    noise = _noise(np.asarray(grey, dtype=np.int16))
    if noise >= SPECKLED:
        grey = grey.filter(ImageFilter.BoxBlur(1))
        noise = _noise(np.asarray(grey, dtype=np.int16))
    values = np.asarray(grey, dtype=np.int16)
    darker = np.asarray(grey.filter(ImageFilter.BoxBlur(CELL // 2 + 1)), dtype=np.int16) - values
    uncounted = np.asarray(covered) != 0 if covered else np.zeros(values.shape, dtype=np.bool_)
    counted = _means(uncounted) == 0
    dark = _share(darker, values, noise, counted)
    return dark if dark >= CLEARLY else max(dark, _share(-darker, 255 - values, noise, counted))


def _noise(values: NDArray[np.int16]) -> float:
    import numpy as np

    return float(np.median(np.abs(values[::4, 1:] - values[::4, :-1])))


def _share(darker: NDArray[np.int16], values: NDArray[np.int16], noise: float, counted: Cells) -> float:
    """The share of cells with strokes that are darker than their surroundings, on even ground."""
    import numpy as np

    marks = darker[darker > FAINTEST]
    if marks.size < 50:
        return 0.0
    ink = darker > max(FAINTEST, 0.3 * float(np.percentile(marks, 95)), 4 * noise)
    begun = np.zeros_like(ink)
    begun[:, 1:] = ink[:, 1:] & ~ink[:, :-1]
    strokes = _means(begun)
    begun[:] = False
    begun[1:] = ink[1:] & ~ink[:-1]
    strokes = np.minimum(strokes, _means(begun)) * CELL**2
    amount = _means(ink)
    stroked = (strokes >= STROKES) & (amount > LEAST_INK) & (amount < MOST_INK) & counted
    written = stroked & _even(values, noise, stroked.shape)
    calm = _means(np.abs(darker) <= max(CALM_LEVELS, 2 * noise + 2))[counted] > 0.9
    enough = written.sum() >= EVEN_SHARE * stroked.sum() and calm.sum() >= CALM_SHARE * calm.size
    return float(written.mean()) if enough else 0.0


def _means(values: NDArray[np.bool_]) -> Values:
    """The share of each cell in which the values are true."""
    import numpy as np

    rows, columns = values.shape[0] // CELL, values.shape[1] // CELL
    bands = values[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns * CELL).sum(axis=1, dtype=np.uint16)
    sums: Values = bands.reshape(rows, columns, CELL).sum(axis=2, dtype=np.float32)
    return sums / np.float32(CELL**2)


def _even(values: NDArray[np.int16], noise: float, shape: tuple[int, ...]) -> Cells:
    """The cells of blocks of 2 x 2 cells whose ground hardly differs from that of the blocks around it."""
    import numpy as np

    side = 2 * CELL
    rows, columns = values.shape[0] // side, values.shape[1] // side
    blocks = values[: rows * side, : columns * side].reshape(rows, side, columns, side)[:, ::2, :, ::2]
    blocks = blocks.transpose(0, 2, 1, 3)
    ground = np.percentile(blocks.reshape(rows, columns, -1), 75, axis=2)
    framed = np.pad(ground, 1, constant_values=np.nan)
    around = np.stack([framed[:-2, 1:-1], framed[2:, 1:-1], framed[1:-1, :-2], framed[1:-1, 2:]])
    steps = np.abs(around - ground)
    uneven = np.nansum(steps > UNEVEN + 2 * noise, axis=0)
    even = (uneven <= 1).repeat(2, axis=0).repeat(2, axis=1)
    whole = np.zeros(shape, dtype=np.bool_)
    whole[: even.shape[0], : even.shape[1]] = even[: shape[0], : shape[1]]
    return whole
