"""Identifiers: part numbers, file names, addresses, error codes, versions; as a whole and by their parts.

The whole is written by its pieces, with bars between digits and letters: `KP-4567`, `KP4567` and `KP 4567` are all
`kp|4567`, and `ERR_CODE_07` and `errCode7` are `errcode|7`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.vectorstore.analysis.folding import fold
from pipeline.vectorstore.analysis.words import PIECE, SPACED

__all__ = ["joined", "merged", "pieces", "shortened", "spaced", "whole"]

MAX_PIECES = 12
"""An identifier of more pieces, as a hash, is found as a whole and not by them."""

HYPHENS = re.compile("[-\u2010\u2011'\u2019]")
MAYBE_SPACED = re.compile(r" (?<=[\dA-Z] )\d")
"""It begins with a space, for which `re` looks in a quarter of the time that a set of characters takes."""

MARKED = re.compile("[_@.]")
PREFIX = re.compile(r"^(?:[vV](?=\d+[.\d])|0[xX](?=[0-9A-Fa-f]{4}))")
SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}$")
COUNTED = "-_/:"
"""Joints after which zeros before a number do not count: `ORA-01017` is `ORA-1017`; `1.05` is not `1.5`."""


def whole(word: str) -> str | None:
    """The term of a word with joints as a whole; None for words that are only written together, as `l'état`."""
    if not (any(char.isdigit() for char in word) or MARKED.search(word)):
        return None
    folded = fold(word)
    found: list[str] = []
    for match in PIECE.finditer(folded):
        piece = match[0]
        if found and not found[-1].isdigit() and not piece.isdigit():
            found[-1] += piece
        else:
            found.append(_number(piece) if match.start() and folded[match.start() - 1] in COUNTED else piece)
    return "|".join(found) if len(found) > 1 or (found and found[0] != folded) else None


def shortened(word: str) -> Iterator[str]:
    """Yield the terms of an identifier without what users leave out.

    That is the `v` of a version, the `0x` of a hexadecimal number, the suffix of a file name, and the domain of an
    e-mail address.
    """
    short = PREFIX.sub("", word)
    if short != word:
        yield whole(short) or fold(short)
    name, mark, _ = word.partition("@")
    if mark or (name := SUFFIX.sub("", word)) != word:
        term = whole(name)
        if term is not None:
            yield term


def _number(piece: str) -> str:
    """Digits without zeros before them; letters stay."""
    return (piece.lstrip("0") or "0") if piece.isdigit() else piece


def joined(word: str) -> str | None:
    """Words with hyphens or apostrophes written as one: `e-mail` is `email`; None for other joints, or digits."""
    parts = HYPHENS.split(word)
    return "".join(parts) if len(parts) > 1 and all(part.isalpha() for part in parts) else None


def pieces(part: str) -> list[str]:
    """The pieces of a part that has letters and digits, but not those of one character: of `m8x20` only `20`."""
    found = PIECE.findall(part)
    return [piece for piece in found if len(piece) > 1] if len(found) <= MAX_PIECES else []


def spaced(text: str, any_case: bool) -> list[str]:
    """The wholes of groups of digits with spaces between them.

    Args:
        text: plain text.
        any_case: whether letters before the digits may be small; in a passage they are a word, as in `in 1848`.
    """
    if not any_case and not MAYBE_SPACED.search(text):
        return []
    found = (match.group() for match in SPACED.finditer(text))
    return [merged(run) for run in found if any_case or run.upper() == run]


def merged(run: str) -> str:
    """The term of groups of digits with spaces between them."""
    return "|".join(PIECE.findall(fold(run).replace(" ", "")))
