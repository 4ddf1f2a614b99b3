"""JSON and JSON Lines: the text is the file with its strings as they read, so that escaped letters are found."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from extractors.document import Document, Page
from extractors.options import Options
from extractors.registry import extractor
from extractors.text.source_text import SourceText, read_source, without_blobs

__all__ = ["extract_json", "unescaped"]

MAX_PARSED = 4_000_000
"""Characters of a text that is parsed as a whole to find out whether it is JSON."""

CHECKED_LINES = 200
STRING = re.compile(r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"?')
"""A string, or the rest of a line where it does not end."""
COMMENTS = r"(?>\s|//[^\n]*|/\*(?>(?:[^*]|\*(?!/))*)\*/)*"
BEGINNING = re.compile(rf'\ufeff?{COMMENTS}[\[{{]{COMMENTS}(?:[\[{{]{COMMENTS})*"(?:[^"\\\n]|\\.)*"\s*[:,]')
"""What JSON begins with that is cut off, has comments or a comma too much."""
NESTED = re.compile(r'\s*[\[{][\s\[{]*"')
"""What JSON in a string begins with."""
LOGGED = re.compile(r'^([^\n{}]{0,400})(\{"[^\n]*\})[ \t]*$', re.MULTILINE)
"""A line that ends in a JSON object."""
LOG_ENTRY = re.compile(
    r"\d:[0-5]\d\b|\b(?:19|20)\d\d-\d\d|\b(?i:trace|debug|info|notice|warn(?:ing)?|error|fatal|critical)\b"
)
"""A time, a date or a level before it; a line of a program has none, and its escapes stay as they are."""
CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@extractor("application/json")
def extract_json(path: Path, options: Options) -> Document:
    r"""Read a JSON file: its text line by line, with `\u00fc` and other escapes as the characters that they stand for.

    A file that is no valid JSON is plain text; where it begins as JSON, its strings are decoded as well.

    Raises:
        TooLarge: it cannot have fewer than `options.max_chars` characters.
        Unsupported: it is not text.
    """
    source = read_source(path, options)
    media_type = "application/json" if _is_json(source.text) else "text/plain"
    source = without_blobs(unescaped(source))
    return Document(
        media_type, (Page(None, source.text),), metadata={"encoding": source.encoding}, warnings=source.warnings
    )


def unescaped(source: SourceText) -> SourceText:
    """Return the text with the escapes in its strings decoded if it is JSON or begins so; of other texts, JSON in logs.

    A line end or another control character within a string becomes a space: lines keep their numbers.
    """
    if "\\" not in source.text:
        return source
    if BEGINNING.match(source.text) or _is_json(source.text):
        return replace(source, text=STRING.sub(_plain, source.text))
    return replace(source, text=LOGGED.sub(_logged, source.text))


def _plain(string: re.Match[str]) -> str:
    """A string as it reads; JSON that is written into a string is decoded as well."""
    if "\\" not in string[0]:
        return string[0]
    try:
        text = CONTROL.sub(" ", json.loads(string[0]))
    except ValueError:
        return string[0]
    return f'"{STRING.sub(_plain, text) if NESTED.match(text) and _parses(text) else text}"'


def _logged(line: re.Match[str]) -> str:
    is_escaped = "\\" in line[2] and (not line[1] or LOG_ENTRY.search(line[1])) and _parses(line[2])
    return line[1] + STRING.sub(_plain, line[2]) if is_escaped else line[0]


def _is_json(text: str) -> bool:
    """Whether it is JSON, or JSON Lines; of a long text the first lines and the ends are looked at."""
    body = text.lstrip("\ufeff").strip()
    if not body.startswith(("{", "[")) or not body.endswith(("}", "]")):
        return False
    if len(body) <= MAX_PARSED and _parses(body):
        return True
    lines = [line for line in body.split("\n", CHECKED_LINES)[:CHECKED_LINES] if line.strip()]
    if len(lines) > 1 and all(len(line) <= MAX_PARSED and _parses(line) for line in lines):
        return True
    return len(body) > MAX_PARSED and re.match(r'[\[{][\s\[{]*(?:"|\d|-|true|false|null)', body) is not None


def _parses(text: str) -> bool:
    try:
        return isinstance(json.loads(text, parse_int=str, parse_float=str), dict | list)
    except (ValueError, RecursionError):
        return False
