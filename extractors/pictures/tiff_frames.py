"""The frames of a TIFF, by its directories alone: where each one is, its size and kind, and which ones are the same.

Pillow reads every directory up to the wanted frame, each time: here they are walked once, and a frame is opened at its
own place. Two frames are the same if their pixel data and all tags that say how to decode them are equal, byte for
byte; a fax of 20,000 blank pages has one distinct page.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import BinaryIO

__all__ = ["Frame", "OpenedAt", "frames"]

WIDTH, HEIGHT = 256, 257
NEW_SUBFILE_TYPE, SUBFILE_TYPE = 254, 255
"""Tags that say what a frame is; the second one is the form of TIFF 5 and before."""
DATA = {273: 279, 324: 325}
"""Tags of the places of strips and tiles, with those of their lengths."""
ABOUT = frozenset({NEW_SUBFILE_TYPE, SUBFILE_TYPE, 269, 270, 271, 272, 285, 297, 305, 306, 315, 316, 33432, 65000})
"""Tags that do not change the pixels: names, dates, the number of the page."""
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value, by the number of its type."""
NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""Types of unsigned numbers, as `struct` writes them."""
READ_TWICE = 2
"""So many times its size is read of a file to compare frames: directories may share data, and a hostile file does."""
BIG = 43
"""The version of BigTIFF."""
MOST_ENTRIES = 4096
"""Entries of one directory; real ones have fewer than a hundred."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: the place of its directory, its size, its kind, and a key that equal frames share.

    `key` is None where it was not worth finding out.
    """

    offset: int
    width: int
    height: int
    kind: int
    old_kind: int
    key: bytes | None


@dataclass(frozen=True, slots=True)
class Layout:
    """How this file writes numbers: TIFF has places of 4 bytes, BigTIFF of 8."""

    order: str
    big: bool

    @property
    def place(self) -> struct.Struct:
        """A place in the file."""
        return struct.Struct(self.order + ("Q" if self.big else "I"))

    @property
    def entry(self) -> struct.Struct:
        """An entry of a directory: tag, type, number of values, the values or their place."""
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))

    @property
    def count(self) -> struct.Struct:
        """How many entries a directory has."""
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def first(self) -> int:
        """Where the place of the first directory stands."""
        return 8 if self.big else 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a directory."""

    tag: int
    kind: int
    count: int
    inline: bytes

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return SIZES.get(self.kind, 1) * self.count


class OpenedAt(io.BufferedReader):
    """A TIFF that begins with the frame whose directory is at this place, as far as a reader of it can see."""

    def __init__(self, file: BinaryIO, offset: int) -> None:
        super().__init__(io.FileIO(os.dup(file.fileno())))
        layout = _layout(file)
        self._at, self._place = layout.first, layout.place.pack(offset)
        self.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any file; the place of the first directory is that of the frame."""
        start = self.tell()
        data = super().read(size)
        low, high = max(start, self._at), min(start + len(data), self._at + len(self._place))
        if low >= high:
            return data
        return data[: low - start] + self._place[low - self._at : high - self._at] + data[high - start :]


def frames(file: BinaryIO, *, compare: bool) -> Iterator[Frame]:
    """Walk the frames of a TIFF in their order; a directory that comes again ends it.

    Args:
        file: the TIFF; what its header says was checked.
        compare: whether frames get a key, for which the whole file is read.

    Raises:
        EOFError: a directory is cut off.
        struct.error: the header is.
    """
    walk = _Walk(file, _layout(file), compare)
    file.seek(walk.layout.first)
    (offset,) = walk.layout.place.unpack(file.read(walk.layout.place.size))
    seen = set[int]()
    while offset and offset not in seen:
        seen.add(offset)
        frame, offset = walk.frame(offset)
        yield frame


def _layout(file: BinaryIO) -> Layout:
    file.seek(0)
    head = file.read(4)
    order = ">" if head[:2] == b"MM" else "<"
    return Layout(order, head[2] == BIG)


@dataclass
class _Walk:
    """One walk over the directories of a file, with what was read of its data so far."""

    file: BinaryIO
    layout: Layout
    compare: bool
    digests: dict[tuple[tuple[int, ...], tuple[int, ...]], bytes] = field(default_factory=dict)
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = READ_TWICE * os.fstat(self.file.fileno()).st_size

    def frame(self, offset: int) -> tuple[Frame, int]:
        """(the frame whose directory is here, the place of the next directory or 0)."""
        (count,) = self.layout.count.unpack(self._read(offset, self.layout.count.size))
        if count > MOST_ENTRIES:
            raise EOFError("a directory has too many entries")
        entry, place = self.layout.entry, self.layout.place
        data = self._read(offset + self.layout.count.size, count * entry.size)
        entries = [Entry(*fields) for fields in entry.iter_unpack(data)]
        following = self.file.read(place.size)
        number = {
            one.tag: self._number(one) for one in entries if one.tag in (WIDTH, HEIGHT, NEW_SUBFILE_TYPE, SUBFILE_TYPE)
        }
        sides = number.get(WIDTH, 0), number.get(HEIGHT, 0)
        kinds = number.get(NEW_SUBFILE_TYPE, 0), number.get(SUBFILE_TYPE, 0)
        frame = Frame(offset, *sides, *kinds, self._key(entries) if self.compare else None)
        return frame, place.unpack(following)[0] if len(following) == place.size else 0

    def _key(self, entries: list[Entry]) -> bytes | None:
        """The hash of what makes the pixels; None where a part is missing, or enough was read."""
        lengths = {entry.tag: entry for entry in entries if entry.tag in DATA.values()}
        key = sha256()
        for entry in entries:
            if entry.tag in ABOUT or entry.tag in lengths:
                continue
            is_data = entry.tag in DATA
            data = self._digest(entry, lengths.get(DATA[entry.tag])) if is_data else self._values(entry)
            if data is None:
                return None
            key.update(struct.pack("<HHQ", entry.tag, entry.kind, entry.count) + data)
        return key.digest()

    def _digest(self, offsets: Entry, lengths: Entry | None) -> bytes | None:
        """The hash of all strips or tiles; those that another frame has too are not read again."""
        if lengths is None or offsets.count != lengths.count:
            return None
        places = self._numbers(offsets), self._numbers(lengths)
        if not places[0] or len(places[0]) != len(places[1]):
            return None
        if places not in self.digests:
            data = sha256()
            for offset, length in zip(*places, strict=True):
                if (block := self._spend(offset, length)) is None:
                    return None
                data.update(struct.pack("<Q", length) + block)
            self.digests[places] = data.digest()
        return self.digests[places]

    def _numbers(self, entry: Entry) -> tuple[int, ...]:
        letter, values = NUMBERS.get(entry.kind), self._values(entry)
        if letter is None or values is None:
            return ()
        return struct.unpack(f"{self.layout.order}{entry.count}{letter}", values)

    def _number(self, entry: Entry) -> int:
        """The first value of an entry; 0 where it is no number."""
        letter = NUMBERS.get(entry.kind)
        if letter is None or entry.size > len(entry.inline) or not entry.count:
            return 0
        return int(struct.unpack_from(self.layout.order + letter, entry.inline)[0])

    def _values(self, entry: Entry) -> bytes | None:
        if entry.size <= len(entry.inline):
            return entry.inline[: entry.size]
        return self._spend(self.layout.place.unpack(entry.inline)[0], entry.size)

    def _spend(self, offset: int, length: int) -> bytes | None:
        """These bytes of the file; None where they are not there, or enough of it was read."""
        if length > self.left:
            return None
        self.left -= length
        self.file.seek(offset)
        data = self.file.read(length)
        return data if len(data) == length else None

    def _read(self, offset: int, length: int) -> bytes:
        self.file.seek(offset)
        data = self.file.read(length)
        if len(data) < length:
            raise EOFError("a directory is cut off")
        return data
