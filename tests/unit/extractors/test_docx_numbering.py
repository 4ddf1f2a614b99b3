"""Word files: the numbers of lists and headings, as the standard counts and writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from word_files import add, element, new, paragraph, read, run

from extractors.docx.numerals import numeral


def level(place: int, text: str, kind: str = "decimal", start: int | None = 1, more: str = "") -> str:
    begin = "" if start is None else f'<w:start w:val="{start}"/>'
    return f'<w:lvl w:ilvl="{place}">{begin}<w:numFmt w:val="{kind}"/>{more}<w:lvlText w:val="{text}"/></w:lvl>'


def numbered(folder: Path, items: list[tuple[int, int]], *lists: str, language: str = "") -> str:
    """The markers of items, given as (list, level); each list is the XML of its definition and of its instance."""
    word = new()
    numbering = word.part.numbering_part.element
    for child in list(numbering):
        numbering.remove(child)
    definitions = [f'<w:abstractNum w:abstractNumId="{n}">{own}</w:abstractNum>' for n, own in enumerate(lists)]
    instances = [f'<w:num w:numId="{n + 1}"><w:abstractNumId w:val="{n}"/></w:num>' for n in range(len(lists))]
    again = '<w:num w:numId="9"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="1"><w:startOverride w:val="5"/>'
    parts = element(f"<w:numbering>{''.join((*definitions, *instances, again))}</w:lvlOverride></w:num></w:numbering>")
    numbering.extend(list(parts))
    if language:
        word.styles.element.find(".//{*}rPrDefault/{*}rPr/{*}lang").set(LANGUAGE, language)
    for number, place in items:
        properties = f'<w:numPr><w:ilvl w:val="{place}"/><w:numId w:val="{number}"/></w:numPr>'
        add(word, paragraph(run("x"), properties=properties))
    return " ".join(line.removesuffix("x").strip() for line in read(word, folder).text.split("\n") if line)


LANGUAGE = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}val"
OUTLINE = (
    level(0, "Article %1.", "upperRoman")
    + level(1, "Section %1.%2", more="<w:isLgl/>")
    + level(2, "(%3)", "lowerLetter")
)


def test_without_a_start_a_level_begins_at_zero(tmp_path: Path) -> None:
    levels = level(0, "%1.", start=None) + level(1, "%1.%2", start=None)
    assert numbered(tmp_path, [(1, 0), (1, 1), (1, 1), (1, 0), (1, 1)], levels) == "0. 0.0 0.1 1. 1.0"


def test_a_legal_level_writes_all_numbers_in_digits(tmp_path: Path) -> None:
    items = [(1, 0), (1, 0), (1, 1), (1, 1), (1, 2)]
    assert numbered(tmp_path, items, OUTLINE) == "Article I. Article II. Section 2.1 Section 2.2 (a)"


@pytest.mark.parametrize(
    ("restart", "markers"),
    [
        ("", "1. 1.1 2. 2.1"),
        ('<w:lvlRestart w:val="0"/>', "1. 1.1 2. 2.2"),
        ('<w:lvlRestart w:val="1"/>', "1. 1.1 2. 2.1"),
    ],
)
def test_a_level_restarts_where_it_says(restart: str, markers: str, tmp_path: Path) -> None:
    levels = level(0, "%1.") + level(1, "%1.%2", more=restart)
    assert numbered(tmp_path, [(1, 0), (1, 1), (1, 0), (1, 1)], levels) == markers


def test_an_overridden_start_holds_after_each_restart(tmp_path: Path) -> None:
    levels = level(0, "%1.") + level(1, "%1.%2")
    items = [(9, 0), (9, 1), (9, 1), (9, 0), (9, 1)]
    assert numbered(tmp_path, items, levels) == "1. 1.5 1.6 2. 2.5"


def test_a_style_without_a_level_has_the_level_that_is_for_it(tmp_path: Path) -> None:
    word = new()
    numbering = word.part.numbering_part.element
    own = level(0, "%1") + level(1, "%1.%2", more='<w:pStyle w:val="Heading2"/>')
    numbering.insert(0, element(f'<w:abstractNum w:abstractNumId="90">{own}</w:abstractNum>'))
    numbering.append(element('<w:num w:numId="90"><w:abstractNumId w:val="90"/></w:num>'))
    for name in ("Heading 1", "Heading 2"):
        properties: Any = word.styles[name].element.get_or_add_pPr()
        properties.insert(0, element('<w:numPr><w:numId w:val="90"/></w:numPr>'))
    for depth in (1, 2, 2, 1):
        word.add_heading("Part", depth)
    assert read(word, tmp_path).text == "1 Part\n\n1.1 Part\n\n1.2 Part\n\n2 Part"


def test_a_newer_format_stands_beside_its_older_form(tmp_path: Path) -> None:
    kind = (
        '<mc:AlternateContent><mc:Choice Requires="w14"><w:numFmt w:val="custom" w:format="001, 002, 003, ..."/>'
        '</mc:Choice><mc:Fallback><w:numFmt w:val="decimal"/></mc:Fallback></mc:AlternateContent>'
    )
    levels = f'<w:lvl w:ilvl="0"><w:start w:val="9"/>{kind}<w:lvlText w:val="No. %1"/></w:lvl>'
    assert numbered(tmp_path, [(1, 0), (1, 0)], levels) == "No. 009 No. 010"


def test_ordinals_are_in_the_language_of_the_document(tmp_path: Path) -> None:
    levels = level(0, "%1 rule", "ordinal") + level(1, "%2", "cardinalText")
    assert numbered(tmp_path, [(1, 0), (1, 0), (1, 1)], levels, language="en-GB") == "1st rule 2nd rule One"
    assert numbered(tmp_path, [(1, 0), (1, 0), (1, 1)], levels, language="de-DE") == "1. rule 2. rule Eins"


def test_a_level_beyond_the_ninth_is_passed_over(tmp_path: Path) -> None:
    assert numbered(tmp_path, [(1, 0)], level(0, "%1.") + level(999_999_999, "%1")) == "1."


@pytest.mark.parametrize(
    ("value", "kind", "language", "written"),
    [
        (27, "lowerLetter", "", "aa"),
        (53, "upperLetter", "", "AAA"),
        (28, "lowerLetter", "", "bb"),
        (0, "upperLetter", "", "0"),
        (1994, "lowerRoman", "", "mcmxciv"),
        (7, "decimalZero", "", "07"),
        (112, "ordinal", "en-US", "112th"),
        (23, "ordinal", "", "23rd"),
        (1, "ordinal", "fr-FR", "1er"),
        (21, "ordinalText", "en-US", "Twenty-first"),
        (1030, "ordinalText", "en-US", "One thousand thirtieth"),
        (512, "cardinalText", "", "Five hundred twelve"),
        (21, "cardinalText", "de-AT", "Einundzwanzig"),
        (3, "ordinalText", "de-DE", "Dritte"),
        (22, "ordinalText", "de-DE", "Zweiundzwanzigste"),
        (500, "ordinalText", "de-DE", "500."),
        (20, "decimalEnclosedCircle", "", "⑳"),
        (21, "decimalEnclosedCircle", "", "21"),
        (3, "russianUpper", "", "В"),
        (6, "chicago", "", "††"),
        (23, "chineseCounting", "", "二十三"),
        (12, "unknownFormat", "", "12"),
        (12, "none", "", ""),
        (99_999, "upperRoman", "", "99999"),
        (7, "0001", "", "0007"),
    ],
)
def test_numbers_are_written_as_word_writes_them(value: int, kind: str, language: str, written: str) -> None:
    assert numeral(value, kind, language) == written
