"""Extraction of real files of other projects; skipped unless DOCRELAY_TEST_CORPORA names their folder."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from extractors import ExtractError, Options, extract
from extractors.errors import Encrypted
from extractors.options import PdfEngine

FOLDER = os.environ.get("DOCRELAY_TEST_CORPORA")
CORPORA = Path(FOLDER or ".")
PDFS = sorted((CORPORA / "pypdf" / "resources").rglob("*.pdf")) if FOLDER else []
PASSWORD = "asdfzxcv"

pytestmark = pytest.mark.skipif(not PDFS, reason="DOCRELAY_TEST_CORPORA names no folder with the corpora")


def _rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CORPORA / "groundtruth.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("engine", ["pdfium", "pypdf"])
def test_every_pdf_extracts_or_says_why_not(engine: PdfEngine) -> None:
    documents = []
    for path in PDFS:
        with suppress(ExtractError):
            documents.append(extract(path, Options(pdf_engine=engine, passwords=(PASSWORD,))))
    assert len(documents) * 10 >= len(PDFS) * 9
    assert [document for document in documents if set(document.text) & {"\0", "\x02", "\ufffe"}] == []


@pytest.mark.parametrize("engine", ["pdfium", "pypdf"])
def test_every_kind_of_encryption_opens_with_its_password(engine: PdfEngine) -> None:
    folder = CORPORA / "pypdf" / "resources" / "encryption"
    # of `r6-both-passwords` the corpus does not give the password
    paths = [path for path in sorted(folder.glob("*.pdf")) if "both" not in path.name]
    texts = {extract(path, Options(pdf_engine=engine, passwords=(PASSWORD,))).text for path in paths}
    assert len(texts) == 1
    for path in folder.glob("*user*.pdf"):
        with pytest.raises(Encrypted):
            extract(path, Options(pdf_engine=engine))


def test_whole_texts_of_all_encodings_are_exact() -> None:
    rows = [row for row in _rows() if row["check"] == "encoding"]
    wrong = [row["file"] for row in rows if extract(CORPORA / row["file"]).text != _text(row["gt"]["text"])]
    assert len(wrong) <= 0.03 * len(rows), wrong


def _text(name: str) -> str:
    return (CORPORA / name).read_text("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
