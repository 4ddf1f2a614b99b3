"""The encoding of an XML part: only one in which markup stands as such, so that what must not be there is seen.

In others bytes hide markup from a search: UTF-7 writes `<` as `+ADw-`, HZ and ISO-2022 put marks between letters,
EBCDIC has other bytes. Word writes UTF-8 or UTF-16 alone, as the standard of its packages (ISO/IEC 29500-2) demands.
"""

from __future__ import annotations

import re

__all__ = ["declares_document_type", "hiding_encoding"]

PLAIN = re.compile(
    r"utf-?8|(us-)?ascii|utf-?(16|32)(-?[bl]e)?|(iso-10646-)?ucs-?[24](-?[bl]e)?"
    r"|iso[-_]?8859-?\d\d?|latin-?\d\d?|(windows-?|cp)(125\d|874|932|936|949|950)|koi8-[ru]"
    r"|shift[-_]?jis|sjis|euc-?(jp|kr|cn|tw)|gb(k|2312|18030)|big5(-hkscs)?",
    re.IGNORECASE,
)
"""Encodings whose bytes for `<` and the letters of markup are those of ASCII, with or without zeros around them."""

DECLARATION = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*<\?xml\s")
ENCODING = re.compile(rb"encoding\s*=\s*[\"']([^\"']*)")
EBCDIC = (b"\x4c\x6f\xa7\x94", b"\x4c\x5a")
"""`<?xm` and `<!` in EBCDIC."""
HEAD = 16384


def hiding_encoding(content: bytes) -> str | None:
    """The name of the encoding of an XML part if it can hide markup; None where markup is seen as it stands."""
    if content.lstrip(b"\x40\x15\x25\x05").startswith(EBCDIC):
        return "EBCDIC"
    head = content[:HEAD].replace(b"\0", b"")
    if not DECLARATION.match(head):
        return None
    declaration, end, _ = head.partition(b"?>")
    if not end:
        return "(unknown)"
    names = ENCODING.findall(declaration)
    declared = [name.decode("ascii", "replace").strip() for name in names]
    return next((name for name in declared if not PLAIN.fullmatch(name)), None)


def declares_document_type(content: bytes) -> bool:
    """Whether an XML part, in an encoding that hides nothing, declares a document type."""
    return b"<!DOCTYPE" in content.replace(b"\0", b"")
