"""Pages of a text: each character stands on one page, a passage is divided between the pages that it stands on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.document import Document, Page
from pipeline.errors import BadRequest, UnknownPage
from pipeline.page_images import texts
from pipeline.page_images.request import PageRequest
from pipeline.page_images.texts import PageText, Sheets, has_no_pages

PAGES = st.lists(st.text(st.characters(exclude_characters="\n"), max_size=30), min_size=1, max_size=6)
SHEETS = st.text(st.sampled_from("word and\n"), max_size=3000)


def numbered(texts: list[str]) -> Document:
    return Document("application/pdf", tuple(Page(number, text) for number, text in enumerate(texts, 1)))


def text_of_page(document: Document, page: int) -> PageText:
    if has_no_pages(document):
        return Sheets.of(document.text).text_of(document.text, page)
    return texts.text_of_page(document, page)


def page_at(document: Document, character: int) -> tuple[int, int]:
    if has_no_pages(document):
        return Sheets.of(document.text).page_at(character)
    return texts.page_at(document, character)


@given(st.one_of(PAGES.map(numbered), SHEETS.map(lambda text: Document("text/plain", (Page(None, text),)))))
def test_every_character_stands_on_the_page_that_is_named(document: Document) -> None:
    for character in range(0, len(document.text), 7):
        number, pages = page_at(document, character)
        page = text_of_page(document, number)
        assert page.pages == pages
        assert page.char_start <= character <= page.char_end  # the end stands for what separates two pages
        assert document.text[page.char_start : page.char_end] == page.text
    last = text_of_page(document, text_of_page(document, 1).pages)
    assert last.char_end == len(document.text)
    for number in (0, last.pages + 1):
        with pytest.raises(UnknownPage):
            text_of_page(document, number)
    with pytest.raises(UnknownPage):
        page_at(document, len(document.text))


@given(PAGES, st.data())
def test_a_passage_is_divided_between_its_pages(texts: list[str], data: st.DataObject) -> None:
    document = numbered(texts)
    start = data.draw(st.integers(0, len(document.text)))
    end = data.draw(st.integers(start, len(document.text) + 5))
    parts = []
    for number in range(1, len(texts) + 1):
        page = text_of_page(document, number)
        low, high = page.within((start, end))
        assert 0 <= low <= high <= len(page.text)
        parts.append(page.text[low:high])
    assert "".join(parts) == document.text[start:end].replace("\n", "")


def test_ocr_is_asked_only_for_pages_that_it_has_read() -> None:
    document = numbered(["A layer.", "A scan."])
    scanned = replace(document, pages=(document.pages[0], replace(document.pages[1], origin="ocr")))
    assert [text_of_page(scanned, number).by_ocr for number in (1, 2)] == [False, True]


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 15},
        {"width": 2401},
        {"format": "gif"},
        {"char_start": 5, "char_end": 5},
        {"char_start": -1, "char_end": 5},
        {"char_end": 0},
    ],
)
def test_requests_out_of_range_are_refused_with_what_is_possible(wrong: dict[str, int]) -> None:
    with pytest.raises(BadRequest) as caught:
        PageRequest("document", 1, **wrong)  # type: ignore[arg-type]
    assert caught.value.hint


def test_a_passage_may_have_one_end() -> None:
    assert PageRequest("document", 1).passage is None
    assert PageRequest("document", 1, char_end=7).passage == (0, 7)
    start, end = PageRequest("document", 1, char_start=7).passage or (0, 0)
    assert (start, end > 10**8) == (7, True)
