"""Detection of the type by content; size limits are checked before a file is opened."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pdf_builder import book, show
from PIL import Image

from extractors.errors import Corrupt, Empty, Encrypted, TooLarge, Unsupported
from extractors.options import Options
from extractors.registry import DOCX, formats
from extractors.sniff import sniff

PDF = book([show("Text")])


def _zip(*names: str, mimetype: bytes | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        if mimetype is not None:
            archive.writestr("mimetype", mimetype)
        for name in names:
            archive.writestr(name, b"x")
    return out.getvalue()


def _picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("L", (4, 4)).save(out, kind)
    return out.getvalue()


def _ole2(entry: str) -> bytes:
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(22) + b"\x09\0" + bytes(16) + b"\0\0\0\0"
    return head.ljust(512, b"\0") + entry.encode("utf-16-le").ljust(128, b"\0")


def _sniff(folder: Path, data: bytes, name: str = "file.dat", **options: int) -> str:
    path = folder / name
    path.write_bytes(data)
    return sniff(path, Options(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PDF, "application/pdf"),
        (b"\xef\xbb\xbf\r\n" + PDF, "application/pdf"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + PDF, "application/pdf"),
        (_zip("[Content_Types].xml", "word/document.xml"), DOCX),
        *((_picture(kind), f"image/{kind.lower()}") for kind in ("PNG", "JPEG", "TIFF", "BMP", "WebP", "GIF")),
        (b"plain words", "text/plain"),
        (b"%PDF is how such a file begins, with -1.4 behind it", "text/plain"),
        (b"A file begins with %PDF-1.4, says this text.", "text/plain"),
        (b"BM is how a bitmap begins, and MZ a program", "text/plain"),
        (b"BZh and ID3 and OggS", "text/plain"),
        ("Ölpreis".encode("utf-16-le"), "text/plain"),
        ("Ölpreis".encode("utf-32-be"), "text/plain"),
        ("Grüße aus Köln, wo die Häuser schön sind".encode("cp1252"), "text/plain"),
        (b'{"a": [1, 2]}', "text/plain"),
        (b"<note>text</note>", "text/plain"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".pdf", ".docx", ".png", ".txt", ".exe"])
def test_content_decides_whatever_the_suffix(tmp_path: Path, data: bytes, media_type: str, suffix: str) -> None:
    assert _sniff(tmp_path, data, f"file{suffix}") == media_type


@pytest.mark.parametrize("suffix", ["", ".pdf", ".docx", ".png", ".exe", ".xml", ".nxml"])
def test_declared_xml_is_xml_whatever_the_suffix(tmp_path: Path, suffix: str) -> None:
    assert _sniff(tmp_path, b"<?xml version='1.0'?><note>text</note>", f"file{suffix}") == "application/xml"


def test_xml_in_a_file_that_is_named_as_text_is_text(tmp_path: Path) -> None:
    assert _sniff(tmp_path, b"<?xml version='1.0'?><note>text</note>", "file.txt") == "text/plain"
    assert _sniff(tmp_path, b"<?xml version='1.0'?><rss><channel/></rss>", "file.txt") == "text/plain"


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (
            b"<?xml version='1.0'?>\n<!-- a --><!DOCTYPE svg PUBLIC 'a' 'b' [<!ENTITY x 'y'>]>\n<svg:svg a='b'/>",
            "image/svg+xml",
        ),
        (b"\xef\xbb\xbf<rss version='2.0'><channel/></rss>", "application/rss+xml"),
        (b"<rdf:RDF xmlns='http://purl.org/rss/1.0/'></rdf:RDF>", "application/rss+xml"),
        (b"<feed xmlns='http://www.w3.org/2005/Atom'/>", "application/atom+xml"),
        (b"From: a@b.c\r\nTo: d@e.f\r\nMIME-Version: 1.0\r\n\r\nx", "message/rfc822"),
        (b"Return-Path: <a@b.c>\nReceived: from x\n by y\nSubject: z\n\nx", "message/rfc822"),
        (b"From a@b.c Tue Jun  3 10:00:00 2025\nFrom: a@b.c\nDate: x\nMessage-ID: <1@b.c>\n\nx", "application/mbox"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".dat", ".xml"])
def test_kinds_of_text_are_known_by_their_beginning(tmp_path: Path, data: bytes, media_type: str, suffix: str) -> None:
    assert _sniff(tmp_path, data, f"file{suffix}") == media_type


@pytest.mark.parametrize(
    "data",
    [
        b"From: Max\nTo: Eva\nDate: Monday\nSubject: a note\n\nDear Eva",
        b"From here on in 2024\nSubject: none",
        b"Date: today\n",
        b"<feed>hay</feed>",
    ],
)
def test_texts_that_only_begin_like_a_mail_or_a_feed_are_text(tmp_path: Path, data: bytes) -> None:
    assert _sniff(tmp_path, data, "a.txt") == "text/plain"
    assert _sniff(tmp_path, data, "a") == "text/plain"


@pytest.mark.parametrize("part", [b"<!--", b"<?", b"<!DOCTYPE ", b"A: b\n", b"<!-->"])
def test_hostile_beginnings_are_text(tmp_path: Path, part: bytes) -> None:
    assert _sniff(tmp_path, part * 13_000, "a") == "text/plain"


@pytest.mark.parametrize("name", ["a.md", "A.MARKDOWN"])
def test_markdown_is_text_with_a_suffix(tmp_path: Path, name: str) -> None:
    assert _sniff(tmp_path, b"# Title", name) == "text/markdown"
    assert _sniff(tmp_path, PDF, name) == "application/pdf"


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (_zip("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook"),
        (_zip("[Content_Types].xml", "ppt/presentation.xml"), "a PowerPoint presentation"),
        (_zip("content.xml", mimetype=b"application/vnd.oasis.opendocument.text"), "an OpenDocument text"),
        (_zip("a.xhtml", mimetype=b"application/epub+zip"), "an EPUB book"),
        (_zip("a.txt"), "a ZIP archive"),
        (_zip(), "a ZIP archive"),
        (b"{\\rtf1 Hello}", "an RTF document"),
        (_ole2("WordDocument"), "an old Office file"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + bytes(range(200)), "a gzip archive"),
        (b"\x7fELF\x02\x01\x01" + bytes(100), "a program"),
        (bytes(range(256)) * 8, "of an unknown kind"),
        (b"\0" * 1000, "of an unknown kind"),
        (b"<!DOCTYPE html><html><body>x</body></html>", "an HTML page"),
        (b"\xef\xbb\xbf <!-- c --> <!-- d -->\n<HTML>", "an HTML page"),
        ("<html>ä</html>".encode("utf-16"), "an HTML page"),
    ],
)
def test_unsupported_kinds_are_named(tmp_path: Path, data: bytes, named: str) -> None:
    for name in ("file", "file.docx", "file.txt"):
        with pytest.raises(Unsupported, match=named):
            _sniff(tmp_path, data, name)


def test_a_fragment_of_html_goes_by_its_suffix(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="HTML"):
        _sniff(tmp_path, b"<p>words</p>", "a.htm")
    assert _sniff(tmp_path, b"<p>words</p>", "a.txt") == "text/plain"


def test_encrypted_office_files_are_recognised(tmp_path: Path) -> None:
    with pytest.raises(Encrypted, match="only without a password") as caught:
        _sniff(tmp_path, _ole2("EncryptedPackage"))
    assert caught.value.hint.startswith("Save it without its password; for a PDF")


@pytest.mark.parametrize("keep", [30, 60, 150])
def test_a_cut_container_is_corrupt(tmp_path: Path, keep: int) -> None:
    with pytest.raises(Corrupt):
        _sniff(tmp_path, _zip("[Content_Types].xml", "word/document.xml")[:keep])


def test_the_size_limit_is_checked_first(tmp_path: Path) -> None:
    with pytest.raises(Empty):
        _sniff(tmp_path, b"")
    with pytest.raises(TooLarge, match="max_file_mb"):
        _sniff(tmp_path, b"12345", max_bytes=4)
    assert _sniff(tmp_path, b"1234", max_bytes=4) == "text/plain"


def test_a_huge_directory_is_refused_unread(tmp_path: Path) -> None:
    claim = b"PK\x05\x06" + bytes(8) + (2**25).to_bytes(4, "little") + bytes(6)
    with pytest.raises(TooLarge):
        _sniff(tmp_path, b"PK\x03\x04" + bytes(100) + claim)


def test_comments_before_html_take_no_time(tmp_path: Path) -> None:
    assert _sniff(tmp_path, b"<!---->" * 5000 + b"<p") == "text/plain"


@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_end_in_a_type_or_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(data)
    with suppress(Unsupported, Corrupt):
        assert sniff(path, Options()) in {kind for row in formats() for kind in row.media_types}
