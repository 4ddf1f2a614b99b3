"""Charts as SVG: bars for amounts, stacked columns for amounts over time. Plain data in, one `<svg>` element out.

The texts take the colour of the page around them (`currentColor`); the fills can be told apart on white and on black,
and in print without colours by their lightness. No script, no style sheet, no reference to anything outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from pipeline.reports.texts import number_text, readable

__all__ = ["FILLS", "bar_chart", "column_chart"]

FILLS = ("#2f7ebc", "#e0803c")
"""Fills of the series, in their order."""

WIDTH = 720
LABEL_WIDTH = 200
VALUE_WIDTH = 110
BAR_HEIGHT, BAR_STEP = 16, 24
PLOT_HEIGHT, PLOT_TOP, PLOT_LEFT = 160, 28, 60
MOST_LABEL = 30
MOST_BARS = 25


def bar_chart(title: str, rows: Sequence[tuple[str, float]]) -> str:
    """Draw one horizontal bar for each (label, amount): amounts that are no less than 0, in their order.

    The first `MOST_BARS` are drawn.
    """
    rows = rows[:MOST_BARS]
    svg = _svg(title, max(len(rows), 1) * BAR_STEP)
    most = max([amount for _, amount in rows] + [0.0]) or 1.0
    room = WIDTH - LABEL_WIDTH - VALUE_WIDTH
    for place, (label, amount) in enumerate(rows):
        top, length = place * BAR_STEP, room * amount / most
        _text(svg, LABEL_WIDTH - 8, top + 13, _short(label), "end")
        _rect(svg, (LABEL_WIDTH, top + 1, length, BAR_HEIGHT), FILLS[0], f"{label}: {number_text(amount)}")
        _text(svg, LABEL_WIDTH + length + 6, top + 13, number_text(amount))
    return _written(svg)


def column_chart(title: str, names: Sequence[str], points: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Draw one column for each (label, amounts), in which the amounts of the series stand on each other.

    Args:
        title: what a screen reader says.
        names: the series, one or two.
        points: in the order of time; the first and the last label are written below.
    """
    svg = _svg(title, PLOT_TOP + PLOT_HEIGHT + 24)
    most = max([sum(amounts) for _, amounts in points] + [0.0]) or 1.0
    step = (WIDTH - PLOT_LEFT) / max(len(points), 1)
    base = PLOT_TOP + PLOT_HEIGHT
    for place, (label, amounts) in enumerate(points):
        top = float(base)
        for name, amount, fill in zip(names, amounts, FILLS, strict=False):
            height = PLOT_HEIGHT * amount / most
            top -= height
            box = (PLOT_LEFT + place * step + step * 0.1, top, min(step * 0.8, 60.0), height)
            _rect(svg, box, fill, f"{label}: {number_text(amount)} {name}")
    _axes(svg, base, most)
    _legend(svg, names)
    if points:
        _text(svg, PLOT_LEFT, base + 18, _short(points[0][0]))
    if len(points) > 1:
        _text(svg, WIDTH, base + 18, _short(points[-1][0]), "end")
    return _written(svg)


def _axes(svg: Element, base: float, most: float) -> None:
    ends = {"x1": str(PLOT_LEFT), "x2": str(WIDTH), "y1": _number(base), "y2": _number(base)}
    SubElement(svg, "line", ends | {"stroke": "currentColor", "stroke-width": "1", "stroke-opacity": "0.5"})
    _text(svg, PLOT_LEFT - 6, PLOT_TOP + 10, number_text(most), "end")
    _text(svg, PLOT_LEFT - 6, base, "0", "end")


def _legend(svg: Element, names: Sequence[str]) -> None:
    for place, (name, fill) in enumerate(zip(names, FILLS, strict=False)):
        left = PLOT_LEFT + place * 160
        _rect(svg, (left, 4, 12, 12), fill, name)
        _text(svg, left + 18, 14, name)


def _svg(title: str, height: float) -> Element:
    size = {"viewBox": f"0 0 {WIDTH} {_number(height)}", "width": str(WIDTH), "height": _number(height)}
    svg = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", **size, "aria-label": readable(title)})
    SubElement(svg, "title").text = readable(title)
    return svg


def _rect(svg: Element, box: tuple[float, float, float, float], fill: str, title: str) -> None:
    left, top, width, height = map(_number, box)
    rect = SubElement(svg, "rect", x=left, y=top, width=width, height=height, fill=fill)
    SubElement(rect, "title").text = readable(title)


def _text(svg: Element, left: float, top: float, text: str, anchor: str = "start") -> None:
    style = {"font-size": "12", "font-family": "sans-serif", "fill": "currentColor", "text-anchor": anchor}
    SubElement(svg, "text", {"x": _number(left), "y": _number(top), **style}).text = readable(text)


def _short(label: str) -> str:
    return label if len(label) <= MOST_LABEL else f"{label[: MOST_LABEL - 1]}…"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _written(svg: Element) -> str:
    return tostring(svg, encoding="unicode", short_empty_elements=True)
