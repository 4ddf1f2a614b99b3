"""What the receipt of a document says: which part of the file is missing, and how its pages were read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors import Document, Page
from pipeline.stages.extract import describe
from pipeline.stages.receipt import MAX_SENTENCES, bounded, page_list, sentences

BY_OCR = "Read by OCR: the page is a picture."


def document(*pages: Page, warnings: tuple[str, ...] = (), missing: tuple[str, ...] = ()) -> Document:
    return Document("application/pdf", pages, warnings=warnings, missing=missing)


@pytest.mark.parametrize(
    ("numbers", "named"),
    [
        ([3], "Page 3"),
        ([3, 4], "Pages 3-4"),
        ([7, 3, 5, 6, 3], "Pages 3, 5-7"),
        (range(1, 1001), "Pages 1-1000"),
        (range(1, 100, 2), f"Pages {', '.join(map(str, range(1, 40, 2)))} and 50 in all"),
    ],
)
def test_pages_are_named_by_ranges(numbers: list[int], named: str) -> None:
    assert page_list(numbers) == named


@given(st.sets(st.integers(1, 60), min_size=1, max_size=20))
def test_ranges_hold_exactly_the_pages(numbers: set[int]) -> None:
    ranges = [part.partition("-") for part in page_list(numbers).split(" ", 1)[1].split(", ")]
    assert {page for low, _, high in ranges for page in range(int(low), int(high or low) + 1)} == numbers


def test_damaged_and_unread_pages_are_missing() -> None:
    read = document(
        Page(1, "text"), Page(2, "", origin="failed"), Page(3, "", origin="failed"), Page(4, "", origin="unread")
    )
    facts = sentences(read)
    assert facts["missing"] == ["Pages 2-3 could not be read.", "Page 4 could not be read by OCR."]
    assert facts["parts_missing"] == 2


@pytest.mark.parametrize("origin", ["text", "ocr", "empty"])
def test_a_page_that_was_read_is_not_missing(origin: str) -> None:
    facts = sentences(document(Page(1, "text"), Page(2, "", origin=origin)))  # type: ignore[arg-type]
    assert (facts["missing"], facts["parts_missing"]) == ([], 0)


def test_what_the_reader_names_is_missing_and_no_page_is_named_twice() -> None:
    pages = [Page(number, "", origin="failed") for number in range(1, 10)]
    named = ("The attached file plan.dwg is not read.", "Pages 1, 3-7 are damaged.", "Page 9 is damaged.")
    facts = sentences(document(*pages, missing=named))
    assert facts["missing"] == [*named, "Pages 2, 8 could not be read."]


def test_warnings_of_pages_are_grouped_by_sentence() -> None:
    pages = [Page(n, "x", warnings=(BY_OCR,) if n in (3, 5, 6, 7) else ("Drawn twice.",)) for n in range(3, 9)]
    assert sentences(document(*pages))["page_warnings"] == [
        f"Pages 3, 5-7: {BY_OCR}",
        "Pages 4, 8: Drawn twice.",
    ]


def test_a_warning_of_the_file_is_not_repeated_for_its_pages() -> None:
    facts = sentences(document(Page(1, "x", warnings=(BY_OCR, "Drawn twice.")), warnings=(BY_OCR,)))
    assert (facts["warnings"], facts["page_warnings"]) == ([BY_OCR], ["Page 1: Drawn twice."])


def test_a_warning_of_a_file_without_pages_has_no_number() -> None:
    assert sentences(document(Page(None, "x", warnings=("A picture was left out.",))))["page_warnings"] == [
        "A picture was left out."
    ]


def test_sentences_are_bounded_and_missing_parts_are_all_counted() -> None:
    named = tuple(f"The attached file {number}.bin is not read." for number in range(1000))
    pages = [Page(number, "x", warnings=(f"Note {number}.",)) for number in range(1, 101)]
    facts = sentences(document(*pages, warnings=named, missing=named))
    assert facts["parts_missing"] == 1000
    assert facts["missing"] == facts["warnings"] == [*named[:49], "And 951 more."]
    assert facts["page_warnings"] == [*(f"Page {n}: Note {n}." for n in range(1, 50)), "And 51 more."]


@given(st.lists(st.text(max_size=3), max_size=120))
def test_bounded_keeps_the_first_and_counts_the_rest(texts: list[str]) -> None:
    kept = bounded(texts)
    assert len(kept) <= MAX_SENTENCES
    if len(texts) <= MAX_SENTENCES:
        assert kept == texts
    else:
        assert kept[:-1] == texts[: len(kept) - 1]
        assert kept[-1] == f"And {len(texts) - len(kept) + 1} more."


@pytest.mark.parametrize(
    ("pages", "confidence"),
    [
        ([("ocr", 0.9), ("ocr", 0.5), ("text", None)], 0.7),
        ([("ocr", 0.9), ("ocr", None), ("empty", 0.1)], 0.9),
        ([("ocr", None)], None),
        ([("text", None)], None),
        ([], None),
    ],
)
def test_the_confidence_of_a_document_is_that_of_its_pages_with_words_of_ocr(
    pages: list[tuple[Any, float | None]], confidence: float | None
) -> None:
    read = tuple(Page(place, "x", origin=origin, confidence=sure) for place, (origin, sure) in enumerate(pages, 1))
    assert describe(Document("image/png", read), "scan.png")["ocr_confidence"] == pytest.approx(confidence)
