"""The words and numbers that a Word file keeps in its charts and its SmartArt."""

from __future__ import annotations

from typing import Any

__all__ = ["CHART", "CHART_EX", "DIAGRAM", "figure_lines"]

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
CHART_EX = "{http://schemas.microsoft.com/office/drawing/2014/chartex}"
DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"


def figure_lines(root: Any, separator: str) -> list[str]:
    """Return the text of the figure, line by line; [] for a part that is neither chart nor SmartArt.

    A chart is its title and the table it is drawn from: a row for each category, a column for each
    series. SmartArt is the text of its shapes in their order.
    """
    if root.tag == CHART + "chartSpace":
        titles = [_text(title) for title in root.iter(CHART + "title")]
        return [line for line in [*titles, *_rows(root, separator)] if line]
    if root.tag == CHART_EX + "chartSpace":
        titles = [_text(title) for title in root.iter(CHART_EX + "title")]
        return [line for line in [*titles, *_levels(root, separator)] if line]
    if root.tag == DIAGRAM + "dataModel":
        return [line for paragraph in root.iter(A + "p") if (line := _text(paragraph))]
    return []


def _text(element: Any) -> str:
    return " ".join("".join(text.text or " " for text in element.iter(A + "t", A + "br")).split())


def _rows(root: Any, separator: str) -> list[str]:
    series = list(root.iter(CHART + "ser"))
    columns = [_points(element, "val") or _points(element, "yVal") for element in series]
    categories: dict[int, str] = {}
    for element in series:
        categories |= _points(element, "cat") or _points(element, "xVal")
    names = separator.join(_points(element, "tx").get(0, "") for element in series)
    places = sorted(categories.keys() | {place for column in columns for place in column})
    rows = [[categories.get(place, ""), *(column.get(place, "") for column in columns)] for place in places]
    return [names, *(separator.join(row) for row in rows)]


def _levels(root: Any, separator: str) -> list[str]:
    """The rows of a chart of the newer kinds (waterfall, tree map): a dimension has levels, a level has points."""
    columns = [
        {int(point.get("idx")): _number(point.text or "") for point in level.iter(CHART_EX + "pt") if _is_placed(point)}
        for level in root.iter(CHART_EX + "lvl")
    ]
    places = sorted({place for column in columns for place in column})
    return [separator.join(column.get(place, "") for column in columns) for place in places]


def _is_placed(point: Any) -> bool:
    return str(point.get("idx", "")).isdecimal()


def _points(series: Any, what: str) -> dict[int, str]:
    """The values that Word keeps of a series' names, categories or numbers, by their place."""
    values = series.find(CHART + what)
    points = [] if values is None else list(values.iter(CHART + "pt"))
    return {int(p.get("idx")): _number(p.findtext(CHART + "v") or "") for p in points if _is_placed(p)}


def _number(text: str) -> str:
    """As a reader sees it: 2.4, where the file has 2.3999999999999999; other texts as they are."""
    text = text.strip()
    try:
        return f"{float(text):.15g}"
    except ValueError:
        return text
