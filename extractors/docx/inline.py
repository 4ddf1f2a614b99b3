"""The text of one Word paragraph, as a reader sees it: insertions in, deletions out, results of fields only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from extractors.docx.fields import shown_by
from extractors.docx.figures import CHART, CHART_EX, DIAGRAM
from extractors.docx.forms import control_value, field_value
from extractors.docx.math import M, latex
from extractors.docx.pictures import DESCRIBED, A, V, described, shape_text
from extractors.docx.styles import OWN_VANISH, RELATIONSHIPS, Styles, W, attribute
from extractors.docx.symbols import in_unicode, symbol

__all__ = ["HARD_BREAK", "MC", "RENDERED_BREAK", "Inline", "InlineReader", "chosen_form"]

HARD_BREAK = "\f"
"""A page break that the author set. XML 1.0 allows neither this character nor the next in a document."""
RENDERED_BREAK = "\v"
"""Where a page ended when Word last laid the document out; an author's break leaves one of these as well."""

MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
EMOJI = "{http://schemas.microsoft.com/office/word/2015/wordml/symex}"

UNREAD = ("pPr", "rPr", "sdtPr", "del", "moveFrom", "rt")
"""Elements that hold no text that one sees where they stand."""
SHOWN_AS = {0x0A: " ", 0x0D: " ", 0xAD: None}
"""Line ends within a text are spaces, and a soft hyphen shows only where Word divides the word at it."""
MAX_FIELDS = 32
"""Fields within fields that are looked at; Word's own limit is lower."""
WORDY = (
    W + "t", W + "sym", W + "txbxContent", M + "t", EMOJI + "symEx", CHART + "chart", CHART_EX + "chart",
    DIAGRAM + "relIds", A + "txBody", V + "textpath", V + "shape", *DESCRIBED,
)  # fmt: skip
"""Elements that say something, or may do so."""


@dataclass(slots=True)
class Inline:
    """What stands in a paragraph: its text with page breaks, and what hangs on it.

    `notes` are ("footnote", "endnote" or "comment", id) in order; `boxes` are the `w:txbxContent` of its text boxes
    and the `a:txBody` of its drawings; `figures` are the relationship ids of its charts and SmartArt; `captions` are
    the descriptions of its pictures and the texts of its WordArt.
    """

    parts: list[str] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[Any] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text, with `HARD_BREAK` and `RENDERED_BREAK` where pages end."""
        return "".join(self.parts)


@dataclass(slots=True)
class _Field:
    """A field that is open: whether its result is reached, whether that says anything, and what else it has."""

    in_result: bool = False
    says: bool = False
    data: Any = None
    instruction: list[str] = field(default_factory=list)


class InlineReader:
    """Reads paragraphs one after the other; a field may begin in one and end in another.

    Elements it does not know are looked into: text is only ever in `w:t` and in formulas.
    """

    def __init__(self, styles: Styles) -> None:
        self._styles = styles
        self._inline = Inline()
        self._hidden = 0
        self._hidden_by_style = False
        self._font = ""
        self._fields: list[_Field] = []
        self._readings: list[str] = []  # of the ruby texts just before
        self._handlers = self._handlers_by_tag()

    def read(self, paragraph: Any) -> Inline:
        """Read the children of a `w:p`."""
        self._inline = Inline()
        self._hidden_by_style = self._styles.hides_text(paragraph)
        self._children(paragraph)
        self._end_ruby()
        self._fields = [opened for opened in self._fields if opened.in_result]  # an instruction ends with its paragraph
        return self._inline

    def _handlers_by_tag(self) -> dict[str, Callable[[Any], None]]:
        return {
            W + "t": self._text,
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
            W + "instrText": self._instruction,
            W + "footnoteReference": self._note("footnote"),
            W + "endnoteReference": self._note("endnote"),
            W + "commentReference": self._note("comment"),
            W + "txbxContent": lambda element: self._inline.boxes.append(element),
            A + "txBody": lambda element: self._inline.boxes.append(element),
            CHART + "chart": self._figure("id"),
            CHART_EX + "chart": self._figure("id"),
            DIAGRAM + "relIds": self._figure("dm"),
            MC + "AlternateContent": self._alternative,
            M + "oMath": self._formula,
            W + "sdt": self._control,
            W + "ruby": self._ruby,
            V + "shape": self._shape,
            V + "textpath": lambda element: self._caption(element.get("string", "")),
            **dict.fromkeys(DESCRIBED, self._described),
            **{W + tag: _leave_out for tag in UNREAD},
        }

    def _children(self, element: Any) -> None:
        for child in element:
            handler = self._handlers.get(child.tag)
            if handler:
                handler(child)
            elif isinstance(child.tag, str):
                self._children(child)

    def _emit(self, text: str) -> None:
        """Keep the text, unless it is hidden or the result of a field inside another field's instruction."""
        fields = self._fields[-MAX_FIELDS:]
        inside_instruction = not all(outer.in_result for outer in fields[:-1])
        if self._hidden or inside_instruction or not text:
            return
        self._end_ruby()
        self._inline.parts.append(text)
        for opened in fields if text.strip() else ():
            opened.says = opened.in_result

    def _say(self, text: str) -> Callable[[Any], None]:
        return lambda element: self._emit(text)

    def _note(self, kind: str) -> Callable[[Any], None]:
        return lambda element: self._inline.notes.append((kind, element.get(W + "id", "")))

    def _figure(self, name: str) -> Callable[[Any], None]:
        return lambda element: self._inline.figures.append(element.get(f"{{{RELATIONSHIPS}}}{name}", ""))

    def _text(self, element: Any) -> None:
        self._emit(in_unicode((element.text or "").translate(SHOWN_AS), self._font))

    def _run(self, run: Any) -> None:
        hidden = self._styles.hides(run) or (self._hidden_by_style and run.find(OWN_VANISH) is None)
        self._hidden += hidden
        outer, self._font = self._font, attribute(run, "rPr/rFonts", "ascii") or ""
        self._children(run)
        self._font = outer
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
        self._emit(symbol(element.get(W + "font", ""), code))

    def _emoji(self, element: Any) -> None:
        code = element.get(EMOJI + "char", "")
        try:
            self._emit(chr(int(code, 16)))
        except (ValueError, OverflowError):
            return

    def _field(self, element: Any) -> None:
        kind = element.get(W + "fldCharType")
        if kind == "begin":
            self._fields.append(_Field(data=element.find(W + "ffData")))
        elif self._fields and kind == "separate":
            self._fields[-1].in_result = True
        elif self._fields and kind == "end":
            closed = self._fields.pop()
            if not closed.says:
                own = shown_by("".join(closed.instruction)) if closed.data is None else field_value(closed.data)
                self._emit(own)

    def _instruction(self, element: Any) -> None:
        if self._fields and not self._fields[-1].in_result and not self._hidden:
            self._fields[-1].instruction.append(element.text or "")

    def _control(self, element: Any) -> None:
        before = len(self._inline.parts)
        self._children(element)
        if not "".join(self._inline.parts[before:]).strip():
            self._emit(control_value(element.find(W + "sdtPr")))

    def _ruby(self, element: Any) -> None:
        """The characters, and their reading in brackets after the last of them: words stay in one piece."""
        readings, self._readings = self._readings, []
        base = element.find(W + "rubyBase")
        self._children(() if base is None else base)
        self._readings = [*readings, "".join(text.text or "" for text in element.iterfind(f"{W}rt//{W}t"))]

    def _end_ruby(self) -> None:
        if self._readings:
            self._inline.parts.append(f"({''.join(self._readings)})")
            self._readings = []

    def _shape(self, element: Any) -> None:
        self._caption(shape_text(element))
        self._children(element)

    def _described(self, element: Any) -> None:
        self._caption(described(element))
        self._children(element)

    def _caption(self, text: str) -> None:
        if text.strip() and not self._hidden:
            self._inline.captions.append(text)

    def _alternative(self, element: Any) -> None:
        self._children(chosen_form(element))

    def _formula(self, element: Any) -> None:
        try:
            self._emit(latex(element))
        except RecursionError:  # nested too deep: its characters without their places
            self._emit("".join(text.text or "" for text in element.iter(M + "t")))
        following = element.getnext()
        if following is not None and following.tag == element.tag:
            self._emit(" ")  # two formulas side by side are two


def _leave_out(_: Any) -> None:
    """Read nothing of an element."""


def chosen_form(alternatives: Any) -> Any:
    """The form to read of the same content for newer and older programs: the newest that says anything; () if none."""
    forms = (*alternatives.findall(MC + "Choice"), *alternatives.findall(MC + "Fallback"))
    return next((form for form in forms if any(_says_something(part) for part in form.iter(*WORDY))), ())


def _says_something(element: Any) -> bool:
    if element.tag in DESCRIBED:
        return bool(described(element))
    return element.tag != V + "shape" or bool(shape_text(element))
