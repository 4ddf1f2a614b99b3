"""Read a text file for the formats that are text: decoded, with equal line ends, without what is no text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from extractors.encodings.detect import Decoded, decode
from extractors.errors import TooLarge, Unsupported
from extractors.options import Options
from extractors.text.blobs import blobs, sentence, without

__all__ = ["SourceText", "read_source", "without_blobs"]

UNSEEN = re.compile(r"\0|\u00ad|\x1b(?:\[[0-9;:?<=>]{0,40}[ -/]{0,4}[@-~]|\][^\x07\x1b\n]{0,400}(?:\x07|\x1b\\))")
"""NUL characters, soft hyphens, and the commands to a terminal, such as its colours in logs: they tear words."""

BYTES_PER_CHAR = 4
"""The most that any encoding here spends on one character."""


@dataclass(frozen=True, slots=True)
class SourceText:
    """The text of a file, line by line as an editor shows it, the codec it was read by, and warnings."""

    text: str
    encoding: str
    warnings: tuple[str, ...] = ()


def read_source(path: Path, options: Options) -> SourceText:
    """Read a text file as it is, but for its line ends and what no program shows (`UNSEEN`).

    Raises:
        TooLarge: it cannot have fewer than `options.max_chars` characters.
        Unsupported: it is not text.
    """
    if path.stat().st_size > BYTES_PER_CHAR * options.max_chars:
        raise TooLarge(f"The text has more than {options.max_chars} characters, which `max_chars` does not allow.")
    decoded = decode(path.read_bytes(), options.languages)
    if decoded is None:
        raise Unsupported("The file is not text.")
    text = UNSEEN.sub("", decoded.text).replace("\r\n", "\n").replace("\r", "\n")
    return SourceText(text, decoded.encoding, tuple(_warnings(decoded)))


def without_blobs(source: SourceText) -> SourceText:
    """The text without `data:` URIs, base64 and the like, and a warning that says how much was left out."""
    found = blobs(source.text)
    if not found:
        return source
    return SourceText(without(source.text, found), source.encoding, (*source.warnings, sentence(found)))


def _warnings(decoded: Decoded) -> Iterator[str]:
    if decoded.damaged:
        yield f"Some bytes are not {decoded.encoding} and were replaced by U+FFFD."
    if decoded.beside:
        yield f"Some lines are not {decoded.encoding} and were read as {decoded.beside}."
    if decoded.uncertain:
        yield (
            f"The encoding is not certain: the text was read as {decoded.encoding}. If letters are wrong, "
            "name the languages of the texts in the setting `languages`, or save the file as UTF-8."
        )
