"""Mails (RFC 5322), saved pages (MHTML) and mailboxes: what a mail program shows of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import policy
from email.parser import BytesParser
from pathlib import Path

from extractors.document import Document
from extractors.errors import TooLarge
from extractors.mail.body import Mail, add_message
from extractors.mail.header import header
from extractors.options import Options
from extractors.passages import Passages
from extractors.registry import extractor

__all__ = ["extract_mail", "extract_mailbox"]

MAX_MAILS = 20_000
POSTMARK = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\d{4}[^\n]*\r?\n(?=[A-Za-z][A-Za-z0-9-]*:)")
"""The line that begins each mail of a mailbox."""

QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


@extractor("message/rfc822")
def extract_mail(path: Path, options: Options) -> Document:
    """Read a mail: its sender, recipients, date, subject and body; mails within it after it.

    The body is the plain text, or the text of the HTML where that says more. Attached files are named as missing.

    Raises:
        TooLarge: its mails are more than `max_pages` allows.
    """
    message = _parsed(POSTMARK.sub(b"", path.read_bytes(), count=1))
    passages = Passages()
    add_message(passages, message, options)
    return passages.document("message/rfc822", _metadata(message))


@extractor("application/mbox")
def extract_mailbox(path: Path, options: Options) -> Document:
    """Read a mailbox: a section for each mail.

    Raises:
        TooLarge: it holds more mails than are read of one file.
    """
    passages = Passages()
    for count, source in enumerate(_mails(path.read_bytes())):
        if count >= MAX_MAILS:
            raise TooLarge(f"The mailbox holds more than {MAX_MAILS:,} mails.")
        add_message(passages, _parsed(source), options)
    return passages.document("application/mbox", {})


def _parsed(source: bytes) -> Mail:
    return BytesParser(policy=policy.compat32).parsebytes(source.lstrip(b"\xef\xbb\xbf\r\n"))


def _mails(data: bytes) -> Iterator[bytes]:
    starts = [match.end() for match in POSTMARK.finditer(data)]
    ends = [match.start() for match in POSTMARK.finditer(data)][1:]
    for start, end in zip(starts, [*ends, len(data)], strict=True):
        yield QUOTED_FROM.sub(rb"\1", data[start:end])


def _metadata(message: Mail) -> dict[str, str]:
    return {"title": header(message, "Subject"), "author": header(message, "From"), "date": header(message, "Date")}
