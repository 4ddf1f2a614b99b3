"""Write a number as Word does in lists: "iv", "c", "3rd", "one", "④"."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["numeral"]

ROMAN = tuple(
    zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"),
        strict=True,
    )
)
ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
GERMAN = (
    "null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf",
    "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn",
)  # fmt: skip
GERMAN_TENS = ("", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig")
GERMAN_ORDINALS = {1: "erste", 3: "dritte", 7: "siebte", 8: "achte"}
RUSSIAN = "абвгдежзиклмнопрстуфхцчшщыэюя"
GREEK = "αβγδεζηθικλμνξοπρστυφχψω"
CHICAGO = "*†‡§"
CHINESE = "〇一二三四五六七八九"
DIGITS = re.compile(r"(0{0,11}1)(?:,|\Z)")
"""A format by example: "001, 002, 003, ..."."""
LIMIT = 10_000
"""Numbers from here on are written in digits only."""


def numeral(value: int, kind: str, language: str = "") -> str:
    """Return the number in a format of Word (`w:numFmt`); in digits where the format is not known.

    Args:
        value: the number, not negative.
        kind: the name of the format, or a pattern as "001".
        language: the document's language, as "de-DE"; ordinals are English where it is unknown.
    """
    if kind in ("none", "bullet"):
        return ""
    if pattern := DIGITS.match(kind):
        return str(value).zfill(len(pattern[1]))
    if kind in _IN_LANGUAGE:
        return _IN_LANGUAGE[kind](value, language.partition("-")[0].lower() or "en")
    write = _FORMATS.get(kind)
    return (write(value) if write and 0 <= value < LIMIT else "") or str(value)


def _letters(alphabet: str) -> Callable[[int], str]:
    """A, B, ... Z, AA, BB: the letter is repeated, not counted on."""

    def write(value: int) -> str:
        return alphabet[(value - 1) % len(alphabet)] * ((value - 1) // len(alphabet) + 1) if value else ""

    return write


def _roman(value: int) -> str:
    digits = ""
    for worth, digit in ROMAN:
        count, value = divmod(value, worth)
        digits += digit * count
    return digits


def _upper(write: Callable[[int], str]) -> Callable[[int], str]:
    return lambda value: write(value).upper()


def _enclosed(first: int, last: int = 20) -> Callable[[int], str]:
    return lambda value: chr(first + value - 1) if 0 < value <= last else ""


def _chinese(value: int) -> str:
    """Ten is 十, twenty-three 二十三; beyond 99 digit by digit."""
    if value > 99:
        return _chinese_digits(value)
    tens, ones = divmod(value, 10)
    if not tens:
        return CHINESE[ones]
    return (CHINESE[tens] if tens > 1 else "") + "十" + (CHINESE[ones] if ones else "")


def _chinese_digits(value: int) -> str:
    return "".join(CHINESE[int(digit)] for digit in str(value))


def _ordinal(value: int, language: str) -> str:
    if language == "en":
        ending = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
        return f"{value}{ending}"
    endings = {"fr": "er" if value == 1 else "e", "es": "º", "it": "º", "pt": "º", "nl": "e"}
    return f"{value}{endings.get(language, '.')}"


def _ordinal_text(value: int, language: str) -> str:
    if language == "de" and 0 < value < 100:
        return _german_ordinal(value).capitalize()
    if language != "en" or not 0 < value < LIMIT:
        return _ordinal(value, language)
    words = _english(value)
    stem, last = words[: len(words) - len(_last(words))], _last(words)
    ordinal = ORDINALS.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return (stem + ordinal).capitalize()


def _cardinal_text(value: int, language: str) -> str:
    if language == "de" and value < 100:
        return _german(value).capitalize()
    return _english(value).capitalize() if language == "en" and value < LIMIT else str(value)


def _last(words: str) -> str:
    return words.replace("-", " ").rpartition(" ")[2]


def _english(value: int) -> str:
    for worth, name in ((1000, "thousand"), (100, "hundred")):
        if value >= worth:
            count, rest = divmod(value, worth)
            return f"{_english(count)} {name}" + (f" {_english(rest)}" if rest else "")
    if value < len(ONES):
        return ONES[value]
    return TENS[value // 10] + (f"-{ONES[value % 10]}" if value % 10 else "")


def _german(value: int) -> str:
    if value < len(GERMAN):
        return GERMAN[value]
    tens, ones = divmod(value, 10)
    before = "ein" if ones == 1 else GERMAN[ones]
    return (f"{before}und" if ones else "") + GERMAN_TENS[tens]


def _german_ordinal(value: int) -> str:
    return GERMAN_ORDINALS.get(value) or _german(value) + ("te" if value < len(GERMAN) else "ste")


_IN_LANGUAGE: dict[str, Callable[[int, str], str]] = {
    "ordinal": _ordinal,
    "ordinalText": _ordinal_text,
    "cardinalText": _cardinal_text,
}
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_FORMATS: dict[str, Callable[[int], str]] = {
    "lowerLetter": _letters(_LATIN),
    "upperLetter": _letters(_LATIN.upper()),
    "lowerRoman": _roman,
    "upperRoman": _upper(_roman),
    "russianLower": _letters(RUSSIAN),
    "russianUpper": _letters(RUSSIAN.upper()),
    "lowerGreek": _letters(GREEK),
    "upperGreek": _letters(GREEK.upper()),
    "chicago": _letters(CHICAGO),
    "decimalZero": lambda value: f"{value:02d}",
    "hex": lambda value: f"{value:X}",
    "numberInDash": lambda value: f"- {value} -",
    "decimalEnclosedCircle": _enclosed(0x2460),
    "decimalEnclosedCircleChinese": _enclosed(0x2460),
    "decimalEnclosedParen": _enclosed(0x2474),
    "decimalEnclosedFullstop": _enclosed(0x2488),
    "decimalFullWidth": lambda value: "".join(chr(ord(digit) + 0xFEE0) for digit in str(value)),
    "chineseCounting": _chinese,
    "chineseCountingThousand": _chinese,
    "taiwaneseCounting": _chinese,
    "japaneseCounting": _chinese,
    "ideographDigital": _chinese_digits,
}
