"""Put together what the text layer of a page holds and what OCR read from its picture, each thing once.

OCR sees the whole page, so it reads the text layer's lines again, with mistakes. A line that it shares with the text
layer is kept as the text layer has it, at the place where OCR found it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from difflib import SequenceMatcher
from itertools import pairwise

__all__ = ["agree", "merged"]

SAME = 0.7
"""Share of a line's letters that stand in the other one, in order, from which both are one line."""
RUN = 3
"""Equal letters in fewer places one after the other say nothing."""
CANDIDATES = 4
"""Lines of the text layer that a line of OCR is compared with: those with which it shares the most."""
GRAM = 3
MAX_LINE = 400
WORD = re.compile(r"[^\W_]+")
MAX_LINES = 4_000


def merged(layer: str, read: str) -> str:
    """Return the page's text: the lines that OCR read, and in their midst those of the text layer."""
    kept = [line for line in layer.split("\n") if line.strip()][:MAX_LINES]
    known = _Layer(kept)
    lines: list[str | int] = []
    for line in read.split("\n"):
        found, rest = known.find(line)
        lines += [index for index in found if index not in lines]
        if rest.strip() or not line.strip():
            lines.append(rest)
    whole = [kept[line] if isinstance(line, int) else line for line in _with_missing(lines, len(kept))]
    return "\n".join(_without_gaps(whole)).strip()


def agree(layer: str, read: str) -> bool:
    """Whether OCR reads at least half of the text layer's words; words of fewer than three letters do not count."""
    words = {word for word in WORD.findall(layer.casefold()) if len(word) >= GRAM}
    return bool(words) and 2 * len(words & set(WORD.findall(read.casefold()))) >= len(words)


class _Layer:
    """The lines of a text layer, found by what they share with a line that OCR read."""

    def __init__(self, lines: list[str]) -> None:
        self._keys = [_key(line)[:MAX_LINE] for line in lines]
        self._by_gram: dict[str, list[int]] = defaultdict(list)
        for index, key in enumerate(self._keys):
            for gram in _grams(key):
                self._by_gram[gram].append(index)

    def find(self, line: str) -> tuple[list[int], str]:
        """(the lines of the text layer that stand in this line, what of the line is not in the text layer)."""
        key = _key(line)[:MAX_LINE]
        shared = Counter(index for gram in _grams(key) for index in self._by_gram[gram][: CANDIDATES * 4])
        found, rest = [], line
        for index, _ in shared.most_common(CANDIDATES):
            same = _matched(key, self._keys[index])
            if same >= SAME * len(key):
                return [index], ""
            if same >= SAME * len(self._keys[index]):
                found.append(index)
                rest = _without(rest, self._keys[index])
        return sorted(found), rest


def _key(line: str) -> str:
    """The line's letters and digits; its marks where it has none."""
    return "".join(filter(str.isalnum, line.casefold())) or "".join(line.split())


def _grams(key: str) -> set[str]:
    return {key[at : at + GRAM] for at in range(max(1, len(key) - GRAM + 1))} if key else set()


def _matched(one: str, other: str) -> int:
    """How many letters both share in order."""
    least = min(RUN, len(one), len(other))
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= least)


def _without(line: str, key: str) -> str:
    """The line without its words that stand in the text layer's line."""
    return " ".join(word for word in line.split() if _key(word) and not _stands_in(_key(word), key))


def _stands_in(word: str, key: str) -> bool:
    return word in key or (len(word) > RUN and _matched(word, key) >= SAME * len(word))


def _with_missing(lines: list[str | int], count: int) -> list[str | int]:
    """Put in the text layer's lines that OCR did not see: each after the one before it, or at the end."""
    places = {line: place for place, line in enumerate(lines) if isinstance(line, int)}
    missing = [index for index in range(count) if index not in places]
    if not places:
        return [*lines, *missing]
    first = min(places)
    followers: dict[int, list[str | int]] = defaultdict(list)
    for index in missing:
        followers[max((seen for seen in places if seen < index), default=-1)].append(index)
    result: list[str | int] = []
    for line in lines:
        if line == first and isinstance(line, int):
            result += followers[-1]
        result.append(line)
        result += followers[line] if isinstance(line, int) else []
    return result


def _without_gaps(lines: list[str]) -> list[str]:
    """Of blank lines at most one after the other."""
    return [line for line, after in pairwise([*lines, "end"]) if line.strip() or after.strip()]
