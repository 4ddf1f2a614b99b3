"""Names of sources as users type them: NFC and NFD are one name, and a name that exists is no pattern."""

from __future__ import annotations

from typing import Literal
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source_names import ascii_prefix, literals, marks, matcher, select, spelling_of

NFD = normalize("NFD", "/srv/Übersichten/Übersicht Mängel.txt")
NAMES = st.text(
    st.characters(exclude_characters="/*?[]%", categories=("L", "N", "P", "M", "Zs")), min_size=1, max_size=20
)


def matches(source: str, glob: str) -> bool:
    return select([source], [glob]) == [source]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("source", [NFD, normalize("NFC", NFD), "file:///srv/U%CC%88bersichten/Übersicht%20Mängel.txt"])
@pytest.mark.parametrize("typed", ["Übersicht*.txt", "Übersicht Mängel.txt", "Übersichten/*", "*Mä?gel*", "M[ä]ngel*"])
def test_both_spellings_are_one_name(source: str, typed: str, form: Literal["NFC", "NFD"]) -> None:
    assert matches(source, normalize(form, typed if not typed.startswith("M") else f"*{typed}"))


@pytest.mark.parametrize("name", ["がぎ.txt", "한국어 보고서.pdf", "Việt Nam.md", "ﬁnance café.txt", "Å.txt"])
def test_names_of_other_scripts_are_found_in_both_spellings(name: str) -> None:
    stored, typed = normalize("NFD", name), normalize("NFC", name)
    assert select([f"/a/{stored}", "/a/other.txt"], [typed]) == [f"/a/{stored}"]
    assert select([f"/a/{typed}"], [stored]) == [f"/a/{typed}"]


@pytest.mark.parametrize("name", ["Report [final].txt", "what?.md", "a*b.txt", "[1].pdf", "[!draft] plan.txt", "*.txt"])
def test_a_name_that_exists_is_no_pattern(name: str) -> None:
    others = ["/a/Report f.txt", "/a/whats.md", "/a/aXb.txt", "/a/1.pdf", "/a/x plan.txt"]
    assert select([f"/a/{name}", *others], [name]) == [f"/a/{name}"]
    assert select([f"/a/{name}", *others], [f"/a/{name}"]) == [f"/a/{name}"]


def test_brackets_are_taken_as_written_where_a_source_has_them() -> None:
    sources = ["/a/Report [final] 2.txt", "/a/Report f 2.txt", "/b [old]/x.txt", "/b o/x.txt"]
    assert select(sources, ["Report [final]*"]) == ["/a/Report [final] 2.txt"]
    assert select(sources, ["/b [old]/*"]) == ["/b [old]/x.txt"]
    assert select(sources, ["Report [a-g]*"]) == ["/a/Report f 2.txt"]


def test_each_name_is_tried_by_itself() -> None:
    sources = ["/a/[1].txt", "/a/1.txt", "/a/2.md"]
    assert select(sources, ["[1].txt", "*.md", "nothing"]) == ["/a/2.md", "/a/[1].txt"]


@given(NAMES, NAMES)
def test_every_name_finds_its_source_in_any_spelling(folder: str, name: str) -> None:
    source = normalize("NFD", f"/{folder}/{name}")
    for typed in (name, normalize("NFC", name), f"/{folder}/{name}"):
        assert matches(source, typed)


@given(NAMES, NAMES)
def test_a_source_spells_itself_and_the_folders_above_it(folder: str, name: str) -> None:
    source = normalize("NFD", f"/{folder}/{name}")
    assert spelling_of(source, normalize("NFC", source)) == source
    assert spelling_of(source, f"/{folder}/") == normalize("NFD", f"/{folder}")
    assert spelling_of(source, f"/{folder}x") is None
    assert source.startswith(ascii_prefix(normalize("NFC", source)))


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), NAMES, st.sampled_from(["{}", "*{}", "?{}", "[{}]"]))
def test_a_matcher_chooses_what_select_does(names: list[str], name: str, form: str) -> None:
    sources = [f"/a/{known}" for known in {*names, f"[{names[0]}]", f"x{name}"}]
    for glob in (form.format(name), form.format(names[0]), "*"):
        is_meant = matcher(iter(sources), glob)
        assert sorted(filter(is_meant, sources)) == select(sources, [glob])


PIECES = st.lists(
    st.sampled_from([*"aAbK*?[]/.- é", "\u212a", "e\u0301", "%41", "%5B", "[ab]", "[!a]", "./"]),
    max_size=7,
).map("".join)


@given(st.lists(st.builds("{}{}".format, st.sampled_from(["", "/", "file:///", "upload://"]), PIECES)), PIECES)
def test_a_source_that_is_meant_has_the_literals(known: list[str], glob: str) -> None:
    """The catalog reads only sources with these texts, and those with percent signs."""
    for source in select(known, [glob]):
        assert "%" in source or all(literal.lower() in source.lower() for literal in literals(glob)), source


@given(st.lists(st.builds("{}{}".format, st.sampled_from(["", "/", "file:///", "upload://"]), PIECES)), PIECES)
def test_only_sources_with_signs_of_a_pattern_decide_how_it_is_read(known: list[str], glob: str) -> None:
    deciding = [source for mark in marks(glob)[-1:] for source in known if mark in source or "%" in source]
    is_meant = matcher(deciding, glob)
    assert [source for source in known if is_meant(source)] == [
        source for source in known if matcher(known, glob)(source)
    ]


def test_a_pattern_of_very_many_pieces_has_few_literals() -> None:
    assert literals("ab?" * 1000 + "*/report_[0-9].pdf?x") == ("/report_", ".pdf", "ab", "x")


def test_brackets_in_the_place_of_a_host_are_a_name() -> None:
    sources = ["upload://[draft].pdf", "upload://[", "upload://letter.pdf"]
    assert select(sources, ["*.pdf"]) == ["upload://[draft].pdf", "upload://letter.pdf"]
    assert select(sources, ["[draft].pdf"]) == ["upload://[draft].pdf"]
