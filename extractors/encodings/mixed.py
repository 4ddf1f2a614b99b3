"""Texts of two encodings: UTF-8 with lines of an older code page, as in logs and in files put together."""

from __future__ import annotations

import re

__all__ = ["lines_of_another"]

SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
CUT = re.compile(rb"[\xc2-\xf4][\x80-\xbf]{0,2}\Z")
"""A character that the end of the file cuts off."""
LINE_CUT = re.compile(rb"[\xc2\xc3]\r?\Z")
"""The same at the end of a line, as in logs whose lines have a limit; only what no line of a code page ends with."""
LEAST_SEQUENCES = 4
"""Characters of UTF-8 beyond ASCII, from which on they are no chance."""


def lines_of_another(lines: list[bytes]) -> list[int]:
    """Return which lines of a text are not UTF-8 where most others are, none if it is no such text.

    A line that holds characters of UTF-8 beside other bytes is UTF-8 that is damaged, or a code page of Chinese,
    Japanese or Korean in which some bytes look so: whole lines of UTF-8 must outnumber both.
    """
    odd, damaged, whole, sequences = list[int](), 0, 0, 0
    for number, line in enumerate(lines):
        if line.isascii() or (number == len(lines) - 1 and CUT.sub(b"", line).isascii()):
            continue
        found = len(SEQUENCE.findall(line))
        if not found and LINE_CUT.sub(b"", line).isascii():
            damaged += 1
        elif not found:
            odd.append(number)
        elif SEQUENCE.sub(b"", line).isascii():
            whole, sequences = whole + 1, sequences + found
        else:
            damaged += 1
    return odd if sequences >= LEAST_SEQUENCES and whole >= len(odd) + damaged else []
