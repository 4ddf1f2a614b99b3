"""Reading a file gives a document or raises an ExtractError, whatever error happens inside."""

from __future__ import annotations

import errno
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import pytest
from pdf_builder import PICTURE, book, show
from PIL import Image

from extractors import Document, Options, Page, Section, extract, extractor, finish, ocr, read, registry, renderer
from extractors.document import Layer
from extractors.errors import Corrupt, Empty, Encrypted, OcrUnavailable, OutOfMemory, TooLarge
from extractors.pictures.tesseract import PageText

SAMPLES = Path(__file__).parents[3] / "samples" / "documents"
LONG = "A page with a text layer that is certainly long enough to be one."
TESSERACT = "extractors.pictures.tesseract.read_image"


@pytest.fixture(autouse=True)
def clean_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Built-in readers register when they are imported, which happens once: before the copy, not into it.
    for row in registry.BUILTIN:
        import_module(row.module)
    for name in ("_formats", "_extractors", "_renderers"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    return


def _reads_as(folder: Path, result: Document | Callable[[], Document]) -> Path:
    """A file whose extractor runs this function."""

    @extractor("text/x-test", suffixes=(".test",))
    def extract_test(path: Path, options: Options) -> Document:
        return result() if callable(result) else result

    path = folder / "a.test"
    path.write_text("content")
    return path


@pytest.mark.parametrize(
    ("thrown", "comes_out"),
    [
        (ValueError("odd"), Corrupt),
        (RecursionError(), Corrupt),
        (OSError("image file is truncated"), Corrupt),
        (MemoryError(), OutOfMemory),
        (Encrypted(), Encrypted),
        (PermissionError(errno.EACCES, "denied"), PermissionError),
        (OSError(errno.EIO, "a bad block"), OSError),
        (OSError(errno.EINVAL, "before the beginning"), Corrupt),
        (ImportError("no library"), ImportError),
    ],
)
def test_library_errors_become_extract_errors(tmp_path: Path, thrown: Exception, comes_out: type[Exception]) -> None:
    def fail() -> Document:
        raise thrown

    with pytest.raises(comes_out) as caught:
        extract(_reads_as(tmp_path, fail))
    assert caught.value is thrown or caught.value.__cause__ is thrown


def test_a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        extract(tmp_path / "none.txt")


def test_no_text_and_nothing_pending_is_empty(tmp_path: Path) -> None:
    with pytest.raises(Empty):
        extract(_reads_as(tmp_path, Document("x", (Page(1, " \n"), Page(2, "", origin="empty")))))
    with pytest.raises(Empty):
        extract(_reads_as(tmp_path, Document("x", ())))
    assert extract(_reads_as(tmp_path, Document("x", (Page(1, "", origin="pending"),)))).pending == [1]


def test_limits_hold_for_every_format(tmp_path: Path) -> None:
    path = _reads_as(tmp_path, Document("x", (Page(1, "12345"), Page(2, "12345"))))
    for options in (Options(max_chars=9), Options(max_pages=1)):
        with pytest.raises(TooLarge):
            extract(path, options)
    assert extract(path, Options(max_chars=10, max_pages=2)).text == "12345\n12345"


def test_texts_contain_no_nul_and_no_lone_surrogate(tmp_path: Path) -> None:
    text = "\0in\0tro\n\ud800One\0 text\0\nTwo"
    offsets = [text.index("\ud800"), text.index("Two"), len(text)]
    sections = (Section(("\ud800One\0",), offsets[0], offsets[1]), Section(("Two",), offsets[1], offsets[2]))
    pages = (Page(1, text, label="\0i"),)
    document = extract(_reads_as(tmp_path, Document("x", pages, sections, None, {"title": "\0t\udfff"}, ("w\0",))))
    assert document.text == "intro\n\ufffdOne text\nTwo"
    assert [document.text[s.char_start : s.char_end] for s in document.sections] == ["\ufffdOne text\n", "Two"]
    assert "\\u0000" not in json.dumps(document.to_json())
    json.dumps(document.to_json(), ensure_ascii=False).encode()


def _scans(folder: Path, count: int) -> Path:
    path = folder / "mixed.pdf"
    path.write_bytes(book([show(LONG), *[PICTURE] * count]))
    return path


def test_ocr_reads_the_pages_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []

    def engine(image: Image.Image, options: Options) -> PageText:
        seen.append(image.size)
        return PageText("found\0 ", 0.9) if len(seen) == 1 else PageText(" ", None)

    monkeypatch.setattr(TESSERACT, engine)
    pages = ocr(_scans(tmp_path, 2), [3, 2], Options(ocr_dpi=72))
    assert pages == [Page(3, "found", origin="ocr", confidence=0.9), Page(2, "", origin="empty")]
    assert seen == [(200, 200), (200, 200)]


def test_a_page_that_ocr_cannot_read_does_not_affect_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results: list[PageText | Corrupt] = [Corrupt("odd picture"), PageText("found", 0.9, ("OCR is unsure.",))]
    answers = iter(results)

    def engine(image: Image.Image, options: Options) -> PageText:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(TESSERACT, engine)
    document = read(_scans(tmp_path, 2))
    assert [page.origin for page in document.pages] == ["text", "unread", "ocr"]
    assert document.warnings == ("Page 2 could not be read by OCR: odd picture",)
    assert document.pages[2].warnings[-1] == "OCR is unsure."


def test_offsets_outside_the_file_make_it_corrupt(tmp_path: Path) -> None:
    """Damaged files with offsets before the beginning of the file or far beyond its end."""
    docx = bytearray((SAMPLES / "staff_handbook.docx").read_bytes())
    end = docx.rindex(b"PK\x05\x06")
    (start,) = struct.unpack_from("<I", docx, end + 16)
    struct.pack_into("<I", docx, end + 16, start + 5000)
    (tmp_path / "a.docx").write_bytes(docx)
    (tmp_path / "a.tiff").write_bytes(b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**62))
    for name in ("a.docx", "a.tiff"):
        with pytest.raises(Corrupt):
            read(tmp_path / name)


def test_a_scan_with_a_page_number_as_text_is_unread_if_ocr_fails_on_it() -> None:
    document = Document("application/pdf", (Page(1, "Typed."), Page(2, "Seite 2", origin="pending")))
    whole = finish(document, [Page(2, "", origin="unread")], ["Page 2 could not be read by OCR: odd"])
    assert [(page.text, page.origin) for page in whole.pages] == [("Typed.", "text"), ("Seite 2", "unread")]
    assert [page.origin for page in finish(document, [Page(2, "", origin="empty")]).pages] == ["text", "text"]


@pytest.mark.parametrize("error", [OcrUnavailable, OutOfMemory])
def test_errors_that_stop_ocr_are_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def engine(image: Image.Image, options: Options) -> PageText:
        raise error

    monkeypatch.setattr(TESSERACT, engine)
    with pytest.raises(error):
        read(_scans(tmp_path, 1))


def test_a_page_that_cannot_be_drawn_is_reported(tmp_path: Path) -> None:
    @renderer("application/pdf")
    def draw(path: Path, number: int, options: Options) -> Image.Image:
        raise ValueError("odd")

    warnings: list[str] = []
    assert ocr(_scans(tmp_path, 1), [2], warn=warnings.append) == [Page(2, "", origin="failed")]
    assert len(warnings) == 1


def test_read_is_empty_when_ocr_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TESSERACT, lambda image, options: PageText("", None))
    path = tmp_path / "blank.pdf"
    path.write_bytes(book([PICTURE]))
    assert extract(path).pending == [1]
    with pytest.raises(Empty):
        read(path)


def test_finish_keeps_labels_and_sparse_text() -> None:
    before = (Page(1, "Scan 7", "i", "pending"), Page(2, "Scan 8", "ii", "pending"), Page(3, "text", "iii"))
    pages = [Page(1, "read", origin="ocr", confidence=0.8), Page(2, "", origin="empty")]
    document = finish(Document("x", before), pages, ["a warning"])
    kept = ("OCR read nothing on this page: its text layer is kept.",)
    assert document.pages == (
        Page(1, "read\nScan 7", "i", "ocr", 0.8),
        Page(2, "Scan 8", "ii", "text", warnings=kept),
        Page(3, "text", "iii"),
    )
    assert document.warnings == ("a warning",)


def test_finish_keeps_why_a_page_was_read_by_ocr_and_what_ocr_said_of_it() -> None:
    before = Page(1, "Scan 7", origin="pending", warnings=("Read by OCR: a reason.",))
    page = Page(1, "Scan 7\nread", origin="ocr", confidence=0.4, warnings=("OCR is unsure.",))
    after = finish(Document("x", (before,)), [page]).pages[0]
    assert (after.text, after.warnings) == ("Scan 7\nread", ("Read by OCR: a reason.", "OCR is unsure."))


def test_a_distrusted_text_layer_gives_way_to_ocr_and_stays_where_ocr_reads_nothing() -> None:
    before = Document("x", (Page(1, "xbufs qvnq", origin="pending", layer="check"),))
    assert finish(before, [Page(1, "water pump", origin="ocr")]).pages == (Page(1, "water pump", origin="ocr"),)
    kept = finish(before, [Page(1, "", origin="empty")]).pages[0]
    assert (kept.text, kept.origin, kept.layer) == ("xbufs qvnq", "text", "keep")
    assert kept.warnings == ("OCR read nothing on this page: its text layer is kept.",)
    assert Page.from_json(json.loads(json.dumps(before.to_json()))["pages"][0]) == before.pages[0]


def test_finish_joins_the_words_that_line_ends_divide_on_ocr_pages() -> None:
    """Which hyphens belong to a word, the other pages tell, those with a text layer as well."""
    before = (Page(1, "", origin="pending"), Page(2, "", origin="pending"), Page(3, "Die E-Bike-\nAkkus"))
    pages = [
        Page(1, "Der Stan-\ndard nennt Vor-\nund Nachteile, die Arbeits-\nzeit und das E-\nBike.", origin="ocr"),
        Page(2, "- erster Punkt\n- 5 Grad\nSumme -\n12,50", origin="ocr"),
    ]
    document = finish(Document("x", before), pages)
    assert [page.text for page in document.pages] == [
        "Der Standard nennt Vor- und Nachteile, die Arbeitszeit und das E-Bike.",
        "- erster Punkt\n- 5 Grad\nSumme -\n12,50",
        before[2].text,
    ]


def test_a_distrusted_text_layer_that_ocr_confirms_is_kept() -> None:
    before = Document("x", (Page(1, "KXRTB QWNVM 4711", origin="pending", layer="check"),))
    page = finish(before, [Page(1, "KXRTB\nQWNVM 47I1\nstamp", origin="ocr")]).pages[0]
    assert (page.text, page.origin) == ("KXRTB QWNVM 4711\nstamp", "ocr")
    assert page.warnings == ("OCR reads the same words as the text layer, which is kept.",)


def test_a_text_layer_to_be_replaced_stays_only_where_ocr_reads_nothing() -> None:
    before = Document("x", (Page(1, "water pump", "i", "pending", layer="replace"),))
    assert finish(before, [Page(1, "water pump two", origin="ocr")]).text == "water pump two"
    assert finish(before, [Page(1, "", origin="unread")]).text == "water pump"


@pytest.mark.parametrize("layer", ["replace", "check"])
def test_what_stands_over_a_page_is_kept_once_when_its_text_layer_is_not(layer: Layer) -> None:
    over = "Checked by the typist\nNote: which pump?"
    before = Document("x", (Page(1, f"xbufs qvnq\n{over}", origin="pending", layer=layer, overlay=over),))
    (page,) = finish(before, [Page(1, "water pump\nChecked by the typlst", origin="ocr")]).pages
    assert (page.text, page.overlay) == (f"water pump\n{over}", "")


def test_finish_with_part_of_the_pages_waits_for_the_rest() -> None:
    before = (Page(1, "", origin="pending"), Page(2, "", origin="pending"))
    document = finish(Document("x", before), [Page(1, "", origin="empty")])
    assert document.pending == [2]
    with pytest.raises(Empty):
        finish(document, [Page(2, "", origin="empty")])


def test_options_that_came_as_json_are_the_same() -> None:
    """A process that reads files gets them as JSON; what it keeps for a file is found by them."""
    options = Options(passwords=("a", "b"), languages=("de", "el"), ocr="force")
    assert hash(Options.from_json(json.loads(json.dumps(asdict(options))))) == hash(options)
