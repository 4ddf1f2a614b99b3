"""Charts are well-formed SVG whatever their labels are, and their boxes have the sizes of their amounts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pipeline.reports.charts import MOST_BARS, bar_chart, column_chart

SVG = "{http://www.w3.org/2000/svg}"
LABELS = st.text(max_size=50)
AMOUNTS = st.floats(0, 1e12, allow_nan=False) | st.integers(0, 10**12)


def parsed(chart: str) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    return etree.fromstring(chart.encode(), parser)


def boxes(svg: Any) -> list[dict[str, float]]:
    names = ("x", "y", "width", "height")
    return [{name: float(rect.get(name)) for name in names} for rect in svg.iter(f"{SVG}rect")]


def tags(svg: Any) -> set[str]:
    return {element.tag.removeprefix(SVG) for element in svg.iter()}


@given(LABELS, st.lists(st.tuples(LABELS, AMOUNTS), max_size=40))
def test_bars_are_as_long_as_their_amounts(title: str, rows: list[tuple[str, float]]) -> None:
    svg = parsed(bar_chart(title, rows))
    assert tags(svg) <= {"svg", "title", "rect", "text"}
    found, shown = boxes(svg), rows[:MOST_BARS]
    assert len(found) == len(shown)
    most = max([amount for _, amount in shown], default=0)
    for box, (_, amount) in zip(found, shown, strict=True):
        expected = 410 * amount / most if most else 0.0
        assert box["width"] == pytest.approx(expected, abs=0.01)
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 720


@given(LABELS, st.lists(st.tuples(LABELS, st.tuples(AMOUNTS, AMOUNTS)), max_size=60))
def test_columns_stand_on_each_other_within_the_plot(title: str, points: list[tuple[str, tuple[float, float]]]) -> None:
    svg = parsed(column_chart(title, ("completed", "failed"), points))
    assert tags(svg) <= {"svg", "title", "rect", "text", "line"}
    found = boxes(svg)[: 2 * len(points)]
    most = max((sum(amounts) for _, amounts in points), default=0)
    for place, (_, amounts) in enumerate(points):
        below, above = found[2 * place], found[2 * place + 1]
        for box, amount in zip((below, above), amounts, strict=True):
            assert box["height"] == pytest.approx(160 * amount / most if most else 0.0, abs=0.01)
        assert below["y"] + below["height"] == pytest.approx(188, abs=0.03)
        assert above["y"] + above["height"] == pytest.approx(below["y"], abs=0.03)
        assert above["y"] >= 27.97
        assert below["x"] + below["width"] <= 720.01


def test_a_screen_reader_hears_the_title_and_every_amount() -> None:
    svg = parsed(bar_chart("Documents by state", [("completed", 1234), ("failed", 5)]))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == "Documents by state"
    assert [title.text for title in svg.iter(f"{SVG}title")] == ["Documents by state", "completed: 1,234", "failed: 5"]
