"""Word files: fields that show something without a result in the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from word_files import paragraph, read_xml, run

from extractors.docx.fields import shown_by


@pytest.mark.parametrize(
    ("instruction", "shown"),
    [
        (r" EQ \f(1,2) ", r"\frac{1}{2}"),
        (r"EQ \f(a+b;2π)", r"\frac{a+b}{2\pi}"),
        (r'EQ \* jc2 \* "Font:MS Mincho" \* hps10 \o\ad(\s\up 9(かんじ),漢字)', "漢字(かんじ)"),
        (r"EQ \r(3,x)", r"\sqrt[3]{x}"),
        (r"EQ \r(x)", r"\sqrt{x}"),
        (r"EQ x\s\up8(2) + \b(\f(1,n))", r"x^{2} + (\frac{1}{n})"),
        (r"EQ \i(0,1,x dx)", r"\int_{0}^{1} x dx"),
        (r"EQ f(x,y) = \l(a,b)", "f(x,y) = a,b"),
        (r"EQ \f(f(x\,y),2)", r"\frac{f(x,y)}{2}"),
        (r"EQ \f(1", "1"),
        ("MACROBUTTON NoMacro Click here to sign", "Click here to sign"),
        (r" SYMBOL 252 \f Wingdings ", "✓"),
        (r'SYMBOL 0xF0FE \f "Wingdings" \s 12', "☑"),
        (r"SYMBOL 8364 \u", "€"),
        (r"SYMBOL 99999999", ""),
        (" PAGE ", ""),
        ("EQUIP 3", ""),
        ("", ""),
    ],
)
def test_what_a_field_shows_by_itself(instruction: str, shown: str) -> None:
    assert shown_by(instruction) == shown


@given(st.text(alphabet=r"\fosrib(),; 1aπ", max_size=60))
def test_any_instruction_is_read_to_its_end(source: str) -> None:
    assert isinstance(shown_by(f"EQ {source}"), str)
    letters = "".join(c for c in source if c == "π")
    assert shown_by(f"EQ {source}").count(r"\pi") <= len(letters)


def test_a_field_shows_its_result_or_what_it_says(tmp_path: Path) -> None:
    def mark(kind: str) -> str:
        return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'

    def eq(result: str) -> str:
        return mark("begin") + r"<w:r><w:instrText>EQ \f(1,2)</w:instrText></w:r>" + result + mark("end")

    text = read_xml(tmp_path, paragraph(eq(""), run(" or "), eq(mark("separate") + run("one half")))).text
    assert text == r"\frac{1}{2} or one half"
