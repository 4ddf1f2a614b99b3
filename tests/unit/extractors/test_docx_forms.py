"""Word files: what is filled into form fields and content controls."""

from __future__ import annotations

from pathlib import Path

import pytest
from word_files import paragraph, read_xml, run

ENTRIES = "".join(f'<w:listEntry w:val="{kind}"/>' for kind in ("sloop", "yawl", "gaff ketch"))


def mark(kind: str, data: str = "") -> str:
    return f'<w:r><w:fldChar w:fldCharType="{kind}">{data}</w:fldChar></w:r>'


def field(data: str, result: str | None = "", instruction: str = "FORM") -> str:
    """A legacy form field; without a result Word leaves the separator out, too."""
    middle = "" if result is None else mark("separate") + result
    instructed = f"<w:r><w:instrText> {instruction} </w:instrText></w:r>"
    return mark("begin", f"<w:ffData>{data}</w:ffData>") + instructed + middle + mark("end")


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (f'<w:ddList><w:result w:val="2"/>{ENTRIES}</w:ddList>', "gaff ketch"),
        (f'<w:ddList><w:default w:val="1"/>{ENTRIES}</w:ddList>', "yawl"),
        (f"<w:ddList>{ENTRIES}</w:ddList>", "sloop"),
        (f'<w:ddList><w:result w:val="7"/>{ENTRIES}</w:ddList>', ""),
        ("<w:checkBox><w:checked/></w:checkBox>", "☒"),
        ('<w:checkBox><w:default w:val="1"/><w:checked w:val="0"/></w:checkBox>', "☐"),
        ('<w:checkBox><w:default w:val="1"/></w:checkBox>', "☒"),
        ("<w:checkBox><w:sizeAuto/></w:checkBox>", "☐"),
    ],
)
@pytest.mark.parametrize("result", ["", None])
def test_a_form_field_shows_what_is_filled_in(data: str, shown: str, result: str | None, tmp_path: Path) -> None:
    document = read_xml(tmp_path, paragraph(run("Boat: "), field(data, result), run(" (end)")))
    assert document.text == f"Boat: {shown} (end)"


def test_a_result_in_the_text_is_read_once(tmp_path: Path) -> None:
    chosen = field(f'<w:ddList><w:result w:val="1"/>{ENTRIES}</w:ddList>', run("yawl"))
    typed = field('<w:textInput><w:default w:val="NEVER"/></w:textInput>', run("Nordlicht"))
    cleared = field('<w:textInput><w:default w:val="NEVER"/></w:textInput>', run("\u2002\u2002"))
    assert read_xml(tmp_path, paragraph(chosen, run(", "), typed, run(", "), cleared, run("."))).text.split() == [
        "yawl,",
        "Nordlicht,",
        ".",
    ]


def test_a_field_over_two_paragraphs_says_its_result_once(tmp_path: Path) -> None:
    start = mark("begin", f"<w:ffData><w:ddList>{ENTRIES}</w:ddList></w:ffData>") + mark("separate")
    document = read_xml(tmp_path, paragraph(start, run("first")), paragraph(run("second"), mark("end")))
    assert document.text == "first\n\nsecond"


def control(properties: str, content: str = "") -> str:
    return f"<w:sdt><w:sdtPr>{properties}</w:sdtPr><w:sdtContent>{content}</w:sdtContent></w:sdt>"


LIST = '<w:listItem w:displayText="Berth with power" w:value="p"/><w:listItem w:displayText="Buoy" w:value="b"/>'


@pytest.mark.parametrize(
    ("properties", "content", "shown"),
    [
        ('<w14:checkbox><w14:checked w14:val="1"/></w14:checkbox>', run("☒"), "☒"),
        ('<w14:checkbox><w14:checked w14:val="1"/></w14:checkbox>', "", "☒"),
        ('<w14:checkbox><w14:checked w14:val="0"/></w14:checkbox>', "", "☐"),
        (
            '<w14:checkbox><w14:checked w14:val="1"/></w14:checkbox>',
            '<w:r><w:sym w:font="Wingdings" w:char="F0FE"/></w:r>',
            "☑",
        ),
        (f'<w:dropDownList w:lastValue="p">{LIST}</w:dropDownList>', run("Berth with power"), "Berth with power"),
        (f'<w:dropDownList w:lastValue="b">{LIST}</w:dropDownList>', "", "Buoy"),
        (f'<w:comboBox w:lastValue="own words">{LIST}</w:comboBox>', "", "own words"),
        ('<w:date w:fullDate="2026-06-03T00:00:00Z"/>', "", "2026-06-03"),
        ('<w:date w:fullDate="2026-06-03T00:00:00Z"/>', run("3 June"), "3 June"),
        ("<w:text/>", "", ""),
    ],
)
def test_a_content_control_shows_its_value_once(properties: str, content: str, shown: str, tmp_path: Path) -> None:
    document = read_xml(tmp_path, paragraph(run("Value: "), control(properties, content), run(";")))
    assert document.text == f"Value: {shown};"


def test_symbols_of_each_font_are_told_apart(tmp_path: Path) -> None:
    def sym(font: str, code: str) -> str:
        return f'<w:r><w:sym w:font="{font}" w:char="{code}"/></w:r>'

    shown = [
        ("Wingdings", "F0FC"),
        ("Wingdings 2", "F052"),
        ("Webdings", "F061"),
        ("Symbol", "F0A3"),
        ("Symbol", "F0B1"),
    ]
    private = '<w:r><w:rPr><w:rFonts w:ascii="Wingdings"/></w:rPr><w:t>\uf0fe and \uf0a8</w:t></w:r>'
    plain = '<w:r><w:rPr><w:rFonts w:ascii="Wingdings"/></w:rPr><w:t> plain</w:t></w:r>'
    text = read_xml(tmp_path, paragraph(*(sym(*pair) for pair in shown)), paragraph(private, plain)).text
    assert text == "✓☑✓≤±\n\n☑ and ◻ plain"


def test_the_reading_of_a_word_follows_the_whole_word(tmp_path: Path) -> None:
    def ruby(base: str, reading: str) -> str:
        return f"<w:r><w:ruby><w:rt>{run(reading)}</w:rt><w:rubyBase>{run(base)}</w:rubyBase></w:ruby></w:r>"

    document = read_xml(
        tmp_path,
        paragraph(run("地図: "), ruby("東", "とう"), ruby("京", "きょう"), run("駅")),
        paragraph(ruby("海", "うみ")),
    )
    assert document.text == "地図: 東京(とうきょう)駅\n\n海(うみ)"
