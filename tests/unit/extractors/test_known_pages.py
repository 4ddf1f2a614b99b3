"""A picture of a page that was read lately gets its words again."""

from __future__ import annotations

import pytest
from PIL import Image

from extractors.pictures import known_pages
from extractors.pictures.known_pages import KnownPages, picture_key
from extractors.pictures.words import PageText


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_pages, "KEPT", 2)
    known = KnownPages()
    for number in range(3):
        known.keep(number, PageText(str(number), None))
        known.find(0)
    assert [known.find(number) for number in range(3)] == [PageText("0", None), None, PageText("2", None)]
    known.keep(4, PageText("x" * (known_pages.CHARS + 1), None))
    assert known.find(4) is None


def test_pictures_of_other_sides_have_other_keys() -> None:
    assert picture_key(Image.new("L", (20, 10), 7)) != picture_key(Image.new("L", (10, 20), 7))
