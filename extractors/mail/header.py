"""Header fields of mails as a reader sees them: encoded words and bytes of any encoding decoded, lines joined."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import collapse_rfc2231_value

from extractors.encodings.detect import decode
from extractors.passages import one_line

__all__ = ["decoded_text", "file_name", "header", "header_lines"]

SHOWN = ("From", "To", "Cc", "Date", "Subject")
MAX_HEADER = 4000
LARGER = {
    "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874", "gb2312": "gb18030",
    "gbk": "gb18030", "euc_kr": "cp949", "shift_jis": "cp932",
}  # fmt: skip
"""What mail programs read in place of a declared charset: it has more characters, and senders use them.

Source: WHATWG, Encoding, section 4.2.
"""
ONE_BYTE = ("iso8859", "cp125", "koi8", "mac-")


def header_lines(message: Message) -> Iterator[str]:
    """Yield the header fields that a reader is shown, a line each."""
    for name in SHOWN:
        if value := header(message, name):
            yield f"{name}: {value}"


def header(message: Message, name: str) -> str:
    """The decoded value of the first field of this name, in one line; empty where there is none."""
    raw = next((str(value) for field, value in message.raw_items() if field.lower() == name.lower()), "")
    return one_line(_words(raw[:MAX_HEADER]))


def file_name(part: Message) -> str:
    """The name of an attached file; empty where the mail gives none."""
    for field, parameter in (("content-disposition", "filename"), ("content-type", "name")):
        try:
            value = part.get_param(parameter, header=field)
            name = collapse_rfc2231_value(value) if value else ""
        except (TypeError, ValueError, LookupError):
            continue
        if name:
            return one_line(_words(name))
    return ""


def decoded_text(data: bytes, charset: str | None, languages: tuple[str, ...] = ()) -> str:
    """Decode by the declared charset; by how it reads where that is missing, unknown or wrong.

    A charset of one byte a character fits any bytes; where the bytes are UTF-8, they are so by no chance.
    """
    for name in _charsets(data, charset):
        try:
            return data.decode(name)
        except (UnicodeError, LookupError):
            continue
    found = decode(data, languages)
    return found.text if found else data.decode("cp1252", errors="replace")


def _charsets(data: bytes, charset: str | None) -> tuple[str, ...]:
    """The codecs to try, in order."""
    if not charset:
        return ("utf-8",)
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        return ("utf-8",)
    larger = LARGER.get(name, name)
    by_bytes = name.startswith(ONE_BYTE) and not data.isascii()
    return ("utf-8", larger, name) if by_bytes else (larger, name, "utf-8")


def _words(raw: str) -> str:
    if not raw.isascii():
        raw = decoded_text(raw.encode("utf-8", "surrogateescape"), None)
    try:
        parts = decode_header(raw)
    except (HeaderParseError, ValueError):
        return raw
    return "".join(_word(part, charset) for part, charset in parts)


def _word(part: str | bytes, charset: str | None) -> str:
    if isinstance(part, str):
        return part
    return decoded_text(part, charset) if charset else part.decode("raw-unicode-escape", errors="replace")
