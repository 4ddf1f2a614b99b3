"""Word files: formulas as LaTeX."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from word_files import element, paragraph, read_xml, run

from extractors.docx.math import latex


def r(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


def e(*content: str) -> str:
    return f"<m:e>{''.join(content)}</m:e>"


def sup(base: str, text: str) -> str:
    return f"<m:sSup>{e(base)}<m:sup>{text}</m:sup></m:sSup>"


def fraction(above: str, below: str, kind: str = "bar") -> str:
    return f'<m:f><m:fPr><m:type m:val="{kind}"/></m:fPr><m:num>{above}</m:num><m:den>{below}</m:den></m:f>'


def nary(sign: str, below: str, above: str, body: str) -> str:
    properties = f'<m:naryPr><m:chr m:val="{sign}"/></m:naryPr>'
    return f"<m:nary>{properties}<m:sub>{below}</m:sub><m:sup>{above}</m:sup>{e(body)}</m:nary>"


def brackets(*content: str, begin: str = "(", end: str = ")") -> str:
    return f'<m:d><m:dPr><m:begChr m:val="{begin}"/><m:endChr m:val="{end}"/></m:dPr>{e(*content)}</m:d>'


def function(name: str, argument: str) -> str:
    return f"<m:func><m:fName>{name}</m:fName>{e(argument)}</m:func>"


LIMIT = f"<m:limLow>{e(r('lim'))}<m:lim>{r('n→∞')}</m:lim></m:limLow>"
ROWS = f"<m:mr>{e(r('a'))}{e(r('b'))}</m:mr><m:mr>{e(r('c'))}{e(r('d'))}</m:mr>"


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (r("A=π") + sup(r("r"), r("2")), r"A=\pi r^2"),
        (sup(r("x"), r("k")) + sup(r("a"), r("n−k")), r"x^k a^{n-k}"),
        (sup(fraction(r("x"), r("v")), r("2")), r"{\frac{x}{v}}^2"),
        (fraction(r("a"), r("b"), "lin"), "a/b"),
        (brackets(fraction(r("n"), r("k"), "noBar")), r"\binom{n}{k}"),
        (f"<m:rad><m:radPr><m:degHide/></m:radPr><m:deg/>{e(r('b'))}</m:rad>", r"\sqrt{b}"),
        (f"<m:rad><m:deg>{r('3')}</m:deg>{e(r('b'))}</m:rad>", r"\sqrt[3]{b}"),
        (nary("∑", r("n=1"), r("∞"), r("x")), r"\sum_{n=1}^{\infty}x"),
        (nary("∫", "", "", r("xdx")), r"\int xdx"),
        (brackets(r("x+1")), "(x+1)"),
        (brackets(r("x"), begin="{", end="}"), r"\{x\}"),
        (brackets(fraction(r("1"), r("n"))), r"\left(\frac{1}{n}\right)"),
        (function(r("sin"), r("x")), r"\sin x"),
        (function(sup(r("cos"), r("2")), r("x")), r"\cos^2 x"),
        (function(LIMIT, r("a")), r"\lim_{n\to\infty}a"),
        (function(r("rank"), brackets(r("A"))), r"\operatorname{rank}(A)"),
        (f'<m:acc><m:accPr><m:chr m:val="⃗"/></m:accPr>{e(r("v"))}</m:acc>', r"\vec{v}"),
        (f'<m:bar><m:barPr><m:pos m:val="top"/></m:barPr>{e(r("z"))}</m:bar>', r"\overline{z}"),
        (f"<m:m>{ROWS}</m:m>", r"\begin{matrix}a & b \\ c & d\end{matrix}"),
        (
            brackets(f"<m:eqArr>{e(r('1'))}{e(r('0'))}</m:eqArr>", begin="{", end=""),
            r"\begin{cases}1 \\ 0\end{cases}",
        ),
        (f"<m:sPre><m:sub>{r('6')}</m:sub><m:sup>{r('14')}</m:sup>{e(r('C'))}</m:sPre>", r"{}_6^{14}C"),
        (r("𝑥") + r("≤") + r("1"), r"x\leq 1"),
        (f"<m:eqArr>{e(r('a=b'))}</m:eqArr>", "a=b"),
        (sup(r("s"), r("+")) + r("t"), "s^+t"),
        (sup(r("s"), r("_")), "s^{_}"),
        (f"<w:del>{r('gone')}</w:del><w:ins>{r('here')}</w:ins>", "here"),
        (f"<m:unknown>{e(r('kept'))}</m:unknown>", "kept"),
    ],
)
def test_formulas_become_latex(formula: str, text: str) -> None:
    assert latex(element(f"<m:oMath>{formula}</m:oMath>")) == text


def test_a_formula_stands_in_its_sentence(tmp_path: Path) -> None:
    formula = f"<m:oMath>{fraction(r('F'), r('A'))}</m:oMath>"
    shown = f"<m:oMathPara><m:oMath>{r('a=b')}</m:oMath><m:oMath>{r('c=d')}</m:oMath></m:oMathPara>"
    text = read_xml(tmp_path, paragraph(run("Pressure is "), formula, run(" here.")), paragraph(shown)).text
    assert text == "Pressure is \\frac{F}{A} here.\n\na=b c=d"


def test_a_formula_nested_to_the_limit_of_the_parser_keeps_its_characters(tmp_path: Path) -> None:
    deep = r("deep")
    for _ in range(110):
        deep = sup(r("x"), deep)
    assert "deep" in read_xml(tmp_path, paragraph(f"<m:oMath>{deep}</m:oMath>")).text


parts = st.recursive(
    st.sampled_from(["x", "π", "12", "≤"]).map(r),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: fraction(*pair)),
        st.tuples(inner, inner).map(lambda pair: sup(*pair)),
        inner.map(brackets),
        st.tuples(inner, inner, inner).map(lambda three: nary("∑", *three)),
        st.lists(inner, min_size=1, max_size=3).map("".join),
    ),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None)
@given(parts)
def test_no_character_is_lost_and_braces_are_balanced(formula: str) -> None:
    parsed = element(f"<m:oMath>{formula}</m:oMath>")
    text = latex(parsed)
    for character, written in (("x", "x"), ("π", r"\pi"), ("12", "12"), ("≤", r"\leq")):
        commands = text.replace(r"\max", "")
        assert commands.count(written) == sum(t.text == character for t in parsed.iter("{*}t"))
    assert text.count("{") == text.count("}")
