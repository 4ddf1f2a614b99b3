"""Detect the encoding of a text file: exact rules first, statistics (chardet) last.

UTF-8 that decodes is UTF-8; NUL bytes mean UTF-16 or UTF-32 or no text at all; only then chardet is
asked, on a sample of bounded size that starts where the text stops being ASCII.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass

import chardet

__all__ = ["Decoded", "decode", "text_of"]

SAMPLE_BYTES = 200_000
JUDGED_CHARS = 4096

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""UTF-32-LE stands before UTF-16-LE, whose mark is its beginning."""

WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
SUPERSETS = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis_2004": "cp932",
    "gb2312": "gb18030",
    "euc_kr": "cp949",
}
"""Codecs that programs on Windows write under the name of a smaller one. Every other answer of chardet stands: cp1251
is no superset of ISO 8859-5, nor cp1253 of ISO 8859-7."""

ESCAPES = re.compile(rb"\x1b[$(]|~\{|\+[A-Za-z0-9+/]{3,}-")
"""ASCII bytes that may be ISO-2022, HZ or UTF-7."""

LAYOUT = frozenset("\t\n\v\f\r\x08\x1b\x1a\x00\x85")
"""Controls that text files do carry: layout, terminal escapes, DOS's end mark, padding."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file's text, the codec it was read by, and whether some bytes did not fit and became U+FFFD."""

    text: str
    encoding: str
    damaged: bool = False


def decode(data: bytes) -> Decoded | None:
    """Decode a whole file, or return None if it is not text. The byte order mark is not part of the text."""
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return _with_bom(data[len(mark) :], encoding)
    if b"\0" in data:
        return _with_nul(data)
    return _utf8(data) or _legacy(data)


def text_of(head: bytes) -> str | None:
    """The beginning of a text file in any encoding, or None if it reads like no text."""
    decoded = decode(head)
    return decoded.text if decoded and _readable(decoded.text) else None


def _with_bom(data: bytes, encoding: str) -> Decoded:
    text = data.decode(encoding, errors="replace")
    return Decoded(text, encoding, damaged="\ufffd" in text)


def _with_nul(data: bytes) -> Decoded | None:
    """UTF-16 or UTF-32 without a mark, or a text that a crash padded with NUL bytes."""
    head = data[:SAMPLE_BYTES]
    guess = chardet.detect(head, prefer_superset=True, compat_names=False)["encoding"]
    if guess in WIDE and _readable(head.decode(guess, errors="replace")):
        return _with_bom(data, guess)
    for encoding in WIDE:
        text = _try(data, encoding) if len(data) <= JUDGED_CHARS else None
        if text and sum("\t" <= c <= "~" for c in text) * 2 > len(text):
            return Decoded(text, encoding)
    if data.count(b"\0") * 20 > len(data):
        return None
    rest = data.replace(b"\0", b"")
    return _utf8(rest) or _legacy(rest)


def _utf8(data: bytes) -> Decoded | None:
    """UTF-8, also where a few bytes are broken: a cut end, a line from elsewhere in a log."""
    text = _try(data, "utf-8")
    if text is not None:
        return None if text.isascii() and ESCAPES.search(data, 0, SAMPLE_BYTES) else Decoded(text, "utf-8")
    text = data.decode("utf-8", errors="replace")
    wide, bad = sum(1 for _ in re.finditer(r"[^\x00-\x7f]", text)), text.count("\ufffd")
    return Decoded(text, "utf-8", damaged=True) if bad * 20 <= wide else None


def _legacy(data: bytes) -> Decoded | None:
    """What chardet finds in a sample, provided that it decodes the whole."""
    guesses = chardet.detect_all(_sample(data), prefer_superset=False, compat_names=False)
    found = [str(guess["encoding"]) for guess in guesses if guess["encoding"]]
    names = [name for one in found for name in (SUPERSETS.get(one, one), one)]
    if not names:
        return None
    for name in names:
        text = _try(data, name)
        if text is not None:
            return Decoded(text, name)
    return Decoded(data.decode(names[0], errors="replace"), names[0], damaged=True)


def _sample(data: bytes) -> bytes:
    """A bounded piece from where the text stops being ASCII, aligned for every width of character."""
    odd = re.search(rb"[\x80-\xff\x1b]", data)
    start = max(0, odd.start() - SAMPLE_BYTES // 4) if odd else 0
    return data[start // 4 * 4 :][:SAMPLE_BYTES]


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _readable(text: str) -> bool:
    """Whether the characters are such as people write: few controls, unassigned or private ones."""
    judged = text[:JUDGED_CHARS]
    odd = sum(1 for c in judged if c not in LAYOUT and unicodedata.category(c) in {"Cc", "Cn", "Co", "Cs"})
    return odd * 20 <= len(judged)
