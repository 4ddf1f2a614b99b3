"""`Document`: sections stay with their pages when OCR puts text in place."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from extractors.document import Document, Page, Section


def test_sections_move_with_the_pages_that_ocr_fills() -> None:
    pages = (Page(1, "Eins\neins"), Page(2, "", origin="pending"), Page(3, "Drei\ndrei"))
    whole = Document("application/pdf", pages)
    third = whole.page_starts[2]
    sections = (Section(("Eins",), 0, third), Section(("Drei",), third, len(whole.text)))

    read = Document("application/pdf", pages, sections).with_pages({2: Page(2, "zwei aus dem Scan", origin="ocr")})

    texts = [read.text[section.char_start : section.char_end] for section in read.sections]
    assert texts == ["Eins\neins\nzwei aus dem Scan\n", "Drei\ndrei"]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6), st.data())
def test_moved_sections_stay_ordered_and_inside_the_text(texts: list[str], data: st.DataObject) -> None:
    pages = tuple(Page(number, text) for number, text in enumerate(texts, 1))
    before = Document("application/pdf", pages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(before.text)), min_size=2, max_size=6)))
    sections = tuple(Section((str(n),), start, end) for n, (start, end) in enumerate(itertools.pairwise(cuts)))
    replaced = data.draw(st.dictionaries(st.integers(1, len(texts)), st.text(max_size=40)))

    after = Document("x", pages, sections).with_pages({n: Page(n, text, origin="ocr") for n, text in replaced.items()})

    assert len(after.sections) == len(sections)
    bounds = [offset for section in after.sections for offset in (section.char_start, section.char_end)]
    assert bounds == sorted(bounds)
    assert all(0 <= offset <= len(after.text) for offset in bounds)
