"""Builders of hostile pictures and texts."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

from PIL import Image

__all__ = [
    "blank_within_limits_png",
    "cut_jpeg",
    "declared_huge_png",
    "declared_huge_tiff",
    "frames_tiff",
    "looping_tiff",
    "markdown_traps",
    "noise_text",
    "nul_text",
    "one_line_text",
    "real_huge_png",
    "real_huge_tiff",
    "text_chunk_png",
]

MIB = 2**20
SIGNATURE = b"\x89PNG\r\n\x1a\n"
WIDTH_TAG, HEIGHT_TAG, BITS_TAG, PACKING_TAG, MEANING_TAG = 256, 257, 258, 259, 262
OFFSETS_TAG, ROWS_TAG, COUNTS_TAG = 273, 278, 279


def declared_huge_png(folder: Path) -> Path:
    """A hundred bytes that claim 3,600 million pixels."""
    return _png(folder / "declared.png", 60_000, zlib.compress(b"\0" * 100))


def real_huge_png(folder: Path) -> Path:
    """400 million real pixels in 50 kilobytes."""
    packer = zlib.compressobj(9)
    row = b"\0" + b"\xff" * 2500
    data = b"".join(packer.compress(row * 100) for _ in range(200)) + packer.flush()
    return _png(folder / "real.png", 20_000, data)


def text_chunk_png(folder: Path) -> Path:
    """A tiny picture with a comment that unpacks to 64 mebibytes, a hundred times."""
    comment = b"Comment\0\0" + zlib.compress(bytes(64 * MIB), 9)
    return _png(folder / "comment.png", 8, zlib.compress(b"\0\xff" * 8), _chunk(b"zTXt", comment) * 100)


def blank_within_limits_png(folder: Path) -> Path:
    """A blank sheet of 100 million pixels, just within the limit: large, lawful, and empty."""
    path = folder / "blank.png"
    Image.new("1", (10_000, 10_000), 1).save(path)
    return path


def declared_huge_tiff(folder: Path) -> Path:
    """One strip of ten bytes under a directory that claims four million million pixels."""
    return _tiff(folder / "declared.tif", 2_000_000)


def real_huge_tiff(folder: Path) -> Path:
    """400 million real pixels in fax compression."""
    path = folder / "real.tif"
    Image.new("1", (20_000, 20_000), 1).save(path, compression="group4")
    return path


def looping_tiff(folder: Path) -> Path:
    """A directory that names itself as the next one."""
    return _tiff(folder / "loop.tif", 8, following=[8])


def frames_tiff(folder: Path, frames: int = 30_000) -> Path:
    """Thirty thousand tiny pages."""
    size = len(_directory(8, 0))
    return _tiff(folder / "frames.tif", 8, [8 + size * number for number in range(1, frames)] + [0])


def cut_jpeg(folder: Path) -> Path:
    """The first half of a photo."""
    path = folder / "cut.jpg"
    Image.effect_noise((600, 600), 60).save(path, quality=80)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def one_line_text(folder: Path) -> Path:
    """Sixty million characters without a line break."""
    path = folder / "line.txt"
    path.write_bytes(b"lorem ipsum " * 5_000_000)
    return path


def nul_text(folder: Path) -> Path:
    """Ten mebibytes of NUL under a text's name."""
    path = folder / "nul.txt"
    path.write_bytes(bytes(10 * MIB))
    return path


def noise_text(folder: Path) -> Path:
    """Four mebibytes of noise under a text's name."""
    path = folder / "noise.txt"
    path.write_bytes(random.Random(9).randbytes(4 * MIB))
    return path


def markdown_traps(folder: Path) -> Path:
    """Runs that make careless patterns and nesting readers take quadratic time."""
    path = folder / "traps.md"
    traps = ["#" * 300_000, "[" * 300_000, "`" * 300_000, "> " * 150_000, " " * 300_000 + "x", "# " + "a " * 150_000]
    traps += ["#" * (1 + number % 6) + f" Heading {number}" for number in range(20_000)] + ["```python"] * 20_001
    path.write_text("\n".join([*traps, "Plain Sanderling"]), "utf-8")
    return path


def _png(path: Path, side: int, data: bytes, extra: bytes = b"") -> Path:
    """A square picture of one bit a pixel, or of eight where it is tiny."""
    header = struct.pack(">IIBBBBB", side, side, 8 if side < 16 else 1, 0, 0, 0, 0)
    body = _chunk(b"IHDR", header) + extra + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    path.write_bytes(SIGNATURE + body)
    return path


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _tiff(path: Path, side: int, following: list[int] | None = None) -> Path:
    directories = b"".join(_directory(side, offset) for offset in following or [0])
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + directories)
    return path


def _directory(side: int, following: int) -> bytes:
    """Describe a grey picture whose one strip is the beginning of the file."""
    values = {
        WIDTH_TAG: side,
        HEIGHT_TAG: side,
        BITS_TAG: 8,
        PACKING_TAG: 1,
        MEANING_TAG: 1,
        OFFSETS_TAG: 0,
        ROWS_TAG: side,
        COUNTS_TAG: 64,
    }
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    return struct.pack("<H", len(values)) + entries + struct.pack("<I", following)
