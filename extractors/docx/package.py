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

from lxml import etree

from extractors.docx.embedded import embedded_name
from extractors.docx.links import EMBEDDED, FIGURES, KEPT, MAIN, TEXTUAL, Link
from extractors.docx.xml_encoding import declares_document_type, hiding_encoding
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
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)
MAX_NAME_AT = 64 * 1024
"""The bytes of an embedded object that are searched for its file name."""
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


@dataclass(frozen=True, slots=True)
class Aside:
    """A document of another kind within the document: the name of its part, its media type ("" if unknown)."""

    name: str
    media_type: str
    content: bytes


@dataclass(slots=True)
class Budget:
    """The bytes of parts that may still be inflated; a document and those within it share one."""

    left: int = MAX_XML_BYTES

    def take(self, size: int) -> None:
        """Count a part that is about to be inflated.

        Raises:
            TooLarge: nothing is left.
        """
        self.left -= size
        if self.left < 0:
            raise TooLarge(f"The Word file holds more than {MAX_XML_BYTES} bytes of XML.")


@dataclass(frozen=True, slots=True)
class WordPackage:
    """An opened Word file.

    `chunks` are the documents within it by their relationship id; `embedded` are the other files within it: the
    relationship id ("" outside of the body) and the name of each. `missing` are sentences on parts whose text cannot
    be read, `damaged` on other parts that cannot.
    """

    word: WordDocument
    chunks: dict[str, Aside]
    budget: Budget
    embedded: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    damaged: tuple[str, ...]


def open_package(source: Path | BytesIO, options: Options, budget: Budget | None = None) -> WordPackage:
    """Open a .docx, .docm or .dotx with python-docx.

    Raises:
        Encrypted: the file or one of its parts is behind a password.
        TooLarge: it inflates beyond `options.max_bytes`, or has too many parts or too much XML.
        Corrupt: it is no readable package: truncated, parts missing, a DTD, elements too deep.
    """
    import docx

    if isinstance(source, Path) and is_encrypted_package(source):
        raise Encrypted
    try:
        with zipfile.ZipFile(source) as archive:
            package = _Package(archive, options, budget or Budget())
            copy = package.normalised()
        word = docx.Document(copy)
    except etree.XMLSyntaxError as error:
        raise Corrupt(f"A part of the Word file is not well-formed: {error.msg}") from error
    except DAMAGE as error:
        raise Corrupt(f"The Word file is damaged: {error}") from error
    except (KeyError, ValueError, AttributeError, AssertionError) as error:  # how python-docx says "no such part"
        raise Corrupt(f"The Word file lacks a part that it needs: {error}") from error
    sentences = tuple(package.missing), tuple(package.damaged)
    return WordPackage(word, package.chunks, package.budget, tuple(package.embedded), *sentences)


@dataclass(slots=True)
class _Package:
    """The parts of a package that are kept, by name, as they are walked to."""

    archive: zipfile.ZipFile
    options: Options
    budget: Budget
    names: dict[str, zipfile.ZipInfo] = field(init=False)
    main: str = ""
    kept: dict[str, bytes] = field(default_factory=dict)
    chunks: dict[str, Aside] = field(default_factory=dict)
    media_types: dict[str, str] = field(default_factory=dict)
    embedded: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        entries = self.archive.infolist()
        if len(entries) > MAX_PARTS:
            raise TooLarge(f"The Word file has {len(entries)} parts; {MAX_PARTS} are allowed.")
        declared = sum(entry.file_size for entry in entries)
        if declared > self.options.max_bytes:
            allowed = f"`max_file_mb` allows {self.options.max_bytes >> 20} MB"
            raise TooLarge(f"The Word file inflates to {declared} bytes; {allowed}.")
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
        waiting = [(start, "")]
        while waiting:
            source, kind = waiting.pop()
            relations = _relations_name(source)
            if relations.lower() not in self.names:
                continue
            root = _parse(self._read(relations))
            for relation in list(root):
                link, known = Link.of(relation, source, kind), len(self.kept)
                if relation.tag == RELATION and self._keep(link):
                    relation.set("Target", "/" + link.target)
                    waiting += [(link.target, link.kind)] if len(self.kept) > known else []
                else:
                    root.remove(relation)
                    self._pass_over(link)
            self.kept[relations] = _serialised(root)

    def _keep(self, link: Link) -> bool:
        """Keep the part that the link leads to, if it is of a kind that is read and whole."""
        if link.kind not in KEPT or not self._holds(link):
            return False
        try:
            if link.target not in self.kept:
                content = self._read(link.target)
                if link.kind == MAIN:
                    self.main = link.target
                else:
                    _parse(content)
                self.kept[link.target] = content
        except (*DAMAGE, etree.XMLSyntaxError):
            if link.kind == MAIN:
                raise
            sentences = self.missing if link.kind in TEXTUAL else self.damaged
            sentences.append(f"The part {link.target} of the Word file is damaged and was left out.")
            return False
        return True

    def _pass_over(self, link: Link) -> None:
        """Say what is not read through this link; keep a document of another kind for its own reader."""
        name = posixpath.basename(link.target)
        if link.kind == "aFChunk" and link.source_kind == MAIN and self._holds(link):
            self.chunks[link.id] = Aside(name, self._media_type(link.target), self._content(link.target))
        elif link.kind in EMBEDDED and link.source_kind not in FIGURES and self._holds(link):
            self.embedded.append((link.id if link.source_kind == MAIN else "", self._own_name(link.target)))
        elif link.kind == "control":
            self.missing.append(
                f"The form control {name} (ActiveX) keeps its value outside of the text; it was not read."
            )
        elif link.kind == "subDocument":
            self.missing.append(f"The sub-document {name} is a file of its own; its text is not in this one.")
        elif link.kind == "aFChunk" and self._holds(link):
            self.missing.append(f"The embedded document {name} stands beside the text and was not read.")
        elif link.kind in TEXTUAL and link.is_inside and not self._holds(link):
            self.missing.append(f"The Word file lacks its part {link.target}.")

    def _holds(self, link: Link) -> bool:
        return link.is_inside and link.target.lower() in self.names

    def _content_types(self) -> bytes:
        """The types of the parts; that of the main part is the one that python-docx reads, whatever the file says."""
        types = _parse(self._read("[Content_Types].xml"))
        for override in list(types.iter(TYPES + "Override")):
            if override.get("PartName", "").lower() == f"/{self.main}".lower():
                types.remove(override)
        etree.SubElement(types, TYPES + "Override", PartName=f"/{self.main}", ContentType=MAIN_TYPE)
        return _serialised(types)

    def _media_type(self, name: str) -> str:
        if not self.media_types:
            for kind in _parse(self._read("[Content_Types].xml")):
                what = kind.get("PartName") or kind.get("Extension") or ""
                self.media_types[what.lower()] = str(kind.get("ContentType", "")).partition(";")[0].strip().lower()
        usual = self.media_types.get(name.rpartition(".")[2].lower(), "")
        return self.media_types.get(f"/{name}".lower(), usual)

    def _read(self, name: str) -> bytes:
        content = self._content(name)
        if encoding := hiding_encoding(content):
            raise Corrupt(f"The part {name} of the Word file is in the encoding {encoding}; Word never uses it.")
        if declares_document_type(content):
            raise Corrupt(f"The part {name} of the Word file declares a document type; Word never writes one.")
        for strict, known in STRICT:
            content = content.replace(strict, known)
        return content

    def _content(self, name: str) -> bytes:
        entry = self.names.get(name.lower())
        if entry is None:
            raise Corrupt(f"The Word file lacks its part {name}.")
        self.budget.take(entry.file_size)
        return self.archive.read(entry)  # zipfile stops at the declared size, and checks the sum

    def _own_name(self, part: str) -> str:
        """The name of an embedded file: the one that it was embedded by, or that of its part."""
        try:
            with self.archive.open(self.names[part.lower()]) as content:
                return embedded_name(content.read(MAX_NAME_AT)) or posixpath.basename(part)
        except DAMAGE:
            return posixpath.basename(part)


def _relations_name(part: str) -> str:
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", name + ".rels")


def _parse(content: bytes) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    return etree.fromstring(content, parser)


def _serialised(root: Any) -> bytes:
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True))
