r"""List documents that are completed although most of their text is lost, by comparison with plain tools.

    python bench/lost.py --corpora DIR [--workers 2] [--json FILE] [PATH ...]

Ingests the folders of DIR, or these files and folders, into a data folder of its own, through the product with its
real workers. Then the text of every completed document, as the store keeps it, is compared with what a plain tool reads
of the same file: pdfium or pypdf, whichever finds more words; python-docx's paragraphs and tables; pytesseract for
pictures; the decoded text for text files and mails. A document is lost when its text has fewer than half of these
words (a multiset; letters in Chinese, Japanese and Korean).

What a page shows counts, not what a file holds: where Tesseract, reading the first pages, finds nearly none of the
words of a text layer, or the layer has next to none, its own words are compared. Data URIs and tags in text files are
no words. A text file that is no UTF-8 is compared where chardet is sure of its encoding.

Exit code: 0, or 1 if a document is lost.
"""

from __future__ import annotations

import argparse
import email
import email.policy
import html
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from corpora import add_corpora_option
from word_score import score

from extractors import Document
from pipeline import Docrelay
from pipeline.spool import read_json
from pipeline.stages.kept_texts import text_key_of

LEAST = 0.5
"""The share of the words that a completed document must have."""

NOT_DOCUMENTS = ("retrieval", "groundtruth", "gt", "utf8")
"""Folders of the corpora that hold truths and records, not files to be read."""

CHILD = "--read-one"
TIMEOUT_S = 300
SURE = 0.8
"""Confidence of chardet from which on its encoding is taken."""

SHOWN = 0.1
"""Share of the words that a page shows, by Tesseract, which its text layer must have."""

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif")
FEW_WORDS = 10
OCR_PAGES = 3
"""Pages of a PDF that Tesseract reads at most."""

OCR_DPI = 200
LANGUAGES = "deu+eng"
MARKUP = re.compile(r"<!--.*?-->|<[^<>]*>", re.DOTALL)
DATA_URI = re.compile(rb"data:[\w.+/;=-]{0,100};base64,[A-Za-z0-9+/=\s]+")
LIVE = """SELECT documents.source, versions.content_sha256, versions.extraction, versions.parts_missing
    FROM documents JOIN versions ON versions.id = documents.live_version_id ORDER BY documents.source"""


@dataclass(frozen=True, slots=True)
class Compared:
    """A completed document: recall of the words of the best plain tool, and whether its status says what is missing."""

    file: str
    tool: str
    words: int
    recall: float
    incomplete: bool


def main() -> int:
    """Ingest, compare, print and return the exit code."""
    if sys.argv[1:2] == [CHILD]:
        print(json.dumps(plain_text(Path(sys.argv[2]), sys.stdin.buffer.read().decode("utf-8"))))
        return 0
    asked = _arguments()
    with tempfile.TemporaryDirectory() as folder, Docrelay(folder, embedding_model="hashing") as docrelay:
        report = docrelay.ingest(asked.paths or list(_folders(asked.corpora)))
        texts = list(_texts(docrelay, Path(folder)))
        with ThreadPoolExecutor(asked.workers) as pool:
            results = list(pool.map(lambda item: compare(*item), texts))
    codes = Counter(failure["code"] for failure in report.failures)
    print(f"{report.documents} files: {report.completed} completed, {report.incomplete} of them incomplete")
    print("failed: " + (", ".join(f"{number} {code}" for code, number in sorted(codes.items())) or "none"))
    compared = [result for result in results if result is not None]
    lost = [result for result in compared if result.recall < LEAST]
    print(f"{len(compared)} compared with a plain tool, {len(lost)} of them with less than half of its words")
    for result in sorted(lost, key=lambda result: result.recall):
        said = ", and its status says that it is incomplete" if result.incomplete else ""
        print(f"  {result.recall:.2f} of {result.words} words of {result.tool}: {result.file}{said}")
    if asked.json:
        asked.json.write_text(json.dumps([asdict(result) for result in compared], indent=1), "utf-8")
    return 1 if lost else 0


def compare(source: str, text: str, incomplete: bool) -> Compared | None:
    """Compare a document with what a plain tool reads of its file, in another process; None where it finds nothing."""
    command = [sys.executable, __file__, CHILD, source]
    try:
        done = subprocess.run(command, input=text.encode("utf-8"), capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        return None  # a plain tool may fail in any way on a damaged file
    tool, plain = json.loads(done.stdout)
    words = len(re.findall(r"\w+", plain))
    return Compared(source, tool, words, round(score(plain, text)[0], 4), incomplete) if words else None


def plain_text(path: Path, text: str) -> tuple[str, str]:
    """The plain tool for a file, and what it reads; `text` is what the product has read."""
    suffix = path.suffix.lower()
    if suffix == ".pdf":
        return pdf_text(path, text)
    if suffix == ".docx":
        return "python-docx", word_text(path)
    if suffix == ".eml":
        return "the mail's body", mail_text(path)
    return ("Tesseract", picture_text(path)) if suffix in PICTURES else ("the decoded text", decoded(path))


def pdf_text(path: Path, text: str) -> tuple[str, str]:
    """The text layer, by pdfium or pypdf; by Tesseract where the pages show other words."""
    layer = max((_quietly(read, path) for read in (_pdfium, _pypdf)), key=lambda found: len(found.split()))
    is_layer = len(layer.split()) >= FEW_WORDS
    if is_layer and score(layer, text)[0] >= LEAST:
        return "pdfium or pypdf", layer
    seen = _rendered(path)
    is_shown = is_layer and (len(seen.split()) < FEW_WORDS or score(seen, layer)[0] >= SHOWN)
    return ("pdfium or pypdf", layer) if is_shown else ("Tesseract", seen)


def word_text(path: Path) -> str:
    """Paragraphs and tables by python-docx."""
    import docx

    document = docx.Document(str(path))
    cells = (cell.text for table in document.tables for row in table.rows for cell in row.cells)
    return "\n".join([*(paragraph.text for paragraph in document.paragraphs), *cells])


def picture_text(path: Path) -> str:
    """All frames by Tesseract, turned upright by its own detection."""
    import pytesseract
    from PIL import Image, ImageSequence

    with Image.open(path) as image:
        frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(image)][:OCR_PAGES]
    return "\n".join(pytesseract.image_to_string(frame, lang=LANGUAGES, config="--psm 1") for frame in frames)


def mail_text(path: Path) -> str:
    """The body of a mail by Python's own package."""
    body = email.message_from_bytes(path.read_bytes(), policy=email.policy.default).get_body(("plain", "html"))
    return str(body.get_content()) if body else ""


def decoded(path: Path) -> str:
    """The text by UTF-8, its byte order mark, or chardet if it is sure; without data URIs, JSON escapes, XML tags."""
    import chardet

    data = DATA_URI.sub(b" ", path.read_bytes())
    guess = chardet.detect(data)
    encodings = ["utf-16"] if data.startswith((b"\xff\xfe", b"\xfe\xff")) else ["utf-8-sig"]
    if float(guess["confidence"] or 0) >= SURE and b"\0" not in data:
        encodings.append(str(guess["encoding"]))
    for encoding in encodings:
        with suppress(UnicodeDecodeError, LookupError):
            text = data.decode(encoding)
            if path.suffix == ".json":
                return json.dumps(json.loads(text), ensure_ascii=False)
            return html.unescape(MARKUP.sub(" ", text)) if text.lstrip().startswith("<") else text
    return ""


def _quietly(read: Callable[[Path], str], path: Path) -> str:
    try:
        return read(path)
    except Exception:  # a plain tool may fail in any way on a damaged file
        return ""


def _pdfium(path: Path) -> str:
    import pypdfium2

    with closing(pypdfium2.PdfDocument(path)) as pdf:
        return "\n".join(page.get_textpage().get_text_range() for page in pdf)


def _pypdf(path: Path) -> str:
    from pypdf import PdfReader

    return "\n".join(page.extract_text() for page in PdfReader(path).pages)


def _rendered(path: Path) -> str:
    import pypdfium2
    import pytesseract

    with closing(pypdfium2.PdfDocument(path)) as pdf:
        pictures = [pdf[number].render(scale=OCR_DPI / 72).to_pil() for number in range(min(len(pdf), OCR_PAGES))]
    return "\n".join(pytesseract.image_to_string(picture, lang=LANGUAGES) for picture in pictures)


def _texts(docrelay: Docrelay, folder: Path) -> Iterator[tuple[str, str, bool]]:
    """Path, text and incompleteness of every completed document, from the catalog and the store."""
    with closing(sqlite3.connect(folder / "catalog.db")) as connection:
        rows = connection.execute(LIVE).fetchall()
    for source, content, extraction, parts_missing in rows:
        document = Document.from_json(read_json(docrelay.services.spool, text_key_of(content, source, extraction)))
        yield source, document.text, parts_missing > 0


def _folders(corpora: Path) -> Iterator[Path]:
    """The folders of the corpora with files to be read, without those that hold truths."""
    for root, folders, files in os.walk(corpora):
        folders[:] = sorted(set(folders) - set(NOT_DOCUMENTS))
        named = Path(root)
        if named != corpora and files:
            yield from (named / file for file in sorted(files) if not file.startswith(("LICENSE", "README")))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="List completed documents whose text is mostly lost.")
    add_corpora_option(parser, "the files to be ingested")
    parser.add_argument("--workers", type=int, default=2, help="files that plain tools read at once")
    parser.add_argument("--json", type=Path, help="write every comparison there")
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="only these files and folders")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
