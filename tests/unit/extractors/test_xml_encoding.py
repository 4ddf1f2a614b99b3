"""No encoding hides a document type from the reader of Word files, whatever the parser can read."""

from __future__ import annotations

from contextlib import suppress
from encodings.aliases import aliases

import pytest
from lxml import etree

from extractors.docx.xml_encoding import declares_document_type, hiding_encoding

BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><x>&a;</x>'
CODECS = sorted({*aliases.values(), "utf-8-sig"})
SPACES = " " * 40_000


def part(codec: str, body: str, declaration: str = '<?xml version="1.0" encoding="{}"?>') -> bytes:
    """An XML part whose declaration is readable and whose rest is in the codec."""
    name = codec.replace("_", "-").removesuffix("-sig")
    if codec.startswith(("utf_16", "utf_32", "utf-8")) or codec in ("cp037", "cp500", "cp1026", "cp1140", "cp273"):
        return (declaration.format(name) + body).encode(codec)
    return declaration.format(name).encode() + body.encode(codec)


def hidden_by_utf7(text: str) -> bytes:
    """UTF-7 that writes even the letters of markup in base64, as its rules allow."""
    import base64

    return b"+" + base64.b64encode(text.encode("utf-16-be")).rstrip(b"=") + b"-"


def hidden_by_switching(mark: bytes) -> bytes:
    """A document type torn by a mark that the decoder drops."""
    return b"<!" + mark + BOMB[2:].encode()


PARTS = {
    "utf-7": b'<?xml version="1.0" encoding="UTF-7"?>' + hidden_by_utf7(BOMB),
    "utf-7 in single quotes": b"<?xml version='1.0' encoding = 'utf-7' ?>" + hidden_by_utf7(BOMB),
    "utf-7 far away": b'<?xml version="1.0"' + SPACES.encode() + b'encoding="utf-7"?>' + hidden_by_utf7(BOMB),
    "utf-7 behind another name": b"<?xml version='encoding=\"utf-8\"' encoding='utf-7'?>" + hidden_by_utf7(BOMB),
    "iso-2022-jp": b'<?xml version="1.0" encoding="ISO-2022-JP"?>' + hidden_by_switching(b"\x1b(J"),
    "hz": b'<?xml version="1.0" encoding="HZ"?>' + hidden_by_switching(b"~{~}"),
    "cp037": f'<?xml version="1.0" encoding="IBM037"?>{BOMB}'.encode("cp037"),
    "cp1047": f'<?xml version="1.0" encoding="IBM1047"?>{BOMB}'.encode("cp037"),
    "cp037 undeclared": BOMB.encode("cp037"),
    **{codec: part(codec, BOMB) for codec in CODECS if codec.startswith(("utf_16", "utf_32", "utf-8"))},
    "utf-16 with another name": '\ufeff<?xml version="1.0" encoding="utf-7"?>'.encode("utf-16-le")
    + BOMB.encode("utf-16-le"),
}


def has_document_type(content: bytes) -> bool:
    """Whether the parser itself finds a document type."""
    try:
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except (etree.XMLSyntaxError, LookupError):
        return False
    return root.getroottree().docinfo.internalDTD is not None


def is_refused(content: bytes) -> bool:
    return hiding_encoding(content) is not None or declares_document_type(content)


@pytest.mark.parametrize("name", PARTS)
def test_a_hidden_document_type_is_refused(name: str) -> None:
    assert is_refused(PARTS[name])


def test_some_of_these_reach_the_parser() -> None:
    """The table is about encodings that the parser does read, not about what it refuses anyway."""
    assert {"utf-7", "utf-7 far away"} <= {name for name, content in PARTS.items() if has_document_type(content)}


@pytest.mark.parametrize("codec", CODECS)
def test_what_the_parser_reads_as_a_document_type_is_refused_in_every_codec(codec: str) -> None:
    with suppress(LookupError, UnicodeError, AttributeError, AssertionError, TypeError):
        content = part(codec, BOMB)
        assert is_refused(content) or not has_document_type(content), codec


@pytest.mark.parametrize("codec", ["utf_8", "utf-8-sig", "utf_16", "utf_16_le", "ascii", "cp1252", "iso8859_1"])
def test_what_programs_write_is_no_hiding(codec: str) -> None:
    content = part(codec, "<x>Grundstück</x>" if codec != "ascii" else "<x>plot</x>")
    assert not is_refused(content)
    assert not is_refused(b"<x>no declaration</x>")
