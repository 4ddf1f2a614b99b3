"""What the process that reads files may read, write and run: its program and its own folder, and no documents."""

from __future__ import annotations

import os
import shutil
import site
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from pipeline.gates_for_tests import FOLDER
from pipeline.stages.confinement.landlock import EXECUTE, READ, RUN, TERMINAL, WRITE, Rule

__all__ = ["program_of_ocr", "rules"]

SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/nix/store", "/gnu/store")
"""Folders of programs and libraries; no document lies in them."""

SETTINGS = (
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/fonts", "/etc/mime.types",
    "/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf", "/etc/crypto-policies", "/etc/alternatives",
    "/proc/cpuinfo", "/proc/meminfo", "/proc/self", "/sys/devices/system/cpu", "/dev/urandom",
    "/dev/random", "/dev/zero",
)  # fmt: skip

PT_INTERP = 3
MAX_HEADERS = 128


def rules(
    readable: Iterable[Path], writable: Iterable[Path], terminals: Iterable[str], closed: Path | None
) -> list[Rule]:
    """The rights of the process; everything that is not named is closed to it.

    Args:
        readable: the folder or file with what it is to read.
        writable: its folder for temporary files.
        terminals: through which Tesseract answers.
        closed: the data folder: nothing else in it may be read, not even where it lies in a folder of programs.
    """
    known = [*SYSTEM, *_of_python(), *_of_plugins(), *_of_tesseract()]
    opened = [part for path in map(Path, dict.fromkeys(known)) if path.parts[1:] for part in _without(path, closed)]
    return [
        *((str(path), READ) for path in (*opened, *SETTINGS, *readable)),
        *((str(path), WRITE) for path in (*writable, *_gates())),
        *((path, TERMINAL) for path in (*terminals, "/dev/null")),
        *_runnable(),
    ]


def program_of_ocr() -> tuple[str, int, int] | None:
    """Tesseract as it stands: its path, inode and time. Where it is another one than before, the rights are too."""
    path = shutil.which("tesseract")
    if path is None:
        return None
    facts = os.stat(path)  # noqa: PTH116
    return path, facts.st_ino, facts.st_mtime_ns


def _of_python() -> Iterator[str]:
    yield from (sys.prefix, sys.base_prefix, sys.exec_prefix, *(path for path in sys.path if path))
    yield from (path for path in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if path)
    if site.ENABLE_USER_SITE:
        yield site.getusersitepackages()


def _of_plugins() -> Iterator[str]:
    """The folders of extractors that other packages bring, which may lie outside of Python's path."""
    for entry in entry_points(group="docrelay.extractors"):
        with suppress(ImportError, ValueError):
            spec = find_spec(entry.module.partition(".")[0])
            yield from (spec.submodule_search_locations or [spec.origin or ""]) if spec is not None else ()


def _of_tesseract() -> Iterator[str]:
    """Its models and libraries, where it lies outside of the system's folders."""
    if models := os.environ.get("TESSDATA_PREFIX"):
        yield models
    if program := shutil.which("tesseract"):
        folder = Path(program).resolve().parent
        if folder.name == "bin":
            yield from (str(folder.parent / name) for name in ("lib", "lib64", "share"))


def _gates() -> list[Path]:
    """The folder in which tests hold processes; only tests set it."""
    return [Path(os.environ[FOLDER])] if FOLDER in os.environ else []


def _runnable() -> Iterator[Rule]:
    """Tesseract, and what starts it: the loader of a program, or all programs of the system for a script."""
    found = shutil.which("tesseract")
    if found is None:
        return
    program = Path(found).resolve()
    yield str(program), RUN
    if _head(program, 2) == b"#!":
        folders = os.environ.get("PATH", "").split(os.pathsep)
        yield from ((str(path), EXECUTE) for path in (*SYSTEM, *filter(None, folders)))
        yield from ((str(target), RUN) for target in _tesseracts(folders))
    elif loader := _loader(program):
        yield loader, RUN


def _tesseracts(folders: Iterable[str]) -> Iterator[Path]:
    """Every Tesseract on the path: a script may stand before the program itself."""
    for folder in filter(None, folders):
        path = Path(folder, "tesseract")
        if path.exists():
            yield path.resolve()


def _loader(program: Path) -> str | None:
    """The loader that an ELF program of 64 bits names; None for a static one or another format."""
    head = _head(program, 64)
    if head[:6] != b"\x7fELF\x02\x01":
        return None
    (table,), size, count = struct.unpack_from("<Q", head, 32), *struct.unpack_from("<HH", head, 54)
    data = _head(program, table + size * min(count, MAX_HEADERS))
    for at in range(table, len(data) - size + 1, size):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", data, at)
        if kind == PT_INTERP:
            return _head(program, offset + length)[offset:].rstrip(b"\0").decode(errors="replace")
    return None


def _head(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def _without(root: Path, closed: Path | None) -> Iterator[Path]:
    """The folder, or, where the closed one lies in it, everything in it that is not on the way there."""
    root, closed = root.resolve(), closed and closed.resolve()
    if closed is None or not closed.is_relative_to(root):
        yield root
    elif closed != root and root.is_dir():
        for entry in (entry for entry in root.iterdir() if not entry.is_symlink()):
            yield from _without(entry, closed)
