"""The text layer of a page and what OCR read of the same page, put together."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from extractors.pictures.merged_text import merged

SIGNED = "Signing envelope no. 7F3A19C2-55D0-4E6B-9B1C-0A8842D7E610, page 1 of 2"
LETTER = "Lease of the boat shed\n\nThe tenant takes the shed\nfor seven years."


def test_the_text_layers_line_stands_where_ocr_saw_it_as_the_text_layer_has_it() -> None:
    seen = SIGNED.replace("7F3A", "7E3A").replace("envelope", "enve1ope")
    assert merged(SIGNED, f"{LETTER}\n\n{seen}") == f"{LETTER}\n\n{SIGNED}"
    assert merged(SIGNED, f"{seen}\n\n{LETTER}") == f"{SIGNED}\n\n{LETTER}"


def test_a_line_that_ocr_did_not_see_follows_its_predecessor_or_stands_at_the_end() -> None:
    assert merged(SIGNED, LETTER) == f"{LETTER}\n{SIGNED}"
    layer = "Harbour office\nphone 0431-550\nKestrel Quay"
    assert merged(layer, f"Harbour office\nKestrel Quay\n{LETTER}") == f"{layer}\n{LETTER}"
    assert merged(layer, f"Kestrel Quay\n{LETTER}") == f"{layer}\n{LETTER}"


def test_a_line_of_ocr_that_holds_more_than_the_text_layers_keeps_the_rest() -> None:
    read = "Invoice 4711 RECEIVED 12 MARCH\nPump 40.00"
    assert merged("Invoice 4711", read) == "Invoice 4711\nRECEIVED 12 MARCH\nPump 40.00"


def test_one_line_of_ocr_over_two_columns_is_not_kept_twice() -> None:
    layer = "left column begins here\nright column begins there"
    assert merged(layer, "left column begins here right column begins there\nstamp") == f"{layer}\nstamp"


def test_a_line_of_ocr_that_is_part_of_the_text_layers_line_is_not_kept_twice() -> None:
    layer = "The pump is checked every week and oiled each month."
    assert merged(layer, "The pump is checked\nevery week and oiled each month.\nWX-88213") == f"{layer}\nWX-88213"


def test_lines_with_few_letters_in_common_are_both_kept() -> None:
    assert merged("Page 12 of 40", "Total 12.40\nDue 40 days") == "Total 12.40\nDue 40 days\nPage 12 of 40"
    assert merged("機械密封", "機械密封\n水泵") == "機械密封\n水泵"


def test_nothing_on_one_side_leaves_the_other() -> None:
    assert merged("", LETTER) == LETTER
    assert merged(SIGNED, "") == SIGNED


WORDS = st.lists(st.sampled_from(["pump", "seal", "valve", "4711", "Köln", "水泵", "—", "a"]), min_size=1, max_size=6)
LINES = st.lists(WORDS.map(" ".join), max_size=8)


@given(layer=LINES, read=LINES)
def test_every_line_of_the_text_layer_stays_and_nothing_is_invented(layer: list[str], read: list[str]) -> None:
    result = merged("\n".join(layer), "\n".join(read)).split("\n")
    assert not Counter(layer) - Counter(result)
    words = Counter(word for line in [*layer, *read] for word in line.split())
    assert not Counter(word for line in result for word in line.split()) - words


@given(lines=LINES)
def test_what_both_hold_stands_once(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert sorted(merged(text, text).split()) == sorted(text.split())
