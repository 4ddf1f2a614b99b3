"""Tidying of PDF text: divided words are joined, and no letter is changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.divided_words import HYPHEN
from extractors.pdf.text import is_garbage, tidy


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (f"exam{HYPHEN}ple", "example"),
        ("exam\x02\r\nple", "example"),
        ("exam\u2010\r\nple", "example"),
        ("co\u2010op\r\nnext", "co\u2010op\nnext"),
        (f"Müller{HYPHEN}Lüdenscheidt", "Müller-Lüdenscheidt"),
        (f"COVID{HYPHEN}19", "COVID-19"),
        (f"2019{HYPHEN}2020", "2019-2020"),
        (f"Vor{HYPHEN}und Nachteile", "Vor- und Nachteile"),
        (f"ends with{HYPHEN}", "ends with-"),
        (f"well-known and well{HYPHEN}known", "well-known and well-known"),
        (f"E-Mail E{HYPHEN}Mail Email Email", "E-Mail E-Mail Email Email"),
        (f"Ver{HYPHEN}ein{HYPHEN}barung", "Vereinbarung"),
        ("o\ufb03ce \ufb01nd", "office find"),
        ("zu\u00adsam\u00admen", "zusammen"),
        ("a \r\nb\rc\x00\x07", "a\nb\nc"),
    ],
)
def test_divided_words_are_joined(raw: str, text: str) -> None:
    assert tidy([raw]) == [text]


def test_a_hyphen_is_kept_if_another_page_has_the_hyphenated_word() -> None:
    assert tidy([f"long{HYPHEN}term", "a long-term plan"])[0] == "long-term"
    assert tidy([f"Haus{HYPHEN}Tür", "die HausTür"])[0] == "HausTür"


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn", "Cf"])), max_size=4))
def test_tidying_keeps_every_letter(pages: list[str]) -> None:
    ligatures = {chr(code) for code in range(0xFB00, 0xFB07)}
    raw = ["".join(c for c in page if c not in ligatures) for page in pages]
    for before, after in zip(raw, tidy(raw), strict=True):
        assert "".join(after.split()) == "".join(before.split())


@given(st.lists(st.text(alphabet=f"aB-1 {HYPHEN}\n\x02"), max_size=3))
def test_control_marks_of_the_engine_are_removed(pages: list[str]) -> None:
    for before, after in zip(pages, tidy(pages), strict=True):
        assert not {HYPHEN, "\x02"} & set(after)
        assert [c for c in after if c.isalnum()] == [c for c in before if c.isalnum()]


@pytest.mark.parametrize(
    ("raw", "garbage"),
    [
        ("", False),
        ("readable text", False),
        ("\ue001\ue002\ue003", True),
        ("\ufffd\ufffd ok", True),
        ("\x01\x03\x04", True),
    ],
)
def test_garbage_text_is_recognised(raw: str, garbage: bool) -> None:
    assert is_garbage(raw) is garbage


def test_bullets_from_a_symbol_font_are_no_garbage() -> None:
    assert not is_garbage("\uf0b7 first point\n\uf0b7 second point")
