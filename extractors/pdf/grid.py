"""Areas of a page as sets of cells: a union of pictures counts each place once. Places moved by a matrix."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["UNIT", "Box", "Grid", "Matrix", "moved", "product"]

Box: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right, top in points of the page."""

Matrix: TypeAlias = tuple[float, float, float, float, float, float]
UNIT: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
"""The matrix that leaves everything where it is."""

CELLS = 128
"""Cells of the grid in each direction."""


class Grid:
    """A set of cells of a page; each row is the bits of one integer."""

    def __init__(self, page: Box) -> None:
        self.page = page
        self.rows = [0] * CELLS

    @property
    def share(self) -> float:
        """Which share of the page is covered, 0 to 1."""
        return sum(row.bit_count() for row in self.rows) / CELLS**2

    def add(self, box: Box) -> None:
        """Cover the cells whose middle lies in the box, at least one in each direction that lies on the page."""
        left, bottom, right, top = self.page
        columns = _cells(box[0] - left, box[2] - left, right - left)
        rows = _cells(box[1] - bottom, box[3] - bottom, top - bottom)
        bits = ((1 << len(columns)) - 1) << columns.start
        for row in rows:
            self.rows[row] |= bits

    def without(self, other: Grid) -> Grid:
        """The cells that the other grid does not cover."""
        rest = Grid(self.page)
        rest.rows = [mine & ~theirs for mine, theirs in zip(self.rows, other.rows, strict=True)]
        return rest


def _cells(low: float, high: float, size: float) -> range:
    low, high = sorted((low / size * CELLS, high / size * CELLS))
    if not low < CELLS or not high > 0:
        return range(0)
    first = max(0, min(CELLS - 1, round(low)))
    return range(first, max(first + 1, min(CELLS, round(high))))


def product(first: Matrix, then: Matrix) -> Matrix:
    """Return the matrix that does first the one, then the other."""
    a, b, c, d, e, f = first
    m, n, o, p, x, y = then
    return a * m + b * o, a * n + b * p, c * m + d * o, c * n + d * p, e * m + f * o + x, e * n + f * p + y


def moved(box: Box, matrix: Matrix) -> Box:
    """Return the upright box around a box that the matrix moves, turns and stretches."""
    a, b, c, d, e, f = matrix
    corners = [(x * a + y * c + e, x * b + y * d + f) for x in (box[0], box[2]) for y in (box[1], box[3])]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)
