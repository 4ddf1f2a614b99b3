"""Frames of a TIFF are found as Pillow finds them, each at its own place, and those with the same picture as one."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageSequence, TiffImagePlugin

from extractors.document import Document, Page
from extractors.errors import Corrupt, TooLarge
from extractors.options import Options
from extractors.pictures.image import extract_image, render
from extractors.pictures.tiff_frames import frames
from extractors.reading import finish

OPTIONS = Options()
FORMS: dict[str, dict[str, Any]] = {
    "raw": {},
    "fax": {"compression": "group4"},
    "lzw": {"compression": "tiff_lzw"},
    "deflate, BigTIFF": {"compression": "tiff_adobe_deflate", "big_tiff": True},
    "jpeg": {"compression": "jpeg"},
}


def page(shade: int, mode: str, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A page with a mark whose place says which one it is."""
    image = Image.new("L", size, 255)
    image.paste(0, (10 + 16 * shade, 20, 22 + 16 * shade, 60))
    return image.convert(mode)


def tiff(path: Path, shades: list[int], form: str, **details: Any) -> Path:
    pages = [page(shade, "1" if form == "fax" else "L") for shade in shades]
    pages[0].save(path, save_all=True, append_images=pages[1:], **FORMS[form], **details)
    return path


def same(document: Document) -> list[int | None]:
    return [page.same_as for page in document.pages]


@pytest.mark.parametrize("form", FORMS)
def test_every_frame_is_drawn_as_pillow_draws_it(form: str, tmp_path: Path) -> None:
    path = tiff(tmp_path / "fax.tif", [0, 1, 2, 1], form, dpi=(200, 200))
    with Image.open(path) as image:
        expected = [(frame.size, frame.copy().tobytes()) for frame in ImageSequence.Iterator(image)]
    with path.open("rb") as file:
        found = list(frames(file, compare=True))
    assert [(frame.width, frame.height) for frame in found] == [size for size, _ in expected]
    drawn = [render(path, number, OPTIONS) for number in (3, 1, 4, 2)]
    assert [image.tobytes() for image in drawn] == [expected[number - 1][1] for number in (3, 1, 4, 2)]
    assert drawn[0].info["dpi"] == (200.0, 200.0)


@pytest.mark.parametrize("form", FORMS)
def test_pages_with_the_same_picture_are_read_once(form: str, tmp_path: Path) -> None:
    document = extract_image(tiff(tmp_path / "fax.tif", [0, 1, 0, 2, 1, 1], form), OPTIONS)
    assert same(document) == [None, None, 1, None, 2, 2]
    assert document.pending == [1, 2, 4]
    read = [Page(1, "one", origin="ocr"), Page(2, "two", origin="ocr"), Page(4, "", origin="unread")]
    whole = finish(document, read)
    assert [page.text for page in whole.pages] == ["one", "two", "one", "", "two", "two"]
    assert [page.number for page in whole.pages] == [1, 2, 3, 4, 5, 6]
    assert whole.pending == []
    assert Document.from_json(document.to_json()) == document


def test_the_tags_that_decode_a_picture_tell_frames_apart(tmp_path: Path) -> None:
    """Equal data with another meaning of black is another picture; another number of the page is none."""
    path = tmp_path / "inverse.tif"
    with TiffImagePlugin.AppendingTiffWriter(str(path), new=True) as file:
        for tags in ({297: (0, 3)}, {297: (1, 3)}, {262: 0}):
            page(1, "L").save(file, "TIFF", tiffinfo=dict(tags))
            file.newFrame()
    assert same(extract_image(path, OPTIONS)) == [None, 1, None]


def test_text_of_equal_pages_counts_for_the_limit(tmp_path: Path) -> None:
    document = extract_image(tiff(tmp_path / "fax.tif", [1] * 20, "fax"), OPTIONS)
    read = [Page(1, "x" * 100, origin="ocr")]
    assert len(finish(document, read, options=Options(max_chars=2000)).pages) == 20
    with pytest.raises(TooLarge, match="max_chars"):
        finish(document, read, options=Options(max_chars=1999))


def test_a_page_far_behind_is_opened_at_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many frames are before it, Pillow reads the directories of two: the first one and the page's."""
    path = tiff(tmp_path / "many.tif", list(range(8)) * 50, "raw")
    assert same(extract_image(path, OPTIONS))[8:] == list(range(1, 9)) * 49
    loaded = list[int]()
    load = TiffImagePlugin.ImageFileDirectory_v2.load

    def counted(directory: Any, file: Any) -> None:
        loaded.append(file.tell())
        load(directory, file)

    monkeypatch.setattr(TiffImagePlugin.ImageFileDirectory_v2, "load", counted)
    assert render(path, 400, OPTIONS).tobytes() == page(7, "L").tobytes()
    assert len(set(loaded)) == 2


def test_directories_that_share_their_data_are_not_read_again_and_again(tmp_path: Path) -> None:
    """A hostile file names the same large data in every directory, each a byte further on."""
    path = tiff(tmp_path / "shared.tif", list(range(6)), "raw")
    with path.open("rb") as file:
        size = path.stat().st_size
        places = [frame.offset for frame in frames(file, compare=False)]
    assert all(one < other for one, other in pairwise(places))
    data = bytearray(path.read_bytes())
    for number, place in enumerate(places):
        _set(data, place, 273, 8 + number)  # the place of the strip
        _set(data, place, 279, size - 100)  # its length
    path.write_bytes(data)
    with path.open("rb") as file:
        keys = [frame.key for frame in frames(file, compare=True)]
    assert [key is not None for key in keys] == [True, True, False, False, False, False]


def test_where_strips_end_tells_frames_apart(tmp_path: Path) -> None:
    """Two frames with the same bytes, which are divided into strips at another place, are two pictures."""
    lengths = struct.pack("<2H", 10, 20), struct.pack("<2H", 20, 10)
    offsets = struct.pack("<2I", 8, 18), struct.pack("<2I", 8, 28)
    data, directories = bytearray(b"II*\0\0\0\0\0" + bytes(range(30))), list[int]()
    for places, sizes in zip(offsets, lengths, strict=True):
        data += places
        directories.append(len(data))
        entries = [(256, 3, 1, 10), (257, 3, 1, 4), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
        data += struct.pack("<H", 8) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        data += struct.pack("<HHII", 273, 4, 2, directories[-1] - 8) + struct.pack("<HHII", 278, 3, 1, 2)
        data += struct.pack("<HHI4s", 279, 3, 2, sizes) + bytes(4)
    data[4:8] = directories[0].to_bytes(4, "little")
    data[directories[1] - 12 : directories[1] - 8] = directories[1].to_bytes(4, "little")
    path = tmp_path / "strips.tif"
    path.write_bytes(data)
    with path.open("rb") as file:
        first, second = frames(file, compare=True)
    assert None not in (first.key, second.key)
    assert first.key != second.key


def _set(data: bytearray, place: int, tag: int, value: int) -> None:
    entries = int.from_bytes(data[place : place + 2], "little")
    for at in range(place + 2, place + 2 + 12 * entries, 12):
        if int.from_bytes(data[at : at + 2], "little") == tag:
            kind = int.from_bytes(data[at + 2 : at + 4], "little")
            data[at + 8 : at + (12 if kind == 4 else 10)] = value.to_bytes(4 if kind == 4 else 2, "little")


def test_cut_data_are_an_error_of_the_page_and_a_cut_directory_one_of_the_file(tmp_path: Path) -> None:
    path = tiff(tmp_path / "fax.tif", [0, 1, 2], "raw")
    path.write_bytes(path.read_bytes()[:-400])
    assert extract_image(path, OPTIONS).pending == [1, 2, 3]
    assert render(path, 2, OPTIONS).tobytes() == page(1, "L").tobytes()
    with pytest.raises(Corrupt):
        render(path, 3, OPTIONS)
    path.write_bytes(path.read_bytes()[:-19_000])
    for read in (lambda: extract_image(path, OPTIONS), lambda: render(path, 2, OPTIONS)):
        with pytest.raises(Corrupt):
            read()
