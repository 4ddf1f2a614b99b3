"""What a Word file says about its paragraphs in their styles: heading levels, page breaks, lists."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["OWN_VANISH", "RELATIONSHIPS", "Styles", "W", "attribute", "is_on"]

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

PAGE_BREAK_BEFORE = f"{W}pPr/{W}pageBreakBefore"
OWN_VANISH = f"{W}rPr/{W}vanish"
BODY_LEVEL = 9
"""The outline level that says "no heading"."""
MAX_STYLE_CHAIN = 20
HEADING_NAME = re.compile(r"heading\s*([1-9])\Z", re.IGNORECASE)


def attribute(element: Any, path: str, name: str = "val") -> str | None:
    """Attribute `name` of the first element at `path` ("pPr/pStyle", in Word's namespace), if it is there."""
    child = element.find(_qualified(path)) if element is not None else None
    return None if child is None else child.get(W + name)


def is_on(element: Any, path: str) -> bool:
    """Whether the on/off element at `path` is there and not switched off."""
    child = element.find(_qualified(path)) if element is not None else None
    return child is not None and child.get(W + "val", "true") not in ("0", "false", "off", "none")


@cache
def _qualified(path: str) -> str:
    return "/".join(W + step for step in path.split("/"))


class Styles:
    """Paragraph styles: what each inherits along its chain of `basedOn`.

    Args:
        root: the `w:styles` element, or None where the file has no styles.
    """

    def __init__(self, root: Any) -> None:
        styles = [] if root is None else root.findall(W + "style")
        self._by_id = {style.get(W + "styleId"): style for style in styles}
        self._resolved: dict[str | None, _Style] = {}
        self._defaults = None if root is None else root.find(W + "docDefaults")
        self._default = next(
            (s.get(W + "styleId") for s in styles if s.get(W + "type") == "paragraph" and s.get(W + "default") == "1"),
            None,
        )

    def heading_level(self, paragraph: Any) -> int | None:
        """0 for a title, 1 to 9 for a heading, None for body text; the same in every language of Word."""
        own = _outline_level(paragraph)
        return self._style_of(paragraph).level if own is None else _heading(own)

    def breaks_page(self, paragraph: Any) -> bool:
        """Whether the paragraph starts on a new page by its own or its style's will."""
        own = _breaks_page(paragraph)
        return self._style_of(paragraph).breaks_page if own is None else own

    def numbering(self, paragraph: Any) -> tuple[str, int | str] | None:
        """Numbering id and level of the paragraph, its own before its style's; None without one.

        The level counts from 0. It is the id of a style where the style that names the list leaves it out: the list
        says which of its levels is for which style.
        """
        number, level, named_by = attribute(paragraph, "pPr/numPr/numId"), attribute(paragraph, "pPr/numPr/ilvl"), ""
        if not number:
            style = self._style_of(paragraph)
            number, level, named_by = style.number, level or style.level_of_number, style.named_by
        if not number or number == "0":
            return None
        return number, int(level) if level and level.isdecimal() and len(level) == 1 else named_by

    def hides(self, run: Any) -> bool:
        """Whether the run is hidden text by its own will or that of its style."""
        if run.find(OWN_VANISH) is not None:
            return is_on(run, "rPr/vanish")
        name = attribute(run, "rPr/rStyle")
        return name is not None and self._style(name).is_hidden

    def hides_text(self, paragraph: Any) -> bool:
        """Whether the text of the paragraph is hidden by its style."""
        return self._style_of(paragraph).is_hidden

    def _style_of(self, paragraph: Any) -> _Style:
        return self._style(attribute(paragraph, "pPr/pStyle") or self._default)

    def _style(self, name: str | None) -> _Style:
        if name not in self._resolved:
            chain = self._chain(name)
            self._resolved[name] = _resolved(chain) if chain else _Style(level=_level_by_id(name or ""))
        return self._resolved[name]

    def _chain(self, name: str | None) -> list[Any]:
        """The style of this id and those it is based on, nearest first."""
        styles: list[Any] = []
        while name in self._by_id and len(styles) < MAX_STYLE_CHAIN:
            styles.append(self._by_id[name])
            name = attribute(styles[-1], "basedOn")
        return styles

    @property
    def language(self) -> str:
        """The language of the default text, as "de-DE"; "" where the styles name none."""
        return attribute(self._defaults, "rPrDefault/rPr/lang") or ""


@dataclass(frozen=True, slots=True)
class _Style:
    """What a paragraph style says, what it inherits included; `named_by` is the style that names the list."""

    level: int | None = None
    breaks_page: bool = False
    number: str | None = None
    level_of_number: str | None = None
    named_by: str = ""
    is_hidden: bool = False


def _resolved(chain: list[Any]) -> _Style:
    level = number = level_of_number = None
    named_by = ""
    for style in chain:
        number = attribute(style, "pPr/numPr/numId")
        level_of_number = level_of_number or attribute(style, "pPr/numPr/ilvl")
        if number:
            named_by = style.get(W + "styleId", "")
            break
    for style in chain:
        outline = _outline_level(style)
        level = _level_by_name(style) if outline is None else _heading(outline)
        if outline is not None or level is not None:
            break
    breaks = next((own for own in map(_breaks_page, chain) if own is not None), False)
    hidden = next((is_on(style, "rPr/vanish") for style in chain if style.find(OWN_VANISH) is not None), False)
    return _Style(level, breaks, number, level_of_number, named_by, hidden)


def _outline_level(source: Any) -> int | None:
    """The outline level of a paragraph or style, from 0; `BODY_LEVEL` says that it is no heading."""
    level = attribute(source, "pPr/outlineLvl")
    return int(level) if level and level.isdecimal() and len(level) == 1 else None


def _heading(outline: int) -> int | None:
    return outline + 1 if outline < BODY_LEVEL else None


def _breaks_page(source: Any) -> bool | None:
    """Whether the paragraph or style begins a page; None where it does not say."""
    if source.find(PAGE_BREAK_BEFORE) is None:
        return None
    return is_on(source, "pPr/pageBreakBefore")


def _level_by_name(style: Any) -> int | None:
    """Word's built-in names are English in every language; the id is what some other programs keep."""
    name = attribute(style, "name") or ""
    level = _level_by_id(name)
    return _level_by_id(style.get(W + "styleId", "")) if level is None else level


def _level_by_id(name: str) -> int | None:
    """The level that the name or the id of a style says; all that is known of it where the file lacks its styles."""
    match = HEADING_NAME.match(name)
    return int(match[1]) if match else 0 if name.lower() == "title" else None
