"""Terms that are no words: dates, numbers with their units, digests, names with signs (`C++`), emoji."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from pipeline.vectorstore.analysis import dates, numbers
from pipeline.vectorstore.analysis.dates import Match
from pipeline.vectorstore.analysis.folding import fold

__all__ = ["matches", "signed"]

HEXADECIMAL = re.compile(r"(?<![\w.:-])[0-9A-Fa-f]{2,12}(?:([-:.])[0-9A-Fa-f]{2,12})(?:\1[0-9A-Fa-f]{2,12})+(?![\w:-])")
MAY_BE_HEXADECIMAL = [re.compile(f"{joint}[0-9A-Fa-f]{{2,12}}{joint}[0-9A-Fa-f]{{2}}") for joint in ("-", ":", r"\.")]
"""One for each joint, because `re` finds a pattern that begins with one known character in a fifth of the time."""

JOINTS = re.compile("[-:.]")
LEAST_HEXADECIMAL = 12
"""Digits of a MAC address."""

SIGNED = re.compile(r"(?<!\w)([A-Za-z]{1,3})(?:\+\+|#)(?![\w+#])")
"""`C++`, `C#`, `F#`."""

DOTTED = re.compile(r"\.(?<![^\s(\[\"',/]\.)[A-Za-z]{2,10}(?!\w)")
"""`.NET`, and suffixes of files."""

EMOJI = re.compile("[\u2600-\u27bf\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff]")


def matches(text: str) -> Iterator[Match]:
    """Yield the terms of a plain text that are no words, with their places; some may overlap."""
    yield from dates.matches(text)
    yield from numbers.matches(text)
    for match in HEXADECIMAL.finditer(text) if _may_have_hexadecimal(text) else ():
        joined = JOINTS.sub("", match[0])
        if len(joined) >= LEAST_HEXADECIMAL and not (match[1] == "." and joined.isdigit()):
            yield *match.span(), fold(joined), 1.0
    for match in chain(signed(text), DOTTED.finditer(text)):
        yield *match.span(), fold(match[0]), 1.0
    if not text.isascii():
        for match in EMOJI.finditer(text):
            yield *match.span(), match[0], 1.0


def signed(text: str) -> Iterable[re.Match[str]]:
    """The names of a plain text that end with signs: `C++`, `C#`."""
    return SIGNED.finditer(text) if "++" in text or "#" in text else ()


def _may_have_hexadecimal(text: str) -> bool:
    return any(pattern.search(text) for pattern in MAY_BE_HEXADECIMAL)
