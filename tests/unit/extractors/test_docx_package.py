"""Word files as packages: dialects that are read, and packages that are refused with a reason."""

from __future__ import annotations

import zipfile
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from docx.enum.text import WD_BREAK
from word_files import add, paragraph, run

from extractors.docx.extract import extract_docx, is_encrypted_package
from extractors.errors import Corrupt, Encrypted, TooLarge
from extractors.options import Options

OPTIONS = Options()


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """A copy of the package with each part as `change` returns it; None leaves it out."""
    copy = path.with_name("changed.docx")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = change(name, source.read(name))
            if content is not None:
                target.writestr(name, content)
    return copy


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    word = docx.Document()
    word.add_paragraph("Plain text")
    word.save(tmp_path / "plain.docx")
    return tmp_path / "plain.docx"


@pytest.mark.parametrize(
    "kind",
    [
        b"application/vnd.ms-word.document.macroEnabled.main+xml",
        b"application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
    ],
)
def test_macro_files_and_templates_are_read_as_text(kind: bytes, plain: Path) -> None:
    usual = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    changed = rewritten(plain, lambda name, content: content.replace(usual, kind))
    assert extract_docx(changed, OPTIONS).text == "Plain text"


def test_strict_open_xml_is_read(plain: Path) -> None:
    def strict(name: str, content: bytes) -> bytes:
        content = content.replace(
            b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
            b"http://purl.oclc.org/ooxml/wordprocessingml/main",
        )
        return content.replace(
            b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
            b"http://purl.oclc.org/ooxml/officeDocument/relationships",
        )

    assert extract_docx(rewritten(plain, strict), OPTIONS).text == "Plain text"


def test_a_missing_picture_does_not_matter(plain: Path) -> None:
    link = b'<Relationship Id="rId99" Type="http://x/relationships/image" Target="media/gone.png"/></Relationships>'
    changed = rewritten(plain, lambda name, content: content.replace(b"</Relationships>", link))
    assert extract_docx(changed, OPTIONS).text == "Plain text"


@pytest.mark.parametrize("missing", ["word/document.xml", "[Content_Types].xml", "_rels/.rels"])
def test_a_missing_part_is_corrupt(missing: str, plain: Path) -> None:
    changed = rewritten(plain, lambda name, content: None if name == missing else content)
    with pytest.raises(Corrupt):
        extract_docx(changed, OPTIONS)


@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_a_document_type_is_refused(codec: str, plain: Path) -> None:
    def declare(name: str, content: bytes) -> bytes:
        if name != "word/document.xml":
            return content
        body = content.decode().partition("?>")[2]
        return f'<?xml version="1.0" encoding="{codec}"?><!DOCTYPE x [<!ENTITY a "b">]>{body}'.encode(codec)

    with pytest.raises(Corrupt, match="document type"):
        extract_docx(rewritten(plain, declare), OPTIONS)


def test_a_document_type_hidden_by_utf7_is_refused(plain: Path) -> None:
    def declare(name: str, content: bytes) -> bytes:
        if name != "word/document.xml":
            return content
        hidden = b64encode('<!DOCTYPE x [<!ENTITY a "b">]>'.encode("utf-16-be")).rstrip(b"=")
        body = content.decode().partition("?>")[2].encode("utf-7")
        return b'<?xml version="1.0" encoding="UTF-7"?>+' + hidden + b"-" + body

    with pytest.raises(Corrupt, match="UTF-7"):
        extract_docx(rewritten(plain, declare), OPTIONS)


@pytest.mark.parametrize("depth", [200, 5_000])
def test_deeply_nested_xml_is_read_or_refused(depth: int, plain: Path) -> None:
    deep = b"<w:ins>" * depth + b"<w:r><w:t>deep</w:t></w:r>" + b"</w:ins>" * depth

    def nest(name: str, content: bytes) -> bytes:
        return content.replace(b"<w:body>", b"<w:body><w:p>" + deep + b"</w:p>")

    changed = rewritten(plain, nest)
    if depth < 256:
        assert extract_docx(changed, OPTIONS).text.startswith("deep")
    else:
        with pytest.raises(Corrupt):
            extract_docx(changed, OPTIONS)


def test_tables_nested_to_the_limit_of_the_parser_are_read_or_refused(plain: Path) -> None:
    deep = b"<w:tbl><w:tr><w:tc>" * 80 + b"<w:p><w:r><w:t>deep</w:t></w:r></w:p>" + b"</w:tc></w:tr></w:tbl>" * 80
    changed = rewritten(plain, lambda name, content: content.replace(b"<w:body>", b"<w:body>" + deep))
    assert extract_docx(changed, OPTIONS).text.startswith("deep")


def test_bytes_characters_and_pages_above_the_limit_are_refused(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="max_file_mb"):
        extract_docx(plain, Options(max_bytes=10_000))
    with pytest.raises(TooLarge, match="max_chars"):
        extract_docx(plain, Options(max_chars=5))
    word = docx.Document()
    for _ in range(5):
        word.add_paragraph("x").add_run().add_break(WD_BREAK.PAGE)
    add(word, paragraph("<w:r><w:lastRenderedPageBreak/></w:r>", run("x")))
    word.save(tmp_path / "pages.docx")
    assert len(extract_docx(tmp_path / "pages.docx", Options(max_pages=6)).pages) == 6
    with pytest.raises(TooLarge, match="max_pages"):
        extract_docx(tmp_path / "pages.docx", Options(max_pages=5))


def test_a_package_with_a_password_is_recognised(tmp_path: Path, plain: Path) -> None:
    path = tmp_path / "locked.docx"
    path.write_bytes(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096) + "EncryptedPackage".encode("utf-16-le") + bytes(64)
    )
    assert is_encrypted_package(path)
    assert not is_encrypted_package(plain)
    with pytest.raises(Encrypted):
        extract_docx(path, OPTIONS)


@pytest.mark.parametrize("part", [3, 2, 1.01])
def test_a_file_cut_off_is_corrupt(part: float, plain: Path) -> None:
    content = plain.read_bytes()
    plain.write_bytes(content[: int(len(content) / part)])
    with pytest.raises(Corrupt):
        extract_docx(plain, OPTIONS)


def test_the_main_part_is_read_whatever_type_the_package_gives_it(plain: Path) -> None:
    main = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    untyped = rewritten(plain, lambda name, content: content.replace(main, b"application/xml"))
    assert extract_docx(untyped, OPTIONS).text == "Plain text"
    capitals = rewritten(plain, lambda name, content: content.replace(b"/word/document.xml", b"/Word/Document.xml"))
    assert extract_docx(capitals, OPTIONS).text == "Plain text"


def test_without_its_styles_a_heading_is_known_by_the_id_of_its_style(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_heading("Overview", 1)
    word.add_heading("Details", 2)
    word.add_paragraph("Text")
    word.save(tmp_path / "word.docx")

    def bare(name: str, content: bytes) -> bytes | None:
        return None if name == "word/styles.xml" else content

    document = extract_docx(rewritten(tmp_path / "word.docx", bare), OPTIONS)
    assert [section.path for section in document.sections] == [("Overview",), ("Overview", "Details")]
