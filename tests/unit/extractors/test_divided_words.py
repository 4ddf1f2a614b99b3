"""Words divided at line ends: a syllable is joined, a hyphen that belongs to the word stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.divided_words import HYPHEN, joined, undivided

ENGLISH = (
    "The flow of the gas is coupled to the wall of the tube, and the boundary of the layer is thin. It is the flow "
    "that the others measured; the layer grows with the speed of the gas, the speed is high and the tube is long. "
)
"""English with the words flow, gas, wall, tube, boundary, layer, speed, coupled."""
GERMAN = "Das Haus hat eine Tür, und die Tür ist vor dem Haus. Die Frage ist an den Wirt zu stellen. "


def _joint(text: str, left: str, right: str) -> str:
    """What stands between the halves after the words are joined."""
    page = undivided([f"{text}{left}{HYPHEN}{right} more"])[0]
    return page.removeprefix(text).removeprefix(left).removesuffix(" more").removesuffix(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("strongly", "coupled"),
        ("newly", "written"),
        ("self", "publishing"),
        ("well", "known"),
        ("two", "dimensional"),
        ("boundary", "layer"),
        ("x", "rays"),
    ],
)
def test_an_english_compound_keeps_its_hyphen(left: str, right: str) -> None:
    assert _joint(ENGLISH, left, right) == "-"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Stan", "dard"),
        ("sys", "tem"),
        ("analy", "sis"),
        ("poly", "mer"),
        ("free", "dom"),
        ("six", "teen"),
        ("exteri", "or"),
        ("in", "to"),
        ("meas", "ured"),
        ("boundar", "ies"),
        ("over", "layer"),
    ],
)
def test_an_english_word_divided_at_a_syllable_is_whole(left: str, right: str) -> None:
    assert _joint(ENGLISH, left, right) == ""


def test_halves_that_the_document_uses_in_closed_words_are_joined() -> None:
    assert _joint(ENGLISH + "The network. The artwork, the frames, a frame at work. ", "frame", "work") == ""
    assert _joint(ENGLISH + "The long wavelengths, a wave of some length. ", "wave", "length") == ""


def test_the_halves_of_divided_words_are_no_evidence() -> None:
    text = f"{ENGLISH}dis{HYPHEN}crep discrep{HYPHEN}ancy crep{HYPHEN}ancy "
    assert undivided([text])[0] == f"{ENGLISH}discrep discrepancy crepancy "


@pytest.mark.parametrize(
    ("left", "right", "between"),
    [("Haus", "tür", ""), ("An", "frage", ""), ("Vor", "und Nachteile", "- "), ("Haus", "Tür", "-")],
)
def test_german_words_are_joined_though_both_halves_are_words(left: str, right: str, between: str) -> None:
    assert _joint(GERMAN, left, right) == between


def test_a_heading_in_capitals_is_whole_if_the_text_has_the_word() -> None:
    assert undivided([f"ZUSAMMEN{HYPHEN}FASSUNG", "die Zusammenfassung"])[0] == "ZUSAMMENFASSUNG"
    assert undivided([f"INTRO{HYPHEN}DUCTION", "an introduction"])[0] == "INTRODUCTION"
    assert undivided([f"ISO{HYPHEN}IEC"]) == ["ISO-IEC"]


def test_the_middle_of_a_compound_of_three_words_is_no_hanging_hyphen() -> None:
    assert undivided([f"hand{HYPHEN}to-mouth"]) == ["hand-to-mouth"]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("Stan-\ndard", "Standard"),
        ("Stan- \r\n  dard", "Standard"),
        ("E-\nMail", "E-Mail"),
        ("Ein-\nund Ausgabe", "Ein- und Ausgabe"),
        ("- first\n- second", "- first\n- second"),
        ("a sum of 5 -\nthree", "a sum of 5 -\nthree"),
        ("120,-\nEuro", "120,-\nEuro"),
        ("minus\n-5", "minus\n-5"),
        ("end-\n\nNew", "end-\n\nNew"),
        ("zusammen-\n\nhängend", "zusammenhängend"),
        ("Arbeits\u00ac\nzeit", "Arbeitszeit"),
        ("page 3-\n4", "page 3-\n4"),
    ],
)
def test_plain_lines_are_joined(lines: str, text: str) -> None:
    assert joined([lines]) == [text]


def test_another_page_says_how_a_word_is_written() -> None:
    assert joined(["long-\nterm", "a long-term plan"])[0] == "long-term"
    assert joined(["data-\nbase", "a database"])[0] == "database"


@given(st.lists(st.text(alphabet="aB1-\n \u2010\u00acßthe"), max_size=4))
def test_joining_plain_lines_changes_only_hyphens_and_space(pages: list[str]) -> None:
    for before, after in zip(pages, joined(pages), strict=True):
        assert [c for c in after if c.isalnum()] == [c for c in before if c.isalnum()]
        assert HYPHEN not in after
