"""The text of one Word paragraph, as a reader sees it: insertions in, deletions out, results of fields only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from extractors.docx_figures import CHART, DIAGRAM
from extractors.docx_styles import RELATIONSHIPS, W, is_on

__all__ = ["HARD_BREAK", "RENDERED_BREAK", "Inline", "InlineReader"]

HARD_BREAK = "\f"
"""A page break that the author set. XML 1.0 allows neither this character nor the next in a document."""
RENDERED_BREAK = "\v"
"""Where a page ended when Word last laid the document out; an author's break leaves one of these as well."""

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
EMOJI = "{http://schemas.microsoft.com/office/word/2015/wordml/symex}"

GREEK = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "αβχδεφγηιϕκλμνοπθρστυϖωξψζΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ",
        strict=True,
    )
)
"""The letters of the font Symbol."""
WINGDINGS = {
    0x6C: "●", 0x6E: "■", 0x6F: "□", 0x71: "❑", 0x76: "❖", 0xA7: "▪", 0xA8: "◻", 0xD8: "➢", 0xDF: "←", 0xE0: "→",
    0xE1: "↑", 0xE2: "↓", 0xE8: "➔", 0xF0: "⇨", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
}  # fmt: skip
"""What the font Wingdings shows at these codes."""


@dataclass(slots=True)
class Inline:
    """What stands in a paragraph: its text with page breaks, and what hangs on it.

    `notes` are ("footnote" or "endnote", id) in order; `boxes` are the `w:txbxContent` of its text boxes;
    `figures` are the relationship ids of its charts and SmartArt.
    """

    parts: list[str] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[Any] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text, with `HARD_BREAK` and `RENDERED_BREAK` where pages end."""
        return "".join(self.parts)


class InlineReader:
    """Reads paragraphs one after the other; a field may begin in one and end in another.

    Elements it does not know are looked into: text is only ever in `w:t` and `m:t`.
    """

    def __init__(self) -> None:
        self._inline = Inline()
        self._hidden = 0
        self._fields: list[bool] = []  # for each open field: is its result reached
        self._handlers: dict[str, Callable[[Any], None]] = {
            W + "t": self._text,
            M + "t": self._text,
            W + "tab": self._say("\t"),
            W + "ptab": self._say("\t"),
            W + "cr": self._say("\n"),
            W + "noBreakHyphen": self._say("-"),
            W + "br": self._break,
            W + "lastRenderedPageBreak": self._rendered_break,
            W + "sym": self._symbol,
            EMOJI + "symEx": self._emoji,
            W + "r": self._run,
            W + "fldChar": self._field,
            W + "footnoteReference": self._note("footnote"),
            W + "endnoteReference": self._note("endnote"),
            W + "txbxContent": lambda element: self._inline.boxes.append(element),
            CHART + "chart": self._figure("id"),
            DIAGRAM + "relIds": self._figure("dm"),
            MC + "AlternateContent": self._alternative,
            M + "oMath": self._formula,
            M + "f": self._fraction,
            M + "sup": self._marked("^"),
            M + "sub": self._marked("_"),
            M + "rad": self._marked("√"),
            M + "d": self._delimited,
            M + "nary": self._n_ary,
        }
        for tag in ("pPr", "rPr", "sdtPr", "del", "moveFrom", "rt"):
            self._handlers[W + tag] = lambda element: None

    def read(self, paragraph: Any) -> Inline:
        """Read the children of a `w:p`."""
        self._inline = Inline()
        self._children(paragraph)
        self._fields = [reached for reached in self._fields if reached]  # an instruction ends with its paragraph
        return self._inline

    def _children(self, element: Any) -> None:
        for child in element:
            handler = self._handlers.get(child.tag)
            if handler:
                handler(child)
            elif isinstance(child.tag, str):
                self._children(child)

    def _emit(self, text: str) -> None:
        """Keep the text, unless it is hidden or the result of a field inside another field's instruction."""
        inside_instruction = len(self._fields) > 1 and not all(self._fields[:-1])
        if not self._hidden and not inside_instruction:
            self._inline.parts.append(text)

    def _say(self, text: str) -> Callable[[Any], None]:
        return lambda element: self._emit(text)

    def _marked(self, mark: str) -> Callable[[Any], None]:
        def handle(element: Any) -> None:
            if any(True for _ in element.iter(M + "t")):
                self._emit(mark)
            self._children(element)

        return handle

    def _note(self, kind: str) -> Callable[[Any], None]:
        return lambda element: self._inline.notes.append((kind, element.get(W + "id", "")))

    def _figure(self, name: str) -> Callable[[Any], None]:
        return lambda element: self._inline.figures.append(element.get(f"{{{RELATIONSHIPS}}}{name}", ""))

    def _text(self, element: Any) -> None:
        self._emit((element.text or "").replace("\n", " ").replace("\r", " "))

    def _run(self, run: Any) -> None:
        hidden = is_on(run, "rPr/vanish")
        self._hidden += hidden
        self._children(run)
        self._hidden -= hidden

    def _break(self, element: Any) -> None:
        if element.get(W + "type") == "page":
            self._inline.parts.append(HARD_BREAK)
        else:
            self._emit("\n")

    def _rendered_break(self, element: Any) -> None:
        self._inline.parts.append(RENDERED_BREAK)

    def _symbol(self, element: Any) -> None:
        try:
            code = int(element.get(W + "char", ""), 16)
        except ValueError:
            return
        font = element.get(W + "font", "").lower()
        low = code & 0xFF if 0xF000 <= code <= 0xF0FF else code
        if "wingdings" in font:
            self._emit(WINGDINGS.get(low, ""))
        elif font == "symbol":
            self._emit(GREEK.get(chr(low), chr(low) if low < 0x7F else ""))
        elif not 0xD800 <= code <= 0xDFFF and code <= 0x10FFFF and not 0xE000 <= code <= 0xF8FF:
            self._emit(chr(code))

    def _emoji(self, element: Any) -> None:
        code = element.get(EMOJI + "char", "")
        try:
            self._emit(chr(int(code, 16)))
        except (ValueError, OverflowError):
            return

    def _field(self, element: Any) -> None:
        kind = element.get(W + "fldCharType")
        if kind == "begin":
            self._fields.append(False)
        elif self._fields and kind == "separate":
            self._fields[-1] = True
        elif self._fields and kind == "end":
            self._fields.pop()

    def _alternative(self, element: Any) -> None:
        """The same content for newer and older programs: read once, the newer form if it says anything."""
        wordy = (W + "t", W + "txbxContent", M + "t", EMOJI + "symEx", CHART + "chart", DIAGRAM + "relIds")
        for form in (*element.findall(MC + "Choice"), *element.findall(MC + "Fallback")):
            if next(form.iter(*wordy), None) is not None:
                self._children(form)
                return

    def _formula(self, element: Any) -> None:
        self._children(element)
        following = element.getnext()
        if following is not None and following.tag == element.tag:
            self._emit(" ")  # two formulas side by side are two

    def _fraction(self, element: Any) -> None:
        for index, part in enumerate(element.findall(M + "num") + element.findall(M + "den")):
            if index:
                self._emit("/")
            self._children(part)

    def _delimited(self, element: Any) -> None:
        self._emit(_math_character(element, "dPr/begChr", "("))
        self._children(element)
        self._emit(_math_character(element, "dPr/endChr", ")"))

    def _n_ary(self, element: Any) -> None:
        self._emit(_math_character(element, "naryPr/chr", "∫"))
        self._children(element)


def _math_character(element: Any, path: str, usual: str) -> str:
    setting = element.find("/".join(M + step for step in path.split("/")))
    return usual if setting is None else str(setting.get(M + "val") or "")
