"""The lists of a Word file: what stands before each item."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from extractors.docx.numerals import numeral
from extractors.docx.styles import Styles, W, attribute, is_on

__all__ = ["Numbering"]

MAX_DIGITS = 9
LEVELS = 9
FORMAT = re.compile(r"%([1-9])")


@dataclass(frozen=True, slots=True)
class _Level:
    """A level of a list; `is_legal`: the numbers of all levels are written in decimal digits."""

    start: int
    format: str
    text: str
    restarts_after: int | None
    is_legal: bool
    style: str


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

    def marker(self, number: str, place: int | str) -> str:
        """Count one item of the list `number` and return its marker; "" for an unknown or unmarked list.

        Args:
            number: the list's id.
            place: the item's level, from 0, or the id of a style that a level is for.
        """
        levels = self._levels_of(number)
        level = place if isinstance(place, int) else _level_for(place, levels)
        if level not in levels:
            return ""
        counters = self._counters[attribute(self._instances[number], "abstractNumId") or number]
        self._count(number, level, levels, counters)
        own = levels[level]
        if own.format == "bullet":
            return "-"
        if own.format == "none" and "%" not in own.text:
            return ""
        return self._filled(own, levels, counters)

    def _filled(self, own: _Level, levels: dict[int, _Level], counters: dict[int, int]) -> str:
        def value(match: re.Match[str]) -> str:
            level = int(match[1]) - 1
            if level not in levels:
                return ""
            kind = "decimal" if own.is_legal else levels[level].format
            return numeral(counters.get(level, levels[level].start), kind, self._styles.language)

        return FORMAT.sub(value, own.text).strip()

    def _count(self, number: str, level: int, levels: dict[int, _Level], counters: dict[int, int]) -> None:
        start = _start_override(self._instances[number], level)
        if start is not None and (number, level) not in self._started:
            counters[level] = start
        else:
            counters[level] = counters.get(level, (levels[level].start if start is None else start) - 1) + 1
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
    return _by_level(instance.findall(W + "lvlOverride"))


def _levels(abstract: Any) -> dict[int, _Level]:
    elements = _by_level([] if abstract is None else abstract.findall(W + "lvl"))
    return {place: _level(element) for place, element in elements.items()}


def _by_level(elements: list[Any]) -> dict[int, Any]:
    places = ((_count(element.get(W + "ilvl")), element) for element in elements)
    return {place: element for place, element in places if place is not None and place < LEVELS}


def _level(element: Any) -> _Level:
    """Read a level (`w:lvl`). Without a start it begins at 0 (ISO/IEC 29500-1, 17.9.25)."""
    return _Level(
        start=_count(attribute(element, "start")) or 0,
        format=_format(element),
        text=attribute(element, "lvlText") or "",
        restarts_after=_count(attribute(element, "lvlRestart")),
        is_legal=is_on(element, "isLgl"),
        style=attribute(element, "pStyle") or "",
    )


def _format(element: Any) -> str:
    """How the level's number is written; formats newer than 2007 stand in a form for newer programs."""
    for own in element.iter(W + "numFmt"):
        kind = own.get(W + "val", "decimal")
        return str(own.get(W + "format", "decimal") if kind == "custom" else kind)
    return "decimal"


def _start_override(instance: Any, level: int) -> int | None:
    override = _overrides(instance).get(level)
    return None if override is None else _count(attribute(override, "startOverride"))


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) <= MAX_DIGITS else None


def _level_for(style: str, levels: dict[int, _Level]) -> int:
    return next((place for place, level in levels.items() if style and level.style == style), 0)
