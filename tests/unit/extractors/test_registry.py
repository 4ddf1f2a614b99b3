"""The registry of formats: plain data, lazy imports, and formats of plug-ins."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import extractors
from extractors import Document, Options, Page, extract, extractor, formats, registry, renderer
from extractors.errors import Unsupported


@pytest.fixture
def clean_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("_formats", "_extractors", "_renderers"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    return


def _lower(path: Path, options: Options) -> Document:
    return Document("text/x-test", (Page(None, path.read_text().lower()),))


def test_public_names_exist() -> None:
    assert [name for name in extractors.__all__ if not hasattr(extractors, name)] == []
    assert len(set(extractors.__all__)) == len(extractors.__all__)


def test_importing_the_package_imports_no_library_of_a_format() -> None:
    code = "import extractors, sys; extractors.formats(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "extractors.reading" in loaded
    assert set(loaded) & {"pypdfium2", "pypdf", "PyPDF2", "docx", "PIL", "pytesseract", "lxml", "numpy"} == set()


@pytest.mark.parametrize("media_type", [kind for row in registry.BUILTIN for kind in row.media_types])
def test_every_row_has_its_extractor(media_type: str) -> None:
    function = registry.find_extractor(media_type)
    row = next(row for row in formats() if media_type in row.media_types)
    assert function.__module__ == row.module
    assert row.suffixes


@pytest.mark.parametrize("media_type", ["application/pdf", "image/png", "image/tiff"])
def test_formats_that_may_need_ocr_can_be_drawn(media_type: str) -> None:
    assert callable(registry.find_renderer(media_type))


def test_no_suffix_and_no_media_type_twice() -> None:
    suffixes = [suffix for row in formats() for suffix in row.suffixes]
    kinds = [kind for row in formats() for kind in row.media_types]
    assert len(set(suffixes)) == len(suffixes)
    assert len(set(kinds)) == len(kinds)


def test_unknown_media_types_are_unsupported() -> None:
    with pytest.raises(Unsupported, match="video/mp4"):
        registry.find_extractor("video/mp4")
    with pytest.raises(Unsupported, match="text/plain"):
        registry.find_renderer("text/plain")


@pytest.mark.usefixtures("clean_registry")
def test_a_registered_format_is_read_and_listed(tmp_path: Path) -> None:
    extractor("text/x-test", suffixes=(".test",), name="Test")(_lower)
    path = tmp_path / "a.test"
    path.write_text("LOUD")
    assert extract(path).text == "loud"
    assert formats()[-1] == registry.Format("Test", ("text/x-test",), (".test",))


@pytest.mark.usefixtures("clean_registry")
def test_a_registered_binary_format_is_known_by_its_suffix(tmp_path: Path) -> None:
    extractor("application/x-test", suffixes=(".bin",))(lambda path, options: Document("x", (Page(None, "found"),)))
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(100))
    assert extract(path).text == "found"


@pytest.mark.usefixtures("clean_registry")
def test_a_builtin_reader_can_be_replaced_before_or_after_its_import(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(path: Path, number: int, options: Options) -> None:
        raise NotImplementedError

    extractor("application/pdf")(_lower)
    renderer("application/pdf")(draw)  # type: ignore[arg-type]
    importlib.reload(importlib.import_module("extractors.pdf.extract"))
    assert registry.find_extractor("application/pdf") is _lower
    assert registry.find_renderer("application/pdf") is draw  # type: ignore[comparison-overlap]
    assert formats()[0].name == "PDF"


@pytest.mark.parametrize("word", ["pdf", ".pdf", "PDF", "application/pdf", "Application/PDF"])
def test_a_media_type_is_known_by_its_common_names(word: str) -> None:
    assert registry.media_types_of(word) == ("application/pdf",)


def test_an_unknown_word_names_no_media_type() -> None:
    assert registry.media_types_of("pdfx") == ()
    assert registry.media_types_of("") == ()
