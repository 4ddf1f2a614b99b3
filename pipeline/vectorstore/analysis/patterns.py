"""Terms that are no words: dates, numbers with their units, digests, names with signs (`C++`), emoji."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.vectorstore.analysis import dates, numbers
from pipeline.vectorstore.analysis.dates import Match
from pipeline.vectorstore.analysis.folding import fold

__all__ = ["SIGNED", "matches"]

HEXADECIMAL = re.compile(r"(?<![\w.:-])[0-9A-Fa-f]{2,12}(?:([-:.])[0-9A-Fa-f]{2,12})(?:\1[0-9A-Fa-f]{2,12})+(?![\w:-])")
MAY_BE_HEXADECIMAL = re.compile("[0-9A-Fa-f][-:.][0-9A-Fa-f]+[-:.]")
JOINTS = re.compile("[-:.]")
LEAST_HEXADECIMAL = 12
"""Digits of a MAC address."""

SIGNED = re.compile(r"(?<!\w)([A-Za-z]{1,3})(?:\+\+|#)(?![\w+#])")
"""`C++`, `C#`, `F#`."""

MAY_BE_SIGNED = re.compile(r"[+#]|\.[A-Za-z]")

DOTTED = re.compile(r"(?<![^\s(\[\"',/])\.[A-Za-z]{2,10}(?!\w)")
"""`.NET`, and suffixes of files."""

EMOJI = re.compile("[\u2600-\u27bf\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff]")


def matches(text: str) -> Iterator[Match]:
    """Yield the terms of a plain text that are no words, with their places; some may overlap."""
    yield from dates.matches(text)
    yield from numbers.matches(text)
    for match in HEXADECIMAL.finditer(text) if MAY_BE_HEXADECIMAL.search(text) else ():
        joined = JOINTS.sub("", match[0])
        if len(joined) >= LEAST_HEXADECIMAL and not (match[1] == "." and joined.isdigit()):
            yield *match.span(), fold(joined), 1.0
    for pattern in (SIGNED, DOTTED) if MAY_BE_SIGNED.search(text) else ():
        for match in pattern.finditer(text):
            yield *match.span(), fold(match[0]), 1.0
    if not text.isascii():
        for match in EMOJI.finditer(text):
            yield *match.span(), match[0], 1.0
