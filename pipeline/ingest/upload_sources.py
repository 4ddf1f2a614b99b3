"""Sources of uploaded files: the one that the sender names, else one made of the file's name that no other file has."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from pipeline.errors import Invalid
from pipeline.names import UPLOAD

__all__ = ["choose_source", "possible_sources", "source_of", "unique_source"]

LONGEST_NAME = 255
LONGEST_SOURCE = 2000
URI = re.compile(r"(?!file:|text:)[a-z][a-z0-9+.-]*://.", re.IGNORECASE)

HASH_DIGITS = 12
"""Hexadecimal digits of the content's hash in a source: among a million files of one name two alike are improbable."""


def source_of(name: str, given: str | None = None) -> str:
    """The source of an uploaded file: the URI or the file name that its sender gives, never a path of this machine.

    Args:
        name: the file's name as it was sent; folders in it are left out.
        given: the source that the sender gives it, a URI; None to make one of the name.

    Raises:
        Invalid: control characters, or too long, or a source that is no URI, or one of a local file or a text record.
    """
    if given is not None:
        if not URI.match(given):
            raise Invalid("A source must be a URI like https://… or crm://…, and none that begins with file: or text:.")
        return _checked(given, LONGEST_SOURCE, "source")
    plain = re.split(r"[/\\]", name)[-1].strip() or "unnamed"
    return UPLOAD + _checked(plain, LONGEST_NAME, "name of a file")


def unique_source(source: str, content_sha256: str) -> str:
    """The source of a file whose name another file has: the same whenever the same content is sent under this name."""
    return f"{UPLOAD}{content_sha256[:HASH_DIGITS]}/{source.removeprefix(UPLOAD)}"


def possible_sources(source: str, content_sha256: str) -> tuple[str, str]:
    """The two sources of a file whose sender gave none: by its name alone, and by its name and content."""
    plain = UPLOAD + source.removeprefix(UPLOAD).rpartition("/")[2]
    return plain, unique_source(plain, content_sha256)


def choose_source(
    source: str, content_sha256: str, contents: Mapping[str, Collection[str]], others: Collection[str]
) -> str:
    """The source of a file whose sender gave none: that of the document with its name and content, else one of its own.

    Args:
        source: one that was made of the file's name, by `source_of` or `unique_source`.
        content_sha256: of the file.
        contents: hashes of the contents of documents by their source.
        others: sources of the other files of the request.
    """
    plain, unique = possible_sources(source, content_sha256)
    if plain in others or content_sha256 in contents.get(unique, ()):
        return unique
    return unique if contents.get(plain) and content_sha256 not in contents[plain] else plain


def _checked(text: str, longest: int, what: str) -> str:
    if len(text) > longest:
        raise Invalid(f"The {what} is longer than {longest} characters.")
    if not text.isprintable():
        raise Invalid(f"The {what} holds control characters.")
    return text
