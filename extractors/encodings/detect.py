"""Detect the encoding of a text file: exact rules first, then how well each code page makes it read.

UTF-8 that decodes is UTF-8; NUL bytes mean UTF-16 or UTF-32 or no text at all; escape sequences are known by chardet,
which also says whether it is text at all. A code page is judged on a sample of bounded size: lines that are not ASCII.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

import chardet

from extractors.encodings.code_pages import CODECS, EBCDIC, UTF16, Reading, is_hebrew_of_mainframes, readings
from extractors.encodings.mixed import lines_of_another

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
JUDGED_BYTES = 3000
DEFAULT = "cp1252"
"""Named where it reads a text as another code page does."""

MAX_BONUS = 20.0
LEAST_SCORE = -9.7
"""Of a character, on average, in a text of ideograms; characters at random have about -11."""

HIGH = bytes(range(128, 256))
SURE_MARGIN, SURE_BYTES = 8.0, 12
"""A code page is sure where the next one is less likely by e to this power, and so many bytes are not ASCII."""

DECLARED = re.compile(rb"^[^<]{0,9}<\?xml[^>]+encoding|<meta[^>]+charset", re.IGNORECASE)

SUPERSETS = {"ascii": "utf-8", "iso8859-11": "cp874", "tis-620": "cp874", "gb2312": "gb18030", "euc_kr": "cp949"}
"""Codecs that chardet names and a larger one includes."""

ESCAPES = re.compile(rb"\x1b[$(]|~\{|\+[A-Za-z0-9+/]{3,}")
"""ASCII bytes that may be ISO-2022, HZ or UTF-7."""

LAYOUT = frozenset("\t\n\v\f\r\x08\x1b\x1a\x00\x85")
"""Controls that text files do carry: layout, terminal escapes, DOS's end mark, padding."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file's text, the codec it was read by, and whether some bytes did not fit and became U+FFFD.

    `uncertain` where the bytes are few or another codec fits nearly as well. `beside` is the codec of lines that are
    not in `encoding`; "" where all are.
    """

    text: str
    encoding: str
    damaged: bool = False
    uncertain: bool = False
    beside: str = ""


def decode(data: bytes, languages: Iterable[str] = ()) -> Decoded | None:
    """Decode a whole file, or return None if it is not text. The byte order mark is not part of the text.

    Args:
        data: the file's bytes.
        languages: those that texts are expected in (ISO 639-1), which decide between code pages; none expects any.
    """
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return _with_bom(data[len(mark) :], encoding)
    if b"\0" in data:
        return _with_nul(data, languages)
    return _utf8(data, languages) or _legacy(data, languages)


def text_of(head: bytes) -> str | None:
    """The beginning of a text file in any encoding, or None if it reads like no text."""
    decoded = decode(head)
    return decoded.text if decoded and _readable(decoded.text) else None


def _with_bom(data: bytes, encoding: str) -> Decoded:
    text = data.decode(encoding, errors="replace")
    return Decoded(text, encoding, damaged="\ufffd" in text)


def _with_nul(data: bytes, languages: Iterable[str]) -> Decoded | None:
    """UTF-16 or UTF-32 without a mark, or a text that a crash padded with NUL bytes."""
    head = data[:SAMPLE_BYTES]
    guess = chardet.detect(head, prefer_superset=True, compat_names=False)["encoding"]
    if guess in WIDE and _readable(head.decode(guess, errors="replace")):
        return _with_bom(data, guess)
    for encoding in WIDE:
        text = _try(data, encoding) if len(data) <= JUDGED_CHARS else None
        if text and sum("\t" <= c <= "~" for c in text) * 2 > len(text):
            return Decoded(text, encoding)
    if guess is None and (found := _utf16(data, head, languages)):
        return found
    if data.count(b"\0") * 20 > len(data):
        return None
    rest = data.replace(b"\0", b"")
    return _utf8(rest, languages) or _legacy(rest, languages)


def _utf8(data: bytes, languages: Iterable[str]) -> Decoded | None:
    """UTF-8, also where a few bytes are broken, as by a cut end, or some lines come from elsewhere, as in a log."""
    text = _try(data, "utf-8")
    if text is not None:
        return None if text.isascii() and _may_be_another(data) else Decoded(text, "utf-8")
    if (mixed := _mixed(data, languages)) is not None:
        return mixed
    text = data.decode("utf-8", errors="replace")
    wide, bad = sum(1 for _ in re.finditer(r"[^\x00-\x7f]", text)), text.count("\ufffd")
    return Decoded(text, "utf-8", damaged=True) if bad * 20 <= wide else None


def _mixed(data: bytes, languages: Iterable[str]) -> Decoded | None:
    """UTF-8 with lines in a code page; those are read together."""
    lines = data.split(b"\n")
    odd = lines_of_another(lines)
    found = _legacy(b"\n".join(lines[number] for number in odd), languages) if odd else None
    if found is None or found.damaged or found.text.count("\n") != len(odd) - 1:
        return None
    texts = [line.decode("utf-8", errors="replace") for line in lines]
    for number, text in zip(odd, found.text.split("\n"), strict=True):
        texts[number] = text
    whole = "\n".join(texts)
    return Decoded(whole, "utf-8", damaged="\ufffd" in whole, beside=found.encoding)


def _may_be_another(ascii_bytes: bytes) -> bool:
    escaped = ESCAPES.search(ascii_bytes, 0, SAMPLE_BYTES)
    return escaped is not None or is_hebrew_of_mainframes(ascii_bytes[:JUDGED_BYTES])


def _legacy(data: bytes, languages: Iterable[str]) -> Decoded | None:
    """By chardet where there are escape sequences or a declaration, by how it reads otherwise."""
    if (text := _utf7(data)) is not None:
        return Decoded(text, "utf-7")
    if data.isascii() and is_hebrew_of_mainframes(data[:JUDGED_BYTES]):
        return Decoded(data.decode("cp424").replace("\x85", "\n"), "cp424")
    sample = _sample(data)
    guess = chardet.detect(sample, prefer_superset=False, compat_names=False)["encoding"]
    if guess is None:
        return _utf16(data, sample, languages)
    name = SUPERSETS.get(guess, guess)
    exact = name not in CODECS | EBCDIC or DECLARED.search(data, 0, JUDGED_BYTES)
    if exact and (text := _try(data, name)) is not None:
        return Decoded(text, name)
    wide = len(sample) - len(sample.translate(None, HIGH))
    is_whole = len(data) <= JUDGED_BYTES
    found = _with_guess(readings(_judged(sample), languages, not is_whole), name, wide)
    if is_whole and DEFAULT in found[0].codecs:
        found[0] = replace(found[0], codecs=(DEFAULT, *found[0].codecs))
    decoded = _first(data, found) or Decoded(data.decode(name, errors="replace"), name, damaged=True)
    margin = found[0].score - found[1].score if len(found) > 1 else SURE_MARGIN
    sure = decoded.text.isascii() or (margin >= SURE_MARGIN and wide >= SURE_BYTES)
    return decoded if sure else replace(decoded, uncertain=True)


def _utf16(data: bytes, sample: bytes, languages: Iterable[str]) -> Decoded | None:
    """UTF-16 of ideograms alone, which reads well; what chardet takes for no text is none otherwise."""
    best = next(iter(readings(sample[:JUDGED_BYTES], languages, is_cut=True)), None) if len(data) % 2 == 0 else None
    if best is None or best.codecs[0] not in UTF16 or best.score < LEAST_SCORE * len(best.text):
        return None
    if sum(char > "\u2e7f" for char in best.text) * 2 < len(best.text):
        return None
    return _first(data, [best])


def _with_guess(found: list[Reading], name: str, wide: int) -> list[Reading]:
    """The readings with a bonus for that of chardet, whose models know more words: the more, the longer the text."""
    bonus = min(MAX_BONUS, wide / 10)
    judged = (replace(one, score=one.score + bonus) if name in one.codecs else one for one in found)
    return sorted(judged, key=lambda one: -one.score)


def _first(data: bytes, found: list[Reading]) -> Decoded | None:
    """The best reading whose codec decodes the whole."""
    for name in (name for reading in found for name in reading.codecs):
        if (text := _try(data, name)) is not None:
            return Decoded(text.replace("\x85", "\n") if name in EBCDIC else text, name)
    return None


def _utf7(data: bytes) -> str | None:
    """UTF-7 that comes out as it went in: a plus sign in a plain text does not."""
    text = _try(data, "utf-7") if data.isascii() and b"+" in data and b"\x1b" not in data else None
    return text if text and not text.isascii() and text.encode("utf-7") == data else None


def _judged(sample: bytes) -> bytes:
    """The lines of the sample that are not ASCII, up to a size that is judged quickly; all of a short one."""
    if len(sample) <= JUDGED_BYTES:
        return sample
    lines = [line for line in re.split(rb"(?<=[\n\r\x25])", sample) if not line.isascii()]
    return b"".join(lines)[:JUDGED_BYTES]


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
