"""Makes the documents of one seed: small texts, PDFs and scans, each different from all others, and some that fail."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from flow_tools import write_scan
from pdf_builder import book, show

__all__ = ["Corpus", "write_corpus"]

PDFS, SCANS, LONG = 6, 3, 2
WORDS = [
    "harbour",
    "lantern",
    "orchard",
    "granite",
    "weather",
    "letter",
    "voyage",
    "cellar",
    "meadow",
    "copper",
    "winter",
]


@dataclass
class Corpus:
    """The files of a seed. `bad` holds the code with which a file must fail, by its path."""

    folder: Path
    good: list[Path] = field(default_factory=list)
    bad: dict[Path, str] = field(default_factory=dict)


def write_corpus(folder: Path, seed: int, number: int = 120) -> Corpus:
    """Write so many good files and two bad ones."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus, chance = Corpus(folder), random.Random(seed)
    for index in range(SCANS):
        path = folder / f"a-scan-{index}.png"  # by their names they are ingested first
        write_scan(path, seed * 100 + index)
        corpus.good.append(path)
    for index in range(PDFS):
        path = folder / f"b-sheet-{index}.pdf"
        pages = [show(f"Sheet {index} of series {seed}", *(_words(chance, 5) for _ in range(8))) for _ in range(2)]
        path.write_bytes(book(pages))
        corpus.good.append(path)
    for index in range(number - SCANS - PDFS):
        path = folder / f"letter-{index:03}.txt"
        words = 1500 if index < LONG else chance.randint(60, 220)
        path.write_text(f"Letter {index} of series {seed}. {_words(chance, words)}\n", "utf-8")
        corpus.good.append(path)
    corpus.bad = {folder / "empty.txt": "empty", folder / "torn.pdf": "corrupt"}
    (folder / "empty.txt").write_text(" \n", "utf-8")
    (folder / "torn.pdf").write_bytes(b"%PDF-1.7\n" + chance.randbytes(200))
    return corpus


def _words(chance: random.Random, number: int) -> str:
    return " ".join(f"{chance.choice(WORDS)}{chance.randint(0, 9999)}" for _ in range(number))
