"""Read the same pictures with Docrelay and with pytesseract alone, in turns: processor seconds, recall, precision.

Shared code of `bench/fidelity.py`. Both are called from this process, with one thread for Tesseract and the same
languages. Docrelay's Tesseract stays from page to page, as it does in a worker; its start counts for the first page.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from unittest.mock import patch

import psutil
from receipts import receipts
from word_score import score

__all__ = ["RECEIPTS", "Beside", "beside", "drawn_receipts", "table"]

RECEIPTS = "Receipts, drawn for this"
LANGUAGES = "deu+eng"


@dataclass(frozen=True, slots=True)
class Beside:
    """One picture read in both ways: processor seconds, recall and precision of each.

    `twice` says that Docrelay read it with the other threshold as well.
    """

    file: str
    group: str
    ours: tuple[float, float, float]
    plain: tuple[float, float, float]
    twice: bool = False


def beside(pictures: Iterable[tuple[str, Path, str]]) -> list[Beside]:
    """Read each picture in both ways.

    Args:
        pictures: the class, the file, and the text that stands on it.
    """
    import extractors
    from extractors.pictures import tesseract

    os.environ["OMP_THREAD_LIMIT"] = "1"
    results = list[Beside]()
    with patch.object(tesseract, "_better_threshold", wraps=tesseract._better_threshold) as second_pass:
        for group, path, truth in pictures:
            if not results:  # what is imported and looked up once does not count
                _plain(path), _ours(path)
                extractors.end_processes()
            second_pass.reset_mock()
            plain, ours = (_measured(read, path, truth) for read in (_plain, _ours))
            results.append(Beside(path.name, group, ours, plain, second_pass.called))
    return results


def drawn_receipts() -> Iterator[tuple[str, Path, str]]:
    """Yield the receipts as files that exist while they are asked for."""
    with TemporaryDirectory() as folder:
        for receipt in receipts():
            path = Path(folder) / f"{receipt.name}.png"
            known = {"dpi": receipt.image.info["dpi"]} if "dpi" in receipt.image.info else {}
            receipt.image.save(path, **known)
            yield RECEIPTS, path, receipt.text


def table(results: list[Beside]) -> list[str]:
    """Return the lines of a Markdown table, one for each class."""
    groups = list(dict.fromkeys(result.group for result in results))
    head = "| class | files | s a page | pytesseract | ratio | recall | pytesseract | precision | pytesseract |"
    return [
        f"{head} read twice |",
        "|---|" + "--:|" * 9,
        *(_row(group, [row for row in results if row.group == group]) for group in groups),
    ]


def _row(group: str, rows: list[Beside]) -> str:
    ours = [sum(values) / len(rows) for values in zip(*(row.ours for row in rows), strict=True)]
    plain = [sum(values) / len(rows) for values in zip(*(row.plain for row in rows), strict=True)]
    seconds = f"{ours[0]:.2f} | {plain[0]:.2f} | {ours[0] / plain[0]:.2f}"
    scores = f"{ours[1]:.4f} | {plain[1]:.4f} | {ours[2]:.4f} | {plain[2]:.4f}"
    return f"| {group} | {len(rows)} | {seconds} | {scores} | {sum(row.twice for row in rows) / len(rows):.0%} |"


def _measured(read: Callable[[Path], str], path: Path, truth: str) -> tuple[float, float, float]:
    start = _processor_seconds()
    text = read(path)
    return _processor_seconds() - start, *score(truth, text)


def _processor_seconds() -> float:
    """What this process and those that it started have computed: other programs on the machine do not count."""
    used = [getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    running = [child.cpu_times() for child in psutil.Process().children()]
    return sum(usage.ru_utime + usage.ru_stime for usage in used) + sum(times.user + times.system for times in running)


def _ours(path: Path) -> str:
    from extractors import read
    from extractors.errors import Empty
    from extractors.options import Options

    try:
        return read(path, Options(ocr_languages=LANGUAGES)).text
    except Empty:
        return ""


def _plain(path: Path) -> str:
    import pytesseract
    from PIL import Image

    with Image.open(path) as image:
        return str(pytesseract.image_to_string(image, lang=LANGUAGES))
