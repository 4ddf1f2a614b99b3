r"""Measure how much of a document's text the extractors read, against published files whose text is known.

    python bench/fidelity.py --corpora DIR [--workers 2] [--limit N] [--json FILE] [--write]

DIR holds `groundtruth.jsonl`, one line per file. Words are runs of \w in lower case, counted as a multiset; in
Chinese, Japanese and Korean letters are counted. Markdown marks are stripped from both sides where the truth is
Markdown. A file that fails counts as recall 0. Every file is read in a process of its own. No service is needed.

Exit code: 0, or 1 if a threshold is missed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from beside_tesseract import RECEIPTS, Beside, beside, drawn_receipts, table
from corpora import add_corpora_option
from one_file import read_alone
from provenance import provenance
from word_score import flat, same_newlines, score, strip_marks

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python bench/fidelity.py --corpora DIR --write"
PDF, PDF_RAW = "PDF against the truth", "PDF, pdfium's own text against the truth"
PDF_KEPT = "PDF, pdfium's own words kept"
ENCODINGS = "Encodings, whole text exact"
DOCX = "DOCX, docling"
CONTAINS = "DOCX and PDF, planted strings (markitdown)"
TESSERACT = "OCR, Tesseract's own test pages"
PLAIN = "Plain text, docling"
BY_FORMAT = {
    ("pdf", "full_text"): PDF,
    ("docx", "full_text"): DOCX,
    ("txt", "full_text"): PLAIN,
    ("pdf", "contains"): CONTAINS,
    ("docx", "contains"): CONTAINS,
}
GERMAN = {
    "clean300": "German OCR, clean 300 dpi",
    "scan150": "German OCR, JPEG scan 150 dpi",
    "skew200": "German OCR, skewed 200 dpi",
    "fax200": "German OCR, fax 200 dpi",
    "image-only": "German OCR, image-only PDF",
}
ASKED = {GERMAN["clean300"]: 0.975, GERMAN["scan150"]: 0.95, ENCODINGS: 0.97, DOCX: 0.985}
"""The least mean recall (share of exact texts for encodings). PDF is compared with pdfium instead."""
NOTES = re.compile(r"\[Picture: [^\]]*\]|^Comment(?: \([^)]*\))?: .*$", re.MULTILINE)
"""What Docrelay reads of a Word file and the transcripts leave out: descriptions of pictures, comments."""
DIVIDED = re.compile(r"(?<=[a-z])-\n(?=[a-z])")
"""Where a transcript of a page divides a word as the page does; Docrelay puts it together."""
ORDER = (*GERMAN.values(), TESSERACT, RECEIPTS, ENCODINGS, PDF, PDF_RAW, PDF_KEPT, DOCX, PLAIN, CONTAINS)


@dataclass(frozen=True, slots=True)
class Result:
    """One file in one class; `code` says why it could not be read."""

    file: str
    group: str
    recall: float
    precision: float
    code: str | None = None
    seconds: float = 0.0


def main() -> int:
    """Measure, print and return the exit code."""
    asked = _arguments()
    rows = [json.loads(line) for line in (asked.corpora / "groundtruth.jsonl").read_text("utf-8").splitlines()]
    covered = _limited([row for row in rows if group_of(row)], asked.limit)
    with ThreadPoolExecutor(asked.workers) as pool:
        results = [
            result for results in pool.map(lambda row: measure(asked.corpora, row), covered) for result in results
        ]
    pictures = beside(chain(_german(asked.corpora, covered), drawn_receipts()))
    results += [Result(row.file, row.group, *row.ours[1:]) for row in pictures if row.group == RECEIPTS]
    page = report(results, Counter(row["fmt"] for row in rows if not group_of(row)), pictures)
    print(page)
    if asked.json:
        asked.json.write_text(json.dumps([asdict(result) for result in results], indent=1), "utf-8")
    if asked.write:
        (ROOT / "docs" / "fidelity.md").write_text(page, "utf-8")
    return 0 if all(passed is not False for _, passed in verdicts(results).values()) else 1


def _german(corpora: Path, rows: list[dict[str, Any]]) -> Iterator[tuple[str, Path, str]]:
    """The German pages that are pictures, with their texts."""
    for row in rows:
        path, group = corpora / row["file"], group_of(row)
        if group in GERMAN.values() and path.suffix != ".pdf":
            yield str(group), path, (corpora / row["gt"]).read_text("utf-8")


def group_of(row: dict[str, Any]) -> str | None:
    """The class that a line of the ground truth belongs to; None for formats that are not read yet."""
    if row["set"] == "ocr_german_rendered":
        return next((name for mark, name in GERMAN.items() if mark in row["note"]), None)
    if row["set"] == "ocr_tesseract_test":
        return TESSERACT
    return ENCODINGS if row["check"] == "encoding" else BY_FORMAT.get((row["fmt"], row["check"]))


def measure(corpora: Path, row: dict[str, Any]) -> list[Result]:
    """Read one file and compare it; a PDF gives three results."""
    group, start = group_of(row) or "", time.monotonic()
    got = read_alone(corpora / row["file"])
    seconds = round(time.monotonic() - start, 2)
    text = got["text"]
    compared = _COMPARE[row["check"]](corpora, row, text)
    results = [Result(row["file"], group, *compared, got["code"], seconds)]
    if group == PDF and got["raw"] is not None:
        results.append(Result(row["file"], PDF_RAW, *_full_text(corpora, row, got["raw"])))
        results.append(Result(row["file"], PDF_KEPT, *score(got["raw"], text), got["code"]))
    return results


def _full_text(corpora: Path, row: dict[str, Any], text: str) -> tuple[float, float]:
    truth = (corpora / row["gt"]).read_text("utf-8", errors="replace")
    if group_of(row) == TESSERACT:
        truth = DIVIDED.sub("", truth)
    if row["gt"].endswith(".md"):
        if row["fmt"] == "docx":
            text = NOTES.sub("", text)
        truth, text = strip_marks(truth), strip_marks(text)
    return score(truth, text)


def _encoding(corpora: Path, row: dict[str, Any], text: str) -> tuple[float, float]:
    truth = (corpora / row["gt"]["text"]).read_text("utf-8")
    same = float(same_newlines(truth) == same_newlines(text))
    return same, same


def _contains(_: Path, row: dict[str, Any], text: str) -> tuple[float, float]:
    must, must_not, whole = row["gt"]["must"], row["gt"]["must_not"], flat(text)
    matched = sum(flat(wanted) in whole for wanted in must)
    forbidden = sum(flat(unwanted) in whole for unwanted in must_not)
    return matched / (len(must) or 1), 1 - forbidden / (len(must_not) or 1)


_COMPARE: dict[str, Callable[[Path, dict[str, Any], str], tuple[float, float]]] = {
    "full_text": _full_text,
    "encoding": _encoding,
    "contains": _contains,
}


def verdicts(results: list[Result]) -> dict[str, tuple[float | None, bool | None]]:
    """Return for each class the mean recall that it must reach and whether it does; None where none is required."""
    means = {group: _mean(results, group) for group in ORDER if any(result.group == group for result in results)}
    asked = {group: ASKED.get(group) for group in means} | ({PDF: means[PDF_RAW]} if PDF_RAW in means else {})
    return {group: (least, None if least is None else means[group] >= least) for group, least in asked.items()}


def report(results: list[Result], not_covered: Counter[str], pictures: list[Beside]) -> str:
    """Return the whole page as Markdown."""
    head = ["| class | files | recall | precision | lowest | failed | required | |", "|---|" + "--:|" * 6 + "---|"]
    judged = verdicts(results)
    lines = [_line(results, group, *judged[group]) for group in ORDER if group in judged]
    missing = ", ".join(f"{fmt} ({count})" for fmt, count in sorted(not_covered.items()))
    below = ["## Files below what is required of their class", "", *_below(results, judged), ""]
    not_read = f"Files of the collections in formats that Docrelay does not read: {missing}."
    introduction = ["# Fidelity", "", provenance(COMMAND), *_INTRODUCTION, ""]
    return "\n".join([*introduction, *head, *lines, "", not_read, "", *below, *_BESIDE, *table(pictures), ""])


_BESIDE = (
    "## OCR beside pytesseract alone",
    "",
    "The same pictures in the same run, in turns, with one thread: Docrelay, and `image_to_string` of pytesseract with",
    "the same languages. Docrelay keeps Tesseract from page to page, pytesseract starts it for each. Seconds are those",
    "of the processor. Read twice: the share of pages that Docrelay read with the other threshold as well. Receipts",
    "are drawn by the benchmark from a seed: dithered, faded, creased, stamped, with rules, frames and bar codes, some",
    "without a resolution.",
    "",
)

_INTRODUCTION = (
    "DIR is the folder with the published test collections, see [benchmarks.md](benchmarks.md).",
    "",
    "The text that the extractors read from published files is compared with the text that these files are known to",
    "hold (their published transcript). Recall: the share of the transcript's words that were read. Precision: the",
    "share of the words read that stand in the transcript. Both are means over the files of a class. The",
    "transcripts of docling's files are Markdown that leaves page headers out and describes pictures, so neither",
    "can be 1 everywhere; comments and descriptions of pictures in Word files, and the writing of pictures beside the",
    "text of a PDF page, which they leave out as well, are not compared. Words that the transcripts of Tesseract's",
    "pages divide at line ends are put together there too.",
    "Lowest: the lowest recall of a file. Failed: files that could not be read; they count as recall 0.",
    "Required: the mean recall that the class must reach, where one is set; for PDF it is the recall of",
    "pdfium's own text.",
)


def _line(all_results: list[Result], group: str, least: float | None, passed: bool | None) -> str:
    results = [result for result in all_results if result.group == group]
    failed = sum(result.code is not None for result in results)
    precision = sum(result.precision for result in results) / len(results)
    values = f"{_mean(all_results, group):.4f} | {precision:.4f} | {min(result.recall for result in results):.3f}"
    verdict = {None: "", True: "reached", False: "**missed**"}[passed]
    asked = "" if least is None else f"{least:.4g}"
    return f"| {group} | {len(results)} | {values} | {failed} | {asked} | {verdict} |"


def _below(results: list[Result], judged: dict[str, tuple[float | None, bool | None]]) -> list[str]:
    raw = {result.file: result.recall for result in results if result.group == PDF_RAW}
    lines = []
    for result in results:
        least = raw.get(result.file) if result.group == PDF else judged[result.group][0]
        if result.code or (least is not None and result.recall < least):
            reason = f", `{result.code}`" if result.code else ""
            lines.append(f"- {result.group}: `{result.file}` {result.recall:.3f} (required {least or 0:.3f}){reason}")
    return lines or ["None."]


def _mean(results: list[Result], group: str) -> float:
    values = [result.recall for result in results if result.group == group]
    return round(sum(values) / len(values), 6)


def _limited(rows: list[dict[str, Any]], limit: int | None) -> list[dict[str, Any]]:
    counts: Counter[str | None] = Counter()
    kept = []
    for row in rows:
        counts[group_of(row)] += 1
        if limit is None or counts[group_of(row)] <= limit:
            kept.append(row)
    return kept


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure how much of a document's text is read.")
    add_corpora_option(parser, "groundtruth.jsonl and the files that it names")
    parser.add_argument("--workers", type=int, default=2, help="files read at once")
    parser.add_argument("--limit", type=int, help="files of each class at most")
    parser.add_argument("--json", type=Path, help="write every result there")
    parser.add_argument("--write", action="store_true", help="write docs/fidelity.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
