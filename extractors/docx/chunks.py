"""Documents of other kinds within a Word file (`w:altChunk`): HTML, web archives, text, other Word files.

Word itself takes them over into the document when it is saved; the programs that write such files leave that to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from io import BytesIO

from extractors.docx.blocks import Block, without_breaks
from extractors.docx.body import BodyReader
from extractors.docx.html import html_blocks
from extractors.docx.package import Aside, open_package
from extractors.docx.parts import WordParts
from extractors.docx.rtf import rtf_blocks
from extractors.encodings.detect import decode
from extractors.errors import Corrupt, ExtractError, TooLarge, Unsupported
from extractors.options import Options

__all__ = ["EmbeddedReader"]

MAX_DEPTH = 3
"""Documents within documents that are read."""
HTML_SUFFIXES = (".html", ".htm", ".xhtml")
ARCHIVE_SUFFIXES = (".mht", ".mhtml", ".eml")
ARCHIVES = ("message/rfc822", "multipart/related", "application/x-mimearchive")
PAGES = ("text/html", "application/xhtml+xml")
HTML = re.compile(rb"<(?:!doctype html|html|head|body|div|p|h[1-6]|table|ul|ol|span)\b")
"""How a page begins that neither its name nor its type names as such."""
ADVICE = "Open the file in Word and save it: Word takes the text over."


class EmbeddedReader:
    """Reads the documents within a Word file, and notes which of them cannot be read.

    Args:
        parts: the parts of the Word file.
        options: limits, the same as for the file.
        depth: how many documents this one stands within.
    """

    def __init__(self, parts: WordParts, options: Options, depth: int = 0) -> None:
        self._parts = parts
        self._options = options
        self._depth = depth
        self.missing: list[str] = []

    def blocks(self, name: str) -> list[Block]:
        """Return the blocks of the document with this relationship id; none, and a note, if it cannot be read."""
        part = self._parts.package.chunks.pop(name, None)
        if part is None:
            return []
        try:
            return list(self._read(part))
        except (TooLarge, MemoryError):
            raise
        except Exception as error:  # the parsers of mail and HTML may raise anything on damaged input
            reason = error.message if isinstance(error, ExtractError) else "It is damaged."
            self.missing.append(f"The embedded document {part.name} is not in the text: {reason} {ADVICE}")
            return []

    def _read(self, part: Aside) -> Iterator[Block]:
        beginning = part.content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        if beginning.startswith(b"pk\x03\x04"):
            yield from self._word(part)
        elif beginning.startswith(b"{\\rtf"):
            yield from rtf_blocks(part.content)
        elif beginning.startswith(b"\xd0\xcf\x11\xe0"):
            raise Unsupported("Old Word files are not read.")
        elif part.media_type in ARCHIVES or beginning.startswith(b"mime-version:") or _has(part, ARCHIVE_SUFFIXES):
            yield from _archive(part.content)
        elif part.media_type in PAGES or HTML.match(beginning) or _has(part, HTML_SUFFIXES):
            yield from html_blocks(part.content)
        else:
            yield from _text(part.content)

    def _word(self, part: Aside) -> Iterator[Block]:
        if self._depth == MAX_DEPTH:
            raise Unsupported("Documents within documents are read to a depth of 3.")
        parts = WordParts(open_package(BytesIO(part.content), self._options, self._parts.package.budget))
        embedded = EmbeddedReader(parts, self._options, self._depth + 1)
        reader = BodyReader(parts, embedded.blocks)
        for block in (*reader.blocks(parts.body), *reader.comments()):
            yield Block(without_breaks(block.text), block.level, block.group and f"{part.name} {block.group}")
        self.missing += [*parts.missing, *embedded.missing]


def _has(part: Aside, suffixes: tuple[str, ...]) -> bool:
    return part.name.lower().endswith(suffixes)


def _archive(content: bytes) -> Iterator[Block]:
    """The page of a web archive (MHT), or else its text."""
    message = message_from_bytes(content, policy=policy.default)
    body = message.get_body(preferencelist=("html", "plain")) if isinstance(message, EmailMessage) else None
    data = None if body is None else body.get_payload(decode=True)
    if body is None or not isinstance(data, bytes):
        raise Corrupt("It is a web archive without a page.")
    if body.get_content_type() in ("text/html", "application/xhtml+xml"):
        yield from html_blocks(data, body.get_content_charset())
    else:
        yield from _text(data)


def _text(content: bytes) -> Iterator[Block]:
    decoded = decode(content)
    if decoded is None or decoded.text.lstrip().startswith("<?xml"):
        raise Unsupported("It is of a kind that is not read.")
    for line in decoded.text.splitlines():
        yield Block(line.replace("\f", " ").replace("\v", " "))
