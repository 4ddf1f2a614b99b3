r"""RTF within Word files: its text by the code pages of its fonts, tables row by row, what is not shown left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from word_files import element, new, read, relate

from extractors.docx.blocks import Block
from extractors.docx.rtf import rtf_blocks
from extractors.errors import Corrupt

HEAD = (
    rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Arial;}{\f1\fnil\fcharset204 Cyr;}{\f2\fcharset128 MS;}}"
    rb"{\info{\title Secret}{\author Me}}{\*\generator Some program;}{\stylesheet{\s0 Normal;}}\uc1\pard\f0 "
)


def lines(source: bytes) -> list[str]:
    return [block.text for block in rtf_blocks(HEAD + source + b"}")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (rb"Gr\'fc\'dfe aus {\b K\'f6ln}\par next", ["Grüße aus Köln", "next"]),
        (rb"\f1\'cf\'f0\'e8\'e2\'e5\'f2\f0  Stra\'dfe", ["Привет Straße"]),
        (rb"\f2\'93\'fa\'96\'7b\f0\par", ["日本"]),
        (rb"5 \u8364? \u-10179?\u-8906? \emdash  \ldblquote x\rdblquote", ["5 € 🔶 — “x”"]),
        (rb"\uc2\u8364\'80\'80!{\uc0\u8364 }", ["€!€"]),
        (rb"soft\-hyphen non\_break \{x\} a\\b", ["softhyphen non-break {x} a\\b"]),
        (rb"{\v hidden}shown {\field{\*\fldinst HYPERLINK x}{\fldrslt link}}", ["shown link"]),
        (rb"{\*\shppict{\pict 89504e47}}{\pict\bin3 }}}x}pier", ["pier"]),
        (rb"{\pntext 1.\tab}rope{\*\bkmkstart a}{\header head}", ["1.\trope"]),
        (rb"\v\par", []),
    ],
)
def test_the_text_of_rtf(source: bytes, expected: list[str]) -> None:
    assert lines(source) == expected


def test_rows_of_a_table_are_lines() -> None:
    source = HEAD + rb"\trowd\intbl A\par B\cell 1\cell\row\trowd\intbl C\cell 2\cell\row\pard After}"
    assert rtf_blocks(source) == [Block("A B | 1", None, "rtf"), Block("C | 2", None, "rtf"), Block("After")]


def test_groups_without_end_are_refused() -> None:
    with pytest.raises(Corrupt):
        rtf_blocks(HEAD + b"{" * 2000)


@given(
    st.lists(
        st.sampled_from([b"{", b"}", rb"\par", rb"\u8364?", rb"\'fc", b"a ", rb"\cell", rb"\row", rb"\bin9", b"\\"])
    )
)
def test_any_order_of_commands_is_read(pieces: list[bytes]) -> None:
    assert all(block.text or block.group for block in rtf_blocks(HEAD + b"".join(pieces)))


def test_rtf_stands_in_its_place_in_a_word_file(tmp_path: Path) -> None:
    word = new()
    word.add_paragraph("Before")
    name = relate(word, "aFChunk", "c.rtf", HEAD + rb"Gr\'fc\'dfe\par}", "application/rtf")
    word.element.body.insert_element_before(element(f'<w:altChunk r:id="{name}"/>'), "w:sectPr")
    document = read(word, tmp_path)
    assert (document.text, document.missing) == ("Before\n\nGrüße", ())
