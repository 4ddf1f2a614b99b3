"""Put a document together from passages, such as the mails of a mailbox: one text, and a section for each."""

from __future__ import annotations

import re
from collections.abc import Iterable

from extractors.document import Document, Page, Section
from extractors.text.blobs import Blob, blobs, sentence, without

__all__ = ["Passages", "one_line"]

MAX_TITLE = 300
MAX_NAMED = 20
"""Parts that are named as missing; further ones are counted."""

BETWEEN = "\n\n"
BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*\n")


class Passages:
    """Gathers passages, warnings and the names of parts that are not read."""

    def __init__(self) -> None:
        self.missing: list[str] = []
        self.warnings: list[str] = []
        self._texts: list[str] = []
        self._sections: list[Section] = []
        self._length = 0
        self._blobs: list[Blob] = []

    def add(self, text: str, path: Iterable[str] = ()) -> None:
        """Append a passage without what is no text. It is a section where it has a path of titles."""
        found = blobs(text)
        self._blobs += found
        text = BLANK_LINES.sub(BETWEEN, without(text, found)).strip()
        if not text:
            return
        start = self._length + (len(BETWEEN) if self._texts else 0)
        self._texts.append(text)
        self._length = start + len(text)
        titles = tuple(title for one in path if (title := one_line(one)[:MAX_TITLE]))
        if titles:
            self._sections.append(Section(titles, start, self._length))

    def document(self, media_type: str, metadata: dict[str, str]) -> Document:
        """The document of all passages; `missing` are also among its warnings."""
        more = len(self.missing) - MAX_NAMED
        missing = [*self.missing[:MAX_NAMED], *([f"{more} more parts are not read."] if more > 0 else [])]
        left_out = [sentence(self._blobs)] if self._blobs else []
        return Document(
            media_type,
            (Page(None, BETWEEN.join(self._texts)),),
            tuple(self._sections),
            metadata={key: value for key, value in metadata.items() if value},
            warnings=tuple(dict.fromkeys((*missing, *self.warnings, *left_out))),
            missing=tuple(dict.fromkeys(missing)),
        )


def one_line(text: str) -> str:
    """The text with single spaces for every run of white space."""
    return " ".join(text.split())
