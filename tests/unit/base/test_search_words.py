"""Search filters as users write them: types of documents and folders."""

from __future__ import annotations

import pytest

from pipeline.errors import BadRequest
from pipeline.search import resolve_media_types
from pipeline.source_names import select


def test_media_types_are_resolved_without_duplicates() -> None:
    assert resolve_media_types(["pdf", ".pdf", "jpg"]) == ("application/pdf", "image/jpeg")


def test_an_unknown_type_is_refused_with_the_known_types() -> None:
    with pytest.raises(BadRequest, match="There is no type exe") as caught:
        resolve_media_types(["pdf", "exe"])
    assert "docx" in caught.value.hint


def test_a_folder_below_here_is_named_with_or_without_a_dot() -> None:
    assert select(["/home/me/reports/letter.txt"], ["./reports/*"])
    assert not select(["/home/me/reports/letter.txt"], ["./report/*"])
