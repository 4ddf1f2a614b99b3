"""Detect what a file is: by its content first, by its suffix second. A wrong suffix does not matter.

Size limits are decided here too, before any library opens the file.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from extractors.encodings.detect import text_of
from extractors.errors import Corrupt, Empty, Encrypted, TooLarge, Unsupported
from extractors.options import Options
from extractors.registry import BUILTIN, DOCX, formats
from extractors.text.kinds import kind_of_text

__all__ = ["sniff"]

HEAD_BYTES = 64 * 1024
MAX_ZIP_DIRECTORY = 16 * 2**20
"""A Word file lists some dozens of parts; a directory of this size is a bomb."""

READABLE = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0\x08\0", "image/tiff"),
    (b"MM\0+\0\x08", "image/tiff"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)

KNOWN = (
    (b"{\\rtf", "an RTF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"%!PS", "a PostScript file"),
    (b"\0\0\0\x0cjP  \r\n", "a JPEG 2000 picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\x1aE\xdf\xa3", "a video file"),
)
"""Recognised so that the error can name it."""

KNOWN_UNLESS_TEXT = (
    (b"BZh", "a bzip2 archive"),
    (b"AT&TFORM", "a DjVu file"),
    (b"8BPS", "a Photoshop file"),
    (b"MZ", "a program"),
    (b"ID3", "a sound file"),
    (b"fLaC", "a sound file"),
    (b"OggS", "a sound or video file"),
    (b"RIFF", "a sound or video file"),
)
"""The same, but a text may begin so too."""

ZIP_KINDS = (
    ("xl/", "an Excel workbook"),
    ("ppt/", "a PowerPoint presentation"),
    ("visio/", "a Visio drawing"),
    ("META-INF/MANIFEST.MF", "a Java archive"),
    ("Index/", "an Apple iWork document"),
)

MIMETYPES = {
    "application/epub+zip": "an EPUB book",
    "application/vnd.oasis.opendocument.text": "an OpenDocument text",
    "application/vnd.oasis.opendocument.spreadsheet": "an OpenDocument spreadsheet",
    "application/vnd.oasis.opendocument.presentation": "an OpenDocument presentation",
}

OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
HTML = re.compile(
    r"\s*(?><\?xml[^>]*>)?\s*(?><!--(?>.*?-->)\s*)*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
HTML_SUFFIXES = (".html", ".htm", ".xhtml")
PDF_OBJECT = re.compile(rb"\d+ \d+ obj\b")
BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


def sniff(path: Path, options: Options) -> str:
    """Return the media type of the file, one that a registered format reads.

    Raises:
        Empty: it has no bytes.
        TooLarge: it is larger than `options.max_bytes`.
        Unsupported: it is of another kind, which the message names where it is known.
        Encrypted: it is an Office file behind a password.
        Corrupt: it is a ZIP container that cannot be read.
    """
    size = path.stat().st_size
    if size == 0:
        raise Empty("The file has no bytes.")
    if size > options.max_bytes:
        raise TooLarge(f"The file has {size} bytes; `max_file_mb` allows {options.max_bytes >> 20} MB.")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    media_type = _binary(path, head)
    if media_type:
        return media_type
    text = None if _kind(head, KNOWN) else text_of(head)
    return _foreign(path, head) if text is None else _text(path, text)


def _binary(path: Path, head: bytes) -> str | None:
    """The media type of a binary format that is read, by its signature."""
    for magic, media_type in READABLE:
        if head.startswith(magic):
            return media_type
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(path)
    if head.startswith(OLE2):
        raise _ole2(path, head)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in BMP_HEADERS:
        return "image/bmp"
    return "application/pdf" if _is_pdf(head) else None


def _is_pdf(head: bytes) -> bool:
    """The header may stand anywhere in the first 1024 bytes; a text that merely speaks of it has no object."""
    at = head.find(b"%PDF-", 0, 1024 + 5)
    return at >= 0 and (not head[:at].strip(b"\xef\xbb\xbf\0 \t\r\n") or PDF_OBJECT.search(head, at) is not None)


def _zip(path: Path) -> str:
    """DOCX by the names of its parts. Nothing is inflated but a first few bytes of `mimetype`."""
    _check_zip_directory(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "[Content_Types].xml" in names and any(name.startswith("word/") for name in names):
                return DOCX
            kind = _zip_kind(archive, names)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError) as error:
        raise Corrupt("The file begins as a ZIP container (such as DOCX) but is damaged or cut off.") from error
    raise Unsupported(f"The file is {kind}, which is not supported.")


def _zip_kind(archive: zipfile.ZipFile, names: list[str]) -> str:
    if "mimetype" in names:
        with archive.open("mimetype") as member:
            mimetype = member.read(100).decode("ascii", errors="replace").strip()
        return MIMETYPES.get(mimetype, "a packed document of another program")
    return next((kind for start, kind in ZIP_KINDS if any(n.startswith(start) for n in names)), "a ZIP archive")


def _check_zip_directory(path: Path) -> None:
    """Refuse a table of contents that would fill the memory: zipfile reads it whole."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65_557))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at >= 0 and int.from_bytes(tail[at + 12 : at + 16], "little") > MAX_ZIP_DIRECTORY:
        raise TooLarge("The ZIP container lists far more parts than a document has.")


def _ole2(path: Path, head: bytes) -> Encrypted | Unsupported:
    """An old Office file, or a new one wrapped by its password: the container's directory tells."""
    sector = 1 << min(int.from_bytes(head[30:32], "little"), 12)
    with path.open("rb") as file:
        file.seek((int.from_bytes(head[48:52], "little") + 1) * sector)
        directory = file.read(16 * 1024)
    if "EncryptedPackage".encode("utf-16-le") in directory:
        return Encrypted("The Office file is encrypted, and Office files are read only without a password.")
    return Unsupported("The file is an old Office file (.doc, .xls, .ppt, .msg), which is not supported.")


def _foreign(path: Path, head: bytes) -> str:
    """Return a plug-in's binary format by the suffix; otherwise raise an error that names a known kind."""
    own = _by_suffix(path)
    if own and own not in {media_type for row in BUILTIN for media_type in row.media_types}:
        return own
    kind = _kind(head, KNOWN + KNOWN_UNLESS_TEXT) or "of an unknown kind"
    raise Unsupported(f"The file is {kind}, which is not supported.")


def _kind(head: bytes, table: tuple[tuple[bytes, str], ...]) -> str | None:
    return next((kind for magic, kind in table if head.startswith(magic)), None)


def _text(path: Path, text: str) -> str:
    """HTML, mails and XML are known by their beginning, Markdown and tables by the suffix; the rest is plain text."""
    begin = text[:4096].lstrip("\ufeff")
    if HTML.match(begin) or (path.suffix.lower() in HTML_SUFFIXES and begin.lstrip().startswith("<")):
        raise Unsupported("The file is an HTML page, which is not supported.")
    if kind := kind_of_text(text, path.suffix.lower()):
        return kind
    own = _by_suffix(path)
    return own if own and (own.startswith("text/") or own == "application/json") else "text/plain"


def _by_suffix(path: Path) -> str | None:
    suffix = path.suffix.lower()
    return next((row.media_types[0] for row in formats() if suffix in row.suffixes), None)
