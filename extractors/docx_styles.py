"""What a Word file says about its paragraphs in their styles: heading levels, page breaks, lists."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

__all__ = ["RELATIONSHIPS", "Styles", "W", "attribute", "is_on"]

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

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
        self._defaults = None if root is None else root.find(W + "docDefaults")
        self._default = next(
            (s.get(W + "styleId") for s in styles if s.get(W + "type") == "paragraph" and s.get(W + "default") == "1"),
            None,
        )

    def chain(self, paragraph: Any) -> list[Any]:
        """The paragraph's style and those it is based on, nearest first."""
        styles: list[Any] = []
        name = attribute(paragraph, "pPr/pStyle") or self._default
        while name in self._by_id and len(styles) < MAX_STYLE_CHAIN:
            styles.append(self._by_id[name])
            name = attribute(styles[-1], "basedOn")
        return styles

    def heading_level(self, paragraph: Any) -> int | None:
        """0 for a title, 1 to 9 for a heading, None for body text; the same in every language of Word."""
        for source in [paragraph, *self.chain(paragraph)]:
            level = attribute(source, "pPr/outlineLvl")
            if level is not None and level.isdigit():
                return int(level) + 1 if int(level) < BODY_LEVEL else None
            if source is not paragraph and (named := _level_by_name(source)) is not None:
                return named
        return None

    def breaks_page(self, paragraph: Any) -> bool:
        """Whether the paragraph starts on a new page by its own or its style's will."""
        for source in [paragraph, *self.chain(paragraph)]:
            if source.find(f"{W}pPr/{W}pageBreakBefore") is not None:
                return is_on(source, "pPr/pageBreakBefore")
        return False

    def numbering(self, paragraph: Any) -> tuple[str, int | str] | None:
        """Numbering id and level of the paragraph, its own before its style's; None without one.

        The level counts from 0. It is the id of a style where the style that names the list leaves it out: the list
        says which of its levels is for which style.
        """
        number: str | None = None
        level: str | None = None
        style = ""
        for source in [paragraph, *self.chain(paragraph)]:
            number = number or attribute(source, "pPr/numPr/numId")
            level = level or attribute(source, "pPr/numPr/ilvl")
            if number:
                style = source.get(W + "styleId", "")
                break
        if not number or number == "0":
            return None
        return number, int(level) if level and level.isdecimal() and len(level) == 1 else style

    @property
    def language(self) -> str:
        """The language of the default text, as "de-DE"; "" where the styles name none."""
        return attribute(self._defaults, "rPrDefault/rPr/lang") or ""


def _level_by_name(style: Any) -> int | None:
    """Word's built-in names are English in every language; the id is what some other programs keep."""
    name = attribute(style, "name") or ""
    match = HEADING_NAME.match(name) or HEADING_NAME.match(style.get(W + "styleId", ""))
    if match:
        return int(match[1])
    return 0 if name.lower() == "title" else None
