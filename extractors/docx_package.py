"""Open a Word package without trusting it: bounded, without entities, without leaving the file.

python-docx never sees the file itself. It is given a copy in memory that holds only the parts that carry
text, with every relationship that leads outside removed; templates, macro files and Strict Open XML are
brought to the one dialect that it reads.
"""

from __future__ import annotations

import mmap
import posixpath
import zipfile
import zlib
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lxml import etree

from extractors.errors import Corrupt, Encrypted, TooLarge
from extractors.options import Options

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

__all__ = ["is_encrypted_package", "open_package"]

MAX_PARTS = 20_000
"""A thousand-page book with pictures has some thousands."""
MAX_XML_BYTES = 256 * 2**20
"""All XML that is read, inflated; its tree takes about ten times as much memory."""

RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
TYPES = "{http://schemas.openxmlformats.org/package/2006/content-types}"
MAIN_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
WORD_MAIN_TYPES = (
    MAIN_TYPE,
    "application/vnd.ms-word.document.macroEnabled.main+xml",
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
)
KEPT = frozenset(
    (
        "officeDocument",
        "core-properties",
        "styles",
        "numbering",
        "settings",
        "footnotes",
        "endnotes",
        "header",
        "footer",
        "chart",
        "diagramData",
    )
)
"""Last words of the relationship types whose parts carry text or say how to read it."""
STRICT = (
    (
        b"http://purl.oclc.org/ooxml/wordprocessingml/main",
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    ),
    (
        b"http://purl.oclc.org/ooxml/officeDocument/relationships",
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    ),
    (
        b"http://purl.oclc.org/ooxml/officeDocument/math",
        b"http://schemas.openxmlformats.org/officeDocument/2006/math",
    ),
    (b"http://purl.oclc.org/ooxml/drawingml/", b"http://schemas.openxmlformats.org/drawingml/2006/"),
)
"""Namespaces of Strict Open XML (ISO/IEC 29500) and what python-docx knows them as."""

OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")


def is_encrypted_package(path: Path) -> bool:
    """Whether the file is an Office document behind a password: an OLE2 container with an EncryptedPackage."""
    with path.open("rb") as file:
        if file.read(len(OLE2)) != OLE2:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(ENCRYPTED_STREAM) >= 0


def open_package(path: Path, options: Options) -> WordDocument:
    """Open a .docx, .docm or .dotx with python-docx.

    Raises:
        Encrypted: the file or one of its parts is behind a password.
        TooLarge: it inflates beyond `options.max_bytes`, or has too many parts or too much XML.
        Corrupt: it is no readable package: truncated, parts missing, a DTD, elements too deep.
    """
    import docx

    if is_encrypted_package(path):
        raise Encrypted
    try:
        with zipfile.ZipFile(path) as archive:
            copy = _Package(archive, options).normalised()
        return docx.Document(copy)
    except etree.XMLSyntaxError as error:
        raise Corrupt(f"A part of the Word file is not well-formed: {error.msg}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise Corrupt(f"The Word file is damaged: {error}") from error
    except (KeyError, ValueError, AttributeError, AssertionError) as error:  # how python-docx says "no such part"
        raise Corrupt(f"The Word file lacks a part that it needs: {error}") from error


@dataclass(slots=True)
class _Package:
    """The parts of a package that are kept, by name, as they are walked to."""

    archive: zipfile.ZipFile
    options: Options
    names: dict[str, zipfile.ZipInfo] = field(init=False)
    kept: dict[str, bytes] = field(default_factory=dict)
    inflated: int = 0

    def __post_init__(self) -> None:
        entries = self.archive.infolist()
        if len(entries) > MAX_PARTS:
            raise TooLarge(f"The Word file has {len(entries)} parts; {MAX_PARTS} are allowed.")
        declared = sum(entry.file_size for entry in entries)
        if declared > self.options.max_bytes:
            raise TooLarge(f"The Word file inflates to {declared} bytes; `max_bytes` allows {self.options.max_bytes}.")
        if any(entry.flag_bits & 1 for entry in entries):
            raise Encrypted
        self.names = {entry.filename.replace("\\", "/").lstrip("/").lower(): entry for entry in entries}

    def normalised(self) -> BytesIO:
        """A copy with the kept parts only, stored, in the dialect that python-docx reads."""
        self._walk("")
        self.kept["[Content_Types].xml"] = self._content_types()
        copy = BytesIO()
        with zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as archive:
            for name, content in self.kept.items():
                archive.writestr(name, content)
        copy.seek(0)
        return copy

    def _walk(self, start: str) -> None:
        """Keep every part that text can be reached through, from the part `start` on ("" is the package)."""
        waiting = [start]
        while waiting:
            source = waiting.pop()
            relations = _relations_name(source)
            if relations.lower() not in self.names:
                continue
            root = _parse(self._read(relations))
            targets = self._followed(root, posixpath.dirname(source))
            self.kept[relations] = _serialised(root)
            for target in targets:
                if target not in self.kept:
                    self.kept[target] = self._read(target)
                    waiting.append(target)

    def _followed(self, relations: Any, folder: str) -> list[str]:
        """Names of the kept targets; every other relationship is taken out of `relations`."""
        targets = []
        for relation in list(relations):
            kind = str(relation.get("Type", "")).rpartition("/")[2]
            target = posixpath.normpath(posixpath.join("/" + folder, unquote(relation.get("Target", "")))).lstrip("/")
            inside = relation.get("TargetMode", "Internal") != "External" and target.lower() in self.names
            if relation.tag == RELATION and kind in KEPT and inside:
                relation.set("Target", "/" + target)
                targets.append(target)
            else:
                relations.remove(relation)
        return targets

    def _content_types(self) -> bytes:
        types = _parse(self._read("[Content_Types].xml"))
        for override in types.iter(TYPES + "Override"):
            if override.get("ContentType") in WORD_MAIN_TYPES:
                override.set("ContentType", MAIN_TYPE)
        return _serialised(types)

    def _read(self, name: str) -> bytes:
        entry = self.names.get(name.lower())
        if entry is None:
            raise Corrupt(f"The Word file lacks its part {name}.")
        self.inflated += entry.file_size
        if self.inflated > MAX_XML_BYTES:
            raise TooLarge(f"The Word file holds more than {MAX_XML_BYTES} bytes of XML.")
        content = self.archive.read(entry)  # zipfile stops at the declared size, and checks the sum
        if b"<!DOCTYPE" in content.replace(b"\0", b""):
            raise Corrupt(f"The part {name} of the Word file declares a document type; Word never writes one.")
        for strict, known in STRICT:
            content = content.replace(strict, known)
        return content


def _relations_name(part: str) -> str:
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", name + ".rels")


def _parse(content: bytes) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    return etree.fromstring(content, parser)


def _serialised(root: Any) -> bytes:
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True))
