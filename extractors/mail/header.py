"""Header fields of mails as a reader sees them: encoded words and bytes of any encoding decoded, lines joined."""

from __future__ import annotations

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
    """Decode by the declared charset; by how it reads where that is missing, unknown or wrong."""
    for name in (charset or "", "utf-8"):
        try:
            return data.decode(name) if name else data.decode("ascii")
        except (UnicodeError, LookupError):
            continue
    found = decode(data, languages)
    return found.text if found else data.decode("cp1252", errors="replace")


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
