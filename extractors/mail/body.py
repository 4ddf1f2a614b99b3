"""The body of a mail: the part that a reader is shown, nested mails, and the attached files that are not read."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from itertools import islice
from typing import TypeAlias

from extractors.mail.calendar import CALENDARS, calendar_text
from extractors.mail.header import decoded_text, file_name, header, header_lines
from extractors.mail.plain import enriched_text, flowed_text
from extractors.options import Options
from extractors.passages import Passages
from extractors.xml.html_text import html_text

__all__ = ["add_message"]

MAX_PARTS = 2000
MAX_DEPTH = 20

SIGNATURES = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")
ENCRYPTED = ("application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted")
REPORTS = ("message/delivery-status", "message/disposition-notification")
FULLER = 2
"""A plain alternative with fewer than one in so many words of another one leaves much of the mail out."""
MAX_FIELDS = 200

Mail: TypeAlias = "Message[str, str]"


def add_message(passages: Passages, message: Mail, options: Options, path: tuple[str, ...] = ()) -> None:
    """Add a mail as a passage, the mails within it as further ones, and its attached files to what is missing."""
    subject = header(message, "Subject")
    path = (*path, subject)
    reading = _Body(passages, options)
    texts = [text for text in reading.texts(message) if text.strip()]
    passages.add("\n\n".join(("\n".join(header_lines(message)), *texts)), path)
    for nested in reading.nested:
        if len(path) < MAX_DEPTH:
            add_message(passages, nested, options, path)
        else:
            passages.missing.append(f"Mails within mails are read to a depth of {MAX_DEPTH}.")


class _Body:
    """Walks the parts of one mail."""

    def __init__(self, passages: Passages, options: Options) -> None:
        self.nested: list[Mail] = []
        self._calendars: set[str] = set()
        self._passages = passages
        self._options = options

    def texts(self, message: Mail) -> Iterator[str]:
        """Yield the text of each part that is shown."""
        yield from islice(self._of(message, 0), MAX_PARTS)

    def _of(self, part: Mail, depth: int) -> Iterator[str]:
        kind = part.get_content_type()
        if kind == "message/rfc822":
            self.nested += _parts(part)
        elif kind in REPORTS:
            yield "\n\n".join("\n".join(_fields(one)) for one in _parts(part))
        elif kind in CALENDARS:
            yield from self._calendar(part)
        elif kind == "text/rfc822-headers":
            yield "\n".join(header_lines(message_from_string(self._decoded(part))))
        elif part.is_multipart() and depth < MAX_DEPTH:
            yield from self._of_parts(part, kind, depth + 1)
        elif _is_attached(part) or not (kind.startswith("text/") or _has_no_boundary(part)):
            self._name(part, kind)
        else:
            yield self._text(part, kind)

    def _of_parts(self, part: Mail, kind: str, depth: int) -> Iterator[str]:
        parts = _parts(part)
        if kind == "multipart/alternative":
            yield from self._best(parts, depth)
        elif kind == "multipart/related" and parts:
            yield from self._of(_root(part, parts), depth)
            for other in parts:
                if other is not _root(part, parts):
                    self._related(other)
        else:
            for one in parts:
                yield from self._of(one, depth)

    def _best(self, parts: list[Mail], depth: int) -> Iterator[str]:
        """The plain alternative, or another one where it has little of what that says."""
        readings = [(one, "\n\n".join(self._of(one, depth))) for one in parts if _is_read(one)]
        plain = next((text for one, text in readings if one.get_content_type() == "text/plain"), "")
        fullest = max((text for _, text in readings), key=lambda text: len(text.split()), default="")
        yield fullest if len(fullest.split()) > FULLER * len(plain.split()) else plain
        for one in parts:
            if one.get_content_type() in CALENDARS or not (_is_read(one) or _is_shown_otherwise(one)):
                yield from self._of(one, depth)

    def _calendar(self, part: Mail) -> Iterator[str]:
        """The events of an invitation, which mails often hold twice: as an alternative and as an attached file."""
        text = calendar_text(self._decoded(part))
        if not text:
            self._name(part, part.get_content_type())
        elif text not in self._calendars:
            self._calendars.add(text)
            yield text

    def _text(self, part: Mail, kind: str) -> str:
        text = self._decoded(part)
        if kind in ("text/html", "text/xml"):
            return html_text(text)
        if kind == "text/enriched":
            return enriched_text(text)
        if str(part.get_param("format", "")).lower() == "flowed":
            return flowed_text(text, keeps_space=str(part.get_param("delsp", "")).lower() != "yes")
        return text

    def _decoded(self, part: Mail) -> str:
        data = part.get_payload(decode=True)
        charset = part.get_content_charset()
        text = decoded_text(data if isinstance(data, bytes) else b"", charset, self._options.languages)
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def _related(self, part: Mail) -> None:
        """What a page shows: a picture within a mail is missing, those of a saved page only decorate."""
        kind = part.get_content_type()
        if part.get("Content-Location") is None and kind != "text/css":
            self._name(part, kind)
        elif kind == "text/html":
            self._passages.warnings.append("Frames and other pages within a saved page are not read.")

    def _name(self, part: Mail, kind: str) -> None:
        if kind in SIGNATURES or kind == "text/css":
            return
        if kind in ENCRYPTED:
            self._passages.missing.append("The mail is encrypted, and what it says is not read: save it decrypted.")
            return
        data = part.get_payload(decode=True)
        size = f"{len(data):,} bytes" if isinstance(data, bytes) else kind
        name = file_name(part) or f"without a name ({kind})"
        self._passages.missing.append(
            f"The attached file {name} ({size}) is not read: save it, and ingest it by itself."
        )


def _parts(part: Mail) -> list[Mail]:
    payload = part.get_payload()
    return [one for one in payload if isinstance(one, Message)][:MAX_PARTS] if isinstance(payload, list) else []


def _fields(part: Mail) -> Iterator[str]:
    """The fields of a report, a line each."""
    return (f"{name}: {header(part, name)}" for name in islice(dict.fromkeys(part.keys()), MAX_FIELDS))


def _root(part: Mail, parts: list[Mail]) -> Mail:
    """The page that the other parts of a `multipart/related` belong to."""
    start = part.get_param("start")
    named = (one for one in parts if start and (one.get("Content-ID") or "").strip() == start)
    texts = (one for one in parts if one.get_content_maintype() in ("text", "multipart"))
    return next(named, None) or next(texts, parts[0])


def _is_read(part: Mail) -> bool:
    return not _is_attached(part) and part.get_content_type() in (
        "text/plain", "text/html", "text/enriched", "multipart/related", "multipart/mixed", "multipart/alternative",
    )  # fmt: skip


def _has_no_boundary(part: Mail) -> bool:
    """Whether it is made of parts that nothing parts: programs show it as it stands."""
    return part.get_content_maintype() == "multipart" and isinstance(part.get_payload(), str)


def _is_shown_otherwise(part: Mail) -> bool:
    """Whether it is an alternative for certain programs (AMP, watches) that says what the others say."""
    return part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment"


def _is_attached(part: Mail) -> bool:
    return part.get_content_disposition() == "attachment" or (
        part.get_content_maintype() == "text"
        and part.get_content_subtype() not in ("plain", "html", "enriched", "xml")
        and part.get_content_type() != "text/css"
    )
