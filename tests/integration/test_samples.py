"""Every sample document yields what planted.toml says, and make.py still makes them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from extractors import extract, read
from extractors.document import Document
from extractors.errors import ExtractError
from extractors.options import Options

SAMPLES = Path(__file__).parents[2] / "samples"
DOCUMENTS = SAMPLES / "documents"
PLANTED: dict[str, list[dict[str, Any]]] = tomllib.loads((SAMPLES / "planted.toml").read_text("utf-8"))
FILES = PLANTED["file"]


def _name(row: dict[str, Any]) -> str:
    return str(row["name"])


def _skip_without_tesseract(row: dict[str, Any]) -> None:
    if row["ocr"] and shutil.which("tesseract") is None and not os.environ.get("CI"):
        pytest.skip("tesseract is not installed")


def _outcome(path: Path, options: Options) -> str:
    try:
        read(path, options)
    except ExtractError as error:
        return error.code
    return "completed"


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def _where(document: Document, text: str) -> list[int | None]:
    return [page.number for page in document.pages if text in _flat(page.text)]


def _check_outcome(path: Path, row: dict[str, Any]) -> None:
    if row["expected"] != "completed":
        assert _outcome(path, Options()) == row["expected"]
    if row["expected"] == "completed" or "password" in row:
        _check(read(path, Options(passwords=("wrong", row.get("password", "wrong")))), row)


def _check(document: Document, row: dict[str, Any]) -> None:
    whole = _flat(document.text)
    assert document.media_type == row["media_type"]
    for planted in row["must_include"]:
        assert planted["text"] in whole
        if "page" in planted:
            assert _where(document, planted["text"]) == [planted["page"]]
    assert [text for text in row.get("must_not_include", []) if text in document.text] == []
    assert {text: whole.count(text) for text in row.get("once", [])} == dict.fromkeys(row.get("once", []), 1)
    assert [page.number for page in document.pages] == list(range(1, row["pages"] + 1) if "pages" in row else [None])
    if "labels" in row:
        assert [page.label for page in document.pages] == row["labels"]
    assert [path for path in row.get("sections", []) if tuple(path) not in {s.path for s in document.sections}] == []


@pytest.mark.parametrize("row", FILES, ids=_name)
def test_sample_yields_what_is_planted(row: dict[str, Any]) -> None:
    _skip_without_tesseract(row)
    _check_outcome(DOCUMENTS / row["name"], row)


@pytest.mark.parametrize("row", [row for row in FILES if row["expected"] == "completed"], ids=_name)
def test_only_pages_without_text_wait_for_ocr(row: dict[str, Any]) -> None:
    assert bool(extract(DOCUMENTS / row["name"], Options()).pending) == row["ocr"]


def test_sample_table_and_folder_agree() -> None:
    assert sorted(_name(row) for row in FILES) == sorted(path.name for path in DOCUMENTS.iterdir())
    assert {row["file"] for row in PLANTED["search"]} <= {_name(row) for row in FILES}
    assert sum(path.stat().st_size for path in DOCUMENTS.iterdir()) < 1_500_000


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remade")
    subprocess.run([sys.executable, "-W", "error", SAMPLES / "make.py", folder], check=True, capture_output=True)
    return folder


def test_make_writes_the_committed_names(remade: Path) -> None:
    assert sorted(path.name for path in remade.iterdir()) == sorted(path.name for path in DOCUMENTS.iterdir())


@pytest.mark.parametrize("row", FILES, ids=_name)
def test_make_writes_the_committed_content(row: dict[str, Any], remade: Path) -> None:
    """Another version of a library may write other bytes; they must still say the same."""
    if (remade / row["name"]).read_bytes() != (DOCUMENTS / row["name"]).read_bytes():
        _skip_without_tesseract(row)
        _check_outcome(remade / row["name"], row)
