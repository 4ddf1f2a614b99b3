"""What a Word file says about its paragraphs elsewhere: heading levels by style, list markers by numbering."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["RELATIONSHIPS", "Numbering", "Styles", "W", "attribute", "is_on"]

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

BODY_LEVEL = 9
"""The outline level that says "no heading"."""
MAX_STYLE_CHAIN = 20
HEADING_NAME = re.compile(r"heading\s*([1-9])\Z", re.IGNORECASE)
ROMAN = tuple(
    zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"),
        strict=True,
    )
)


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

    def numbering(self, paragraph: Any) -> tuple[str, int] | None:
        """Numbering id and level (from 0) of the paragraph, its own before its style's; None without one."""
        number: str | None = None
        level: str | None = None
        for source in [paragraph, *self.chain(paragraph)]:
            number = number or attribute(source, "pPr/numPr/numId")
            level = level or attribute(source, "pPr/numPr/ilvl")
            if number:
                break
        if not number or number == "0":
            return None
        return number, int(level) if level and level.isdigit() else 0


def _level_by_name(style: Any) -> int | None:
    """Word's built-in names are English in every language; the id is what some other programs keep."""
    name = attribute(style, "name") or ""
    match = HEADING_NAME.match(name) or HEADING_NAME.match(style.get(W + "styleId", ""))
    if match:
        return int(match[1])
    return 0 if name.lower() == "title" else None


@dataclass(frozen=True, slots=True)
class _Level:
    start: int
    format: str
    text: str
    restarts_after: int | None


class Numbering:
    """Counts the lists of a document and says what stands before each item: "-", "1.", "b)", "2.3.1".

    Args:
        root: the `w:numbering` element, or None where the file numbers nothing.
        styles: the document's styles; a list may be defined through one.
    """

    def __init__(self, root: Any, styles: Styles) -> None:
        self._styles = styles
        empty: list[Any] = []
        abstract = empty if root is None else root.findall(W + "abstractNum")
        self._abstract = {element.get(W + "abstractNumId"): element for element in abstract}
        self._instances = {n.get(W + "numId"): n for n in (empty if root is None else root.findall(W + "num"))}
        self._levels: dict[str, dict[int, _Level]] = {}
        self._counters: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._started: set[tuple[str, int]] = set()

    def marker(self, number: str, level: int) -> str:
        """Count one item of the list `number` and return its marker; "" for an unknown or unmarked list."""
        levels = self._levels_of(number)
        if level not in levels:
            return ""
        counters = self._counters[attribute(self._instances[number], "abstractNumId") or number]
        self._count(number, level, levels, counters)
        own = levels[level]
        if own.format == "bullet":
            return "-"
        return "" if own.format == "none" and "%" not in own.text else _filled(own.text, levels, counters)

    def _count(self, number: str, level: int, levels: dict[int, _Level], counters: dict[int, int]) -> None:
        override = _overrides(self._instances[number]).get(level)
        start = attribute(override, "startOverride") if override is not None else None
        if start is not None and start.isdigit() and (number, level) not in self._started:
            counters[level] = int(start)
        else:
            counters[level] = counters.get(level, levels[level].start - 1) + 1
        self._started.add((number, level))
        for upper in range(level):
            counters.setdefault(upper, levels[upper].start if upper in levels else 1)
        for deeper in [d for d in counters if d > level]:
            restarts = levels[deeper].restarts_after if deeper in levels else None
            if restarts != 0 and (restarts is None or level < restarts):
                del counters[deeper]

    def _levels_of(self, number: str) -> dict[int, _Level]:
        if number not in self._levels:
            instance = self._instances.get(number)
            abstract = self._abstract.get(attribute(instance, "abstractNumId"))
            levels = _levels(self._linked(abstract))
            for level, override in ({} if instance is None else _overrides(instance)).items():
                own = override.find(W + "lvl")
                if own is not None:
                    levels[level] = _level(own)
            self._levels[number] = levels
        return self._levels[number]

    def _linked(self, abstract: Any) -> Any:
        """The definition itself, or the one that it names through a numbering style."""
        link = attribute(abstract, "numStyleLink")
        if link is None:
            return abstract
        return next((a for a in self._abstract.values() if attribute(a, "styleLink") == link), abstract)


def _overrides(instance: Any) -> dict[int, Any]:
    overrides = instance.findall(W + "lvlOverride")
    return {int(o.get(W + "ilvl")): o for o in overrides if o.get(W + "ilvl", "").isdigit()}


def _levels(abstract: Any) -> dict[int, _Level]:
    levels = [] if abstract is None else abstract.findall(W + "lvl")
    return {int(level.get(W + "ilvl")): _level(level) for level in levels if level.get(W + "ilvl", "").isdigit()}


def _level(element: Any) -> _Level:
    start = attribute(element, "start") or "1"
    restart = attribute(element, "lvlRestart") or ""
    return _Level(
        start=int(start) if start.isdigit() else 1,
        format=attribute(element, "numFmt") or "decimal",
        text=attribute(element, "lvlText") or "",
        restarts_after=int(restart) if restart.isdigit() else None,
    )


def _filled(text: str, levels: dict[int, _Level], counters: dict[int, int]) -> str:
    def value(match: re.Match[str]) -> str:
        level = int(match[1]) - 1
        return _number(counters.get(level, 1), levels[level].format) if level in levels else ""

    return re.sub(r"%([1-9])", value, text).strip()


def _number(value: int, kind: str) -> str:
    if kind == "decimalZero":
        return f"{value:02d}"
    if kind in ("lowerLetter", "upperLetter") and 0 < value <= 26 * 100:
        letter = chr(ord("a") + (value - 1) % 26) * ((value - 1) // 26 + 1)
        return letter.upper() if kind == "upperLetter" else letter
    if kind in ("lowerRoman", "upperRoman") and 0 < value < 4000:
        return _roman(value).upper() if kind == "upperRoman" else _roman(value)
    return "" if kind in ("none", "bullet") else str(value)


def _roman(value: int) -> str:
    digits = ""
    for worth, digit in ROMAN:
        count, value = divmod(value, worth)
        digits += digit * count
    return digits
