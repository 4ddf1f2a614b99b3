"""Pictures: each frame is a page that waits for OCR; what is too large or broken is refused by its header."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin, TiffTags

from extractors.errors import Corrupt, Empty, TooLarge
from extractors.options import Options
from extractors.pictures.image import extract_image, render

OPTIONS = Options()
FORMATS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "tif": "image/tiff",
    "bmp": "image/bmp",
    "webp": "image/webp",
    "gif": "image/gif",
}


def picture(size: tuple[int, int] = (60, 40)) -> Image.Image:
    """White, with a black mark at its upper left."""
    image = Image.new("L", size, 255)
    image.paste(0, (0, 0, 20, 8))
    return image


def dark_box(image: Image.Image) -> tuple[int, int, int, int] | None:
    return image.convert("L").point(lambda value: 255 if value < 128 else 0).getbbox()


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("suffix", "media_type"), FORMATS.items())
def test_every_format_is_one_pending_page(suffix: str, media_type: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{suffix}"
    picture().save(path)
    document = extract_image(path, OPTIONS)
    assert (document.media_type, document.pending, document.text) == (media_type, [1], "")
    assert dark_box(render(path, 1, OPTIONS)) == (0, 0, 20, 8)


def test_a_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "picture.tif"
    picture().save(path, "PNG")
    assert extract_image(path, OPTIONS).media_type == "image/png"


def test_a_picture_without_ocr_has_no_text(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    picture().save(path)
    with pytest.raises(Empty, match=r"`ocr`.*`auto`"):
        extract_image(path, Options(ocr="off"))
    assert extract_image(path, Options(ocr="force")).pending == [1]


def test_every_page_of_a_tiff_is_a_page(tmp_path: Path) -> None:
    path = tmp_path / "fax.tif"
    pages = [picture((60 + 10 * number, 40)) for number in range(3)]
    pages[0].save(path, save_all=True, append_images=pages[1:], dpi=(200, 200))
    assert extract_image(path, OPTIONS).pending == [1, 2, 3]
    assert [render(path, number, OPTIONS).width for number in (1, 2, 3)] == [60, 70, 80]
    assert render(path, 2, OPTIONS).info["dpi"] == (200.0, 200.0)
    with pytest.raises(Corrupt):
        render(path, 4, OPTIONS)


def tiff(path: Path, kinds: list[dict[int, int]]) -> Path:
    """Write a TIFF with one frame for each set of tags; a frame's width says which one it is."""
    with TiffImagePlugin.AppendingTiffWriter(str(path), new=True) as file:
        for number, tags in enumerate(kinds):
            information = TiffImagePlugin.ImageFileDirectory_v2()
            for tag, value in tags.items():
                information.tagtype[tag] = TiffTags.LONG if tag == 254 else TiffTags.SHORT
                information[tag] = value
            picture((60 + 10 * number, 40)).save(file, "TIFF", tiffinfo=information)
            file.newFrame()
    return path


REDUCED, MASK, PAGE_OF_MANY, OLD_REDUCED, OLD_PAGE = {254: 1}, {254: 4}, {254: 2}, {255: 2}, {255: 3}


@pytest.mark.parametrize(
    ("kinds", "widths"),
    [
        ([{}, REDUCED, {}, REDUCED], [60, 80]),
        ([{}, REDUCED, REDUCED, REDUCED], [60]),
        ([REDUCED, {}], [70]),
        ([{}, MASK, {254: 5}, PAGE_OF_MANY, {254: 3}], [60, 90]),
        ([OLD_PAGE, OLD_REDUCED, OLD_PAGE], [60, 80]),
        ([REDUCED, REDUCED], [60, 70]),
    ],
    ids=["previews", "pyramid", "preview first", "masks", "old tag", "no frame is a page"],
)
def test_smaller_copies_and_masks_are_no_pages(kinds: list[dict[int, int]], widths: list[int], tmp_path: Path) -> None:
    path = tiff(tmp_path / "frames.tif", kinds)
    numbers = list(range(1, len(widths) + 1))
    assert extract_image(path, OPTIONS).pending == numbers
    assert [render(path, number, OPTIONS).width for number in numbers] == widths
    with pytest.raises(Corrupt):
        render(path, len(widths) + 1, OPTIONS)


def test_smaller_copies_do_not_count_as_pages_for_the_limit(tmp_path: Path) -> None:
    path = tiff(tmp_path / "frames.tif", [{}, REDUCED, REDUCED])
    assert extract_image(path, Options(max_pages=1)).pending == [1]
    with pytest.raises(TooLarge, match="max_pages"):
        extract_image(tiff(tmp_path / "many.tif", [REDUCED] * 11 + [{}]), Options(max_pages=1))


def test_only_the_first_frame_of_an_animation_is_read(tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    picture().save(path, save_all=True, append_images=[Image.new("L", (60, 40), 0)])
    assert extract_image(path, OPTIONS).pending == [1]
    assert dark_box(render(path, 1, OPTIONS)) == (0, 0, 20, 8)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_the_camera_orientation_is_respected(suffix: str, compression: str | None, tmp_path: Path) -> None:
    path = tmp_path / f"held.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    details = (
        {"tiffinfo": {0x0112: 6}, "compression": compression} if suffix == "tif" else {"exif": exif, "quality": 95}
    )
    picture().save(path, **details)
    upright = render(path, 1, OPTIONS)
    assert upright.size == (40, 60)
    assert dark_box(upright) == pytest.approx((32, 0, 40, 20), abs=1)


@pytest.mark.parametrize("size", [(60_000, 60_000), (12_000, 12_000)])
def test_a_bomb_is_refused_by_its_header(size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(*size))
    for read in (lambda: extract_image(path, OPTIONS), lambda: render(path, 1, OPTIONS)):
        with pytest.raises(TooLarge):
            read()


def test_too_large_a_page_behind_a_small_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grows.tif"
    picture().save(path, save_all=True, append_images=[picture((200, 200))])
    with pytest.raises(TooLarge, match="max_image_pixels"):
        extract_image(path, Options(max_image_pixels=10_000))


def test_too_many_pages_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "many.tif"
    picture().save(path, save_all=True, append_images=[picture()] * 5)
    assert len(extract_image(path, Options(max_pages=6)).pages) == 6
    with pytest.raises(TooLarge, match="max_pages"):
        extract_image(path, Options(max_pages=5))


def test_a_file_that_is_not_there_is_not_called_corrupt(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        extract_image(tmp_path / "gone.png", OPTIONS)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_picture_cut_off_is_corrupt(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"cut.{suffix}"
    Image.effect_noise((300, 200), 80).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Corrupt):
        render(path, 1, OPTIONS)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(sorted(FORMATS)),
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_broken_bytes_end_in_our_errors_only(suffix: str, edits: list[tuple[int, int]], tmp_path: Path) -> None:
    path = tmp_path / f"broken.{suffix}"
    picture().save(path)
    content = bytearray(path.read_bytes())
    for position, value in edits:
        content[position % len(content)] = value
    path.write_bytes(content)
    with suppress(Corrupt, TooLarge):
        for number in extract_image(path, OPTIONS).pending:
            render(path, number, OPTIONS)
