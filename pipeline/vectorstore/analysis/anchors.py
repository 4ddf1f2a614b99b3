"""Matches of patterns at known places: `re` tries a pattern that begins with a look-behind at each character."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["matches_at"]


def matches_at(pattern: re.Pattern[str], text: str, starts: Iterable[int]) -> Iterator[re.Match[str]]:
    """Yield what `pattern.finditer` yields, if the pattern begins at no other places than these, which ascend."""
    end = 0
    for start in starts:
        if start >= end and (match := pattern.match(text, start)):
            end = match.end()
            yield match
