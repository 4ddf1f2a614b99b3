r"""Formulas of a Word file (OMML) as LaTeX: "\frac{a+b}{2}", "x^2", "\sum_{n=1}^\infty".

LaTeX is what formulas are written in as text, and what language models read. A script of one character has no
braces, brackets are plain where no high expression stands in them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from extractors.docx.math_symbols import ACCENTS, DELIMITERS, FUNCTIONS, OPERATORS, joined, latex_text
from extractors.docx.styles import W

__all__ = ["M", "latex"]

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
HIGH = tuple(M + tag for tag in ("f", "nary", "m", "eqArr", "groupChr"))
"""Expressions that brackets grow with."""
SPECIAL = frozenset("\\{}^_%&$#~ ")
SKIPPED = frozenset((W + "del", W + "moveFrom", W + "rPr"))


def latex(element: Any) -> str:
    """Return a formula (`m:oMath`) or a part of one as LaTeX."""
    return joined([_piece(child) for child in element])


def _piece(element: Any) -> str:
    if not isinstance(element.tag, str) or element.tag in SKIPPED or element.tag.endswith("Pr"):
        return ""
    if element.tag in (M + "t", W + "t"):
        return latex_text(element.text or "")
    if element.tag in (W + "br", W + "tab"):
        return " "
    handler = _HANDLERS.get(element.tag)
    return handler(element) if handler else latex(element)


def _of(element: Any, name: str) -> str:
    """The LaTeX of the child of this name; "" without one."""
    child = element.find(M + name)
    return "" if child is None else latex(child).strip()


def _setting(element: Any, path: str, usual: str) -> str:
    setting = element.find("/".join(M + step for step in path.split("/")))
    return usual if setting is None else str(setting.get(M + "val") or "")


def _is_set(element: Any, path: str) -> bool:
    setting = element.find("/".join(M + step for step in path.split("/")))
    return setting is not None and setting.get(M + "val", "1") in ("1", "on", "true")


def _script(mark: str, text: str) -> str:
    if not text:
        return ""
    return mark + (text if len(text) == 1 and text not in SPECIAL else f"{{{text}}}")


def _base(element: Any) -> str:
    """What a script stands at: in braces where it is more than letters or a bracket."""
    base = element.find(M + "e")
    text = _of(element, "e")
    if base is None or all(child.tag in (M + "r", M + "d") or child.tag.endswith("Pr") for child in base):
        return text
    return f"{{{text}}}" if text else ""


def _scripts(element: Any) -> str:
    return _base(element) + _script("_", _of(element, "sub")) + _script("^", _of(element, "sup"))


def _scripts_before(element: Any) -> str:
    return "{}" + _script("_", _of(element, "sub")) + _script("^", _of(element, "sup")) + _of(element, "e")


def _fraction(element: Any) -> str:
    above, below = _of(element, "num"), _of(element, "den")
    kind = _setting(element, "fPr/type", "bar")
    if kind in ("lin", "skw"):
        return f"{above}/{below}"
    return f"\\binom{{{above}}}{{{below}}}" if kind == "noBar" else f"\\frac{{{above}}}{{{below}}}"


def _root(element: Any) -> str:
    degree = "" if _is_set(element, "radPr/degHide") else _of(element, "deg")
    return f"\\sqrt{f'[{degree}]' if degree else ''}{{{_of(element, 'e')}}}"


def _bracketed(element: Any) -> str:
    opening, closing = _setting(element, "dPr/begChr", "("), _setting(element, "dPr/endChr", ")")
    between = latex_text(_setting(element, "dPr/sepChr", "|"))
    inside = between.join(latex(part).strip() for part in element.findall(M + "e"))
    if (opening, closing) == ("(", ")") and inside.startswith("\\binom{") and _is_single_fraction(element):
        return inside  # a binomial has its brackets
    if (opening, closing) == ("{", "") and inside.startswith("\\begin{aligned}"):
        return inside.replace("aligned", "cases")
    left, right = (DELIMITERS.get(sign) or latex_text(sign) for sign in (opening, closing))
    if next(element.iter(*HIGH), None) is not None:
        return joined([f"\\left{left}", inside, f"\\right{right}"])
    return joined([left if opening else "", inside, right if closing else ""])


def _is_single_fraction(element: Any) -> bool:
    parts = [child for part in element.findall(M + "e") for child in part if not child.tag.endswith("Pr")]
    return len(parts) == 1 and parts[0].tag == M + "f"


def _large(element: Any) -> str:
    sign = _setting(element, "naryPr/chr", "∫")
    operator = "\\" + OPERATORS[sign] if sign in OPERATORS else latex_text(sign)
    below = "" if _is_set(element, "naryPr/subHide") else _script("_", _of(element, "sub"))
    above = "" if _is_set(element, "naryPr/supHide") else _script("^", _of(element, "sup"))
    return joined([operator + below + above, _of(element, "e")])


def _function(element: Any) -> str:
    name = element.find(M + "fName")
    return joined(["" if name is None else _function_name(name), _of(element, "e")])


def _function_name(element: Any) -> str:
    r"""The name of a function, with what is written under or over it: "\lim_{n\to\infty}", "\sin^2"."""
    for child in element:
        if child.tag in (M + "limLow", M + "limUpp", M + "sSub", M + "sSup", M + "sSubSup"):
            name = child.find(M + "e")
            below = _of(child, "sub") or (_of(child, "lim") if child.tag == M + "limLow" else "")
            above = _of(child, "sup") or (_of(child, "lim") if child.tag == M + "limUpp" else "")
            stem = "" if name is None else _function_name(name)
            return stem + _script("_", below) + _script("^", above)
    text = latex(element).strip()
    if not text.isalpha():
        return text
    return f"\\{text}" if text in FUNCTIONS else f"\\operatorname{{{text}}}"


def _below(element: Any) -> str:
    base, limit = _of(element, "e"), _of(element, "lim")
    named = f"\\{base}" if base in FUNCTIONS else base
    return named + _script("_", limit)


def _above(element: Any) -> str:
    base, limit = _of(element, "e"), _of(element, "lim")
    return base + _script("^", limit) if base.startswith("\\") else f"\\overset{{{limit}}}{{{base}}}"


def _grouped(element: Any) -> str:
    sign = _setting(element, "groupChrPr/chr", "⏟")
    text = _of(element, "e")
    if sign in ACCENTS:
        return f"\\{ACCENTS[sign]}{{{text}}}"
    over = _setting(element, "groupChrPr/pos", "bot") == "top"
    return f"\\{'overset' if over else 'underset'}{{{latex_text(sign)}}}{{{text}}}"


def _accented(element: Any) -> str:
    accent = ACCENTS.get(_setting(element, "accPr/chr", "\u0302"))
    return f"\\{accent}{{{_of(element, 'e')}}}" if accent else _of(element, "e")


def _barred(element: Any) -> str:
    over = _setting(element, "barPr/pos", "bot") == "top"
    return f"\\{'overline' if over else 'underline'}{{{_of(element, 'e')}}}"


def _boxed(element: Any) -> str:
    return f"\\boxed{{{_of(element, 'e')}}}"


def _phantom(element: Any) -> str:
    shown = element.find(f"{M}phantPr/{M}show")
    return "" if shown is not None and shown.get(M + "val") in ("0", "off", "false") else _of(element, "e")


def _matrix(element: Any) -> str:
    rows = (" & ".join(latex(cell).strip() for cell in row.findall(M + "e")) for row in element.findall(M + "mr"))
    return "\\begin{matrix}" + " \\\\ ".join(rows) + "\\end{matrix}"


def _lines(element: Any) -> str:
    lines = [latex(line).strip() for line in element.findall(M + "e")]
    return lines[0] if len(lines) == 1 else "\\begin{aligned}" + " \\\\ ".join(lines) + "\\end{aligned}"


_HANDLERS: dict[str, Callable[[Any], str]] = {
    M + "f": _fraction,
    M + "sSup": _scripts,
    M + "sSub": _scripts,
    M + "sSubSup": _scripts,
    M + "sPre": _scripts_before,
    M + "rad": _root,
    M + "d": _bracketed,
    M + "nary": _large,
    M + "func": _function,
    M + "limLow": _below,
    M + "limUpp": _above,
    M + "groupChr": _grouped,
    M + "acc": _accented,
    M + "bar": _barred,
    M + "borderBox": _boxed,
    M + "phant": _phantom,
    M + "m": _matrix,
    M + "eqArr": _lines,
}
