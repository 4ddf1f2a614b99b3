"""Dates: `2026-03-14`, `14.03.2026`, `14. März 2026` and `March 14, 2026` are the same term, `2026|3|14`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from pipeline.vectorstore.analysis.anchors import matches_at
from pipeline.vectorstore.analysis.folding import fold

__all__ = ["MONTH", "Match", "matches"]

Match: TypeAlias = tuple[int, int, str, float]
"""First character, end, term, and frequency of the term."""

MONTH = 0.4
"""Frequency of a month, as `2026|3`, where a whole date stands."""

MONTHS = """
    january february march april may june july august september october november december
    januar februar marz april mai juni juli august september oktober november dezember
    janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre
    enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
    gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
    janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro
    januari februari maart april mei juni juli augustus september oktober november december
    januari februari mars april maj juni juli augusti september oktober november december
    jan feb mar apr may jun jul aug sep oct nov dec
    janner feb mrz apr mai jun jul aug sept okt nov dez
"""

NUMBER_OF = {name: number % 12 + 1 for number, name in enumerate(MONTHS.split())}
"""Folded name of a month to its number."""

YEAR = r"((?:1[89]|20)\d\d)"
NAME = r"([^\W\d_]{3,10})"
YEAR_FIRST = re.compile(rf"(?<!\d){YEAR}([-/.])(\d\d?)\2(\d\d?)(?!\d)|(?<!\d){YEAR}年(\d\d?)月(\d\d?)日")
COMPACT = re.compile(rf"(?<!\d){YEAR}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?!\d)")
YEAR_LAST = re.compile(rf"(?<![\d./-])(\d\d?)([./-])(\d\d?)\2{YEAR}(?!\d)")
DAY_NAME = re.compile(rf"(?<!\d)(\d\d?)(?:\.|st|nd|rd|th|er|º)? (?:de |of )?{NAME}\.?,? (?:de |del )?{YEAR}(?!\d)")
YEAR_AFTER_SPACE = re.compile(rf" {YEAR}(?!\d)")
NAME_BEFORE = re.compile(rf"{NAME}\.?(?: (\d\d?)(?:st|nd|rd|th)?,?| de)?$")
REACH = 18
"""Characters before a year in which its month is."""

CENTURIES = ("20", "19", "18")
RUN = re.compile(r"\d+")


def matches(text: str) -> Iterator[Match]:
    """Yield the dates of a plain text, and the months that are named with a year; some may overlap."""
    if not any(century in text for century in CENTURIES):
        return
    runs = [match.span() for match in RUN.finditer(text)]
    years, compact = _years(text, runs, 4), _years(text, runs, 8)
    for match in matches_at(YEAR_FIRST, text, years):
        year, month, day = (match[1], match[3], match[4]) if match[1] else (match[5], match[6], match[7])
        yield from _date(match, year, month, day)
    for match in matches_at(COMPACT, text, compact):
        yield from _date(match, match[1], match[2], match[3])
    days = [start for start, end in runs if end - start <= 2] if years else []
    for match in matches_at(YEAR_LAST, text, days):
        yield from _date(match, match[4], match[3], match[1])
        if match[2] == "/" and match[1] != match[3]:
            yield from _date(match, match[4], match[1], match[3])
    if years:
        yield from _named(text, days)


def _years(text: str, runs: Sequence[tuple[int, int]], digits: int) -> list[int]:
    """Starts of the runs of so many digits that begin with a century."""
    return [start for start, end in runs if end - start == digits and text.startswith(CENTURIES, start)]


def _named(text: str, days: Sequence[int]) -> Iterator[Match]:
    for match in matches_at(DAY_NAME, text, days):
        yield from _date(match, match[3], match[2], match[1])
    for match in YEAR_AFTER_SPACE.finditer(text):
        place = max(match.start() - REACH, 0)
        name = NAME_BEFORE.search(text[place : match.start()])
        month = NUMBER_OF.get(fold(name[1])) if name else None
        if name and month:
            span = (place + name.start(), match.end())
            yield from (
                _of_day(span, match[1], month, int(name[2])) if name[2] else [(*span, f"{match[1]}|{month}", 1.0)]
            )


def _date(match: re.Match[str], year: str, month: str, day: str) -> Iterator[Match]:
    number = int(month) if month.isdigit() else NUMBER_OF.get(fold(month), 0)
    yield from _of_day(match.span(), year, number, int(day))


def _of_day(span: tuple[int, int], year: str, month: int, day: int) -> Iterator[Match]:
    if 1 <= month <= 12 and 1 <= day <= 31:
        yield *span, f"{year}|{month}|{day}", 1.0
        yield *span, f"{year}|{month}", MONTH
