"""Hostile files, built when a test asks for them: one table of what, how, and which ends are acceptable.

    HOSTILE                  every case
    case.build(folder)       makes it in an empty folder and returns its path
    case.expected            `completed` or the codes that it may end with

`kind` says whom a case tests: "content" the extractors; "name" everything that handles a path; "path"
what walks folders and opens files. A path case is not to be read by an extractor: intake refuses it.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import hostile_archives as archives
import hostile_images as images
import hostile_pdfs as pdfs

__all__ = ["HOSTILE", "HostileCase"]

NAMES = {
    "newline": b"two\nlines.txt",
    "control characters": b"bell\x07escape\x1b[31mred\x7f.txt",
    "invalid utf-8": b"latin1-\xfc\xff.txt",
    "250 bytes": "ü".encode() * 123 + b".txt",
    "leading dots": b"..hidden.txt",
    "leading dash": b"--help.txt",
    "bidirectional": "invoice\u202etxt.exe.txt".encode(),
    "blanks": b" leading and trailing .txt ",
    "quotes": b'\'; DROP TABLE "documents"; --$(id)`id`.txt',
}
PLAIN = "Plain Sanderling stands in this file.\n"
GROWS_FOR_S = 30.0


@dataclass(frozen=True, slots=True)
class HostileCase:
    """One way to trouble the pipeline and the outcomes that are acceptable."""

    name: str
    build: Callable[[Path], Path]
    expected: frozenset[str]
    kind: Literal["content", "name", "path"] = "content"


def named(folder: Path, name: bytes) -> Path:
    """A harmless text under a troublesome name."""
    path = folder / os.fsdecode(name)
    path.write_text(PLAIN, "utf-8")
    return path


def named_pdf(folder: Path) -> Path:
    """A harmless PDF whose name is not UTF-8."""
    return pdfs.plain_pdf(folder).rename(folder / os.fsdecode(b"b\xfcch\xff.pdf"))


def symlink_out(folder: Path) -> Path:
    """A link to a file outside the folder."""
    path = folder / "passwords.txt"
    path.symlink_to("/etc/passwd")
    return path


def symlink_to_device(folder: Path) -> Path:
    """A link to a device that never ends."""
    path = folder / "zeros.txt"
    path.symlink_to("/dev/zero")
    return path


def symlink_loop(folder: Path) -> Path:
    """Two links that name each other."""
    path = folder / "a.txt"
    path.symlink_to(folder / "b.txt")
    (folder / "b.txt").symlink_to(path)
    return path


def folder_loop(folder: Path) -> Path:
    """A folder that contains a link to itself, which a walk must not follow endlessly."""
    (folder / "inside").mkdir()
    path = folder / "inside" / "again"
    path.symlink_to(folder, target_is_directory=True)
    return path


def dangling(folder: Path) -> Path:
    """A link to nothing."""
    path = folder / "gone.txt"
    path.symlink_to(folder / "never-was.txt")
    return path


def fifo(folder: Path) -> Path:
    """A named pipe: opening it waits endlessly."""
    path = folder / "pipe.txt"
    os.mkfifo(path)
    return path


def unix_socket(folder: Path) -> Path:
    """A socket with a document's name."""
    path = folder / "socket.pdf"
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(folder)  # an address holds 107 bytes, a test's folder may be longer
        try:
            listener.bind(path.name)
        finally:
            os.chdir(here)
    return path


def directory(folder: Path) -> Path:
    """A folder with a document's name."""
    path = folder / "report.pdf"
    path.mkdir()
    return path


def sparse(folder: Path) -> Path:
    """Twenty gigabytes that take no room on the disk."""
    path = folder / "sparse.txt"
    with path.open("wb") as stream:
        stream.truncate(20 * 10**9)
    return path


def unreadable(folder: Path) -> Path:
    """A file that no user may read; root still can, and then it is plain text."""
    path = named(folder, b"locked.txt")
    path.chmod(0)
    return path


def growing(folder: Path) -> Path:
    """A file that a thread keeps appending to, until it is deleted or half a minute has passed."""
    path = named(folder, b"growing.log")
    threading.Thread(target=_append, args=(path, time.monotonic() + GROWS_FOR_S), daemon=True).start()
    return path


def _append(path: Path, end: float) -> None:
    while time.monotonic() < end and path.exists():
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            return
        os.write(descriptor, PLAIN.encode())
        os.close(descriptor)
        time.sleep(0.005)


def _ends(*codes: str) -> frozenset[str]:
    return frozenset(codes)


REFUSED = _ends("corrupt", "too_large")
READ = _ends("completed")
MENDED = _ends("corrupt", "completed")
LOOKED_AT = _ends("corrupt", "too_large", "completed")
BOUNDED = _ends("corrupt", "too_large", "empty", "timeout", "out_of_memory", "crashed")
"""For what only the supervisor of the process can end: time, memory, a native library that aborts."""

_CONTENT = [
    HostileCase("docx zip bomb", archives.zip_bomb_docx, REFUSED),
    HostileCase("docx that lies about its sizes", archives.lying_sizes_docx, REFUSED),
    HostileCase("docx with nested zips", archives.nested_zip_docx, _ends("completed", "too_large")),
    HostileCase("docx with deep XML", archives.deep_xml_docx, LOOKED_AT),
    HostileCase("docx with an external entity", archives.xxe_docx, MENDED),
    HostileCase("docx with a billion laughs", archives.billion_laughs_docx, LOOKED_AT),
    HostileCase("docx with an external entity in a footnote", archives.xxe_footnote_docx, MENDED),
    HostileCase("docx with remote references", archives.remote_docx, READ),
    HostileCase("docx with a remote document type", archives.remote_type_docx, MENDED),
    HostileCase("docx cut off", archives.cut_docx, _ends("corrupt")),
    HostileCase("pdf flate bomb", pdfs.flate_bomb_pdf, BOUNDED),
    HostileCase("pdf operator bomb", pdfs.operator_bomb_pdf, BOUNDED),
    HostileCase("pdf of 30,000 pages", pdfs.many_pages_pdf, _ends("too_large")),
    HostileCase("pdf that claims pages", pdfs.claimed_pages_pdf, LOOKED_AT),
    HostileCase("pdf with exponential forms", pdfs.exponential_forms_pdf, BOUNDED),
    HostileCase("pdf with a form in itself", pdfs.cyclic_form_pdf, MENDED),
    HostileCase("pdf with cyclic pages", pdfs.cyclic_pages_pdf, LOOKED_AT),
    HostileCase("pdf with a cyclic outline", pdfs.cyclic_outline_pdf, LOOKED_AT),
    HostileCase("pdf with a cyclic xref", pdfs.cyclic_xref_pdf, MENDED),
    HostileCase("pdf with deep arrays", pdfs.deep_array_pdf, LOOKED_AT),
    HostileCase("pdf with a huge page", pdfs.huge_page_pdf, _ends("corrupt", "too_large", "empty")),
    HostileCase("pdf with a huge picture", pdfs.huge_image_pdf, _ends("corrupt", "too_large", "empty")),
    HostileCase("pdf of garbage", pdfs.garbage_pdf, _ends("corrupt")),
    *(
        HostileCase(
            f"pdf cut at {percent} %", partial(pdfs.truncated_pdf, percent=percent), _ends("corrupt", "completed")
        )
        for percent in (1, 10, 50, 90, 99)
    ),
    HostileCase("png that claims pixels", images.declared_huge_png, _ends("too_large")),
    HostileCase("png bomb", images.real_huge_png, _ends("too_large")),
    HostileCase("png with a bomb for a comment", images.text_chunk_png, _ends("corrupt", "too_large", "empty")),
    HostileCase("png, blank, within limits", images.blank_within_limits_png, _ends("empty", "too_large")),
    HostileCase("tiff that claims pixels", images.declared_huge_tiff, REFUSED),
    HostileCase("tiff bomb", images.real_huge_tiff, _ends("too_large")),
    HostileCase("tiff in a loop", images.looping_tiff, _ends("corrupt", "empty", "completed")),
    HostileCase("tiff of 30,000 pages", images.frames_tiff, _ends("too_large")),
    HostileCase("jpeg cut off", images.cut_jpeg, _ends("corrupt", "empty", "completed")),
    HostileCase("text in one line", images.one_line_text, _ends("too_large")),
    HostileCase("text of NUL", images.nul_text, _ends("corrupt", "empty", "unsupported")),
    HostileCase("text of noise", images.noise_text, _ends("corrupt", "unsupported")),
    HostileCase("markdown traps", images.markdown_traps, READ),
    HostileCase("sparse 20 GB", sparse, _ends("too_large")),
]
_NAMES = [
    *(HostileCase(f"name: {what}", partial(named, name=name), READ, "name") for what, name in NAMES.items()),
    HostileCase("name: invalid utf-8, pdf", named_pdf, READ, "name"),
]
_PATHS = [
    HostileCase("symlink out of the folder", symlink_out, _ends("outside_root"), "path"),
    HostileCase("symlink to a device", symlink_to_device, _ends("outside_root", "not_a_file"), "path"),
    HostileCase("symlink loop", symlink_loop, _ends("outside_root"), "path"),
    HostileCase("folder loop", folder_loop, _ends("outside_root", "not_a_file"), "path"),
    HostileCase("dangling symlink", dangling, _ends("outside_root"), "path"),
    HostileCase("fifo", fifo, _ends("not_a_file"), "path"),
    HostileCase("socket", unix_socket, _ends("not_a_file"), "path"),
    HostileCase("folder named like a file", directory, _ends("not_a_file"), "path"),
    HostileCase("unreadable", unreadable, _ends("completed" if os.geteuid() == 0 else "unreadable"), "path"),
    HostileCase("growing", growing, _ends("changing", "completed"), "path"),
]

HOSTILE = [*_CONTENT, *_NAMES, *_PATHS]
