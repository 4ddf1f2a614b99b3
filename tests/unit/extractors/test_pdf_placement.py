"""Whatever the geometry of a page: its text stays as it is, and each annotation stands in it once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from extractors.pdf.annotations import Annotation, Kind
from extractors.pdf.objects import Box
from extractors.pdf.placement import Run, overlay, turned, with_annotations

COORDINATES = st.floats(-1e7, 1e7, allow_nan=False)
BOXES = st.tuples(COORDINATES, COORDINATES, COORDINATES, COORDINATES).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)
KINDS: st.SearchStrategy[Kind] = st.sampled_from(["value", "tick", "block", "note"])
TEXTS = st.text(alphabet="abc de\r\n_-", max_size=40)


@given(TEXTS, st.data())
def test_no_text_is_lost_or_doubled(text: str, data: st.DataObject) -> None:
    printed = [index for index, char in enumerate(text) if not char.isspace()]
    runs = [Run(index, index + 1, *data.draw(BOXES)) for index in printed]
    kinds = data.draw(st.lists(KINDS, max_size=5))
    annotations = [Annotation(kind, f"<{number}>", data.draw(BOXES)) for number, kind in enumerate(kinds)]
    result = with_annotations(text, runs, annotations)
    for annotation in annotations:
        assert result.count(annotation.text) == 1
        result = result.replace(annotation.text, "")
    assert "".join(result.split()) == "".join(text.split())


@given(BOXES, st.integers(-8, 8))
def test_four_quarters_are_a_whole_turn(box: Box, quarters: int) -> None:
    assert turned(turned(box, quarters), -quarters) == box
    left, bottom, right, top = turned(box, quarters)
    assert left <= right
    assert bottom <= top


def test_the_overlay_is_the_annotations_alone_with_notes_last() -> None:
    annotations = [
        Annotation("note", "Note: b", (0, 90, 1, 91)),
        Annotation("value", "low", (0, 10, 1, 11)),
        Annotation("tick", "☒", (0, 50, 1, 51)),
        Annotation("block", "high", (0, 80, 1, 81)),
    ]
    assert overlay(annotations) == "high\nlow\nNote: b"
