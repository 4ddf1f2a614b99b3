"""Address cards and calendars (vCard, iCalendar): folded lines joined, quoted-printable and escapes decoded."""

from __future__ import annotations

import quopri
import re
from dataclasses import replace

from extractors.encodings.detect import decode
from extractors.text.source_text import SourceText

__all__ = ["unfolded"]

BEGIN = re.compile(r"\s*BEGIN:V(?:CARD|CALENDAR)\s*\n", re.IGNORECASE)
FIELD = re.compile(r"^[A-Za-z0-9.-]{1,60}(?P<parameters>;[^:\n]{0,400})?:(?P<value>[^\n]*)", re.MULTILINE)
QUOTED_PRINTABLE = re.compile(r"ENCODING=QUOTED-PRINTABLE|;QUOTED-PRINTABLE", re.IGNORECASE)
CHARSET = re.compile(r"CHARSET=\"?([\w.:-]{1,40})", re.IGNORECASE)
FOLD = re.compile(r"\n[ \t]")
SOFT_BREAK = re.compile(r"=\n[ \t]?")
ESCAPE = re.compile(r"\\([,;:\\nN])")


def unfolded(source: SourceText) -> SourceText:
    """Return the text of cards and calendars as a reader sees it, and any other text as it is.

    A field that goes over several lines stands on its first one, and empty lines after it: lines keep their numbers.
    """
    if not BEGIN.match(source.text):
        return source
    lines, at = list[str](), 0
    physical = source.text.split("\n")
    while at < len(physical):
        field = FIELD.match(physical[at])
        soft = field is not None and QUOTED_PRINTABLE.search(field["parameters"] or "") is not None
        end = at + 1
        while end < len(physical) and (physical[end][:1] in (" ", "\t") or (soft and physical[end - 1].endswith("="))):
            end += 1
        lines += [_plain("\n".join(physical[at:end]), soft), *[""] * (end - at - 1)]
        at = end
    return replace(source, text="\n".join(lines))


def _plain(field: str, quoted_printable: bool) -> str:
    if not quoted_printable:
        return ESCAPE.sub(_character, FOLD.sub("", field))
    head, _, value = SOFT_BREAK.sub("", field).partition(":")
    charset = CHARSET.search(head)
    text = _decoded(quopri.decodestring(value.encode("utf-8", "replace")), charset[1] if charset else "utf-8")
    return f"{head}:{ESCAPE.sub(_character, ' '.join(text.split()))}"


def _decoded(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset)
    except (UnicodeError, LookupError):
        found = decode(data)
        return found.text if found else data.decode("cp1252", "replace")


def _character(escape: re.Match[str]) -> str:
    return " " if escape[1] in "nN" else escape[1]
