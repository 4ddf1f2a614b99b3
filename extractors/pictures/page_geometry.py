"""From a place on a page as OCR read it back to the picture that it came in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, radians, sin

from extractors.boxes import Box, box_around

__all__ = ["Geometry"]


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a picture was prepared: resized, turned level, framed, and turned by quarters, in this order.

    `size` is that of the resized picture, `level` that of the level one, both in pixels. `angle` are the degrees,
    counter-clockwise, by which it was turned level, `quarter` those by which it was then turned clockwise.
    """

    size: tuple[int, int]
    level: tuple[int, int]
    angle: float
    margin: int
    quarter: int = 0

    def turned(self, clockwise: int) -> Geometry:
        """The same for the page that is turned by this many degrees more: 0, 90, 180 or 270."""
        return replace(self, quarter=clockwise)

    def box_of(self, left: float, top: float, right: float, bottom: float) -> Box | None:
        """The place of a box on the page, in pixels, as shares of the picture; None if it lies outside of it."""
        corners = ((left, top), (right, top), (left, bottom), (right, bottom))
        return box_around(self._before(*corner) for corner in corners)

    def _before(self, x: float, y: float) -> tuple[float, float]:
        width, height = (side + 2 * self.margin for side in self.level)
        if self.quarter == 90:
            x, y = y, height - x
        elif self.quarter == 180:
            x, y = width - x, height - y
        elif self.quarter == 270:
            x, y = width - y, x
        # It is turned about its middle, which stays the middle.
        across, down = x - width / 2, y - height / 2
        angle = radians(self.angle)
        return (
            0.5 + (across * cos(angle) - down * sin(angle)) / self.size[0],
            0.5 + (across * sin(angle) + down * cos(angle)) / self.size[1],
        )
