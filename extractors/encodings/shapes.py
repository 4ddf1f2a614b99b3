"""How well a text is formed, in any language: symbols inside words, small letters before capitals, mixed scripts."""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache

from extractors.encodings.letters import LETTERLIKE, is_wide

__all__ = ["shape"]

SYMBOLS = {
    **dict.fromkeys("’\xa0", -5.0),
    **dict.fromkeys("–€", -5.5),
    **dict.fromkeys("“”„—…", -6.0),
    **dict.fromkeys("‘°£«»§²³½", -7.0),
    **dict.fromkeys("‚‹›©®™¼×µ¡¿ªº±\xad\u200c\u200d\u200e\u200f،؛؟·•‰", -8.0),
}
"""The logarithm of how often symbols stand in texts."""

OTHER_SYMBOL, NO_CHARACTER, WIDE_FORM = -12.0, -14.0, -3.0
OPENING = frozenset("«“„‘‚‹¿¡\xa0\xad\u200c’")
CLOSING = frozenset("”»’›\xa0\xad\u200c™®")
IN_WORDS = frozenset("|~{}[]\\^`@#$!")
"""ASCII characters that do not stand next to a letter in a word: another code page has letters in their places."""


def shape(pairs: Counter[tuple[str, str]]) -> float:
    """The part of a text's score that needs no language, given how often each of its characters follows another.

    The logarithm of a probability: 0 for plain words, less for each unlikely neighbour.
    """
    return sum(count * _penalty(before, here) for (before, here), count in pairs.items())


@lru_cache(maxsize=1 << 16)
def _penalty(before: str, here: str) -> float:
    left, right = _kind(before), _kind(here)
    penalty = _symbol(before, here, left)
    if left != " " != right and _script(before) != _script(here):
        penalty -= 8 if "wide" in (_script(before), _script(here)) else 6
    if unicodedata.category(here)[0] == "M" and (left == " " or _script(before) != _script(here)):
        penalty -= 8
    if (before in IN_WORDS and right != " ") or (here in IN_WORDS and left != " "):
        penalty -= 5
    if here < " " and here not in "\t\n\r\f\x1b":
        penalty -= 8
    return penalty if before.isascii() and here.isascii() else penalty + _order(before, here, left + right)


def _order(before: str, here: str, kinds: str) -> float:
    """The penalty of two neighbours by their case, and of a letter after a symbol."""
    if kinds in CASES:
        return CASES[kinds]
    rare = not before.isascii() and _kind(before) == " "
    if rare and before not in OPENING and not kinds.isspace():
        return -6.0 if before not in SYMBOLS else -5.0
    return -2.0 if {before, here} == {" ", "\xa0"} else 0.0


CASES = {"lu": -6.0, "uu": -0.5, "ou": -1.5, " u": -1.5}
"""By what stands beside each other: u for a capital, l for a small letter, o for one without case."""


def _symbol(before: str, here: str, left: str) -> float:
    if here.isascii() or _kind(here) != " ":
        return 0.0
    if _box(here) and _box(before):
        return -0.5 if here == before else -5.0
    penalty = SYMBOLS.get(here) or _rare_symbol(here)
    exponent = here in "²³" and before in "mxy"
    if left != " " and not is_wide(here) and here not in CLOSING and not exponent:
        return penalty - 5.0
    return penalty - 2.0 if left != " " and here in "»›”" else penalty


def _rare_symbol(char: str) -> float:
    if unicodedata.category(char) in {"Cc", "Cn", "Co", "Cs"}:
        return NO_CHARACTER
    if is_wide(char):
        return WIDE_FORM if "\ufe00" < char < "\uff00" else 0.0
    return OTHER_SYMBOL


def _box(char: str) -> bool:
    return "\u2500" <= char <= "\u259f"


@lru_cache(maxsize=8192)
def _kind(char: str) -> str:
    if char.isalpha() and char not in LETTERLIKE:
        return "u" if char.isupper() else "l" if char.islower() else "o"
    return "o" if unicodedata.category(char)[0] == "M" else " "


@lru_cache(maxsize=8192)
def _script(char: str) -> str:
    if is_wide(char):
        return "wide"
    if char < "\u0250" or "\u1e00" <= char < "\u1f00" or "\u0300" <= char < "\u0370":
        return "Latin"
    return unicodedata.name(char, "?").split()[0]
